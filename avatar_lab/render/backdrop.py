"""The soft studio wall behind a character: a gradient, a glow behind the head, darker corners."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from avatar_lab.render.character import RGB


def paint_backdrop(colour: RGB, canvas: int) -> UInt8[np.ndarray, "S S 3"]:
    """Paint the wall on a square canvas."""
    line = (np.arange(canvas) + 0.5) / canvas
    x, y = np.meshgrid(line, line)
    base = np.array(colour, np.float64)
    light, dark = base + (255 - base) * 0.45, base * np.array([0.86, 0.84, 0.88])
    fall = np.clip(y * 0.75 + 0.15 * x, 0, 1)[..., None]
    wall = light * (1 - fall) + dark * fall
    glow = np.exp(-(((x - 0.46) / 0.34) ** 2 + ((y - 0.42) / 0.34) ** 2))[..., None]
    wall = wall + (light + 0.5 * (255 - light) - wall) * 0.55 * glow
    corner = np.clip(np.hypot(x - 0.5, y - 0.5) - 0.45, 0, 1)[..., None]
    return np.clip(wall * (1 - 0.35 * corner) + 0.5, 0, 255).astype(np.uint8)
