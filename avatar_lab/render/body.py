"""The resting body: where it stands in this frame, its painted clothes, and the neck that joins the head.

Body coordinates are head coordinates of a head at rest: chin about y = -1, picture's lower edge about -1.7.

What is peculiar: the body follows shift and size of the head only in part, by moving and scaling its painted
layers; nothing of it is drawn anew except the neck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render import paint
from avatar_lab.render.camera import HEAD_CENTRE, HEAD_UNIT, WIDTH
from avatar_lab.render.rig import Rig

FOLLOW: Final = 0.35  # share of a head shift that the shoulders follow
GROWTH: Final = 0.6  # body scale = head scale ** GROWTH


@dataclass(frozen=True)
class Body:
    """Where the body stands: pixels of its origin and of one body unit."""

    origin: np.ndarray
    unit: float
    scale: float

    @classmethod
    def of(cls, face: FaceParams, canvas: int) -> Body:
        """Lean and step with the head."""
        unit = HEAD_UNIT * canvas
        lean = np.array([face.x, -face.y]) * (WIDTH * FOLLOW * unit)
        scale = face.scale**GROWTH
        return cls(np.array(HEAD_CENTRE) * canvas + lean, unit * scale, scale)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return canvas pixels of body coordinates (N, 2)."""
        return self.origin + points * np.array([1, -1]) * self.unit


@dataclass(frozen=True)
class Layer:
    """A painted picture with a binary mask, cut to the rows `top` and below; may reach below the canvas."""

    image: np.ndarray
    mask: np.ndarray
    top: int

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray) -> Layer | None:
        """Cut empty rows off; None if nothing is painted."""
        rows = np.flatnonzero(mask.any(1))
        if not len(rows):
            return None
        first, last = int(rows[0]), int(rows[-1]) + 1
        return cls(image[first:last].copy(), mask[first:last].copy(), first)

    def paste(self, image: np.ndarray, body: Body) -> None:
        """Copy the layer to where the body stands."""
        canvas = image.shape[0]
        picture, mask = self.image, self.mask
        if abs(body.scale - 1) > 1e-3:
            size = (round(picture.shape[1] * body.scale), round(picture.shape[0] * body.scale))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        rest = np.array(HEAD_CENTRE) * canvas
        corner = np.rint(body.origin + (np.array([0, self.top]) - rest) * body.scale).astype(int)
        x0, y0 = max(int(corner[0]), 0), max(int(corner[1]), 0)
        x1 = min(int(corner[0]) + picture.shape[1], canvas)
        y1 = min(int(corner[1]) + picture.shape[0], canvas)
        if x1 > x0 and y1 > y0:
            window = (slice(y0 - corner[1], y1 - corner[1]), slice(x0 - corner[0], x1 - corner[0]))
            cv2.copyTo(picture[window], mask[window], image[y0:y1, x0:x1])


def draw_neck(rig: Rig, body: Body, chin: np.ndarray) -> None:
    """Paint the neck between turning head and resting shoulders; the head's outline `chin` shades it."""
    image, view = rig.image, rig.view
    wide = 0.40 if rig.who.feminine else 0.47
    top = view.project(np.array([[-wide, -0.45, -0.20], [wide, -0.45, -0.20]], np.float32))
    low = body.place(np.array([[-wide - 0.03, -1.18], [wide + 0.03, -1.18]]))
    foot = body.place(np.array([[-wide - 0.14, -1.40], [wide + 0.14, -1.40]]))
    left = paint.smooth_curve(np.stack([top[0], 0.35 * top[0] + 0.65 * low[0], low[0], foot[0]]), 14)
    right = paint.smooth_curve(np.stack([top[1], 0.35 * top[1] + 0.65 * low[1], low[1], foot[1]]), 14)
    outline = np.concatenate([left, right[::-1]])
    area = paint.box(outline, image.shape, 2)
    if area is None:
        return
    x0, y0, x1, y1 = area
    # skin is soft, so it is painted at half size; only the outline is sharp
    patch = np.empty(((y1 - y0 + 1) // 2, (x1 - x0 + 1) // 2, 3), np.uint8)
    corner, unit = np.array([x0, y0]), rig.unit
    patch[:] = rig.skin(0.60)
    band = np.concatenate([left + (0.10 * unit, 0), (left + (0.38 * unit, 0))[::-1]])
    edge = np.concatenate([right - (0.16 * unit, 0), (right + (0.1 * unit, 0))[::-1]])
    shadow = chin + (0.05 * unit, 0.15 * unit)
    for points, level, alpha, blur in (
        (band, 0.74, 0.7, 0.10),
        (edge, 0.30, 0.6, 0.08),
        (shadow, 0.14, 0.62, 0.055),
    ):
        paint.glaze(patch, (points - corner) / 2, rig.skin(level), alpha, blur * unit / 2)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    paint.fill_plain(mask, [outline - corner])
    cv2.copyTo(cv2.resize(patch, (x1 - x0, y1 - y0)), mask, image[y0:y1, x0:x1])
