"""What happened in a face track? Smiles, nods, laughs and brows found in motion, generated or true alike.

    how strongly it shows, per frame   ->   onsets: frames at which that rises quickly

What is peculiar: nothing is compared with a fixed level. A face that always smiles a little has no smile events, and
a nod is movement at nodding speed (1.4 to 3 Hz), whatever the posture.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX

RISE_S: Final = 0.6  # an onset is a rise within this time
REFRACTORY_S: Final = 1.2


def column(face: Float[np.ndarray, "t p"], name: str) -> Float[np.ndarray, "t"]:
    """Return one face parameter by name."""
    return face[:, FACE_INDEX[name]]


def nodding(face: Float[np.ndarray, "t p"]) -> Float[np.ndarray, "t"]:
    """Return the size of nods in degrees of pitch: the envelope of the movement between about 1.4 and 3 Hz."""
    pitch = column(face, "pitch").astype(np.float64)
    offset = np.arange(-20, 21)
    narrow, wide = (np.exp(-0.5 * (offset / width) ** 2) for width in (1.8, 4.0))
    band = np.convolve(_mirrored(pitch, 20), narrow / narrow.sum() - wide / wide.sum(), "valid")
    window = np.hanning(15)
    power = np.convolve(_mirrored(band**2, 7), window / window.sum(), "valid")
    return np.sqrt(2 * np.maximum(power, 0))


SHOWS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "smile": lambda face: column(face, "smile"),
    "nod": nodding,
    "laugh": lambda face: column(face, "squint"),
    "brow": lambda face: column(face, "brow_raise"),
    "frown": lambda face: column(face, "frown"),
}
VISIBLE: Final = {"smile": 0.15, "nod": 0.9, "laugh": 0.12, "brow": 0.15, "frown": 0.15}


def onsets_of(
    track: Float[np.ndarray, "t"], threshold: float, refractory_s: float = REFRACTORY_S
) -> Int[np.ndarray, "n"]:
    """Return the frames at which `track` has risen by `threshold` within 0.6 s, at most one every `refractory_s`.

    >>> smile = np.zeros(100); smile[40:] = 0.5
    >>> onsets_of(smile, 0.15).tolist()
    [40]
    """
    reach = round(RISE_S * FPS)
    if len(track) <= 1:
        return np.zeros(0, np.int64)
    before = np.concatenate([np.full(reach, track[0]), track])[: len(track)]
    up = track - before > threshold
    starts = np.flatnonzero(up & ~np.concatenate([[False], up[:-1]]))
    kept: list[int] = []
    for start in starts:
        if not kept or start - kept[-1] >= refractory_s * FPS:
            kept.append(int(start))
    return np.array(kept, np.int64)


def _mirrored(track: np.ndarray, reach: int) -> np.ndarray:
    return np.pad(track, reach, mode="reflect" if len(track) > reach else "edge")
