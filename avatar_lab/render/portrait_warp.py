"""Bend a picture between points: backward displacement from compact radial functions, twice where lips part.

    q in the new picture is read at q + sum_j w_j phi(|q - t_j| / R),     phi(r) = (1 - r)^4 (4 r + 1) for r < 1

with weights such that each point's new place t_j reads its old one. Two sets of weights share one table of phi: one
knows the upper lip's inner line, one the lower lip's; the line between the lips says which is meant.

What is peculiar: centres are the *new* places, so that no field is ever inverted; phi ends at R, so that nothing far
away moves, and its matrix is positive definite. The table is made on a coarse grid and enlarged.

Source: Wendland, "Piecewise polynomial, positive definite and compactly supported radial functions", 1995; Arad et al.,
"Image warping by radial basis functions", 1994. Notebook: 11 (a portrait).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from avatar_lab.render.portrait_lips import (
    CHIN,
    CORNERS,
    INNER_CORNERS,
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    Lips,
)

REACH: Final = 0.42  # face heights: where a point's pull ends
STEP: Final = 36  # grid steps a face height
BOX: Final = (0.66, 0.62, 0.56)  # half width; height above the mouth, below the chin: what may bend
INTO_LIP: Final = 0.005  # where lips are apart, their edges are read this far inside


class Warp:
    """The lower half of one face, as something that bends."""

    def __init__(self, lips: Lips, points: np.ndarray, size: int) -> None:
        self._lips, face = lips, lips.face
        middle = lips.to_picture(np.zeros(2))
        chin = float(points[CHIN, 1])
        left, right = (int(np.clip(middle[0] + s * BOX[0] * face, 0, size)) for s in (-1, 1))
        top = int(np.clip(middle[1] - BOX[1] * face, 0, size))
        bottom = int(np.clip(chin + BOX[2] * face, 0, size))
        self.box = (slice(top, bottom), slice(left, right))
        self._shape = (right - left, bottom - top)
        self.x = np.arange(left, right, dtype=np.float32)
        self.y = np.arange(top, bottom, dtype=np.float32)[:, None]
        few = max(2, round(STEP * self._shape[0] / face)), max(2, round(STEP * self._shape[1] / face))
        self._few = few
        gx = (np.arange(few[0]) + 0.5) * self._shape[0] / few[0] - 0.5 + left
        gy = (np.arange(few[1]) + 0.5) * self._shape[1] / few[1] - 0.5 + top
        self._gx, self._gy = gx.astype(np.float32), gy.astype(np.float32)
        self._read = lips.rest.copy()
        into = INTO_LIP * face * np.clip(lips.gap / (0.02 * face), 0, 1)
        self._read[lips.part[INNER_UPPER], 1] -= into
        self._read[lips.part[INNER_LOWER], 1] += into
        every = np.arange(len(lips.rest))
        self._sets = tuple(
            (np.setdiff1d(every, every[lips.part[other]]), self._flesh(own, outer))
            for own, outer, other in (
                (INNER_UPPER, OUTER_UPPER, INNER_LOWER),
                (INNER_LOWER, OUTER_LOWER, INNER_UPPER),
            )
        )

    def _flesh(self, inner: tuple[int, ...], outer: tuple[int, ...]) -> Float64[np.ndarray, "N 2"]:
        """Return what points read when the lips are pursed: the corners read the lip beside them, not their crease."""
        read, part = self._read.copy(), self._lips.part
        lip = 0.5 * (read[part[inner]][[1, -2]] + read[part[outer]][[1, -2]])
        for corners in (CORNERS, INNER_CORNERS):
            read[part[corners]] += 0.9 * (lip - read[part[corners]])
        for line in (inner, outer):
            ends = np.arange(len(read))[part[line]][[0, -1]]
            read[ends] += 0.6 * (0.5 * (lip + read[part[line]][[1, -2]]) - read[ends])
        return read

    def read(
        self, layer: UInt8[np.ndarray, "S S 4"], flow: Float32[np.ndarray, "h w 2"]
    ) -> UInt8[np.ndarray, "h w 4"]:
        """Return the box of the layer, bent."""
        import cv2

        return cv2.remap(
            layer, flow[..., 0] + self.x, flow[..., 1] + self.y, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip

    def flow(self, moved: Float64[np.ndarray, "N 2"], pucker: float) -> Float32[np.ndarray, "h w 2"]:
        """Return from how far away each pixel of the box is read."""
        import cv2

        reach = REACH * self._lips.face
        weights = np.zeros((len(moved), 4))
        apart = moved[:, None] - moved[None]
        phi = wendland(np.sqrt((apart**2).sum(-1)) / reach) + 1e-4 * np.eye(len(moved))
        for k, (chosen, flesh) in enumerate(self._sets):
            pull = (self._read + pucker * (flesh - self._read) - moved)[chosen]
            weights[chosen, 2 * k : 2 * k + 2] = np.linalg.solve(phi[np.ix_(chosen, chosen)], pull)
        t = moved.astype(np.float32)
        across = (self._gx[:, None] - t[:, 0]) ** 2
        down = (self._gy[:, None] - t[:, 1]) ** 2
        table = wendland(np.sqrt(down[:, None] + across[None]) / np.float32(reach))
        both = (table.reshape(-1, len(moved)) @ weights.astype(np.float32)).reshape(*self._few[::-1], 4)
        wide = cv2.resize(both, self._shape, interpolation=cv2.INTER_CUBIC)
        lower = self._below(moved)[..., None]
        return wide[..., :2] + lower * (wide[..., 2:] - wide[..., :2])

    def _below(self, moved: np.ndarray) -> Float32[np.ndarray, "h w"]:
        """Return which pixels belong to the lower lip: 0 above the line between the lips, 1 below it."""
        upper, lower = self._lips.opening(moved)
        line = 0.5 * (upper + lower)
        height = np.interp(self.x, line[:, 0], line[:, 1]).astype(np.float32)
        ends = moved[self._lips.part[INNER_CORNERS], 0]
        beyond = np.maximum(0, np.maximum(ends[0] - self.x, self.x - ends[1])).astype(np.float32)
        return np.clip(0.5 + (self.y - height) / (1 + 0.8 * beyond), 0, 1)


def wendland(r: np.ndarray) -> np.ndarray:
    """Return (1 - r)^4 (4 r + 1), 0 beyond r = 1."""
    left = np.maximum(1 - r, 0)
    left *= left
    return left * left * (4 * r + 1)
