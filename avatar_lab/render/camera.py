"""From head coordinates to the picture: one rotation, one mild perspective, one matrix product a frame.

Head coordinates: x to the person's left (the picture's right), y up, z towards the viewer; the skull is
two units high and its middle is the origin. The head turns about a pivot in the neck.
R = roll(picture plane) . yaw(vertical axis) . pitch(ear axis), the order in which trackers report angles.

What is peculiar: `rays` is the exact inverse of `project`, used to look up skin and hair per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.data.face import FaceParams

FOCAL: Final = 7.0  # distance of the eye in head units: a portrait lens, slight perspective
HEAD_UNIT: Final = 0.295  # one head unit in picture heights
HEAD_CENTRE: Final = (0.5, 0.49)  # where the head rests, in picture sizes from the top left
PIVOT: Final = np.array([0.0, -0.55, -0.20], np.float32)
WIDTH: Final = 1.56  # one head width (unit of the x and y parameters) in head units


@dataclass(frozen=True)
class View:
    """The camera for one frame. Pixels are floats of the (supersampled) canvas."""

    rotation: Float32[np.ndarray, "3 3"]
    centre: Float32[np.ndarray, "2"]
    unit: float

    @classmethod
    def of(cls, face: FaceParams, canvas: int) -> View:
        """Set the camera up for a clamped pose and a square canvas of `canvas` pixels."""
        unit = HEAD_UNIT * canvas
        shift = np.array([face.x, -face.y], np.float32) * WIDTH * unit
        centre = np.array(HEAD_CENTRE, np.float32) * canvas + shift
        return cls(_rotation(face.yaw, face.pitch, face.roll), centre, unit * face.scale)

    def turn(self, points: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N 3"]:
        """Rotate head coordinates about the pivot into view coordinates."""
        return (points - PIVOT) @ self.rotation.T + PIVOT

    def project(self, points: Float32[np.ndarray, "N 3"]) -> Float32[np.ndarray, "N 2"]:
        """Return canvas pixels (x right, y down)."""
        turned = self.turn(points)
        near = self.unit * FOCAL / (FOCAL - turned[:, 2])
        pixels = np.empty((len(points), 2), np.float32)
        pixels[:, 0] = self.centre[0] + near * turned[:, 0]
        pixels[:, 1] = self.centre[1] - near * turned[:, 1]
        return pixels

    def rays(self, pixels: Float32[np.ndarray, "N 2"]) -> tuple[np.ndarray, np.ndarray]:
        """Return origin and direction (N, 3), in head coordinates, of the sight line through each pixel."""
        plane = (pixels - self.centre) / self.unit
        start = np.stack([plane[:, 0], -plane[:, 1], np.zeros(len(plane), np.float32)], 1)
        away = np.stack([plane[:, 0] / FOCAL, -plane[:, 1] / FOCAL, np.full(len(plane), -1, np.float32)], 1)
        return (start - PIVOT) @ self.rotation + PIVOT, away @ self.rotation

    def to_head(self, direction: Float32[np.ndarray, "3"]) -> Float32[np.ndarray, "3"]:
        """Turn a direction of the viewer's space (a light) into head coordinates."""
        return direction @ self.rotation


def _rotation(yaw: float, pitch: float, roll: float) -> Float32[np.ndarray, "3 3"]:
    y, p, r = np.deg2rad([yaw, pitch, roll])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (tilt @ turn @ nod).astype(np.float32)
