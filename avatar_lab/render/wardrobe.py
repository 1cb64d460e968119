"""Clothes, cut and painted once per character in body coordinates (see `body`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render import paint
from avatar_lab.render.body import Body, Layer
from avatar_lab.render.character import Character
from avatar_lab.render.light import cloth_ramp, ramp_colour, skin_ramp

LENGTH: Final = 1.38  # the garment reaches below the picture, for when the body moves up or shrinks
LAPEL: Final = (
    (0.48, -1.14),
    (0.70, -1.30),
    (0.72, -1.58),
    (0.56, -1.62),
    (0.60, -1.72),
    (0.06, -3.00),
    (0.03, -2.80),
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
    """A painted garment, and what of it lies behind the neck."""

    front: Layer | None
    back: Layer | None


def make_clothes(who: Character, canvas: int) -> Clothes:
    """Paint the garment of `who` for a canvas."""
    tailor = _Tailor(who, canvas)
    tailor.cut()
    return Clothes(Layer.of(tailor.image, tailor.mask), Layer.of(tailor.back, tailor.back_mask))


class _Tailor:
    """Paints one garment; every cut below adds to `image` and `mask`."""

    def __init__(self, who: Character, canvas: int) -> None:
        self.who = who
        self.cloth, self.accent = cloth_ramp(who.cloth), cloth_ramp(who.accent)
        self.skin = skin_ramp(who.skin)
        self.body = Body.of(FaceParams(), canvas)
        self.image = np.zeros((round(LENGTH * canvas), canvas, 3), np.uint8)
        self.mask = np.zeros(self.image.shape[:2], np.uint8)
        self.back, self.back_mask = self.image.copy(), self.mask.copy()
        self.wide = 1.18 if who.feminine else 1.34

    def cut(self) -> None:
        """Paint shoulders, then the details of the garment."""
        self._shoulders()
        getattr(self, f"_{self.who.garment}")()

    def _at(self, *points: tuple[float, float], count: int = 24) -> np.ndarray:
        return self.body.place(paint.smooth_curve(np.array(points, np.float64), count))

    def _sharp(self, *points: tuple[float, float]) -> np.ndarray:
        return self.body.place(np.array(points, np.float64))

    def _fill(self, points: np.ndarray, ramp: np.ndarray, level: float) -> None:
        paint.fill(self.image, points, ramp_colour(ramp, level))
        paint.fill_plain(self.mask, [points])

    def _shade(self, points: np.ndarray, ramp: np.ndarray, level: float, alpha: float, blur: float) -> None:
        paint.glaze(self.image, points, ramp_colour(ramp, level), alpha, blur * self.body.unit)

    def _shoulders(self) -> None:
        w = self.wide
        left = [(-0.47, -1.20), (-0.74, -1.36), (-w, -1.56), (-w - 0.16, -1.95), (-w - 0.20, -3.1)]
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
            self._sharp((-0.7, -1.36), (0.7, -1.36), (0.7, -3.0), (-0.7, -3.0))
        )
        self.image[chest] = ramp_colour(self.skin, 0.62)
        self.mask[chest] = 255
        if rim:
            width = np.full(30, rim * self.body.unit)
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
            self._shade(wing + (0, 0.03 * self.body.unit), self.cloth, 0.1, 0.5, 0.03)
            self._fill(wing, self.cloth, 0.86 if side < 0 else 0.74)
        placket = self._sharp((0.0, -1.58), (0.03, -3.0))
        self._shade(paint.ribbon(placket, np.full(2, 0.025 * self.body.unit)), self.cloth, 0.2, 0.6, 0.01)
        for y in (-1.74, -1.92):
            self._dot((-0.03, y), 0.022, (250, 248, 244))

    def _blazer(self) -> None:
        inner = self._sharp((-0.5, -1.25), (0.5, -1.25), (0.14, -3.0), (-0.14, -3.0))
        self._fill(inner, self.accent, 0.86)
        self._neckline((-0.52, -1.22), (-0.30, -1.42), (0.0, -1.52), (0.30, -1.42), (0.52, -1.22), rim=0.0)
        rim = self._at((-0.52, -1.22), (-0.30, -1.42), (0.0, -1.52), (0.30, -1.42), (0.52, -1.22), count=30)
        self._fill(paint.ribbon(rim, np.full(30, 0.06 * self.body.unit)), self.accent, 0.70)
        for side in (-1, 1):
            outline = np.array(LAPEL) * (side, 1)
            lapel = self.body.place(outline)
            self._shade(lapel, self.cloth, 0.1, 0.5, 0.03)
            self._fill(lapel, self.cloth, 0.80 if side < 0 else 0.66)

    def _hoodie(self) -> None:
        self._neckline((-0.56, -1.22), (-0.40, -1.42), (0.0, -1.58), (0.40, -1.42), (0.56, -1.22), rim=0.0)
        for side in (-1, 1):
            hood = self.body.place(paint.smooth_curve(np.array(HOOD) * (side, 1), 40))
            self._shade(hood + (0, 0.04 * self.body.unit), self.cloth, 0.1, 0.5, 0.04)
            self._fill(hood, self.cloth, 0.82 if side < 0 else 0.68)
            cord = self._at((side * 0.22, -1.60), (side * 0.25, -1.75), (side * 0.22, -1.90), count=10)
            paint.stroke(self.image, cord, ramp_colour(self.accent, 0.85), 0.035 * self.body.unit)
        behind = self._at(
            (-0.62, -1.30), (-0.60, -0.98), (0.0, -0.86), (0.60, -0.98), (0.62, -1.30), count=40
        )
        paint.fill(self.back, behind, ramp_colour(self.cloth, 0.35))
        paint.fill_plain(self.back_mask, [behind])

    def _dot(self, place: tuple[float, float], radius: float, colour: tuple[int, int, int]) -> None:
        ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        disc = np.array(place) + radius * np.stack([np.cos(ring), np.sin(ring)], 1)
        paint.fill(self.image, self.body.place(disc), colour)
