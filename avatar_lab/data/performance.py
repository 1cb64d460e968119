"""What one person did: a face track and the sound that goes with it, on one clock.

`Performance` is what enters the system (a tracked user, a simulated person) and `Dyad` is two of them in
conversation, with the events that the simulator planted. One clock for both signals: 25 frames and
16,000 samples a second, so one frame is exactly 640 samples.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.data.face import check_track
from avatar_lab.errors import ShapeError


@dataclass(frozen=True)
class Performance:
    """One person's face and voice.

    Attributes
    ----------
    face : (T, P) float32, columns `FACE_NAMES`, 25 fps.
    audio : (T * 640,) float32 in [-1, 1], 16 kHz.
    quality : report of the tracker; empty for simulated people.
    source : the video this came from, if any (only to show it beside the avatar).
    """

    face: Float32[np.ndarray, "T P"]
    audio: Float32[np.ndarray, "N"]
    quality: dict[str, Any] = field(default_factory=dict)
    source: Path | None = None

    def __post_init__(self) -> None:
        check_track(self.face)
        expected = len(self.face) * SAMPLES_PER_FRAME
        if self.audio.shape != (expected,):
            raise ShapeError(
                f"audio must have {SAMPLES_PER_FRAME} samples a frame: expected ({expected},) for "
                f"{len(self.face)} frames, got {self.audio.shape}. Pad or cut it with fit_audio()."
            )

    @property
    def seconds(self) -> float:
        return len(self.face) / FPS

    def cut(self, start: int, frames: int) -> Performance:
        """Return `frames` frames from frame `start` on."""
        s = SAMPLES_PER_FRAME
        return Performance(
            self.face[start : start + frames], self.audio[start * s : (start + frames) * s], self.quality
        )


@dataclass(frozen=True)
class Event:
    """Something that happened in a conversation.

    `kind` names it ("smile", "nod", "blink", "turn", ...), `who` is "user" or "avatar"; `cause` is the index,
    in the dyad's event list, of the event that this one answers (None when it came by itself).
    """

    kind: str
    who: str
    start: float  # seconds
    end: float  # seconds
    strength: float = 1.0
    cause: int | None = None


@dataclass(frozen=True)
class Dyad:
    """Two people in conversation, with ground-truth events."""

    user: Performance
    avatar: Performance
    events: tuple[Event, ...]
    seed: int
    fps: int = FPS
    sample_rate: int = SAMPLE_RATE

    @property
    def seconds(self) -> float:
        return self.user.seconds


def fit_audio(audio: Float32[np.ndarray, "N"], frames: int) -> Float32[np.ndarray, "M"]:
    """Cut or zero-pad sound to exactly `frames` frames of 640 samples."""
    wanted = frames * SAMPLES_PER_FRAME
    return np.pad(audio[:wanted], (0, max(0, wanted - len(audio)))).astype(np.float32, copy=False)


def mix(user: Float32[np.ndarray, "N"], avatar: Float32[np.ndarray, "N"]) -> Float32[np.ndarray, "N"]:
    """Return both voices together, never louder than full scale."""
    both = user + avatar
    return (both / max(1.0, float(np.abs(both).max(initial=0.0)))).astype(np.float32, copy=False)
