"""What is seen between the lips: the dark of the mouth, two rows of teeth, a tongue.

Upper teeth belong to the skull and lower ones to the jaw; the lips open like a curtain before them. A photograph that
shows its teeth keeps them, in their place. One that does not gets drawn ones, in the light of the photograph.

What is peculiar: all shapes are soft functions of the distance to a line, in face heights, so that they look alike at
every size and need no anti-aliasing of their own.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.render.portrait_lips import (
    CORNERS,
    INNER_CORNERS,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    Lips,
    Values,
)
from avatar_lab.render.portrait_matte import heal
from avatar_lab.render.portrait_warp import Warp

SHOWS_TEETH: Final = (
    0.022,
    0.034,
)  # a gap between the lips, in face heights, with teeth in it: perhaps, surely
DARK: Final = (44.0, 17.0, 18.0)
GUM: Final = (150.0, 72.0, 70.0)
TEETH: Final = (236.0, 224.0, 207.0)
LOWER_TEETH: Final = (206.0, 184.0, 166.0)
TONGUE: Final = (168.0, 84.0, 84.0)
BETWEEN: Final = (0.0, 0.046, 0.082, 0.117, 0.145, 0.166)  # where teeth meet, from the middle
ARCH: Final = 0.175  # half width of the row of teeth
SHOWN: Final = 0.020  # how far teeth reach below a resting upper lip
LOWER_SHOWN: Final = 0.016
PARTS: Final = 6  # points of a curve for each of its knots


class Mouth:
    """The inside of one mouth."""

    def __init__(self, layer: UInt8[np.ndarray, "S S 4"], lips: Lips, warp: Warp, light: np.ndarray) -> None:
        photo = np.ascontiguousarray(layer[..., :3])
        self._lips, self._warp, self._light = lips, warp, light
        few, many = SHOWS_TEETH
        self._own = float(np.clip((lips.gap / lips.face - few) / (many - few), 0, 1))
        self._bare = without_mouth(layer, lips)
        rows, columns = warp.box
        x, y = np.meshgrid(warp.x, warp.y[:, 0])
        local = lips.to_local(np.stack([x, y], -1)) / lips.face
        self._u, self._v = local[..., 0].astype(np.float32), local[..., 1].astype(np.float32)
        inner = lips.to_local(lips.rest[lips.part[INNER_UPPER]]) / lips.face
        self._line = float(inner[4, 1])  # of the upper lip at rest, in the middle
        self._drawn = self._drawn_teeth()
        self._photographed = self._photographed_teeth(photo[rows, columns])

    def round_off(
        self, part: UInt8[np.ndarray, "h w 4"], flow: np.ndarray, moved: np.ndarray, pucker: float
    ) -> None:
        """Show skin where pursed lips have left, in place: no crease where the corners were."""
        import cv2

        if pucker < 0.01:
            return
        f, part_of = self._lips.face, self._lips.part
        ends = 0.55 * moved[part_of[CORNERS]] + 0.45 * moved[part_of[INNER_CORNERS]]
        upper, lower = (
            smooth_line(np.concatenate([ends[:1], moved[part_of[line]], ends[1:]]))
            for line in (OUTER_UPPER, OUTER_LOWER)
        )
        corner = np.array([self._warp.x[0], self._warp.y[0, 0]])
        kept = filled(np.concatenate([upper, lower[::-1]]) - corner, part.shape[1::-1], 1)
        kept = cv2.GaussianBlur(kept, (0, 0), 0.010 * f)
        share = min(1.6 * pucker, 1.0) * (1 - np.clip(1.6 * kept, 0, 1))
        bare = self._warp.read(self._bare, flow)
        part[:] = (part + share[..., None] * (bare.astype(np.float32) - part)).astype(np.uint8)

    def paint(self, part: UInt8[np.ndarray, "h w 4"], moved: np.ndarray, v: Values) -> None:
        """Paint the inside into the box where the lips leave it open, in place."""
        import cv2

        upper, lower = (smooth_line(line) for line in self._lips.opening(moved))
        f = self._lips.face
        outline = np.concatenate([upper, lower[::-1]])
        corner = np.array([self._warp.x[0], self._warp.y[0, 0]])
        low = np.floor(outline.min(0) - corner - 3).astype(int)
        high = np.ceil(outline.max(0) - corner + 4).astype(int)
        low, high = np.maximum(low, 0), np.minimum(high, part.shape[1::-1])
        if (high - low).min() < 2:
            return
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        mask = filled(outline - corner - low, (int(high[0] - low[0]), int(high[1] - low[1])))
        tall = float((lower - upper)[:, 1].max())
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.45, 0.0035 * f))
        mask *= min(1.0, tall / max(1.0, 0.012 * f))
        x, y = self._warp.x[box[1]], self._warp.y[box[0]]
        top = np.interp(x, upper[:, 0], upper[:, 1]).astype(np.float32)
        base = np.interp(x, lower[:, 0], lower[:, 1]).astype(np.float32)
        colour = self._inside(box, (y - top) / f, (base - y) / f, tall / f, v)
        shown = part[box][..., :3].astype(np.float32)
        part[box][..., :3] = np.clip(shown + mask[..., None] * (colour - shown), 0, 255).astype(np.uint8)

    def _inside(
        self, box: tuple[slice, slice], under: np.ndarray, above: np.ndarray, tall: float, v: Values
    ) -> Float32[np.ndarray, "h w 3"]:
        """Return the colours; `under` the upper lip and `above` the lower one, in face heights."""
        u = self._u[box]
        deep = np.clip(above / max(tall, 1e-3), 0, 1)
        colour = np.array(DARK, np.float32) * self._light * (0.95 - 0.45 * deep)[..., None]
        room = float(np.clip((tall - 0.03) / 0.07, 0, 1))
        if room > 0:
            crown = 0.42 * tall * (1 - 0.4 * (u / 0.11) ** 2)
            tongue = np.clip((crown - above) / (0.25 * tall) + 0.3, 0, 1) * np.clip(
                1.3 - (u / 0.12) ** 4, 0, 1
            )
            relief = 0.72 + 0.28 * np.clip((crown - above) / max(0.4 * tall, 1e-3), 0, 1)
            relief = relief - 0.12 * np.exp(-((u / 0.012) ** 2))
            blend(
                colour, np.array(TONGUE, np.float32) * self._light * relief[..., None], 0.85 * room * tongue
            )
            edge = LOWER_SHOWN * (1 - 0.6 * (u / 0.10) ** 2) - above
            row = np.clip(edge / 0.008 + 0.5, 0, 1) * np.clip((0.10 - np.abs(u)) / 0.04, 0, 1)
            grey = (0.60 - 0.06 * seams(u, 0.030)) * (1 - 2.2 * np.abs(u))
            below = float(np.clip((tall - 0.05) / 0.06, 0, 1)) * (1 - v.pucker)
            blend(
                colour, np.array(LOWER_TEETH, np.float32) * self._light * grey[..., None], 0.75 * below * row
            )
        # What the photograph shows stays while the lips hardly move; only good teeth stay when they part.
        strain = max(v.jaw, v.smile, v.pucker, v.stretch, v.frown) / 0.15
        own = max(self._own, 1 - min(1.0, strain))
        colours, where = zip(self._drawn, self._photographed, strict=True)
        teeth, seen = (a[box] + own * (b[box] - a[box]) for a, b in (colours, where))
        # Drawn teeth stand in the shadow of the upper lip; photographed ones have it already.
        shade = 1 - (1 - own) * (0.5 - 0.5 * np.clip(under / 0.022, 0, 1))
        shade = shade * (1 - 0.35 * v.pucker)
        blend(colour, teeth * shade[..., None], seen * max(0.0, 1 - 1.1 * v.pucker))
        return colour

    def _drawn_teeth(self) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Return upper teeth where they stand behind closed lips, and where they are."""
        u, v = self._u, self._v
        joint = seams(u)
        edge = self._line + SHOWN + 0.004 - 0.030 * (u / ARCH) ** 2 - 0.0015 * joint
        seen = np.clip((edge - v) / 0.006 + 0.5, 0, 1) * np.clip((ARCH - np.abs(u)) / 0.03, 0, 1)
        round_ = np.sqrt(np.clip(1 - (0.92 * u / ARCH) ** 2, 0.08, 1))
        colour = np.array(TEETH, np.float32) * self._light * (round_ * (1 - 0.10 * joint))[..., None]
        gum = np.clip((self._line - 0.036 + 0.006 * joint - v) / 0.006 + 0.5, 0, 1)
        blend(colour, np.array(GUM, np.float32) * self._light * round_[..., None], gum)
        return colour, seen.astype(np.float32)

    def _photographed_teeth(
        self, photo: UInt8[np.ndarray, "h w 3"]
    ) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Return the photograph's own teeth, carried on to all sides, and where they are: not below them."""
        import cv2

        upper, lower = (smooth_line(line) for line in self._lips.opening(self._lips.rest))
        corner = np.array([self._warp.x[0], self._warp.y[0, 0]])
        outline = np.concatenate([upper, lower[::-1]]) - corner
        hole = (filled(outline, photo.shape[1::-1], 1) > 0.5).astype(np.uint8)
        reach = max(3, round(0.008 * self._lips.face))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        inner = cv2.erode(hole, kernel)
        near = cv2.dilate(hole, np.ones((2 * round(0.06 * self._lips.face) + 1,) * 2, np.uint8))
        teeth = cv2.inpaint(np.ascontiguousarray(photo), near - inner, 3, cv2.INPAINT_TELEA)
        own = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 0.8)[..., None]
        colour = teeth + own * (photo.astype(np.float32) - teeth)
        base = np.interp(self._warp.x, lower[:, 0], lower[:, 1]).astype(np.float32)
        seen = np.clip(
            (base + 0.010 * self._lips.face - self._warp.y) / (0.008 * self._lips.face) + 0.5, 0, 1
        )
        seen = seen * (cv2.GaussianBlur(near.astype(np.float32), (0, 0), 2.0))
        return colour.astype(np.float32), seen.astype(np.float32)


