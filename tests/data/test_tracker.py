"""Tracking: signs and units of the raw row, a real face, two faces, and what is said when something is missing."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, FACE_NAMES
from avatar_lab.data.tracker import FaceTracker, RawFace, _explain, raw_row
from avatar_lab.errors import MediaError, ShapeError, StreamError

SIDED = (
    "browDown", "browOuterUp", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint",
    "mouthFrown", "mouthSmile", "mouthStretch",
)  # fmt: skip
SINGLE = ("browInnerUp", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthShrugLower")


def shapes(**scores: float) -> dict[str, float]:
    rest = {f"{name}{side}": 0.0 for name in SIDED for side in ("Left", "Right")}
    return {**rest, **dict.fromkeys(SINGLE, 0.0), **scores}


def pose(
    yaw: float = 0, pitch: float = 0, roll: float = 0, place: tuple[float, ...] = (0, 0, -35)
) -> np.ndarray:
    """A head in the landmarker's camera: x right in the picture, y up, z towards the camera."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])  # + lifts the nose
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])  # + is clockwise
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = about_y @ about_x @ about_z, place
    return matrix


def value(row: np.ndarray, name: str) -> float:
    return float(row[FACE_INDEX[name]])


def test_head_angles_come_back_with_the_right_signs() -> None:
    row = raw_row(shapes(), pose(12, -7, 5), 0.0, 1.0)
    assert value(row, "yaw") == pytest.approx(12, abs=1e-3)
    assert value(row, "pitch") == pytest.approx(-7, abs=1e-3)
    assert value(row, "roll") == pytest.approx(5, abs=1e-3)


def test_place_is_in_picture_widths_and_scale_is_apparent_size() -> None:
    row = raw_row(shapes(), pose(place=(7.0, 3.5, -35.0)), 0.0, 16 / 9)
    half_height = 35.0 * np.tan(np.radians(31.5))
    assert value(row, "x") == pytest.approx(7.0 / (2 * half_height * 16 / 9), rel=1e-4)
    assert value(row, "y") == pytest.approx(3.5 / (2 * half_height * 16 / 9), rel=1e-4)
    near = raw_row(shapes(), pose(place=(0.0, 0.0, -17.5)), 0.0, 1.0)
    assert value(near, "scale") == pytest.approx(2 * value(row, "scale"), rel=1e-4)


def test_gaze_follows_the_person() -> None:
    left = raw_row(shapes(eyeLookOutLeft=1.0, eyeLookInRight=1.0), pose(), 0.0, 1.0)
    up = raw_row(shapes(eyeLookUpLeft=1.0, eyeLookUpRight=1.0), pose(), 0.0, 1.0)
    assert value(left, "gaze_yaw") == 35.0
    assert value(up, "gaze_pitch") == 30.0


