"""How a photograph bends: bumps around points of the face, and a head that turns in depth.

Lengths are in face heights (forehead to chin), so that all faces bend alike. What is peculiar: a field says where a
point of the photograph goes; a frame is read backwards with the same field, which is right as long as bumps are gentle,
and one correction step makes up for most of the rest.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

HALF: Final = 2  # fields are kept at half the size
TOP, CHIN, EAR_RIGHT, EAR_LEFT = 10, 152, 234, 454  # points; the person's right is the picture's left
PIVOT_DEPTH: Final = 0.16  # how far the axis of the head lies behind the ears' plane
HEAD: Final = (
    0.60,
    0.74,
    0.58,
)  # half width, and height above and below the middle, of what turns with the head
FADE: Final = 1.5  # beyond this multiple of it, the background stands still

# parameter: (point, right, down, reach) in face heights at full value; mirrored points are listed one by one.
BUMPS: Final[dict[str, tuple[tuple[int, float, float, float], ...]]] = {
    "smile": (
        (61, -0.026, -0.030, 0.095), (291, 0.026, -0.030, 0.095),
        (50, -0.006, -0.020, 0.12), (280, 0.006, -0.020, 0.12), (17, 0.0, -0.004, 0.08),
    ),
    "frown": ((61, -0.004, 0.024, 0.085), (291, 0.004, 0.024, 0.085), (17, 0.0, -0.010, 0.07)),
    "stretch": ((61, -0.030, 0.006, 0.095), (291, 0.030, 0.006, 0.095)),
    "pucker": (
        (61, 0.044, 0.0, 0.10), (291, -0.044, 0.0, 0.10), (0, 0.0, -0.010, 0.06), (17, 0.0, 0.010, 0.06),
    ),
    "brow_raise": (
        (105, 0.0, -0.034, 0.10), (334, 0.0, -0.034, 0.10), (107, 0.0, -0.030, 0.08), (336, 0.0, -0.030, 0.08),
        (70, 0.0, -0.018, 0.08), (300, 0.0, -0.018, 0.08),
    ),
    "brow_furrow": ((107, 0.016, 0.020, 0.075), (336, -0.016, 0.020, 0.075)),
}  # fmt: skip


@dataclass(frozen=True)
class Fields:
    """All fields of one photograph at half size, and the grid of places at full size."""

    bumps: Mapping[str, Float32[np.ndarray, "h h 2"]]
    depth: Float32[np.ndarray, "h h"]  # towards the camera, from the head's axis
    around: Float32[np.ndarray, "h h 2"]  # from the head's axis, right and down
    head: Float32[np.ndarray, "h h"]  # 1 on the head, 0 where nothing moves
    grid: Float32[np.ndarray, "S S 2"]

    def displacement(self, values: Mapping[str, float]) -> Float32[np.ndarray, "h h 2"]:
        """Return where every place goes, in pixels of the full size; read backwards with one correction."""
        import cv2

        flow = self._turned(values)
        for name, field in self.bumps.items():
            if abs(values[name]) > 1e-3:
                flow = flow + values[name] * field
        half = self.grid[: 2 * len(flow) : HALF, : 2 * len(flow) : HALF] / HALF
        back = (half - flow / HALF).astype(np.float32)
        return cv2.remap(flow, back[..., 0], back[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _turned(self, values: Mapping[str, float]) -> Float32[np.ndarray, "h h 2"]:
        """Return the displacement of a head that turns, tilts, moves and comes nearer."""
        yaw, pitch, roll = (np.radians(values[name]) for name in ("yaw", "pitch", "roll"))
        x, y = self.around[..., 0], self.around[..., 1]
        right = np.cos(yaw) * x + np.sin(yaw) * self.depth
        down = np.cos(pitch) * y - np.sin(pitch) * self.depth
        tilted = np.stack(
            [np.cos(roll) * right - np.sin(roll) * down, np.sin(roll) * right + np.cos(roll) * down], -1
        )
        size = len(self.grid)
        place = np.array([values["x"] * size, -values["y"] * size], np.float32)
        moved = values["scale"] * tilted + place - self.around
        return (self.head[..., None] * moved).astype(np.float32)


def make_fields(points: Float32[np.ndarray, "478 3"], size: int) -> Fields:
    """Make the fields of a photograph of `size` pixels with these points."""
    line = np.arange(0, size, HALF, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    face = float(np.linalg.norm(points[TOP, :2] - points[CHIN, :2]))
    grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)

    def bump(point: int, reach: float) -> np.ndarray:
        px, py = points[point, :2]
        return np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (reach * face) ** 2))

    bumps = {}
    for name, parts in BUMPS.items():
        field = np.zeros((*x.shape, 2), np.float32)
        for point, right, down, reach in parts:
            field += bump(point, reach)[..., None] * np.array([right, down], np.float32) * face
        bumps[name] = field
    ears = 0.5 * (points[EAR_RIGHT] + points[EAR_LEFT])
    middle = np.array([ears[0], 0.5 * (points[TOP, 1] + points[CHIN, 1])], np.float32)
    around = np.stack([x - middle[0], y - middle[1]], -1).astype(np.float32)
    tall = np.where(around[..., 1] < 0, HEAD[1], HEAD[2]) * face
    e = np.hypot(around[..., 0] / (HEAD[0] * face), around[..., 1] / tall)
    fade = np.clip((FADE - e) / (FADE - 1), 0, 1)
    head = (fade * fade * (3 - 2 * fade)).astype(np.float32)
    return Fields(bumps, depth_of(points, x, y, face, float(ears[2])), around, head, grid.astype(np.float32))


def depth_of(
    points: Float32[np.ndarray, "478 3"], x: np.ndarray, y: np.ndarray, face: float, ears: float
) -> Float32[np.ndarray, "h h"]:
    """Return how far each place lies before the head's axis: the points' depth, spread smoothly."""
    above = np.zeros(x.shape, np.float32)
    total = np.full(x.shape, 0.35, np.float32)  # the pull towards the ears' plane where no point is near
    for px, py, pz in points[:468]:
        weight = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (0.055 * face) ** 2))
        above += weight * (pz - ears)
        total += weight
    return (above / total + PIVOT_DEPTH * face).astype(np.float32)
