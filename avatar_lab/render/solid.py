"""A solid made of elliptic slices: the shape of the skull with its face, and of a head of hair.

Each height y has an ellipse x^2 / A^2 + (z - Z)^2 / C^2 = 1, so the front view (A) and the side view
(Z + C in front, Z - C behind) can be drawn as two plain curves. A point on the surface is named by its
longitude (0 in front, + towards the person's left) and its row t (0 top .. 1 bottom).

What is peculiar: `cast` finds the surface point seen by each pixel of a coarse grid by fixed-point
iteration on y; skin and hair colours are then looked up there, which gives right parallax for any turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

ROWS = 512  # resolution of the profile table
STEPS = 6  # fixed-point iterations of `cast`


@dataclass(frozen=True)
class Solid:
    """Profile table over uniform heights, from `top` down to `bottom`: columns A, C, Z, t."""

    top: float
    bottom: float
    table: Float32[np.ndarray, "R 4"]

    @classmethod
    def from_profiles(
        cls, heights: np.ndarray, half_width: np.ndarray, front: np.ndarray, back: np.ndarray
    ) -> Solid:
        """Build from side and front outlines sampled at falling `heights`."""
        top, bottom = float(heights[0]), float(heights[-1])
        grid = np.linspace(top, bottom, ROWS)

        def at(curve: np.ndarray) -> np.ndarray:
            return np.interp(-grid, -heights, curve)

        depth = np.maximum((at(front) - at(back)) / 2, 1e-3)
        middle = (at(front) + at(back)) / 2
        table = np.stack([np.maximum(at(half_width), 1e-3), depth, middle, row_of(grid, top, bottom)], 1)
        return cls(top, bottom, table.astype(np.float32))

    def lookup(self, y: np.ndarray) -> np.ndarray:
        """Return the table rows for heights `y` (any shape), nearest entry, ends held."""
        index = ((self.top - y) * ((ROWS - 1) / (self.top - self.bottom)) + 0.5).astype(np.int32)
        return self.table.take(index, axis=0, mode="clip")

    def height(self, t: np.ndarray) -> np.ndarray:
        """Return y for rows `t`: rows crowd at the two poles, where the surface is flat."""
        return (self.top + self.bottom) / 2 + (self.top - self.bottom) / 2 * np.cos(np.pi * t)

    def points(self, longitude: np.ndarray, y: np.ndarray) -> Float32[np.ndarray, "N 3"]:
        """Return surface points for longitudes (radians) and heights, both (N,)."""
        exact = (self.top - y) * ((ROWS - 1) / (self.top - self.bottom))
        low = np.clip(exact.astype(np.int32), 0, ROWS - 2)
        part = np.clip(exact - low, 0, 1)[:, None]
        row = self.table[low] * (1 - part) + self.table[low + 1] * part
        x = row[:, 0] * np.sin(longitude)
        z = row[:, 2] + row[:, 1] * np.cos(longitude)
        return np.stack([x, y, z], 1).astype(np.float32)

    def front_z(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return z of the front surface at (x, y)."""
        row = self.lookup(np.asarray(y))
        inside = 1 - np.minimum(np.abs(x) / row[..., 0], 0.999) ** 2
        return row[..., 2] + row[..., 1] * np.sqrt(inside)

    def cast(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return hit points (N, 3) and their table rows (N, 4); a miss gives the nearest approach."""
        ox, oy, oz = origin.T
        dx, dy, dz = direction.T
        y = oy - 0.4 * dy
        row = self.lookup(y)
        along = np.zeros_like(y)
        for step in range(STEPS):
            inv_a, inv_c = 1 / row[:, 0], 1 / row[:, 1]
            px, pz = ox * inv_a, (oz - row[:, 2]) * inv_c
            qx, qz = dx * inv_a, dz * inv_c
            qq = qx * qx + qz * qz
            half = px * qx + pz * qz
            disc = np.maximum(half * half - qq * (px * px + pz * pz - 1), 0)
            along = -(half + np.sqrt(disc)) / qq
            y = 0.5 * (y + oy + along * dy) if step < STEPS - 1 else oy + along * dy
            row = self.lookup(y)
        return origin + along[:, None] * direction, row


def row_of(y: np.ndarray, top: float, bottom: float) -> np.ndarray:
    """Return the row t of heights `y`, the inverse of `Solid.height`."""
    middle, half = (top + bottom) / 2, (top - bottom) / 2
    return np.arccos(np.clip((y - middle) / half, -1, 1)) / np.pi
