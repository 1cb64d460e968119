"""Every face parameter, dragged from its lowest to its highest value on two drawn people.

What is peculiar: the faces are drawn beforehand, one picture a parameter with all steps side by side, so the page needs
no kernel. Wide ranges are narrowed to what a talking person does.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from avatar_lab.data.face import FACE_SPECS, FaceParams, FaceSpec
from avatar_lab.errors import ConfigError
from avatar_lab.render.puppet import Puppet
from avatar_lab.viz.directions import webp
from avatar_lab.viz.interactive import Figure, interactive

STEPS: Final = 5
EDGE: Final = 104
REACH: Final = {"deg": 30.0, "widths": 0.15}  # of either sign; a head in conversation seldom goes further
SCALES: Final = (0.85, 1.15)


def face_sliders(characters: Sequence[int] = (0, 15)) -> Figure:
    """Return the interactive figure for these drawn characters.

    Raises ConfigError without characters.
    """
    if not characters:
        raise ConfigError("Give at least one character to be drawn.")
    people = [Puppet(character, EDGE) for character in characters]
    films, values = [], []
    for spec in FACE_SPECS:
        values.append(steps_of(spec).tolist())
        faces = np.stack([FaceParams(**{spec.name: value}).array() for value in values[-1]])
        rows = [np.concatenate(list(person.draw_track(faces)), axis=1) for person in people]
        films.append(webp(np.concatenate(rows, axis=0)))
    return interactive(
        "face_sliders",
        films=films,
        values=values,
        names=[spec.name for spec in FACE_SPECS],
        units=[spec.unit for spec in FACE_SPECS],
        meanings=[spec.meaning for spec in FACE_SPECS],
        rest=[int(np.argmin(np.abs(steps_of(spec) - spec.neutral))) for spec in FACE_SPECS],
        edge=EDGE,
        people=len(people),
    )


def steps_of(spec: FaceSpec) -> np.ndarray:
    """Return the values that are drawn; the resting value is one of them."""
    if spec.unit == "ratio":
        return np.linspace(*SCALES, STEPS).round(3)
    reach = REACH.get(spec.unit, 1.0)
    return np.linspace(max(spec.low, -reach), min(spec.high, reach), STEPS).round(3)
