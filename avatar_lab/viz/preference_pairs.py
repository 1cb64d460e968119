"""Pairs of films to vote on, preferred against losing, and the numbers that training moves as beta and steps change.

    preference_pairs([("talk 1", user, preferred, losing), ...])     # face tracks of the same seconds

What is peculiar: which film stands left is drawn from a seed, and told only after the vote. Films travel as one
picture each, frames side by side, at a third of the frame rate; four pairs stay below 300 kB. Votes live in the page
and nowhere else.

Notebook: 08 (preference without labels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.metrics.votes import sides
from avatar_lab.render.picture import make_picture
from avatar_lab.viz.guidance_pad import sprite
from avatar_lab.viz.interactive import Figure, interactive

EDGE: Final = 112
STEP: Final = 3  # of 25 frames a second; the page blends what lies between
USER, AVATAR = 1, 3  # characters
TRACES: Final = ("smile", "pitch")
QUALITY: Final = 25
# What training is watched by, and the factor it is shown with: thousandths, or per cent.
SHOWN: Final = {"margin": 1000.0, "accuracy": 100.0, "winner_change": 1000.0, "saturated": 100.0}

Track = Float[np.ndarray, "_t p"]


def preference_pairs(
    pairs: Sequence[tuple[str, Track, Track, Track]], *, seed: int = 0, edge: int = EDGE
) -> Figure:
    """Return the page of pairs.

    Parameters
    ----------
    pairs : (name, user, preferred, losing), face tracks of the same seconds, columns FACE_NAMES.
    seed : who stands left.

    Raises ShapeError for no pair, tracks of unequal length, or two pairs of unequal length.
    """
    if not pairs:
        raise ShapeError("preference_pairs needs at least one pair.")
    lengths = {len(track) for _, *three in pairs for track in three}
    if len(lengths) != 1:
        raise ShapeError(
            f"User, preferred and losing must be equally long everywhere; got {sorted(lengths)}."
        )
    shown: list[dict[str, Any]] = []
    for name, user, preferred, losing in pairs:
        left, right = sides("preferred", "losing", name, seed)
        tracks = {"user": user, "preferred": preferred, "losing": losing}
        order = {"user": "user", "left": left, "right": right}
        shown.append(
            {
                "name": name,
                "left": left,
                "right": right,
                "films": {
                    at: film(tracks[who], USER if who == "user" else AVATAR, edge)
                    for at, who in order.items()
                },
                "traces": {
                    at: {n: plain(tracks[who][::STEP, FACE_INDEX[n]]) for n in TRACES}
                    for at, who in order.items()
                },
            }
        )
    frames = -(-lengths.pop() // STEP)
    return interactive("preference_pairs", pairs=shown, frames=frames, edge=edge, fps=FPS / STEP)


def film(face: Track, character: int, edge: int) -> str:
    """Draw every third frame of a track as one WebP picture in a data URL."""
    shown = np.ascontiguousarray(face[::STEP], np.float32)
    frames = make_picture("puppet", character, edge).draw_track(shown)
    return f"data:image/webp;base64,{sprite(frames, QUALITY)}"


def plain(values: Float[np.ndarray, "t"]) -> list[float]:
    """Return numbers as JSON can hold them."""
    return [round(float(value), 3) for value in values]


def preference_explorer(
    steps: Sequence[int],
    watched: Mapping[float, Sequence[Mapping[str, float]]],
    gaps: Mapping[float, Sequence[Float[np.ndarray, "n"]]],
) -> Figure:
    """Return the explorer of beta and steps.

    Parameters
    ----------
    steps : at which it was looked.
    watched : {beta: one row a step}, each with margin, accuracy, winner_change and saturated.
    gaps : {beta: one array a step}, D(winner) - D(loser) of every frame that counts.

    Raises ConfigError when a beta lacks a step or a number.
    """
    for beta, rows in watched.items():
        if len(rows) != len(steps) or len(gaps.get(beta, ())) != len(steps):
            raise ConfigError(f"beta {beta:g} needs numbers and gaps for each of the {len(steps)} steps.")
        if missing := [n for row in rows for n in SHOWN if n not in row]:
            raise ConfigError(f"beta {beta:g} lacks {missing[0]!r}.")
    edge = max(float(np.quantile(np.abs(one), 0.98)) for rows in gaps.values() for one in rows) or 0.01
    bins = np.linspace(-edge, edge, 31)
    return interactive(
        "preference_explorer",
        steps=list(steps),
        betas=list(watched),
        watched=[
            [{name: round(float(row[name]) * by, 3) for name, by in SHOWN.items()} for row in rows]
            for rows in watched.values()
        ],
        edge=round(edge, 5),
        gaps=[
            [np.histogram(np.clip(one, -edge, edge), bins)[0].tolist() for one in gaps[beta]]
            for beta in watched
        ],
    )
