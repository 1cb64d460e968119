"""From raw tracker numbers to a person's own eighteen: neutral face, blinks, smoothing, bridging.

Frame by frame and strictly causal, so that the live demo and a file give the same track. Only the first
`CALIBRATION` frames differ: live, the resting face is still being learned; offline it is learned before
frame 0.

What is peculiar:
- The resting face is a median for head and gaze, and a low percentile for expressions, which only ever go up
  from rest; both are capped, so that someone who starts with a grin still smiles later.
- A blink is a deviation from the running median of the last 0.7 s, because a lowered gaze lowers the lid:
  fixed thresholds see one long blink. The gaze is held while the eye is shut.
- One-euro smoothing (Casiez, Roussel & Vogel 2012): still faces are smoothed, quick ones let through. Blinks
  are not smoothed.

Notebook: 01.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_DIM, FACE_INDEX, FACE_NAMES, clamp, neutral
from avatar_lab.data.tracker import RawFace

CALIBRATION: Final = 3 * FPS  # frames with a face from which the resting face is learned
LOW_PERCENTILE: Final = 15.0
LID_MEMORY: Final = 17  # frames of the running median of the lids: lasts through a blink of 8
HOLD: Final = 10  # lost frames during which the last face is kept
EASE: Final = 0.92  # per further lost frame, towards the resting face
RETURN_FRAMES: Final = 5  # frames over which a face that comes back is faded in
_DRIFT: Final = 0.02  # per frame, downwards only, after calibration

#               prior  cap   min cut-off Hz, speed coefficient
_TABLE: Final[dict[str, tuple[float, float, float, float]]] = {
    "yaw": (0.0, 15.0, 1.5, 0.15),
    "pitch": (0.0, 20.0, 1.5, 0.15),
    "roll": (0.0, 10.0, 1.5, 0.15),
    "x": (0.0, 0.5, 1.5, 40.0),
    "y": (0.0, 0.5, 1.5, 40.0),
    "scale": (1.0, 9.0, 1.0, 8.0),
    "jaw_open": (0.03, 0.15, 5.0, 6.0),
    "smile": (0.05, 0.30, 2.0, 3.0),
    "pucker": (0.05, 0.50, 4.0, 4.0),
    "stretch": (0.02, 0.30, 3.0, 4.0),
    "frown": (0.02, 0.30, 2.0, 3.0),
    "brow_raise": (0.05, 0.50, 1.5, 2.0),
    "brow_furrow": (0.05, 0.40, 1.5, 2.0),
    "blink_left": (0.0, 0.0, 1e6, 0.0),
    "blink_right": (0.0, 0.0, 1e6, 0.0),
    "squint": (0.35, 0.80, 1.5, 2.0),
    "gaze_yaw": (0.0, 5.0, 1.5, 0.06),
    "gaze_pitch": (0.0, 8.0, 1.5, 0.06),
}
_PRIOR, _CAP, _CUT_OFF, _SPEED = (
    np.array([_TABLE[name][i] for name in FACE_NAMES], np.float64) for i in range(4)
)
_PLACE: Final = [FACE_INDEX[n] for n in ("x", "y", "scale")]
_HEAD: Final = [FACE_INDEX[n] for n in ("yaw", "pitch", "roll", "x", "y", "scale", "gaze_yaw", "gaze_pitch")]
_SCALE: Final = FACE_INDEX["scale"]
_LIDS: Final = [FACE_INDEX["blink_left"], FACE_INDEX["blink_right"]]
_GAZE: Final = [FACE_INDEX["gaze_yaw"], FACE_INDEX["gaze_pitch"]]
_MOUTH_AND_BROWS: Final = [i for i in range(FACE_DIM) if i not in (*_HEAD, *_LIDS)]


class Calibrator:
    """Turn `RawFace` after `RawFace` (or None) into rows of a face track.

    Attributes
    ----------
    seen, lost : frames with and without a face so far.
    """

    def __init__(self, *, smoothing: bool = True) -> None:
        self.seen = self.lost = 0
        self._smooth = OneEuro(_CUT_OFF, _SPEED) if smoothing else None
        self._lids = Lids()
        self._rows: list[np.ndarray] = []
        self._neutral: np.ndarray | None = None
        self._gaze = np.zeros(2)
        self._output = neutral(1)[0].astype(np.float64)
        self._fade = np.zeros(FACE_DIM)
        self._gap = self._back = 0

    @property
    def neutral(self) -> dict[str, float] | None:
        """The person's resting face in raw units, by name; None before the first face."""
        if self._neutral is None:
            return None
        return {name: round(float(v), 4) for name, v in zip(FACE_NAMES, self._neutral, strict=True)}

    def learn(self, raws: Iterable[RawFace | None]) -> None:
        """Learn the resting face from the first frames at once, before any `update` (offline)."""
        rows = [raw.row for raw in raws if raw is not None][:CALIBRATION]
        if rows:
            self._rows = rows
            self._neutral = estimate_neutral(np.stack(rows))

    def update(self, raw: RawFace | None) -> Float32[np.ndarray, "P"]:
        """Return the calibrated row of the next frame; a lost face is held, then eased to rest."""
        if raw is None:
            return self._bridge()
        row = raw.row.astype(np.float64)
        if len(self._rows) <= self.seen < CALIBRATION:
            self._rows.append(raw.row)
            self._neutral = estimate_neutral(np.stack(self._rows))
        face = self._relative(row)
        if self._gap:
            self._fade, self._back = self._output - face, RETURN_FRAMES
        face = face + self._fade * (self._back / (RETURN_FRAMES + 1))
        self._back, self._gap = max(0, self._back - 1), 0
        self.seen += 1
        self._output = clamp(face.astype(np.float32)).astype(np.float64)
        return self._output.astype(np.float32)

    def _relative(self, row: np.ndarray) -> np.ndarray:
        """Express a raw row against the resting face."""
        blink = self._lids.update(row[_LIDS])
        if blink.max() > 0.4 and self.seen:
            row[_GAZE] = self._gaze
        self._gaze = row[_GAZE].copy()
        if self._smooth is not None:
            if self._gap:
                self._smooth.restart()
            row = self._smooth.update(row)
        rest = self._rest(row)
        face = row - rest
        face[_SCALE] = row[_SCALE] / max(rest[_SCALE], 1e-6)
        top = np.maximum(1.0 - rest[_MOUTH_AND_BROWS], 0.2)
        face[_MOUTH_AND_BROWS] = face[_MOUTH_AND_BROWS] / top
        face[_LIDS] = blink
        return face

    def _rest(self, row: np.ndarray) -> np.ndarray:
        """The resting face; after calibration, expressions below it pull it down slowly."""
        assert self._neutral is not None
        if self.seen >= CALIBRATION:
            below = np.minimum(row - self._neutral, 0.0)
            self._neutral[_MOUTH_AND_BROWS] += _DRIFT * below[_MOUTH_AND_BROWS]
        return self._neutral

    def _bridge(self) -> Float32[np.ndarray, "P"]:
        self.lost += 1
        self._gap += 1
        if self._gap > HOLD:
            rest = neutral(1)[0]
            self._output = rest + EASE * (self._output - rest)
        return self._output.astype(np.float32)


