"""A textured solid: mesh for its outline, texels with normals for light, and the per-pixel lookup.

Skin and hair are two surfaces drawn by the same three steps a frame:
light the texture (`lit_levels`), find the texel under each pixel of a coarse grid (`texel_map`), and
copy the looked-up colours through a sharp silhouette (`paste`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32

from avatar_lab.render.camera import View
from avatar_lab.render.solid import Solid

LON_LIMIT: Final = 2.6  # radians; the back of the head beyond is never seen
Height = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TexelGrid:
    """Where the texels of a surface lie."""

    shape: tuple[int, int]
    longitude: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, width: int, height: int) -> TexelGrid:
        longitude = np.linspace(-LON_LIMIT, LON_LIMIT, width)
        row = np.linspace(0.012, 0.988, height)
        lon, t = np.meshgrid(longitude, row)
        return cls((height, width), lon, t)

    def place(self, longitude: np.ndarray, row: np.ndarray) -> Float32[np.ndarray, "N 2"]:
        """Return texture pixel coordinates of surface places."""
        height, width = self.shape
        u = (longitude + LON_LIMIT) * ((width - 1) / (2 * LON_LIMIT))
        v = (row - 0.012) * ((height - 1) / 0.976)
        return np.stack([u, v], 1).astype(np.float32)


def texel_positions(grid: TexelGrid, solid: Solid, height: Height | None) -> np.ndarray:
    """Return head coordinates (H, W, 3) of all texels; relief only on the front half."""
    y = solid.height(grid.row)
    points = solid.points(grid.longitude.ravel(), y.ravel()).astype(np.float64).reshape(*grid.shape, 3)
    if height is not None:
        front = np.clip(np.cos(grid.longitude) * 3, 0, 1)
        points[..., 2] += height(points[..., 0], points[..., 1]) * front
    return points


def normals_of(points: np.ndarray) -> Float32[np.ndarray, "3 M"]:
    """Return outward unit normals of a texel grid, flattened."""
    across = np.gradient(points, axis=1)
    down = np.gradient(points, axis=0)
    normal = np.cross(down, across)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-9)
    return np.ascontiguousarray(normal.reshape(-1, 3).T, np.float32)


def texel_map(
    view: View,
    solid: Solid,
    grid: TexelGrid,
    area: tuple[int, int, int, int],
    cells: int,
    height_map: np.ndarray | None,
) -> Float32[np.ndarray, "C C 2"]:
    """Return texture coordinates for a coarse grid of `cells` x `cells` over the canvas box `area`."""
    x0, y0, x1, y1 = area
    px = x0 - 0.5 + (np.arange(cells, dtype=np.float32) + 0.5) * ((x1 - x0) / cells)
    py = y0 - 0.5 + (np.arange(cells, dtype=np.float32) + 0.5) * ((y1 - y0) / cells)
    pixels = np.stack([np.tile(px, cells), np.repeat(py, cells)], 1)
    origin, direction = view.rays(pixels)
    hit, row = solid.cast(origin, direction)
    x, y, t = hit[:, 0], hit[:, 1], row[:, 3]
    longitude = np.arctan2(x / row[:, 0], (hit[:, 2] - row[:, 2]) / row[:, 1])
    if height_map is not None:
        x, y = _parallax(x, y, direction, height_map)
        moved = solid.lookup(y)
        front = np.clip((np.cos(longitude) - 0.15) * 3, 0, 1)
        longitude = longitude + front * (_asin(x / moved[:, 0]) - _asin(hit[:, 0] / row[:, 0]))
        t = t + front * (moved[:, 3] - t)
    return grid.place(longitude, t).reshape(cells, cells, 2)


HEIGHT_SPAN: Final = 1.15  # the height map covers x and y in [-span, span]


def height_map_of(height: Height, cells: int = 128) -> Float32[np.ndarray, "C C"]:
    """Sample a relief on a square for `texel_map`."""
    line = np.linspace(-HEIGHT_SPAN, HEIGHT_SPAN, cells)
    x, y = np.meshgrid(line, line)
    return height(x, y).astype(np.float32)


def _parallax(
    x: np.ndarray, y: np.ndarray, direction: np.ndarray, height_map: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slide the hit towards the viewer by the relief found there (fixed point, three rounds)."""
    away = np.minimum(direction[:, 2], -0.35)
    slide_x, slide_y = direction[:, 0] / away, direction[:, 1] / away
    scale = (len(height_map) - 1) / (2 * HEIGHT_SPAN)
    bx, by = x, y
    for _ in range(4):
        u = ((bx + HEIGHT_SPAN) * scale).astype(np.float32)
        v = ((by + HEIGHT_SPAN) * scale).astype(np.float32)
        h = cv2.remap(height_map, u.reshape(-1, 1), v.reshape(-1, 1), cv2.INTER_LINEAR)[:, 0]
        bx = 0.5 * (bx + x + h * slide_x)
        by = 0.5 * (by + y + h * slide_y)
    return bx, by


def paste(
    image: np.ndarray,
    mask: np.ndarray,
    texture: np.ndarray,
    texels: np.ndarray,
    area: tuple[int, int, int, int],
    detail: float,
) -> None:
    """Copy looked-up colours into `area` of the canvas where the binary `mask` (canvas size) is set.

    Colours are looked up at `detail` times the canvas resolution, since they are soft.
    """
    x0, y0, x1, y1 = area
    small = (max(2, round((x1 - x0) * detail)), max(2, round((y1 - y0) * detail)))
    dense = cv2.resize(texels, small, interpolation=cv2.INTER_LINEAR)
    across, down = cv2.split(dense)
    colours = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if small != (x1 - x0, y1 - y0):
        colours = cv2.resize(colours, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(colours, mask[y0:y1, x0:x1], image[y0:y1, x0:x1])


def _asin(value: np.ndarray) -> np.ndarray:
    return np.arcsin(np.clip(value, -0.999, 0.999))
