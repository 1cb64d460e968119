"""Light: colour ramps, and shading of a whole surface texture by a key light, a fill and a rim.

What is peculiar: lighting is computed once a frame in *texture* space (a few ten thousand texels), not per
pixel, and then looked up through the surface. The lights stand still while the head turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.render.camera import View
from avatar_lab.render.character import RGB


def _unit(direction: Sequence[float] | np.ndarray) -> np.ndarray:
    vector = np.asarray(direction, np.float32)
    return vector / np.linalg.norm(vector)


KEY: Final = _unit((-0.55, 0.62, 0.75))  # from the viewer's upper left
RIM: Final = _unit((0.85, 0.25, -0.35))  # from behind, right
EYE: Final = _unit((0.0, 0.0, 1.0))
HALF: Final = _unit(KEY + EYE)
BASE: Final = 0.70  # the shade at which a ramp shows the pure colour


def skin_ramp(colour: RGB) -> UInt8[np.ndarray, "256 1 3"]:
    """Return 256 colours from warm shadow over `colour` (at BASE) to a soft highlight."""
    base = np.array(colour, np.float64) / 255
    deep = base**1.25 * np.array([0.56, 0.36, 0.36])
    mid = base**1.05 * np.array([0.86, 0.74, 0.72])
    light = base + (np.array([1.0, 0.955, 0.90]) - base) * 0.42
    return _ramp((0.0, 0.42, BASE, 1.0), (deep, mid, base, light))


def hair_ramp(colour: RGB) -> UInt8[np.ndarray, "256 1 3"]:
    """Return 256 colours for hair: dark roots, pure colour, bright gloss."""
    base = np.array(colour, np.float64) / 255
    deep = base**1.2 * np.array([0.42, 0.38, 0.44])
    gloss = base + (np.array([1.0, 0.95, 0.88]) - base) * 0.38
    return _ramp((0.0, 0.55, 0.78, 1.0), (deep, base * 0.94, base + 0.035, gloss))


def cloth_ramp(colour: RGB) -> UInt8[np.ndarray, "256 1 3"]:
    """Return 256 colours for fabric: matt, with cool shadows."""
    base = np.array(colour, np.float64) / 255
    deep = base**1.15 * np.array([0.50, 0.50, 0.58])
    light = base + (1 - base) * 0.18
    return _ramp((0.0, BASE, 1.0), (deep, base, light))


def ramp_colour(ramp: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return one colour of a ramp."""
    r, g, b = ramp[int(min(max(level, 0), 1) * 255), 0].tolist()
    return (float(r), float(g), float(b))


def lit_levels(normals: Float32[np.ndarray, "3 M"], view: View, gloss: float) -> Float32[np.ndarray, "M"]:
    """Return the shade 0..1 of every texel: wrapped key light, highlight, and rim at grazing angles."""
    lights = np.stack([view.to_head(KEY), view.to_head(HALF), view.to_head(RIM), view.to_head(EYE)])
    key, half, rim, facing = lights @ normals
    wrap = np.clip(0.5 + 0.5 * key, 0, 1)
    level = 0.195 + 0.62 * wrap * np.sqrt(wrap)
    np.clip(half, 0, 1, out=half)
    half *= half
    half *= half
    half *= half
    level += gloss * half * half
    edge = np.clip(1 - facing, 0, 1)
    level += 0.55 * edge * edge * np.clip(rim, 0, 1)
    return level


def colour_texture(
    levels: np.ndarray, ramp: np.ndarray, shape: tuple[int, int]
) -> UInt8[np.ndarray, "H W 3"]:
    """Turn shades into colours."""
    bytes_ = cv2.convertScaleAbs(np.clip(levels, 0, 1).reshape(shape), alpha=255.0)
    return cv2.applyColorMap(cv2.merge([bytes_]), ramp)


def _ramp(places: tuple[float, ...], colours: tuple[np.ndarray, ...]) -> np.ndarray:
    grid = np.linspace(0, 1, 256)
    curve = np.stack([np.interp(grid, places, [c[k] for c in colours]) for k in range(3)], 1)
    curve = cv2.GaussianBlur(curve.reshape(1, 256, 3), (31, 1), 8, borderType=cv2.BORDER_REPLICATE)
    return (np.clip(curve.reshape(256, 1, 3), 0, 1) * 255 + 0.5).astype(np.uint8)
