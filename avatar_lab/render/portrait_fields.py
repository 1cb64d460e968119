"""How a photograph bends: bumps around points of the face, and a head that turns in depth.

Lengths are in face heights (forehead to chin), so that all faces bend alike. What is peculiar: a field says where a
point of the photograph goes; a frame is read backwards with the same field, which is right as long as bumps are gentle,
and a few rounds of correction make up for the rest.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32

HALF: Final = 2  # fields are kept at half the size
TOP, CHIN, EAR_RIGHT, EAR_LEFT = 10, 152, 234, 454  # points; the person's right is the picture's left
PIVOT_DEPTH: Final = 0.16  # how far the axis of the head lies behind the ears' plane
SKULL: Final = (
    0.60,
    0.84,
    0.10,
)  # half width and half height of a skull with hair; how far above the face's middle
NECK: Final = (
    -0.03,
    0.42,
)  # below the chin: where the neck begins to stay behind, and over what length it does
ROUNDS: Final = 2  # of reading backwards

# parameter: (point, right, down, reach) in face heights at full value; mirrored points are listed one by one.
BUMPS: Final[dict[str, tuple[tuple[int, float, float, float], ...]]] = {
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
        """Return how far each place of the new picture has come, in pixels of the full size."""
        import cv2

        flow = self._turned(values)
        for name, field in self.bumps.items():
            if abs(values[name]) > 1e-3:
                flow = flow + values[name] * field
        here = self.grid[::HALF, ::HALF] / HALF
        back = flow
        for _ in range(ROUNDS):
            at = here - back / HALF
            back = cv2.remap(flow, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return back

    def _turned(self, values: Mapping[str, float]) -> Float32[np.ndarray, "h h 2"]:
        """Return the displacement of a head that turns, tilts, moves and comes nearer."""
        yaw, pitch, roll = (math.radians(values[name]) for name in ("yaw", "pitch", "roll"))
        x, y = self.around[..., 0], self.around[..., 1]
        right = math.cos(yaw) * x + math.sin(yaw) * self.depth
        down = math.cos(pitch) * y - math.sin(pitch) * self.depth
        cos, sin = values["scale"] * math.cos(roll), values["scale"] * math.sin(roll)
        size = len(self.grid)
        moved = np.empty_like(self.around)
        moved[..., 0] = self.head * (cos * right - sin * down + (values["x"] * size - x))
        moved[..., 1] = self.head * (sin * right + cos * down - (values["y"] * size + y))
        return moved


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
    below = (y - points[CHIN, 1]) / face - NECK[0]
    below = below + 0.20 * np.clip(np.abs(around[..., 0]) / face - 0.40, 0, 0.6)  # shoulders stand higher
    stays = np.clip(below / NECK[1], 0, 1)
    head = (1 - stays * stays * (3 - 2 * stays)).astype(np.float32)
    return Fields(bumps, depth_of(points, x, y, face, float(ears[2])), around, head, grid.astype(np.float32))


def depth_of(
    points: Float32[np.ndarray, "478 3"], x: np.ndarray, y: np.ndarray, face: float, ears: float
) -> Float32[np.ndarray, "h h"]:
    """Return how far each place lies before the head's axis: the points' depth, and a skull's around them."""
    top, chin = points[TOP], points[CHIN]
    e = np.hypot(
        (x - top[0]) / (SKULL[0] * face), (y - 0.5 * (top[1] + chin[1]) + SKULL[2] * face) / (SKULL[1] * face)
    )
    skull = max(float(top[2]) - ears, 0.1 * face) * np.sqrt(np.clip(1 - e * e, 0, 1))
    total = np.full(x.shape, 0.5, np.float32)  # the pull towards the skull where no point is near
    above = total * skull
    for px, py, pz in points[:468]:
        weight = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (0.055 * face) ** 2))
        above += weight * (pz - ears)
        total += weight
    import cv2

    smooth = cv2.GaussianBlur((above / total).astype(np.float32), (0, 0), 0.03 * face / HALF)
    return (smooth + PIVOT_DEPTH * face).astype(np.float32)
