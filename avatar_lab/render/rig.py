"""One frame's working state: where the head is, and how drawing reaches its surface.

`Rig.lift` takes points of a flat front view (x, y) to canvas pixels through the relief of this face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.data.face import FaceParams
from avatar_lab.render.camera import View
from avatar_lab.render.character import Character
from avatar_lab.render.light import ramp_colour
from avatar_lab.render.solid import Solid
from avatar_lab.render.surface import HEIGHT_SPAN


@dataclass(frozen=True)
class Rig:
    """Everything the features need to draw themselves on one frame."""

    image: UInt8[np.ndarray, "S S 3"]
    view: View
    solid: Solid
    height_map: Float32[np.ndarray, "C C"]
    who: Character
    face: FaceParams
    skin_ramp: UInt8[np.ndarray, "256 1 3"]

    @property
    def unit(self) -> float:
        """Pixels of one head unit."""
        return self.view.unit

    def skin(self, level: float) -> tuple[float, float, float]:
        """Return the skin's colour at a shade 0..1."""
        return ramp_colour(self.skin_ramp, level)

    def surface(self, flat: np.ndarray, above: np.ndarray | float = 0.0) -> Float32[np.ndarray, "N 3"]:
        """Return head coordinates of flat points (N, 2), `above` the skin along z."""
        x, y = flat[:, 0], flat[:, 1]
        scale = (len(self.height_map) - 1) / (2 * HEIGHT_SPAN)
        u = ((x + HEIGHT_SPAN) * scale).astype(np.float32).reshape(-1, 1)
        v = ((y + HEIGHT_SPAN) * scale).astype(np.float32).reshape(-1, 1)
        relief = cv2.remap(self.height_map, u, v, cv2.INTER_LINEAR)[:, 0]
        points = np.empty((len(flat), 3), np.float32)
        points[:, :2] = flat
        points[:, 2] = self.solid.front_z(x, y) + relief + above
        return points

    def lift(self, flat: np.ndarray, above: np.ndarray | float = 0.0) -> Float32[np.ndarray, "N 2"]:
        """Return canvas pixels of flat points (N, 2)."""
        return self.view.project(self.surface(flat, above))

    def faces_viewer(self, normal: tuple[float, float, float]) -> float:
        """Return the cosine between a head direction and the line to the viewer."""
        return float(self.view.rotation[2] @ np.array(normal, np.float32))