@pytest.mark.parametrize(
    ("scores", "name", "at_least"),
    [
        ({"mouthSmileLeft": 0.95, "mouthSmileRight": 0.95}, "smile", 0.8),
        ({"jawOpen": 0.6}, "jaw_open", 0.5),
        ({"mouthPucker": 0.6}, "pucker", 0.6),
        ({"mouthStretchLeft": 0.4, "mouthStretchRight": 0.4}, "stretch", 0.5),
        ({"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}, "brow_raise", 0.7),
        ({"browDownLeft": 0.3, "browDownRight": 0.3}, "brow_furrow", 0.5),
        ({"mouthFrownLeft": 0.1, "mouthFrownRight": 0.1}, "frown", 0.3),
        ({"eyeBlinkLeft": 0.7}, "blink_left", 0.6),
        ({"eyeBlinkRight": 0.7}, "blink_right", 0.6),
        ({"eyeSquintLeft": 0.7, "eyeSquintRight": 0.7}, "squint", 0.6),
    ],
)
def test_each_expression_moves_its_own_parameter(
    scores: dict[str, float], name: str, at_least: float
) -> None:
    row = raw_row(shapes(**scores), pose(), 0.0, 1.0)
    assert value(row, name) > at_least
    expressions = FACE_NAMES[FACE_INDEX["jaw_open"] : FACE_INDEX["squint"] + 1]
    assert all(value(row, other) == 0.0 for other in expressions if other != name)


def test_closed_lips_close_the_jaw() -> None:
    assert value(raw_row(shapes(jawOpen=0.5, mouthClose=0.9), pose(), 0.0, 1.0), "jaw_open") < 0.1


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the portrait")
    return np.ascontiguousarray(data.astronaut()[:256, 100:356])


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    pytest.importorskip("mediapipe", reason="face tracking needs the extra live")
    with FaceTracker() as tracker:
        yield tracker


def follow(tracker: FaceTracker, frame: np.ndarray, frames: int = 3) -> RawFace:
    tracker.reset()
    for k in range(frames):
        face = tracker.track(frame, k * 40)
    assert face is not None
    return face


def test_a_portrait_is_found_smiling_and_its_mirror_image_turns_the_other_way(
    tracker: FaceTracker, portrait: np.ndarray
) -> None:
    face, mirrored = follow(tracker, portrait), follow(tracker, portrait[:, ::-1])
    assert value(face.row, "smile") > 0.8
    assert 0.3 < (face.box[0] + face.box[2]) / 2 < 0.7
    for name in ("yaw", "roll", "x"):
        assert value(face.row, name) == pytest.approx(-value(mirrored.row, name), abs=2.0), name
    assert value(face.row, "roll") > 2.0  # she tilts to her left shoulder, which is right in the picture


def test_turning_the_picture_tilts_the_head(tracker: FaceTracker, portrait: np.ndarray) -> None:
    cv2 = pytest.importorskip("cv2")
    clockwise = cv2.warpAffine(portrait, cv2.getRotationMatrix2D((128, 128), -15, 1.0), (256, 256))
    tilt = value(follow(tracker, clockwise).row, "roll") - value(follow(tracker, portrait).row, "roll")
    assert tilt == pytest.approx(15.0, abs=4.0)  # clockwise for the viewer is towards the left shoulder


def test_moving_and_shrinking_the_picture(tracker: FaceTracker, portrait: np.ndarray) -> None:
    moved = np.zeros((384, 384, 3), np.uint8)
    moved[:256, 128:] = portrait
    here, there = follow(tracker, portrait).row, follow(tracker, moved).row
    assert value(there, "x") > value(here, "x") + 0.1
    assert value(there, "y") > value(here, "y") + 0.1
    assert value(there, "scale") == pytest.approx(value(here, "scale") * 256 / 384, rel=0.1)


def test_large_pictures_are_shrunk_not_refused(tracker: FaceTracker, portrait: np.ndarray) -> None:
    large = portrait.repeat(4, axis=0).repeat(4, axis=1)
    face = follow(tracker, large)
    assert value(face.row, "yaw") == pytest.approx(value(follow(tracker, portrait).row, "yaw"), abs=3.0)


def test_the_larger_of_two_faces_is_followed_and_kept(tracker: FaceTracker, portrait: np.ndarray) -> None:
    cv2 = pytest.importorskip("cv2")
    both = np.zeros((256, 512, 3), np.uint8)
    both[:, :256] = portrait
    both[:208, 280:488] = cv2.resize(portrait, (208, 208))
    tracker.reset()
    for k in range(4):
        face = tracker.track(both, k * 40)
    assert face is not None
    assert face.faces == 2
    assert face.box[2] < 0.5
    alone = both.copy()
    alone[:, :256] = 0
    followed = [tracker.track(alone, (4 + k) * 40) for k in range(20)]
    assert followed[0] is None, "the other face must not take over at once"
    late = [f for f in followed if f is not None]
    assert late
    assert late[0].switched
    assert late[0].box[0] > 0.5


def test_no_face_is_none(tracker: FaceTracker) -> None:
    tracker.reset()
    assert tracker.track(np.full((64, 64, 3), 127, np.uint8), 0) is None


def test_time_and_shape_are_checked(tracker: FaceTracker, portrait: np.ndarray) -> None:
    follow(tracker, portrait, frames=2)
    with pytest.raises(StreamError, match="time_ms must increase: got 40 after 40"):
        tracker.track(portrait, 40)
    with pytest.raises(ShapeError, match="uint8"):
        tracker.track(portrait[..., 0].repeat(2).reshape(-1, 256, 2), 80)


def test_starting_is_quiet_and_a_closed_tracker_says_so(
    portrait: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mediapipe")
    tracker = FaceTracker()
    tracker.track(portrait, 0)
    tracker.close()
    tracker.close()
    said = capfd.readouterr()
    assert said.out + said.err == ""
    with pytest.raises(StreamError, match="closed"):
        tracker.track(portrait, 40)


def test_without_mediapipe_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    normal = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("mediapipe"):
            raise ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe")
        return normal(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("avatar_lab.data.tracker.resolve", lambda *_: tmp_path)
    with pytest.raises(MediaError, match=r"pip install 'avatar-lab\[live\]'"):
        FaceTracker()


def test_missing_system_libraries_are_named() -> None:
    message = _explain(OSError("libEGL.so.1: cannot open shared object file"))
    assert "apt-get install libegl1 libgles2" in message
