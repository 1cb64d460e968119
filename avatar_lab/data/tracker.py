"""A camera frame becomes eighteen raw numbers: MediaPipe's Face Landmarker, read in this package's units.

The landmarker gives 52 blendshape scores, 478 points and a 4x4 head pose; `RawFace` is what we keep of
them. It is *not* yet relative to the person's resting face: `calibration.py` does that.

What is peculiar:
- Two faces are asked for although one is kept. The landmarker then leaves out its own smoothing, which
  costs a frame of delay, and a second person in the picture can be reported instead of stealing the track.
- Pose comes from the task's matrix (camera looks along -z, y up), not from a PnP fit of our own.
- MediaPipe writes to the process's stderr from C++; that descriptor is turned away while a graph starts.

Needs the extra `live`. Notebook: 01.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.data.assets import resolve
from avatar_lab.data.face import FACE_DIM, FACE_INDEX
from avatar_lab.errors import MediaError, ShapeError, StreamError

MAX_SIDE: Final = 640  # larger pictures are shrunk: the network looks at 256 px anyway
GAZE_YAW_GAIN: Final = 35.0  # degrees of eye turn at a full eyeLook score
GAZE_PITCH_GAIN: Final = 30.0
PATIENCE: Final = 12  # frames that another face must wait before it takes over
_HALF_HEIGHT: Final = np.tan(np.radians(63.0) / 2)  # the landmarker assumes a camera of 63 degrees
_REFERENCE_DEPTH: Final = 35.0  # cm; makes raw scale about 1 at arm's length
_CORNERS: Final = (10, 152, 234, 454)  # top of the forehead, chin, right and left cheek
_LIPS: Final = (13, 14)  # inner upper and lower lip


@dataclass(frozen=True)
class RawFace:
    """One tracked face, before calibration.

    Attributes
    ----------
    row : (18,) columns `FACE_NAMES`. Head angles in degrees against the camera; x, y the head's place in
        picture widths from the middle; scale its apparent size; the rest gained blendshapes, blinks
    unreferenced. lip_gap : distance of the inner lips in face heights.
    box : left, top, right, bottom in fractions of the picture.
    faces : how many faces were seen in this frame.
    switched : whether this is another face than in the frame before.
    """

    row: Float32[np.ndarray, "P"]
    lip_gap: float = 0.0
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    faces: int = 1
    switched: bool = False


class FaceTracker:
    """Follow one face through a video or a camera stream; a context manager.

    `model` is a path to `face_landmarker.task`; without it the file is looked up (see `assets.py`). Raises
    MediaError if mediapipe, a system library that it links, or the model is missing.
    """

    def __init__(self, model: str | os.PathLike[str] | None = None, *, max_faces: int = 2) -> None:
        path = resolve("face_landmarker", model)
        with quiet_stderr():
            self._image, self._landmarker = start_landmarker(path, max_faces)
        self._names: dict[str, int] = {}
        self._home: tuple[float, float] | None = None
        self._away = 0
        self._offset = 0  # from the caller's clock to the landmarker's, which may never run back
        self._last: int | None = None

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the landmarker; may be called twice."""
        if self._landmarker is not None:
            with quiet_stderr():
                self._landmarker.close()
            self._landmarker = None

    def reset(self) -> None:
        """Forget the face and start a new film; time may begin at 0 again."""
        if self._last is not None:
            self._offset += self._last + 1000
        self._last, self._home, self._away = None, None, 0

    def track(self, frame: np.ndarray, time_ms: int) -> RawFace | None:
        """Return the face in one RGB frame (H, W, 3) uint8, or None. Times must increase from call to call."""
        if self._landmarker is None:
            raise StreamError("This FaceTracker is closed. Make a new one.")
        if self._last is not None and time_ms <= self._last:
            raise StreamError(
                f"time_ms must increase: got {time_ms} after {self._last}. Call reset() before another film."
            )
        picture = _prepare(frame)
        image = self._image(picture)
        if self._last is None:  # the first frame starts the graph, which talks
            with quiet_stderr():
                result = self._landmarker.detect_for_video(image, time_ms + self._offset)
        else:
            result = self._landmarker.detect_for_video(image, time_ms + self._offset)
        self._last = time_ms
        return self._read(result, picture.shape[1] / picture.shape[0])

    def _read(self, result: Any, aspect: float) -> RawFace | None:
        count = len(result.face_landmarks)
        boxes = [_box(points) for points in result.face_landmarks]
        index, switched = self._choose(boxes)
        if index is None:
            return None
        if not self._names:
            self._names = {c.category_name: i for i, c in enumerate(result.face_blendshapes[index])}
        scores = np.array([c.score for c in result.face_blendshapes[index]], np.float32)
        points = result.face_landmarks[index]
        gap = abs(points[_LIPS[1]].y - points[_LIPS[0]].y) / max(_height(points), 1e-6)
        shapes = {name: float(scores[i]) for name, i in self._names.items()}
        pose = np.asarray(result.facial_transformation_matrixes[index], np.float64)
        return RawFace(raw_row(shapes, pose, gap, aspect), gap, boxes[index], count, switched)

    def _choose(self, boxes: list[tuple[float, float, float, float]]) -> tuple[int | None, bool]:
        """Pick the face we follow: the nearest to where it was; at first the largest near the middle."""
        if not boxes:
            self._away += 1
            return None, False
        centres = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]
        if self._home is not None:
            jumps = [np.hypot(c[0] - self._home[0], c[1] - self._home[1]) for c in centres]
            nearest = int(np.argmin(jumps))
            box = boxes[nearest]
            if jumps[nearest] < 0.75 * max(box[2] - box[0], box[3] - box[1]):
                self._home, self._away = centres[nearest], 0
                return nearest, False
            self._away += 1
            if self._away < PATIENCE:
                return None, False
        areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]
        worth = [
            a / (1.0 + 4.0 * np.hypot(c[0] - 0.5, c[1] - 0.5)) for a, c in zip(areas, centres, strict=True)
        ]
        chosen, switched = int(np.argmax(worth)), self._home is not None
        self._home, self._away = centres[chosen], 0
        return chosen, switched


