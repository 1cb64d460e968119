"""Mouth: lips with a cupid's bow around an opening with teeth and tongue.

Curves run over u = -1 .. 1 from the person's right corner to the left one. `MouthShape` turns the
parameters into four flat curves; drawing only sees the curves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.rig import Rig
from avatar_lab.render.sculpt import MOUTH_Y

COUNT: Final = 25
U: Final = np.linspace(-1, 1, COUNT)
BOW: Final = 1 - 0.34 * np.exp(-((U / 0.13) ** 2)) + 0.10 * np.exp(-(((np.abs(U) - 0.26) / 0.16) ** 2))
CAVITY: Final = (74, 22, 30)
TEETH: Final = (252, 249, 244)
TONGUE: Final = (214, 104, 108)


@dataclass(frozen=True)
class Mouth:
    """Canvas curves, corner to corner: outer and inner edge of both lips."""

    outer_top: np.ndarray
    inner_top: np.ndarray
    inner_low: np.ndarray
    outer_low: np.ndarray
    open: float  # height of the opening in head units

    @property
    def opening(self) -> np.ndarray:
        return np.concatenate([self.inner_top, self.inner_low[::-1]])

    @property
    def outline(self) -> np.ndarray:
        return np.concatenate([self.outer_top, self.outer_low[::-1]])


def place_mouth(rig: Rig) -> Mouth:
    """Shape the mouth for this pose and put it on the face."""
    who, f = rig.who, rig.face
    half = who.mouth_width * (0.94 + 0.28 * f.smile + 0.26 * f.stretch - 0.44 * f.pucker - 0.14 * f.jaw_open)
    half = max(half, 0.10)
    corner = 0.052 + 0.087 * f.smile - 0.110 * f.frown + 0.01 * f.stretch
    bend = np.abs(U) ** (1.6 + 0.5 * f.smile)
    line = MOUTH_Y + corner * bend - 0.022 * f.smile + 0.028 * f.frown * (1 - bend)

    roundness = np.clip(0.25 + 0.75 * f.pucker + 0.25 * f.jaw_open - 0.2 * f.smile, 0, 1)
    arch = (1 - U**2) ** (1.0 - 0.5 * roundness)
    gap_top = 0.045 * f.jaw_open + 0.022 * f.stretch + 0.030 * f.smile * f.jaw_open + 0.015 * f.pucker
    gap_low = 0.235 * f.jaw_open + 0.042 * f.stretch * (1 - f.jaw_open) + 0.018 * f.pucker
    even = 0.055 * f.jaw_open * f.pucker  # an "o" opens upwards too
    gap_top, gap_low = gap_top + even, gap_low - even
    gap_top *= 1 - 0.9 * f.smile * f.jaw_open  # in a laugh the upper lip stays bowed like the smile
    inner_top = line + gap_top * arch
    inner_low = line - gap_low * arch ** (0.85)

    full = who.lip_fullness * (1 - 0.16 * f.smile - 0.16 * f.stretch + 0.22 * f.pucker)
    edge = np.sqrt(np.maximum(1 - U**2, 0))
    outer_top = inner_top + (0.003 + 0.064 * full * edge**1.5 * BOW)
    outer_low = inner_low - (0.003 + 0.086 * full * edge**1.25) * (1 - 0.12 * f.jaw_open)

    forward = (0.022 + 0.10 * f.pucker) * edge
    flat = np.concatenate([np.stack([half * U, v], 1) for v in (outer_top, inner_top, inner_low, outer_low)])
    above = np.concatenate([forward * 0.7, forward, forward * 0.9, forward * 0.5])
    a, b, c, d = rig.lift(flat, above).reshape(4, COUNT, 2)
    return Mouth(a, b, c, d, float(gap_top + gap_low))


def draw_mouth(rig: Rig, mouth: Mouth) -> None:
    """Paint the mouth from back to front: shadow, lips, opening, line and corners."""
    unit, f = rig.unit, rig.face
    area = paint.box(mouth.outline, rig.image.shape, 3)
    if area is None:
        return
    below = mouth.outer_low[4:-4]
    paint.glaze(rig.image, paint.ribbon(below + (0, 0.030 * unit), np.full(len(below), 0.045 * unit)),
                rig.skin(0.34), 0.26, 0.018 * unit)  # fmt: skip
    lip = rig.who.lip
    paint.fill(rig.image, np.concatenate([mouth.outer_top, mouth.inner_top[::-1]]), paint.shade(lip, 0.86))
    paint.fill(rig.image, np.concatenate([mouth.inner_low, mouth.outer_low[::-1]]), lip)
    _lip_light(rig, mouth, lip)
    if mouth.open > 0.008:
        _inside(rig, mouth, area)
    closed = float(np.clip(1 - mouth.open / 0.05, 0, 1))
    if closed > 0:
        middle = (mouth.inner_top + mouth.inner_low) / 2
        width = (0.010 + 0.016 * (1 - U**2)) * unit
        paint.glaze(rig.image, paint.ribbon(middle, width), paint.shade(lip, 0.38), 0.85 * closed)
    _corners(rig, mouth, 0.18 + 0.5 * max(f.smile, f.frown))


def _lip_light(rig: Rig, mouth: Mouth, lip: tuple[int, int, int]) -> None:
    """A highlight on the lower lip and a lighter edge on the upper one."""
    low, high = mouth.inner_low, mouth.outer_low
    shine = low * 0.55 + high * 0.45
    thick = np.linalg.norm(high - low, axis=1)[6:-6]
    paint.glaze(rig.image, paint.ribbon(shine[6:-6], thick * 0.36), paint.tint(lip, (255, 236, 228), 0.6),
                0.50, 0.010 * rig.unit)  # fmt: skip


def _inside(rig: Rig, mouth: Mouth, area: tuple[int, int, int, int]) -> None:
    """Dark cavity, tongue, both rows of teeth, seen through the opening."""
    x0, y0, x1, y1 = area
    corner = np.array([x0, y0])
    unit, f = rig.unit, rig.face
    patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
    patch[:] = CAVITY
    top, low = mouth.inner_top - corner, mouth.inner_low - corner
    depth = (low - top)[:, 1:].max() / unit
    if depth > 0.07:
        middle = (low[COUNT // 2] + top[COUNT // 2] * 0.0)[None]
        across = (low[-5] - low[4]) * (0.36 - 0.08 * f.pucker)
        down = (low - top)[COUNT // 2] * (0.42 - 0.14 * f.pucker)
        ring = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        paint.fill(patch, middle + np.cos(ring)[:, None] * across + np.sin(ring)[:, None] * down, TONGUE)
        tip = middle + (0, -0.004 * unit)
        paint.glaze(patch, tip + np.cos(ring)[:, None] * across * 0.5 + np.sin(ring)[:, None] * down * 0.5,
                    (238, 142, 140), 0.5, 0.012 * unit)  # fmt: skip
    shown = np.clip(1.0 - 0.75 * f.pucker, 0.15, 1)
    reach = min(0.092, 0.040 + 0.24 * depth) * unit * shown * (1 - 0.25 * U**2)
    teeth = np.concatenate([top - (0, 0.01 * unit), (top + np.stack([0 * reach, reach], 1))[::-1]])
    paint.fill(patch, teeth, TEETH)
    if f.stretch * (1 - f.jaw_open) > 0.3:
        paint.fill(
            patch, np.concatenate([low + (0, 0.01 * unit), (low - (0, 0.020 * unit))[::-1]]), (236, 230, 224)
        )
    shade = np.concatenate([top - (0, 0.02 * unit), (top + (0, 0.030 * unit))[::-1]])
    paint.glaze(patch, shade, (96, 44, 50), 0.45, 0.012 * unit)
    mask = np.zeros(patch.shape[:2], np.uint8)
    paint.fill(mask, mouth.opening - corner, 255)
    paint.mix(rig.image[y0:y1, x0:x1], mask, patch)


def _corners(rig: Rig, mouth: Mouth, strength: float) -> None:
    """The small shadow where the lips meet the cheek."""
    radius = 0.022 * rig.unit
    ring = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(ring), np.sin(ring)], 1) * radius
    for end in (0, -1):
        middle = (mouth.inner_top[end] + mouth.inner_low[end]) / 2
        paint.glaze(rig.image, middle + circle, rig.skin(0.12), strength, radius * 0.4)


def mouth_mask(mouth: Mouth, canvas: int) -> np.ndarray:
    """Return a 0-255 mask of lips and opening."""
    mask = np.zeros((canvas, canvas), np.uint8)
    paint.fill(mask, cv2.convexHull(mouth.outline.astype(np.float32))[:, 0], 255)
    return mask
