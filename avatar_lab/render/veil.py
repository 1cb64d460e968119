"""The front of a hijab: cloth that runs under the chin and lies over neck and collar."""

from __future__ import annotations

import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.body import Body
from avatar_lab.render.camera import View
from avatar_lab.render.light import ramp_colour


def draw_veil(image: np.ndarray, ramp: np.ndarray, view: View, body: Body) -> None:
    """Paint the cloth between the turning head and the resting chest, with a few folds."""
    cheeks = np.array(
        [[-0.86, 0.0, 0.0], [-0.80, -0.55, 0.05], [0.80, -0.55, 0.05], [0.86, 0.0, 0.0]], np.float32
    )
    high = view.project(cheeks)
    low = body.place(np.array([[0.98, -1.45], [0.45, -1.74], [0.0, -1.80], [-0.45, -1.74], [-0.98, -1.45]]))
    right = paint.smooth_curve(np.stack([high[3], high[2], low[0]]), 12)
    left = paint.smooth_curve(np.stack([low[4], high[1], high[0]]), 12)
    chest = paint.smooth_curve(low, 20)
    paint.fill(image, np.concatenate([right, chest, left]), ramp_colour(ramp, 0.56))
    unit = view.unit
    lower_edge = paint.ribbon(chest - (0, 0.02 * unit), np.full(20, 0.03 * unit))
    paint.glaze(image, lower_edge, ramp_colour(ramp, 0.9), 0.4, 0.01 * unit)
    for place, depth, level in ((0.18, 0.10, 0.9), (0.42, 0.30, 0.2), (0.62, 0.48, 0.85), (0.82, 0.62, 0.2)):
        start = high[1] * (1 - depth * 0.2) + high[2] * depth * 0.2
        end = chest[int((1 - place) * 19)]
        sag = (start + end) / 2 + np.array([0.0, 0.18 * unit])
        fold = paint.smooth_curve(np.stack([start, sag, end]), 14)
        width = 0.06 * unit * np.sin(np.linspace(0.2, np.pi - 0.1, 14))
        paint.glaze(image, paint.ribbon(fold, width), ramp_colour(ramp, level), 0.42, 0.018 * unit)
