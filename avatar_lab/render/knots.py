"""Tied hair behind the head: a bun or a pony-tail."""

from __future__ import annotations

from typing import Final

import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.camera import View
from avatar_lab.render.light import ramp_colour

BUN: Final = np.array([0.0, 1.13, -0.38], np.float32)
BUN_RADIUS: Final = 0.34
TAIL: Final = np.array(
    [(0.0, 0.62, -1.02), (0.16, 0.66, -1.30), (0.34, 0.30, -1.42), (0.42, -0.35, -1.30), (0.36, -1.0, -1.15)],
    np.float32,
)
TAIL_WIDTH: Final = (0.10, 0.30, 0.44, 0.42, 0.04)


def draw_knot(image: np.ndarray, kind: str, ramp: np.ndarray, view: View, hanging: View) -> None:
    """Paint the knot that a style wears."""
    if kind == "bun":
        _bun(image, ramp, view)
    elif kind == "tail":
        _tail(image, ramp, view, hanging)


def _bun(image: np.ndarray, ramp: np.ndarray, view: View) -> None:
    middle = view.project(BUN[None])[0]
    radius = BUN_RADIUS * view.unit
    ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    disc = np.stack([np.cos(ring), np.sin(ring)], 1) * radius
    paint.fill(image, middle + disc * (1.0, 0.92), ramp_colour(ramp, 0.45))
    paint.glaze(
        image,
        middle + disc * 0.40 - (0.20 * radius, 0.22 * radius),
        ramp_colour(ramp, 0.80),
        0.75,
        0.22 * radius,
    )
    for turn, level in ((0.2, 0.2), (0.9, 0.75), (1.7, 0.2), (2.5, 0.8)):
        arc = np.linspace(turn, turn + 2.2, 10)
        swirl = np.stack([np.cos(arc), np.sin(arc)], 1) * (radius * (0.35 + 0.22 * (arc - turn)))[:, None]
        width = 0.10 * radius * np.sin(np.linspace(0.1, np.pi - 0.1, 10))
        paint.glaze(image, paint.ribbon(middle + swirl, width), ramp_colour(ramp, level), 0.5)


def _tail(image: np.ndarray, ramp: np.ndarray, view: View, hanging: View) -> None:
    knots = np.concatenate([view.project(TAIL[:3]), hanging.project(TAIL[3:])])
    line = paint.smooth_curve(knots, 24)
    width = paint.smooth_curve(np.array(TAIL_WIDTH)[:, None], 24)[:, 0] * view.unit
    paint.fill(image, paint.ribbon(line, np.maximum(width, 1)), ramp_colour(ramp, 0.38))
    for offset, level in ((-0.26, 0.72), (0.05, 0.55), (0.28, 0.2)):
        along = np.gradient(line, axis=0)
        side = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(
            np.linalg.norm(along, axis=1, keepdims=True), 1e-6
        )
        strand = line + side * (offset * width)[:, None]
        paint.glaze(
            image, paint.ribbon(strand, width * 0.16), ramp_colour(ramp, level), 0.6, 0.01 * view.unit
        )