def without_mouth(layer: UInt8[np.ndarray, "S S 4"], lips: Lips) -> UInt8[np.ndarray, "S S 4"]:
    """Return the layer with skin instead of the mouth."""
    import cv2

    f, rest = lips.face, lips.rest
    gone = np.zeros(layer.shape[:2], np.uint8)
    outline = np.concatenate([rest[lips.part[g]] for g in (CORNERS, OUTER_UPPER, OUTER_LOWER)])
    cv2.fillConvexPoly(gone, cv2.convexHull(np.rint(outline).astype(np.int32)), 1)
    for x, y in rest[lips.part[CORNERS]]:
        cv2.circle(gone, (round(x), round(y)), round(0.05 * f), 1, -1)
    gone = cv2.dilate(gone, np.ones((2 * round(0.012 * f) + 1,) * 2, np.uint8))
    out = layer.copy()
    out[..., :3] = np.clip(heal(layer[..., :3], gone, 0.03 * f), 0, 255)
    return out


def filled(outline: np.ndarray, shape: tuple[int, ...], finer: int = 4) -> Float32[np.ndarray, "h w"]:
    """Return how much of each pixel lies within an outline (n, 2); `shape` is width, height."""
    import cv2

    mask = np.zeros((shape[1] * finer, shape[0] * finer), np.uint8)
    spots = np.rint(((outline + 0.5) * finer - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [spots], 255, cv2.LINE_8, 4)
    return cv2.resize(mask, (shape[0], shape[1]), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def blend(below: np.ndarray, colour: np.ndarray, share: np.ndarray) -> None:
    """Lay a colour over another, in place."""
    below += share[..., None] * (colour - below)


def seams(u: np.ndarray, apart: float | None = None) -> np.ndarray:
    """Return how near a place is to where two teeth meet, 0..1."""
    spots = np.array(BETWEEN) if apart is None else apart * np.arange(4)
    return np.exp(-(((np.abs(u)[..., None] - spots) / 0.0030) ** 2)).max(-1).astype(np.float32)


def smooth_line(knots: np.ndarray) -> np.ndarray:
    """Return a curve through knots (n, 2), `PARTS` points for each of them (Catmull and Rom)."""
    held = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = (np.arange(PARTS) / PARTS)[:, None, None]
    a, b, c, d = held[:-3], held[1:-2], held[2:-1], held[3:]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), knots[-1:]])