class Lids:
    """Eye closure 0-1 of both eyes, as deviation from their running median."""

    def __init__(self) -> None:
        self._memory: deque[np.ndarray] = deque(maxlen=LID_MEMORY)

    def update(self, raw: np.ndarray) -> np.ndarray:
        """Return closure of (left, right) from raw scores."""
        self._memory.append(np.asarray(raw, np.float64))
        past = np.stack(self._memory)
        # The short median lets the level fall at once when a lowered gaze is raised again.
        level = np.minimum(np.median(past, axis=0), np.median(past[-5:], axis=0))
        closure = np.clip((raw - level - 0.08) / 0.35, 0.0, 1.0)
        return closure + 0.4 * (closure.max() - closure)  # eyes blink together; a wink stays lopsided


class OneEuro:
    """Low-pass whose cut-off grows with speed, per column: f_c = min + coefficient * |smoothed speed|."""

    def __init__(self, min_cut_off: np.ndarray, speed_coefficient: np.ndarray, rate: float = FPS) -> None:
        self._min, self._coefficient, self._rate = min_cut_off, speed_coefficient, rate
        self._value: np.ndarray | None = None
        self._speed = np.zeros_like(min_cut_off)

    def restart(self) -> None:
        """Forget the past, so that the next value passes unchanged."""
        self._value = None
        self._speed = np.zeros_like(self._min)

    def update(self, value: np.ndarray) -> np.ndarray:
        """Return the filtered value of the next frame."""
        if self._value is None:
            self._value = value.copy()
            return value.copy()
        speed = (value - self._value) * self._rate
        self._speed += self._weight(np.full_like(self._min, 4.0)) * (speed - self._speed)
        cut_off = self._min + self._coefficient * np.abs(self._speed)
        self._value = self._value + self._weight(cut_off) * (value - self._value)
        return self._value.copy()

    def _weight(self, cut_off: np.ndarray) -> np.ndarray:
        step = 2 * np.pi * cut_off / self._rate
        return step / (step + 1)


def estimate_neutral(rows: Float32[np.ndarray, "T P"]) -> np.ndarray:
    """Resting face `(P,)` of raw rows: median for head and gaze, low percentile for expressions, both capped.

    Fewer than a second of frames lean on a prior, except for the head's place, which nothing else can tell.
    """
    found = np.percentile(rows, LOW_PERCENTILE, axis=0).astype(np.float64)
    found[_HEAD] = np.median(rows[:, _HEAD], axis=0)
    trust = np.full(FACE_DIM, min(1.0, len(rows) / FPS))
    trust[_PLACE] = 1.0
    mixed = trust * found + (1 - trust) * _PRIOR
    return np.clip(mixed, -_CAP, _CAP)


def calibrate(raws: Sequence[RawFace | None], *, smoothing: bool = True) -> Float32[np.ndarray, "T P"]:
    """Calibrate a whole recording: the resting face first, then the same causal pass as live."""
    calibrator = Calibrator(smoothing=smoothing)
    calibrator.learn(raws)
    rows = [calibrator.update(raw) for raw in raws]
    return np.stack(rows) if rows else np.zeros((0, FACE_DIM), np.float32)
