"""Motion directions to be dragged: what each coefficient does to a few people, drawn by the decoder.

Notebook: 02 (a face as motion).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from avatar_lab.data.face import FACE_NAMES, neutral
from avatar_lab.errors import MediaError
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.neural_picture import NeuralPicture
from avatar_lab.motion.space import MotionSpace
from avatar_lab.viz.interactive import Figure, interactive

STEPS: Final = 9
REACH: Final = 3.0  # standard deviations to either side
NAMED: Final = 3  # parameters that are named for a direction


def direction_sliders(
    autoencoder: MotionAutoencoder, space: MotionSpace, characters: Sequence[int]
) -> Figure:
    """Return the interactive figure: a direction is chosen, and dragged from -3 to 3."""
    people = [NeuralPicture(autoencoder, space, character=character) for character in characters]
    rest = space.encode(neutral(1))[0]
    reach = np.linspace(-REACH, REACH, STEPS)
    films, names = [], []
    for k in range(space.dim):
        walk = np.repeat(rest[None], STEPS, axis=0)
        walk[:, k] += reach
        rows = [
            np.concatenate(list(person.draw_motion(walk.astype(np.float32))), axis=1) for person in people
        ]
        films.append(webp(np.concatenate(rows, axis=0)))
        names.append(meaning(space, k))
    return interactive(
        "direction_sliders",
        films=films,
        meanings=names,
        reach=reach.tolist(),
        edge=people[0].size,
        people=len(people),
    )


def meaning(space: MotionSpace, direction: int) -> str:
    """Return the face parameters that a direction moves most, in units of their own spread."""
    one = torch.zeros(1, space.dim).numpy()
    one[0, direction] = 1
    moved = space.decode(one)[0] - space.decode(np.zeros_like(one))[0]
    spread = np.maximum(np.linalg.norm(np.linalg.pinv(space.forward), axis=0), 1e-6)
    share = np.abs(moved) / spread
    return ", ".join(FACE_NAMES[i] for i in np.argsort(-share)[:NAMED])


def webp(picture: np.ndarray) -> str:
    """Return an RGB picture as a data URL."""
    import cv2

    options: list[Any] = [cv2.IMWRITE_WEBP_QUALITY, 70]
    good, data = cv2.imencode(".webp", picture[..., ::-1], options)
    if not good:
        raise MediaError("OpenCV could not write a WebP picture. Reinstall opencv-python.")
    return f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
