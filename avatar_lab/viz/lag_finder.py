"""Plant a lag and find it again: two heads, the copy that one makes of the other, and their cross-correlation.

    avatar's pitch = its own movement + strength * what it copies of the user's, `lag` frames later

What is peculiar: the page adds up and correlates by itself, so every slider answers at once and needs no kernel. The
stranger is a user of another conversation: whatever peak stands there is chance.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from jaxtyping import Float

from avatar_lab.config import FPS
from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.gestures import MIMICRY_LAG, mimicry
from avatar_lab.errors import ConfigError
from avatar_lab.viz.interactive import Figure, interactive

REACH: Final = 2 * FPS  # lags that are tried, to either side
LENGTHS: Final = (15, 30, 60, 120, 240)  # seconds to listen
STRENGTH: Final = 0.43  # how much the liveliest simulated person copies
LEAST: Final = 15.0


def lag_finder(seconds: float = LENGTHS[-1], seed: int = 4) -> Figure:
    """Return the interactive figure for `seconds` of conversation (at least 15).

    Raises ConfigError for less.
    """
    if not seconds >= LEAST:
        raise ConfigError(f"A lag needs at least {LEAST:g} s of conversation; got {seconds}.")
    user, own, stranger = heads(seconds, seed)
    return interactive(
        "lag_finder",
        tracks={
            "user": centi(user),
            "own": centi(own),
            "copy": centi(copied(user)),
            "stranger": centi(stranger),
        },
        fps=FPS,
        reach=REACH,
        lag=MIMICRY_LAG,
        strength=STRENGTH,
        lengths=[length for length in LENGTHS if length <= seconds],
    )


def heads(
    seconds: float, seed: int
) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t"], Float[np.ndarray, "t"]]:
    """Return the pitch, in degrees, of a user, of an avatar that never met this user, and of a stranger."""
    talks: list[Any] = [simulate(seconds, seed=seed + 1000 * i, reactivity=0.0) for i in range(3)]
    faces = (talks[0].user.face, talks[1].avatar.face, talks[2].user.face)
    user, own, stranger = (face[:, FACE_INDEX["pitch"]] for face in faces)
    return user, own, stranger


def copied(pitch: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Return what a partner copies of a head, without its lag: the movement between about 0.2 and 1.1 Hz."""
    longer = np.pad(pitch, (0, MIMICRY_LAG), mode="edge").astype(np.float32)
    return mimicry(longer[:, None])[MIMICRY_LAG:, 0]


def centi(degrees: Float[np.ndarray, "t"]) -> list[int]:
    """Return whole hundredths, which take little room in a page."""
    return np.round(100 * degrees).astype(int).tolist()
