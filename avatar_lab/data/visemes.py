"""From phonemes to lips: jaw, pucker and stretch tracks with coarticulation.

Every phoneme pulls the mouth towards its target; pulls overlap and the strongest wins smoothly (dominance
functions, Cohen & Massaro 1993). Rounding starts early and lasts, so "two" is already round on its t.
Peculiar: m, b and p must really close the mouth, however short they are, so closure is a separate
`press` that overrides the jaw for at least 60 ms (one video frame lasts 40 ms). Loudness scales the jaw.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE

MOUTH_RATE: Final = 100  # mouth samples a second inside a clip; frames read between them
MOUTH_NAMES: Final = ("jaw_open", "pucker", "stretch")


class Viseme(NamedTuple):
    """Mouth target of a sound, 0-1 each, and how strongly the sound insists on it."""

    jaw: float
    pucker: float = 0.0
    stretch: float = 0.0
    press: float = 0.0
    insists: float = 1.0


_REST = Viseme(0.0, insists=0.9)
_UNKNOWN = Viseme(0.2, insists=0.4)
VISEMES: Final[dict[str, Viseme]] = {
    "_": _REST,
    # open and spread vowels
    "ɑ": Viseme(0.80), "a": Viseme(0.78, 0.0, 0.10), "æ": Viseme(0.66, 0.0, 0.35), "ʌ": Viseme(0.52),
    "ɐ": Viseme(0.48), "ə": Viseme(0.30, insists=0.6), "ɛ": Viseme(0.46, 0.0, 0.30), "e": Viseme(0.40, 0.0, 0.45),
    "ɪ": Viseme(0.28, 0.0, 0.40), "i": Viseme(0.20, 0.0, 0.65), "ᵻ": Viseme(0.24, 0.0, 0.35),
    # rounded vowels
    "o": Viseme(0.46, 0.60), "ɔ": Viseme(0.58, 0.42), "ʊ": Viseme(0.30, 0.62), "u": Viseme(0.22, 0.90),
    "ɚ": Viseme(0.30, 0.30), "ɜ": Viseme(0.36, 0.30), "ɒ": Viseme(0.62, 0.30),
    # lips closed, lip on teeth
    "m": Viseme(0.0, 0.08, 0.0, 1.0, 1.5), "b": Viseme(0.0, 0.08, 0.0, 1.0, 1.5), "p": Viseme(0.0, 0.08, 0.0, 1.0, 1.5),
    "f": Viseme(0.08, 0.05, 0.10, 0.55, 1.2), "v": Viseme(0.09, 0.05, 0.10, 0.5, 1.1),
    # tongue sounds: the lips follow their neighbours
    "t": Viseme(0.14, 0.0, 0.12, 0.0, 0.6), "d": Viseme(0.15, 0.0, 0.12, 0.0, 0.6),
    "n": Viseme(0.15, 0.0, 0.10, 0.0, 0.6), "l": Viseme(0.22, 0.0, 0.10, 0.0, 0.6),
    "s": Viseme(0.10, 0.0, 0.25, 0.0, 0.9), "z": Viseme(0.10, 0.0, 0.25, 0.0, 0.9),
    "θ": Viseme(0.18, 0.0, 0.10, 0.0, 0.8), "ð": Viseme(0.18, 0.0, 0.10, 0.0, 0.7), "ɾ": Viseme(0.18, insists=0.5),
    "ʃ": Viseme(0.14, 0.55, 0.0, 0.0, 1.0), "ʒ": Viseme(0.14, 0.55, 0.0, 0.0, 1.0),
    "k": Viseme(0.22, insists=0.5), "ɡ": Viseme(0.22, insists=0.5), "ŋ": Viseme(0.20, insists=0.6),
    "h": Viseme(0.28, insists=0.3), "ʔ": Viseme(0.20, insists=0.3),
    # glides
    "w": Viseme(0.12, 0.88, 0.0, 0.0, 1.1), "ɹ": Viseme(0.20, 0.38, 0.0, 0.0, 0.8), "j": Viseme(0.20, 0.0, 0.45),
}  # fmt: skip

_LEAD = 0.025  # the mouth is in place a little before its sound, s
_CLOSED_FOR = 0.06  # shortest visible closure, s
_ROLL_OFF = 0.045  # from closed to free, s


def mouth_track(
    phonemes: tuple[str, ...],
    starts: Float32[np.ndarray, "L"],
    ends: Float32[np.ndarray, "L"],
    audio: Float32[np.ndarray, "N"],
) -> Float32[np.ndarray, "M 3"]:
    """Return jaw, pucker and stretch of one clip, `MOUTH_RATE` rows a second, all zero at both ends.

    `starts` and `ends` are the phonemes' times in seconds.
    """
    rows = int(len(audio) / SAMPLE_RATE * MOUTH_RATE) + 1
    time = (np.arange(rows) / MOUTH_RATE + _LEAD)[:, None]
    table = np.array([VISEMES.get(symbol, _UNKNOWN) for symbol in phonemes])
    jaw, pucker, stretch, press, insists = table.T
    centre, half = (starts + ends) / 2, (ends - starts) / 2
    away = np.abs(time - centre)

    near = insists * np.exp(-((away / (half + 0.025)) ** 1.5))
    # Rounding and spreading reach further out than the jaw does.
    far = (insists + pucker + stretch) * np.exp(-((away / (half + 0.06)) ** 1.5))
    track = np.stack(
        [_blend(near, jaw), _blend(far, pucker), _blend(far, stretch)],
        axis=1,
    )
    closing = np.clip((np.maximum(half, _CLOSED_FOR / 2) + _ROLL_OFF - away) / _ROLL_OFF, 0, 1)
    closed = (press * closing * closing * (3 - 2 * closing)).max(axis=1)
    loud = loudness(audio, rows)
    track[:, 0] *= (1 - closed) * (0.5 + 0.6 * np.clip(loud, 0, 1.2))
    track[:, 1:] *= 1 - 0.5 * closed[:, None]
    return (track * _speaking(rows, starts, ends, phonemes)[:, None]).clip(0, 1).astype(np.float32)


def loudness(audio: Float32[np.ndarray, "N"], rows: int) -> Float32[np.ndarray, "M"]:
    """Return the energy envelope at `MOUTH_RATE`, about 1 at the clip's loud vowels."""
    hop = SAMPLE_RATE // MOUTH_RATE
    padded = np.pad(audio, (0, max(0, rows * hop - len(audio))))[: rows * hop]
    power = (padded.reshape(rows, hop) ** 2).mean(axis=1)
    power = np.convolve(power, np.hanning(7) / 3.0, mode="same")
    envelope = np.sqrt(np.maximum(power, 0))
    return (envelope / max(float(np.percentile(envelope, 90)), 1e-4)).astype(np.float32)