def raw_row(
    shapes: dict[str, float], pose: np.ndarray, lip_gap: float, aspect: float
) -> Float32[np.ndarray, "P"]:
    """Mix blendshape scores and the 4x4 pose into one row of `FACE_NAMES`, before calibration.

    Signs: + yaw to the person's left (picture right), + pitch up, + roll to their left shoulder. The gains
    make a full natural smile about 1 and everyday speech move the jaw through about 0.1 to 0.6; the jaw
    also listens to the lips, since the landmarker's jawOpen nearly vanishes behind a broad smile.
    """

    def both(name: str) -> float:
        return 0.5 * (shapes[f"{name}Left"] + shapes[f"{name}Right"])

    turn, place = pose[:3, :3], pose[:3, 3]
    depth = max(-float(place[2]), 1e-3)
    look_left = 0.5 * (shapes["eyeLookOutLeft"] + shapes["eyeLookInRight"])
    look_right = 0.5 * (shapes["eyeLookInLeft"] + shapes["eyeLookOutRight"])
    values = {
        "yaw": np.degrees(np.arctan2(turn[0, 2], turn[2, 2])),
        "pitch": np.degrees(np.arcsin(np.clip(turn[1, 2], -1, 1))),
        "roll": -np.degrees(np.arctan2(turn[1, 0], turn[1, 1])),
        "x": place[0] / depth / (2 * _HALF_HEIGHT * aspect),
        "y": place[1] / depth / (2 * _HALF_HEIGHT * aspect),
        "scale": _REFERENCE_DEPTH / depth,
        "jaw_open": shapes["jawOpen"] * (1 - shapes["mouthClose"]) + 2.5 * lip_gap,
        "smile": both("mouthSmile"),
        "pucker": 1.6 * (shapes["mouthPucker"] + shapes["mouthFunnel"]),
        "stretch": 1.8 * both("mouthStretch"),
        "frown": 4.0 * both("mouthFrown") + 0.6 * shapes["mouthShrugLower"],
        "brow_raise": 0.5 * (shapes["browInnerUp"] + both("browOuterUp")),
        "brow_furrow": 2.0 * both("browDown"),
        "blink_left": shapes["eyeBlinkLeft"],
        "blink_right": shapes["eyeBlinkRight"],
        "squint": both("eyeSquint"),
        "gaze_yaw": GAZE_YAW_GAIN * (look_left - look_right),
        "gaze_pitch": GAZE_PITCH_GAIN * (both("eyeLookUp") - both("eyeLookDown")),
    }
    row = np.zeros(FACE_DIM, np.float32)
    for name, value in values.items():
        row[FACE_INDEX[name]] = value
    return row


def start_landmarker(model: Path, max_faces: int) -> tuple[Any, Any]:
    """Import mediapipe and start a landmarker; every way this can fail becomes a MediaError."""
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=max_faces,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        landmarker = vision.FaceLandmarker.create_from_options(options)
    except (ImportError, OSError) as error:
        raise MediaError(_explain(error)) from error
    except (RuntimeError, ValueError) as error:
        raise MediaError(f"The face landmarker did not start with {model}: {error}") from error

    def image(picture: np.ndarray) -> Any:
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)

    return image, landmarker


def _explain(error: Exception) -> str:
    text = str(error)
    if "libEGL" in text or "libGLES" in text:
        return (
            f"Face tracking needs the system libraries libEGL and libGLESv2 ({text}). On Debian or Ubuntu:"
            " apt-get install libegl1 libgles2"
        )
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("mediapipe"):
        return "Face tracking needs mediapipe, which is not installed. Run: pip install 'avatar-lab[live]'"
    return f"mediapipe could not be loaded ({text}). Run: pip install 'avatar-lab[live]'"


def _prepare(frame: np.ndarray) -> np.ndarray:
    """Check a frame and shrink it to at most `MAX_SIDE` pixels."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise ShapeError(f"A frame must be RGB uint8 (H, W, 3); got {frame.dtype} {frame.shape}.")
    side = max(frame.shape[:2])
    if side > MAX_SIDE:
        import cv2

        size = [max(1, round(n * MAX_SIDE / side)) for n in (frame.shape[1], frame.shape[0])]
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(frame)


def _height(points: Any) -> float:
    return float(np.hypot(points[10].x - points[152].x, points[10].y - points[152].y))


def _box(points: Any) -> tuple[float, float, float, float]:
    xs, ys = [points[i].x for i in _CORNERS], [points[i].y for i in _CORNERS]
    return min(xs), min(ys), max(xs), max(ys)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Turn file descriptor 2 away; what was written is shown only if the body fails."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):  # no stderr at all
        yield
        return
    with tempfile.TemporaryFile() as store:
        os.dup2(store.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                store.seek(0)
                os.write(2, store.read())
