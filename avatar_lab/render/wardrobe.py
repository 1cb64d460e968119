"""Neck, shoulders and clothes. Clothes are painted once per character and shifted per frame.

Body coordinates are head coordinates of a head at rest: chin about y = -1, picture's lower edge about -1.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render import paint
from avatar_lab.render.camera import HEAD_CENTRE, HEAD_UNIT, WIDTH, View
from avatar_lab.render.character import Character
from avatar_lab.render.light import cloth_ramp, ramp_colour, skin_ramp

FOLLOW: Final = 0.35  # share of a head shift that the shoulders follow
LAPEL: Final = (
    (0.48, -1.14),
    (0.70, -1.30),
    (0.72, -1.58),
    (0.56, -1.62),
    (0.60, -1.72),
    (0.10, -2.40),
    (0.04, -2.20),
    (0.40, -1.42),
)
HOOD: Final = (
    (0.46, -1.06),
    (0.74, -1.16),
    (0.72, -1.40),
    (0.30, -1.62),
    (0.00, -1.70),
    (0.02, -1.58),
    (0.34, -1.42),
    (0.46, -1.06),
)


@dataclass(frozen=True)
class Clothes:
    """A painted body with its binary mask, and the same for what lies behind the neck."""

    front: np.ndarray
    front_mask: np.ndarray
    back: np.ndarray
    back_mask: np.ndarray


def body_shift(face: FaceParams, canvas: int) -> np.ndarray:
    """Return the shoulders' shift in whole canvas pixels (a lean)."""
    unit = HEAD_UNIT * canvas
    down = -face.y * WIDTH * FOLLOW + 0.10 * (face.scale - 1)
    return np.rint(np.array([face.x * WIDTH * FOLLOW, down]) * unit).astype(int)


def to_canvas(points: np.ndarray, canvas: int) -> np.ndarray:
    """Return canvas pixels of body coordinates (N, 2)."""
    return np.array(HEAD_CENTRE) * canvas + points * np.array([1, -1]) * (HEAD_UNIT * canvas)


def make_clothes(who: Character, canvas: int) -> Clothes:
    """Paint the garment of `who` on a canvas."""
    tailor = _Tailor(who, canvas)
    tailor.cut()
    return Clothes(tailor.image, tailor.mask, tailor.back, tailor.back_mask)


