"""Where the points of a mouth go when it smiles, opens or rounds: landmarks of a photograph, moved by face parameters.

    points, moved = lips.rest, lips.moved(values)         # (N, 2) each, pixels: what `portrait_warp` bends between

Lengths are in face heights (forehead to chin) and directions are the mouth's own (along its corners, and down), so that
all faces move alike. Most parameters add a displacement. `pucker` is a place instead, a small ring around the mouth's
middle, so that a photograph that grins can say "o" too.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

TOP, CHIN = 10, 152
# All lists run from the picture's left to its right; the mouth's corners are lists of their own.
CORNERS: Final = (61, 291)
OUTER_UPPER: Final = (185, 40, 39, 37, 0, 267, 269, 270, 409)
OUTER_LOWER: Final = (146, 91, 181, 84, 17, 314, 405, 321, 375)
INNER_CORNERS: Final = (78, 308)
INNER_UPPER: Final = (191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LOWER: Final = (95, 88, 178, 87, 14, 317, 402, 318, 324)
BELOW_LIP: Final = (18, 200, 199)
JAW: Final = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
CHEEKS: Final = (50, 280)  # below the eyes: what a smile lifts
FOLDS: Final = (205, 425)  # beside the nose
DIMPLES: Final = (187, 411)  # beside the corners
STILL: Final = (1, 2, 98, 327, 145, 374, 33, 263, 234, 454, 93, 323, 6)
GROUPS: Final = (
    CORNERS, OUTER_UPPER, OUTER_LOWER, INNER_CORNERS, INNER_UPPER, INNER_LOWER, BELOW_LIP, JAW, CHEEKS, FOLDS,
    DIMPLES, STILL,
)  # fmt: skip

DROP: Final = 0.165  # of the lower lip at jaw_open 1
AT_CORNER: Final = 0.30  # the share of it that the corners take
INWARD: Final = 0.24  # how much narrower the mouth is at jaw_open 1
RING: Final = (0.102, 0.060, 0.064)  # half width, height above, height below, of lips that say "oo"
RING_INSIDE: Final = (0.088, 0.005)  # half width and half height of what they leave open
BESIDE: Final = (
    0.05,
    0.45,
)  # skin next to the corners: how far away, and how much of their way it goes in a pucker
PARTED: Final = 0.024  # how far a broad smile parts closed lips
BROAD: Final = (0.33, 0.11)  # a mouth of this width is at rest; wider by the second, it smiles already


@dataclass(frozen=True)
class Values:
    """The parameters that move a mouth, clipped to their ranges."""

    jaw: float
    smile: float
    pucker: float
    stretch: float
    frown: float

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Values:
        names = ("jaw_open", "smile", "pucker", "stretch", "frown")
        return cls(*(float(np.clip(values[n], 0, 1)) for n in names))

    @property
    def quiet(self) -> bool:
        return max(self.jaw, self.smile, self.pucker, self.stretch, self.frown) < 2e-3


class Lips:
    """The moving points around the mouth of one photograph.

    Attributes
    ----------
    rest : (N, 2) where they are in the photograph.
    face : height of the face, pixels. gap : how far the lips are apart in the photograph, pixels.
    smiles : 0..1, how much the photograph smiles already.
    """

    def __init__(self, points: np.ndarray) -> None:
        p = points[:, :2].astype(np.float64)
        self.face = float(np.linalg.norm(p[TOP] - p[CHIN]))
        along = p[CORNERS[1]] - p[CORNERS[0]]
        self._right = along / np.linalg.norm(along)
        self._down = np.array([-self._right[1], self._right[0]])
        middle = p[[13, 14]].mean(0)
        self._origin = p[list(CORNERS)].mean(0)
        self._origin = self._origin + self._right * ((middle - self._origin) @ self._right)
        self._line = float((middle - self._origin) @ self._down)  # the lips' line, below the corners
        self._half = 0.5 * float(np.linalg.norm(along))
        self.gap = float((p[list(INNER_LOWER)] - p[list(INNER_UPPER)]) @ self._down @ np.ones(9) / 9)
        self.smiles = float(np.clip((2 * self._half / self.face - BROAD[0]) / BROAD[1], 0, 1))
        neck = self._origin + self._down * float((p[CHIN] - self._origin) @ self._down + 0.40 * self.face)
        self._neck = neck + np.outer((-0.35, 0, 0.35), self._right) * self.face
        beside = p[list(CORNERS)] + np.outer((-1, 1), self._right) * BESIDE[0] * self.face
        self.part, start = {}, 0
        for group in GROUPS:
            self.part[group] = slice(start, start + len(group))
            start += len(group)
        self._beside = slice(start, start + 2)
        known = p[[i for group in GROUPS for i in group]]
        self.rest: Float64[np.ndarray, "N 2"] = np.concatenate([known, beside, self._neck])
        self._local = self.to_local(self.rest)

    def to_local(self, places: np.ndarray) -> np.ndarray:
        """Return places along and across the mouth, in pixels from its middle."""
        return (places - self._origin) @ np.stack([self._right, self._down], 1)

    def to_picture(self, local: np.ndarray) -> np.ndarray:
        """The inverse of `to_local`."""
        return local @ np.stack([self._right, self._down]) + self._origin

    def moved(self, v: Values) -> Float64[np.ndarray, "N 2"]:
        """Return where the points go."""
        q = self._local.copy()
        self._purse(q, v.pucker)
        self._pull(q, v)
        self._drop(q, v)
        return self.to_picture(q)

    def opening(self, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the upper and the lower inner line of the lips, corner to corner, 11 points each."""
        ends = moved[self.part[INNER_CORNERS]]
        return tuple(
            np.concatenate([ends[:1], moved[self.part[line]], ends[1:]])
            for line in (INNER_UPPER, INNER_LOWER)
        )  # type: ignore[return-value]

    def _share(self, group: tuple[int, ...], own: bool = True) -> np.ndarray:
        """Return the place along the lips, -1 at one corner, 1 at the other; of the `own` line, or the outer one."""
        inner = own and group in (INNER_UPPER, INNER_LOWER, INNER_CORNERS)
        ends = INNER_CORNERS if inner else CORNERS
        left, right = self._local[self.part[ends], 0]
        return np.clip((2 * self._local[self.part[group], 0] - left - right) / (right - left), -1, 1)

    def _purse(self, q: np.ndarray, pucker: float) -> None:
        """Round the lips: a ring whose size does not depend on how broad the mouth was."""
        if pucker <= 0:
            return
        f, line = self.face, self._line
        rings = (
            (OUTER_UPPER, RING[0], -RING[1]), (OUTER_LOWER, RING[0], RING[2]), (CORNERS, RING[0], 0.0),
            (INNER_UPPER, RING_INSIDE[0], -RING_INSIDE[1]), (INNER_LOWER, RING_INSIDE[0], RING_INSIDE[1]),
            (INNER_CORNERS, RING_INSIDE[0], 0.0),
        )  # fmt: skip
        for group, wide, high in rings:
            part = self.part[group]
            angle = 0.5 * np.pi * self._share(group)
            ring = np.stack([wide * f * np.sin(angle), line + high * f * np.cos(angle) ** 0.8], 1)
            q[part] += pucker * (ring - q[part])
        q[self._beside] += BESIDE[1] * (q[self.part[CORNERS]] - self._local[self.part[CORNERS]])
        inward = self._half - RING[0] * f
        sides = np.array([1.0, -1.0])
        for group, share in ((FOLDS, 0.30), (DIMPLES, 0.38), (CHEEKS, 0.05)):
            q[self.part[group], 0] += pucker * share * inward * sides
        q[self.part[DIMPLES], 1] += pucker * 0.02 * f
        q[self.part[BELOW_LIP], 1] += pucker * np.array([0.016, 0.006, 0.0]) * f

    def _pull(self, q: np.ndarray, v: Values) -> None:
        """Pull the corners: up and out, out, or down."""
        f = self.face
        smile = v.smile * (1 - 0.45 * self.smiles) * (1 - 0.75 * v.pucker)
        wide = 0.046 * smile + 0.042 * v.stretch - 0.006 * v.frown
        high = 0.042 * smile - 0.036 * v.frown - 0.008 * v.stretch
        parted = PARTED * np.clip((v.smile - 0.4) / 0.6, 0, 1) * (1 - v.pucker) * (self.gap < PARTED * f)
        parted += 0.018 * v.stretch
        for group in (CORNERS, OUTER_UPPER, OUTER_LOWER, INNER_CORNERS, INNER_UPPER, INNER_LOWER):
            s = self._share(group, own=False)
            part = self.part[group]
            q[part, 0] += wide * f * np.sign(s) * np.abs(s) ** 0.8
            q[part, 1] -= high * f * np.abs(s) ** 1.5
            q[part, 1] += (0.010 * smile - 0.010 * v.frown) * f * (1 - s * s)
            if group in (OUTER_UPPER, INNER_UPPER):
                q[part, 1] -= 0.55 * parted * f * (1 - s * s)
            if group in (OUTER_LOWER, INNER_LOWER):
                q[part, 1] += 0.45 * parted * f * (1 - s * s)
        q[self._beside] += np.stack([np.array([-wide, wide]) * f, [-high * f, -high * f]], 1)
        thin = 0.006 * smile * f
        q[self.part[OUTER_UPPER], 1] += thin
        sides = np.array([-1.0, 1.0])
        for group, out, up in ((CHEEKS, 0.008, 0.034), (FOLDS, 0.022, 0.038), (DIMPLES, 0.034, 0.042)):
            q[self.part[group], 0] += sides * out * f * (smile + 0.5 * v.stretch)
            q[self.part[group], 1] -= up * f * smile - 0.016 * f * v.frown
        q[self.part[BELOW_LIP], 1] -= np.array([0.004, 0.006, 0.008]) * f * v.frown

    def _drop(self, q: np.ndarray, v: Values) -> None:
        """Let the jaw fall: the lower lip and the chin with it, the corners a part of the way."""
        drop = DROP * self.face * v.jaw
        if drop <= 0:
            return
        for group in (CORNERS, OUTER_UPPER, OUTER_LOWER, INNER_CORNERS, INNER_UPPER, INNER_LOWER):
            s = np.abs(self._share(group))
            s = s + v.pucker * (np.sin(0.5 * np.pi * s) - s)
            part = self.part[group]
            fall = AT_CORNER * s**2.5 - 0.05 * (1 - s * s)
            if group in (OUTER_LOWER, INNER_LOWER):
                fall = AT_CORNER + (1 - AT_CORNER) * np.sqrt(1 - np.minimum(s, 1) ** 2.2)
            q[part, 1] += drop * fall
            q[part, 0] *= 1 - INWARD * v.jaw * (1 - 0.6 * v.pucker) * s
        q[self._beside, 1] += AT_CORNER * drop
        q[self._beside, 0] *= 1 - INWARD * v.jaw * (1 - 0.6 * v.pucker)
        chin = float(self._local[self.part[JAW]][7, 1])
        low = np.clip(self._local[self.part[JAW], 1] / chin, 0, 1) ** 1.3
        q[self.part[JAW], 1] += 0.92 * drop * low
        q[self.part[BELOW_LIP], 1] += drop
        q[self.part[FOLDS], 1] += 0.10 * drop
        q[self.part[DIMPLES], 1] += 0.30 * drop
        q[self.part[DIMPLES], 0] *= 1 - 0.05 * v.jaw