def sample_mouth(track: Float32[np.ndarray, "M 3"], seconds: np.ndarray) -> Float32[np.ndarray, "T 3"]:
    """Read the mouth at any `seconds` since the clip's start; at rest outside the clip."""
    position = np.asarray(seconds, np.float64) * MOUTH_RATE
    grid = np.arange(len(track))
    return np.stack([np.interp(position, grid, c, left=0.0, right=0.0) for c in track.T], 1).astype(
        np.float32
    )


def _blend(dominance: np.ndarray, target: np.ndarray) -> np.ndarray:
    return dominance @ target / np.maximum(dominance.sum(axis=1), 1e-3)


def _speaking(rows: int, starts: np.ndarray, ends: np.ndarray, phonemes: tuple[str, ...]) -> np.ndarray:
    """1 while sounds are made, smoothly 0 at the clip's ends, so that clips join a resting mouth."""
    sounding = [i for i, symbol in enumerate(phonemes) if symbol != "_"]
    first, last = float(starts[sounding[0]]), float(ends[sounding[-1]])
    time = np.arange(rows) / MOUTH_RATE
    opening = np.clip((time - first + 0.06) / 0.06, 0, 1)
    closing = np.clip((last + 0.08 - time) / 0.08, 0, 1)
    edge = np.minimum(np.arange(rows), np.arange(rows)[::-1]) / 3
    return np.minimum(np.minimum(opening, closing), np.minimum(edge, 1))