def paste_shifted(image: np.ndarray, layer: np.ndarray, mask: np.ndarray, shift: np.ndarray) -> None:
    """Copy a layer through its mask, moved by whole pixels; the lower edge is carried on downwards."""
    size = image.shape[0]
    dx, dy = int(np.clip(shift[0], -size // 2, size // 2)), int(np.clip(shift[1], -size // 2, size // 2))
    x0, x1, y0, y1 = max(dx, 0), size + min(dx, 0), max(dy, 0), size + min(dy, 0)
    window = (slice(y0 - dy, y1 - dy), slice(x0 - dx, x1 - dx))
    cv2.copyTo(layer[window], mask[window], image[y0:y1, x0:x1])
    if dy < 0:
        row_mask = np.ascontiguousarray(np.repeat(mask[-1:, x0 - dx : x1 - dx], -dy, 0))
        row = np.ascontiguousarray(np.repeat(layer[-1:, x0 - dx : x1 - dx], -dy, 0))
        cv2.copyTo(row, row_mask, image[y1:, x0:x1])


def draw_neck(image: np.ndarray, who: Character, view: View, shift: np.ndarray, chin: np.ndarray) -> None:
    """Paint the neck between turning head and resting shoulders; `chin` is the head outline that shades it."""
    canvas = image.shape[0]
    wide = 0.40 if who.feminine else 0.47
    top = view.project(np.array([[-wide, -0.45, -0.20], [wide, -0.45, -0.20]], np.float32))
    low = to_canvas(np.array([[-wide - 0.03, -1.18], [wide + 0.03, -1.18]]), canvas) + shift
    foot = to_canvas(np.array([[-wide - 0.14, -1.40], [wide + 0.14, -1.40]]), canvas) + shift
    left = paint.smooth_curve(np.stack([top[0], 0.35 * top[0] + 0.65 * low[0], low[0], foot[0]]), 14)
    right = paint.smooth_curve(np.stack([top[1], 0.35 * top[1] + 0.65 * low[1], low[1], foot[1]]), 14)
    outline = np.concatenate([left, right[::-1]])
    area = paint.box(outline, image.shape, 2)
    if area is None:
        return
    x0, y0, x1, y1 = area
    corner = np.array([x0, y0])
    unit = view.unit
    ramp = skin_ramp(who.skin)
    patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
    patch[:] = ramp_colour(ramp, 0.60)
    band = np.concatenate([left + (0.10 * unit, 0), (left + (0.38 * unit, 0))[::-1]]) - corner
    paint.glaze(patch, band, ramp_colour(ramp, 0.74), 0.7, 0.10 * unit)
    edge = np.concatenate([right - (0.16 * unit, 0), (right + (0.1 * unit, 0))[::-1]]) - corner
    paint.glaze(patch, edge, ramp_colour(ramp, 0.30), 0.6, 0.08 * unit)
    paint.glaze(
        patch, chin + (0.05 * unit, 0.15 * unit) - corner, ramp_colour(ramp, 0.14), 0.62, 0.055 * unit
    )
    mask = np.zeros(patch.shape[:2], np.uint8)
    paint.fill(mask, outline - corner, 255)
    paint.mix(image[y0:y1, x0:x1], mask, patch)


class _Tailor:
    """Paints one garment; every cut below adds to `image` and `mask`."""

    def __init__(self, who: Character, canvas: int) -> None:
        self.who, self.canvas = who, canvas
        self.cloth, self.accent = cloth_ramp(who.cloth), cloth_ramp(who.accent)
        self.skin = skin_ramp(who.skin)
        self.image = np.zeros((canvas, canvas, 3), np.uint8)
        self.mask = np.zeros((canvas, canvas), np.uint8)
        self.back, self.back_mask = self.image.copy(), self.mask.copy()
        self.wide = 1.18 if who.feminine else 1.34

    def cut(self) -> None:
        """Paint shoulders, then the details of the garment."""
        self._shoulders()
        getattr(self, f"_{self.who.garment}")()

    def _at(self, *points: tuple[float, float], count: int = 24) -> np.ndarray:
        return to_canvas(paint.smooth_curve(np.array(points, np.float64), count), self.canvas)

    def _sharp(self, *points: tuple[float, float]) -> np.ndarray:
        return to_canvas(np.array(points, np.float64), self.canvas)

    def _fill(self, points: np.ndarray, ramp: np.ndarray, level: float) -> None:
        paint.fill(self.image, points, ramp_colour(ramp, level))
        paint.fill_plain(self.mask, [points])

    def _shade(self, points: np.ndarray, ramp: np.ndarray, level: float, alpha: float, blur: float) -> None:
        paint.glaze(self.image, points, ramp_colour(ramp, level), alpha, blur * HEAD_UNIT * self.canvas)

    def _shoulders(self) -> None:
        w = self.wide
        left = [(-0.47, -1.20), (-0.74, -1.36), (-w, -1.56), (-w - 0.16, -1.95), (-w - 0.18, -2.4)]
        right = [(-x, y) for x, y in left[::-1]]
        dip = [(0.30, -1.36), (0.0, -1.42), (-0.30, -1.36)]
        outline = np.concatenate(
            [self._at(*left, count=20), self._at(*right, count=20), self._at(*dip, count=9)]
        )
        self._fill(outline, self.cloth, 0.70)
        light = self._at((-w - 0.05, -1.62), (-0.75, -1.44), (-0.48, -1.36), (-0.62, -1.62), (-w, -1.95))
        self._shade(light, self.cloth, 1.0, 0.6, 0.12)
        dark = self._at((w + 0.25, -1.62), (0.92, -1.60), (0.78, -2.2), (w + 0.3, -2.3))
        self._shade(dark, self.cloth, 0.25, 0.55, 0.14)

    def _neckline(self, *knots: tuple[float, float], rim: float = 0.07) -> None:
        """Open the garment along a curve, showing skin, and trim it with a rim."""
        curve = self._at(*knots, count=30)
        opening = np.concatenate([curve, self._sharp((0.55, -1.0), (-0.55, -1.0))])
        self.image[:] = np.where(self._covered(opening)[..., None], np.zeros(3, np.uint8), self.image)
        self.mask[self._covered(opening)] = 0
        chest = self._covered(opening) & self._covered(
            self._sharp((-0.7, -1.36), (0.7, -1.36), (0.7, -2.4), (-0.7, -2.4))
        )
        self.image[chest] = ramp_colour(self.skin, 0.62)
        self.mask[chest] = 255
        if rim:
            width = np.full(30, rim * HEAD_UNIT * self.canvas)
            self._fill(paint.ribbon(curve, width), self.cloth, 0.56)
            self._shade(paint.ribbon(curve, width * 0.35), self.cloth, 0.9, 0.45, 0.012)

    def _covered(self, points: np.ndarray) -> np.ndarray:
        mask = np.zeros(self.mask.shape, np.uint8)
        paint.fill_plain(mask, [points])
        return mask > 0

    def _crew(self) -> None:
        self._neckline((-0.48, -1.22), (-0.34, -1.38), (0.0, -1.47), (0.34, -1.38), (0.48, -1.22))

    def _v_neck(self) -> None:
        self._neckline(
            (-0.48, -1.22), (-0.36, -1.38), (-0.10, -1.60), (0.10, -1.60), (0.36, -1.38), (0.48, -1.22)
        )

    def _turtleneck(self) -> None:
        tube = self._at(
            (-0.47, -1.10),
            (0.0, -1.20),
            (0.47, -1.10),
            (0.52, -1.42),
            (0.0, -1.54),
            (-0.52, -1.42),
            (-0.47, -1.10),
            count=40,
        )
        self._fill(tube, self.cloth, 0.62)
        self._shade(
            self._at((-0.40, -1.16), (-0.12, -1.20), (-0.12, -1.48), (-0.42, -1.42)),
            self.cloth,
            0.95,
            0.5,
            0.06,
        )
        self._shade(
            self._at((-0.52, -1.43), (0.0, -1.55), (0.52, -1.43), (0.0, -1.62)), self.cloth, 0.2, 0.6, 0.02
        )

    def _shirt(self) -> None:
        self._neckline((-0.54, -1.22), (-0.34, -1.40), (0.0, -1.62), (0.34, -1.40), (0.54, -1.22), rim=0.0)
        for side in (-1, 1):
            wing = self._sharp(
                (side * 0.52, -1.16),
                (side * 0.60, -1.34),
                (side * 0.34, -1.68),
                (0.0, -1.55),
                (side * 0.36, -1.36),
            )
            self._shade(wing + (0, 0.03 * HEAD_UNIT * self.canvas), self.cloth, 0.1, 0.5, 0.03)
            self._fill(wing, self.cloth, 0.86 if side < 0 else 0.74)
        placket = self._sharp((0.0, -1.58), (0.03, -2.4))
        self._shade(
            paint.ribbon(placket, np.full(2, 0.025 * HEAD_UNIT * self.canvas)), self.cloth, 0.2, 0.6, 0.01
        )
        for y in (-1.74, -1.92):
            self._dot((-0.03, y), 0.022, (250, 248, 244))

    def _blazer(self) -> None:
        inner = self._sharp((-0.5, -1.25), (0.5, -1.25), (0.14, -2.4), (-0.14, -2.4))
        self._fill(inner, self.accent, 0.86)
        self._neckline((-0.52, -1.22), (-0.30, -1.42), (0.0, -1.52), (0.30, -1.42), (0.52, -1.22), rim=0.0)
        rim = self._at((-0.52, -1.22), (-0.30, -1.42), (0.0, -1.52), (0.30, -1.42), (0.52, -1.22), count=30)
        self._fill(paint.ribbon(rim, np.full(30, 0.06 * HEAD_UNIT * self.canvas)), self.accent, 0.70)
        for side in (-1, 1):
            outline = np.array(LAPEL) * (side, 1)
            lapel = to_canvas(outline, self.canvas)
            self._shade(lapel, self.cloth, 0.1, 0.5, 0.03)
            self._fill(lapel, self.cloth, 0.80 if side < 0 else 0.66)

    def _hoodie(self) -> None:
        self._neckline((-0.56, -1.22), (-0.40, -1.42), (0.0, -1.58), (0.40, -1.42), (0.56, -1.22), rim=0.0)
        for side in (-1, 1):
            hood = to_canvas(paint.smooth_curve(np.array(HOOD) * (side, 1), 40), self.canvas)
            self._shade(hood + (0, 0.04 * HEAD_UNIT * self.canvas), self.cloth, 0.1, 0.5, 0.04)
            self._fill(hood, self.cloth, 0.82 if side < 0 else 0.68)
            cord = self._at((side * 0.22, -1.60), (side * 0.25, -1.75), (side * 0.22, -1.90), count=10)
            paint.stroke(self.image, cord, ramp_colour(self.accent, 0.85), 0.035 * HEAD_UNIT * self.canvas)
        behind = self._at(
            (-0.62, -1.30), (-0.60, -0.98), (0.0, -0.86), (0.60, -0.98), (0.62, -1.30), count=40
        )
        paint.fill(self.back, behind, ramp_colour(self.cloth, 0.35))
        paint.fill_plain(self.back_mask, [behind])

    def _dot(self, place: tuple[float, float], radius: float, colour: tuple[int, int, int]) -> None:
        ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        disc = np.array(place) + radius * np.stack([np.cos(ring), np.sin(ring)], 1)
        paint.fill(self.image, to_canvas(disc, self.canvas), colour)
