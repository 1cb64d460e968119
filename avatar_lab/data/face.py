"""A face in eighteen numbers: the common language of simulator, tracker, generator and puppet.

Every track in the package is a float32 array `(T, P)`, P = 18, whose columns are `FACE_NAMES`, at 25
frames a second. Directions are the *person's own*: positive yaw turns towards their left shoulder, which
a viewer sees as the right side of the picture.

What is peculiar: `clamp`, `smooth` and `mirror` are plain functions on arrays, because tracks are
arrays everywhere; `FaceParams` is a convenience for writing one pose by name.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.errors import ConfigError, ShapeError


@dataclass(frozen=True)
class FaceSpec:
    """Unit, hard limits and resting value of one face parameter."""

    name: str
    unit: str
    low: float
    high: float
    neutral: float
    meaning: str


FACE_SPECS: Final[tuple[FaceSpec, ...]] = (
    FaceSpec("yaw", "deg", -60, 60, 0, "turn of the head, + towards the person's left"),
    FaceSpec("pitch", "deg", -45, 45, 0, "nod of the head, + up"),
    FaceSpec("roll", "deg", -45, 45, 0, "tilt of the head, + towards the person's left shoulder"),
    FaceSpec("x", "widths", -0.4, 0.4, 0, "shift of the head, + towards the person's left"),
    FaceSpec("y", "widths", -0.4, 0.4, 0, "shift of the head, + up"),
    FaceSpec("scale", "ratio", 0.6, 1.6, 1, "size of the head against its resting size"),
    FaceSpec("jaw_open", "0-1", 0, 1, 0, "lower jaw dropped"),
    FaceSpec("smile", "0-1", 0, 1, 0, "mouth corners pulled up and back"),
    FaceSpec("pucker", "0-1", 0, 1, 0, "lips rounded and pushed forward, as in 'oo'"),
    FaceSpec("stretch", "0-1", 0, 1, 0, "mouth corners pulled sideways, as in 'ee'"),
    FaceSpec("frown", "0-1", 0, 1, 0, "mouth corners pulled down"),
    FaceSpec("brow_raise", "0-1", 0, 1, 0, "both brows up"),
    FaceSpec("brow_furrow", "0-1", 0, 1, 0, "brows down and together"),
    FaceSpec("blink_left", "0-1", 0, 1, 0, "the person's left eye closed"),
    FaceSpec("blink_right", "0-1", 0, 1, 0, "the person's right eye closed"),
    FaceSpec("squint", "0-1", 0, 1, 0, "both lower lids raised"),
    FaceSpec("gaze_yaw", "deg", -35, 35, 0, "eyes relative to the head, + towards the person's left"),
    FaceSpec("gaze_pitch", "deg", -30, 30, 0, "eyes relative to the head, + up"),
)
FACE_NAMES: Final[tuple[str, ...]] = tuple(spec.name for spec in FACE_SPECS)
FACE_DIM: Final[int] = len(FACE_NAMES)
FACE_INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(FACE_NAMES)}

_LOW = np.array([s.low for s in FACE_SPECS], np.float32)
_HIGH = np.array([s.high for s in FACE_SPECS], np.float32)
_NEUTRAL = np.array([s.neutral for s in FACE_SPECS], np.float32)
_SIGN_FLIPS = [FACE_INDEX[n] for n in ("yaw", "roll", "x", "gaze_yaw")]
_SWAP = (FACE_INDEX["blink_left"], FACE_INDEX["blink_right"])


@dataclass(frozen=True)
class FaceParams:
    """One pose by name, e.g. `FaceParams(smile=0.8, yaw=10)`; what is not given is at rest.

    >>> FaceParams(smile=2.0).array()[FACE_INDEX["smile"]]
    np.float32(1.0)
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    jaw_open: float = 0.0
    smile: float = 0.0
    pucker: float = 0.0
    stretch: float = 0.0
    frown: float = 0.0
    brow_raise: float = 0.0
    brow_furrow: float = 0.0
    blink_left: float = 0.0
    blink_right: float = 0.0
    squint: float = 0.0
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0

    def array(self) -> Float32[np.ndarray, "P"]:
        """Return the pose as one clamped float32 row, columns `FACE_NAMES`."""
        return clamp(np.array([getattr(self, f.name) for f in fields(self)], np.float32))

    @classmethod
    def from_array(cls, row: np.ndarray) -> FaceParams:
        """Read one row `(P,)`. Raises ShapeError for anything else."""
        row = check_track(np.asarray(row, np.float32)[None] if np.ndim(row) == 1 else row)[0]
        return cls(**{name: float(v) for name, v in zip(FACE_NAMES, row, strict=True)})


def neutral(frames: int) -> Float32[np.ndarray, "T P"]:
    """Return `frames` rows of a face at rest."""
    return np.tile(_NEUTRAL, (frames, 1))


def check_track(face: np.ndarray, name: str = "face") -> Float32[np.ndarray, "T P"]:
    """Return `face` as finite float32 `(T, P)`; raise ShapeError that says what came instead."""
    array = np.asarray(face)
    if array.ndim != 2 or array.shape[1] != FACE_DIM:
        raise ShapeError(
            f"{name} must have shape (T, {FACE_DIM}), columns FACE_NAMES; got {tuple(array.shape)}."
        )
    array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        bad = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise ShapeError(
            f"{name} must be finite; frame {bad} holds NaN or infinity. Bridge lost frames first."
        )
    return array


def clamp(face: Float32[np.ndarray, "*T P"]) -> Float32[np.ndarray, "*T P"]:
    """Limit every parameter to its range in `FACE_SPECS`."""
    return np.clip(face, _LOW, _HIGH)


def mirror(face: Float32[np.ndarray, "*T P"]) -> Float32[np.ndarray, "*T P"]:
    """Return the face as seen in a mirror: left and right exchanged."""
    out = face.copy()
    out[..., _SIGN_FLIPS] *= -1
    out[..., _SWAP] = face[..., _SWAP[::-1]]
    return out


def smooth(face: Float32[np.ndarray, "T P"], frames: float) -> Float32[np.ndarray, "T P"]:
    """Low-pass a track with a Gaussian of standard deviation `frames`; ends are held, 0 changes nothing.

    Raises ConfigError if `frames` is negative.
    """
    if frames < 0:
        raise ConfigError(f"frames must be >= 0, got {frames}.")
    if frames == 0 or len(face) == 0:
        return face.copy()
    reach = max(1, round(3 * frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(face, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], 1).astype(np.float32)
