"""Who is talking: the traits that make simulated people differ.

Most recorded listeners are stiff: 60 % of the people drawn here react weakly and rarely, and the rest are
lively (`reactivity` above one half). Pass `reactivity` to choose.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from avatar_lab.data.speech import VOICES
from avatar_lab.errors import ConfigError

STIFF_SHARE: Final = 0.6


@dataclass(frozen=True)
class Person:
    """Traits of one simulated person; factors are 1 for the average person."""

    voice: int = 0
    reactivity: float = 0.5  # how often and how strongly others are answered: 0 hardly, 1 nearly always
    expressiveness: float = 1.0  # size of every expression
    warmth: float = 1.0  # factor on spontaneous smiles and laughter
    talkativeness: float = 0.5  # 0 leaves the floor, 1 keeps it
    blink_rate: float = 1.0
    gaze_listening: float = 0.75  # share of the time looking at the partner
    gaze_speaking: float = 0.45
    head_motion: float = 1.0
    articulation: float = 1.0  # factor on the jaw

    def __post_init__(self) -> None:
        if not 0 <= self.voice < VOICES:
            raise ConfigError(f"voice must be 0..{VOICES - 1}; got {self.voice}.")
        for name in ("reactivity", "talkativeness", "gaze_listening", "gaze_speaking"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in 0..1; got {getattr(self, name)}.")
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ConfigError(f"{field.name} must not be negative; got {getattr(self, field.name)}.")


def draw_person(
    rng: np.random.Generator, *, reactivity: float | None = None, voice: int | None = None
) -> Person:
    """Draw a person; what is given is kept and changes nothing else that is drawn."""
    stiff = rng.random() < STIFF_SHARE
    drawn = rng.uniform(0.05, 0.35) if stiff else rng.uniform(0.55, 1.0)
    drawn_voice = int(rng.integers(VOICES))
    return Person(
        voice=drawn_voice if voice is None else voice,
        reactivity=float(drawn if reactivity is None else reactivity),
        expressiveness=float(np.clip(rng.lognormal(-0.02, 0.22), 0.6, 1.5)),
        warmth=float(np.clip(rng.lognormal(-0.06, 0.35), 0.4, 2.2)),
        talkativeness=float(rng.beta(4, 4)),
        blink_rate=float(np.clip(rng.lognormal(-0.06, 0.35), 0.4, 2.2)),
        gaze_listening=float(np.clip(rng.normal(0.75, 0.07), 0.55, 0.92)),
        gaze_speaking=float(np.clip(rng.normal(0.45, 0.07), 0.25, 0.65)),
        head_motion=float(np.clip(rng.lognormal(-0.04, 0.3), 0.5, 1.9)),
        articulation=float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.3)),
    )
