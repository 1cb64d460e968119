"""The puppet shows what the parameters say: every direction, every mask, every identity."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, FaceParams, mirror, neutral
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.render.character import Character
from avatar_lab.render.puppet import Puppet

BALD = 5  # no hair hides the face


@pytest.fixture(scope="module")
def puppet() -> Puppet:
    return Puppet(character=BALD, size=128)


def draw(puppet: Puppet, **pose: float) -> np.ndarray:
    return puppet.draw(FaceParams(**pose).array()).astype(np.int32)


def centre(mask: np.ndarray) -> tuple[float, float]:
    """Return the middle (x, y) of a mask."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return float((x * mask).sum() / mask.sum()), float((y * mask).sum() / mask.sum())


def region(puppet: Puppet, name: str, **pose: float) -> np.ndarray:
    return puppet.masks(FaceParams(**pose).array())[name]


def half_eye_mask(puppet: Puppet, left: bool) -> np.ndarray:
    """Return the resting eye mask of the person's left (picture right) or right eye."""
    mask = region(puppet, "eyes").copy()
    mask[:, : puppet.size // 2] *= not left
    mask[:, puppet.size // 2 :] *= left
    return mask


def test_is_deterministic(puppet: Puppet) -> None:
    pose = FaceParams(yaw=12, smile=0.6, jaw_open=0.3, gaze_yaw=-9).array()
    assert np.array_equal(puppet.draw(pose), puppet.draw(pose))
    assert np.array_equal(puppet.draw(pose), Puppet(BALD, 128).draw(pose))


@pytest.mark.parametrize("size", [32, 50, 64, 128, 200, 512])
def test_draws_all_sizes(size: int) -> None:
    frame = Puppet(character=2, size=size).draw(FaceParams(smile=1, yaw=20).array())
    assert frame.shape == (size, size, 3)
    assert frame.dtype == np.uint8
    assert frame.std() > 20


def test_sizes_show_the_same_picture() -> None:
    pose = FaceParams(yaw=-15, pitch=5, smile=0.5).array()
    small = Puppet(3, 64).draw(pose).astype(float)
    large = Puppet(3, 128).draw(pose).reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(small - large).mean() < 4


def test_track_is_frames_in_order(puppet: Puppet) -> None:
    track = neutral(3)
    track[1, FACE_INDEX["yaw"]] = 20
    frames = puppet.draw_track(track)
    assert frames.shape == (3, 128, 128, 3)
    assert np.array_equal(frames[1], puppet.draw(track[1]))
    assert np.array_equal(frames[0], frames[2])


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [
        ({"yaw": 25.0}, 0, 1),
        ({"yaw": -25.0}, 0, -1),
        ({"pitch": 15.0}, 1, -1),
        ({"pitch": -15.0}, 1, 1),
        ({"x": 0.1}, 0, 1),
        ({"y": 0.1}, 1, -1),
    ],
)
def test_mouth_follows_the_head(puppet: Puppet, pose: dict[str, float], axis: int, sign: int) -> None:
    moved = centre(region(puppet, "mouth", **pose))[axis] - centre(region(puppet, "mouth"))[axis]
    assert sign * moved > 1.5


def test_roll_tilts_towards_the_persons_left(puppet: Puppet) -> None:
    eyes, mouth = centre(region(puppet, "eyes", roll=20)), centre(region(puppet, "mouth", roll=20))
    assert eyes[0] > mouth[0] + 3  # the top of the head moves to the picture's right


def test_scale_grows_the_face(puppet: Puppet) -> None:
    assert region(puppet, "face", scale=1.3).sum() > 1.4 * region(puppet, "face").sum()


@pytest.mark.parametrize("left", [True, False])
def test_blink_closes_the_named_eye(puppet: Puppet, left: bool) -> None:
    change = np.abs(draw(puppet, **{"blink_left" if left else "blink_right": 1.0}) - draw(puppet)).mean(-1)
    assert (change * half_eye_mask(puppet, left)).sum() > 8 * (change * half_eye_mask(puppet, not left)).sum()
    whites = (draw(puppet, blink_left=1, blink_right=1).min(-1) > 225) * region(puppet, "eyes")
    assert whites.sum() < 2


def test_gaze_moves_the_dark_of_the_eyes(puppet: Puppet) -> None:
    def dark(**pose: float) -> tuple[float, float]:
        inside = region(puppet, "eyes") * (draw(puppet, **pose).max(-1) < 70)
        return centre(inside)

    assert dark(gaze_yaw=25)[0] > dark(gaze_yaw=-25)[0] + 2
    assert dark(gaze_pitch=20)[1] < dark(gaze_pitch=-20)[1] - 1


def test_jaw_opens_a_dark_mouth_and_lowers_the_chin(puppet: Puppet) -> None:
    def dark(**pose: float) -> float:
        return float(((draw(puppet, **pose).max(-1) < 110) * region(puppet, "mouth", **pose)).sum())

    assert dark(jaw_open=0.8) > dark() + 15
    rows = [np.flatnonzero(region(puppet, "face", jaw_open=j).max(1) > 0.5)[-1] for j in (0.0, 1.0)]
    assert 2 <= rows[1] - rows[0] <= 10


def test_laugh_does_not_widen_the_jaw(puppet: Puppet) -> None:
    def width(**pose: float) -> float:
        return float(region(puppet, "face", **pose)[80].sum())

    assert width(smile=1, jaw_open=1) < 1.12 * width()


def test_mouth_widths_are_ordered(puppet: Puppet) -> None:
    def width(**pose: float) -> int:
        return int((region(puppet, "mouth", **pose).max(0) > 0.5).sum())

    assert width(pucker=1) < 0.75 * width() < width() < width(stretch=1)
    assert width(smile=1) > width()


def test_brows_lift(puppet: Puppet) -> None:
    change = np.abs(draw(puppet, brow_raise=1) - draw(puppet)).mean(-1)
    assert change.max() > 40
    assert centre(change)[1] < centre(region(puppet, "eyes"))[1]


@pytest.mark.parametrize("name", FACE_INDEX)
def test_every_parameter_shows(puppet: Puppet, name: str) -> None:
    pose = neutral(1)[0]
    pose[FACE_INDEX[name]] += 0.3 if name in ("x", "y", "scale") else 0.6
    if name in ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch"):
        pose[FACE_INDEX[name]] = 15
    assert np.abs(puppet.draw(pose).astype(int) - puppet.draw(neutral(1)[0]).astype(int)).max() > 20


def test_mirrored_pose_mirrors_the_masks(puppet: Puppet) -> None:
    pose = FaceParams(yaw=20, roll=8, x=0.05, blink_left=0.7, gaze_yaw=10, smile=0.4).array()
    there, back = puppet.masks(pose), puppet.masks(mirror(pose))
    for name in ("eyes", "mouth", "face"):
        assert np.abs(there[name] - back[name][:, ::-1]).mean() < 0.02


def test_masks_lie_inside_the_face(puppet: Puppet) -> None:
    masks = puppet.masks(FaceParams(yaw=35, jaw_open=0.5).array())
    assert set(masks) == {"eyes", "mouth", "face"}
    for mask in masks.values():
        assert mask.dtype == np.float32
        assert 0 <= mask.min() < mask.max() <= 1
    assert (masks["eyes"] <= masks["face"] + 1e-6).all()
    assert (masks["mouth"] <= masks["face"] + 1e-6).all()


def test_values_are_clamped(puppet: Puppet) -> None:
    wild = np.full(18, 1e4, np.float32)
    limit = wild.copy()
    limit[:] = FaceParams(*([1e4] * 18)).array()
    assert np.array_equal(puppet.draw(wild), puppet.draw(limit))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("character", range(0, 16, 3))
def test_extreme_poses_do_not_fail(character: int, sign: float) -> None:
    assert Puppet(character, 64).draw(np.full(18, sign * 100, np.float32)).shape == (64, 64, 3)


def test_bad_input_is_named(puppet: Puppet) -> None:
    with pytest.raises(ShapeError, match="draw_track"):
        puppet.draw(np.zeros((2, 18), np.float32))
    with pytest.raises(ShapeError, match="18"):
        puppet.draw(np.zeros(17, np.float32))
    with pytest.raises(ShapeError, match="finite"):
        puppet.draw(np.full(18, np.nan, np.float32))
    with pytest.raises(ConfigError, match="32"):
        Puppet(0, 16)
    with pytest.raises(ConfigError, match="character"):
        Puppet(-1, 64)


def test_identities_differ_but_hold_the_same_pose() -> None:
    pose = FaceParams(yaw=20, pitch=-5).array()
    pictures = [Puppet(seed, 64).draw(pose).astype(int) for seed in range(4)]
    for i in range(4):
        for j in range(i):
            assert np.abs(pictures[i] - pictures[j]).mean() > 8
    middles = np.array([centre(Puppet(seed, 64).masks(pose)["mouth"]) for seed in range(4)])
    assert np.ptp(middles, axis=0).max() < 2


def test_character_is_fixed_by_its_seed() -> None:
    assert Character.from_seed(7) == Character.from_seed(7)
    assert len({Character.from_seed(s).hair_style for s in range(16)}) >= 8
    assert all(0 <= c <= 255 for s in range(40) for c in Character.from_seed(s).skin)
