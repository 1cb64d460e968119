"""The pad of guidance weights: films and scores of every pair, to be touched.

What is peculiar: films are cut to the seconds around the first clear smile of a user, shown at half the frame rate, and
travel as one picture each, frames side by side: the whole pad stays below a megabyte.

Notebook: 06 (two ears and a voice).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float, UInt8

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import MediaError, ShapeError
from avatar_lab.render.picture import make_picture
from avatar_lab.viz.interactive import Figure, interactive

EDGE: Final = 144
STEP: Final = 2  # of 25 frames a second
BEFORE_S, AFTER_S = 1.0, 3.0
USER, AVATAR = 1, 3  # characters
SMILING: Final = 0.2

Weights = tuple[float, float]


def guidance_pad(
    scores: Mapping[Weights, tuple[float, float]],
    faces: Mapping[Weights, Float[np.ndarray, "n t p"]],
    dyads: Sequence[Dyad],
) -> Figure:
    """Return the interactive pad.

    Parameters
    ----------
    scores : {(voice's weight, user's weight): (lips, reaction)}, a whole grid; NaN where nothing was measured.
    faces : the avatars' faces for the same weights.
    dyads : the conversations they were streamed on.

    Raises
    ------
    ShapeError : the weights are no grid, or films are missing.
    """
    voice, user = (sorted({weights[axis] for weights in scores}) for axis in (0, 1))
    grid = [[(a, u) for u in user] for a in voice]
    missing = [pair for row in grid for pair in row if pair not in scores or pair not in faces]
    if missing:
        raise ShapeError(
            f"The weights must be a grid, with scores and faces for each; {missing[0]} is missing."
        )
    who, first = moment([dyad.user.face for dyad in dyads])
    shown = slice(first, first + round((BEFORE_S + AFTER_S) * FPS), STEP)
    seen = dyads[who].user.face[shown]
    return interactive(
        "guidance_pad",
        voice=voice,
        user=user,
        lips=[[plain(scores[pair][0]) for pair in row] for row in grid],
        reaction=[[plain(scores[pair][1]) for pair in row] for row in grid],
        films=[[film(faces[pair][who, shown], AVATAR) for pair in row] for row in grid],
        user_film=film(seen, USER),
        smiles=(seen[:, FACE_INDEX["smile"]] > SMILING).tolist(),
        frames=len(seen),
        edge=EDGE,
        fps=FPS / STEP,
    )


def moment(users: Sequence[Float[np.ndarray, "t p"]]) -> tuple[int, int]:
    """Return which user smiles first after a second of not smiling, and the frame a second before; (0, 0) if none."""
    before = round(BEFORE_S * FPS)
    for who, face in enumerate(users):
        smiling = face[:, FACE_INDEX["smile"]] > SMILING
        for at in range(before, len(smiling) - round(AFTER_S * FPS)):
            if smiling[at] and not smiling[at - before : at].any():
                return who, at - before
    return 0, 0


def plain(value: float) -> float | None:
    """Return a number as JSON can hold it."""
    return round(float(value), 2) if math.isfinite(value) else None


def film(face: Float[np.ndarray, "t p"], character: int) -> str:
    """Draw a track and return it as one WebP picture, frames side by side, in a data URL."""
    frames = make_picture("puppet", character, EDGE).draw_track(np.ascontiguousarray(face, np.float32))
    return f"data:image/webp;base64,{sprite(frames)}"


def sprite(frames: UInt8[np.ndarray, "t s s 3"], quality: int = 60) -> str:
    """Return frames side by side, as base64 of a WebP picture; `quality` from 1 to 100."""
    import cv2

    wide = np.concatenate(list(frames), axis=1)
    options: list[Any] = [cv2.IMWRITE_WEBP_QUALITY, quality]
    good, data = cv2.imencode(".webp", cv2.cvtColor(wide, cv2.COLOR_RGB2BGR), options)
    if not good:
        raise MediaError("OpenCV could not write a WebP picture. Reinstall opencv-python.")
    return base64.b64encode(data.tobytes()).decode("ascii")
