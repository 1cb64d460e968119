"""A photograph made to move: one frontal picture of a face, driven by the eighteen face parameters.

    picture = PhotoPortrait.from_file("me.jpg", size=256)
    picture.draw(face)                                        # the same interface as the drawn characters

Each frame is the photograph, read at other places: `shown[q] = folded[q - displacement(q)]`. First what no smooth field
can do: lids that come down over the eye, eyes that look aside, a jaw that opens a gap (`portrait_folds`). Then smooth
displacements: bumps around points of the face (smile, brows), and a head that turns in depth (`portrait_fields`).

What is peculiar: all fields are made once, at half the size; a frame is a weighted sum of them and one `remap`. Far
from the head nothing moves, so that the background stands still and nothing tears. It is a puppet's trick, not a model
of a face: what the photograph does not show (teeth, the side of a head) is invented or missing.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.data.face import FACE_INDEX, check_track
from avatar_lab.data.landmarks import FacePoints, find_face
from avatar_lab.errors import ConfigError
from avatar_lab.render.portrait_fields import Fields, make_fields
from avatar_lab.render.portrait_folds import Folds

SIZES: Final = (64, 1024)
FACE_SHARE: Final = 0.46  # of the picture's height, forehead to chin


class PhotoPortrait:
    """One photograph as an avatar.

    Parameters
    ----------
    photo : (H, W, 3) uint8 picture of one person, facing the camera.
    size : edge of the frames that come out.
    points : its points, if they are known; found by the tracker's model otherwise (extra `live`).

    Attributes
    ----------
    notes : what a user of this photograph should know.

    Raises
    ------
    MediaError : no face, a small one, or one that is turned too far. ConfigError : a size that is not possible.
    """

    def __init__(
        self, photo: UInt8[np.ndarray, "H W 3"], size: int = 256, points: FacePoints | None = None
    ) -> None:
        if not SIZES[0] <= size <= SIZES[1]:
            raise ConfigError(f"size must lie in {SIZES[0]}..{SIZES[1]} pixels; got {size}.")
        found = points or find_face(photo)
        self._size, self.notes = size, found.notes
        self._photo, placed = cut_square(photo, found.points, size)
        self._fields: Fields = make_fields(placed, size)
        self._folds = Folds(self._photo, placed)

    @classmethod
    def from_file(cls, path: str | Path, size: int = 256) -> PhotoPortrait:
        """Read a picture file and make a portrait of it."""
        from avatar_lab.data.square import read_picture

        return cls(read_picture(Path(path)), size)

    @property
    def size(self) -> int:
        """Edge of the square picture in pixels."""
        return self._size

    def draw(self, face: Float32[np.ndarray, "P"]) -> UInt8[np.ndarray, "S S 3"]:
        """Draw one pose, columns FACE_NAMES."""
        import cv2

        values = {name: float(face[column]) for name, column in FACE_INDEX.items()}
        flow = self._fields.displacement(values)
        flow = cv2.resize(flow, (self._size, self._size), interpolation=cv2.INTER_LINEAR)
        grid = self._fields.grid
        folded = self._folds.folded(values)
        return cv2.remap(
            folded,
            grid[..., 0] - flow[..., 0],
            grid[..., 1] - flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def draw_track(self, face: Float32[np.ndarray, "T P"]) -> UInt8[np.ndarray, "T S S 3"]:
        """Draw every frame of a track."""
        return np.stack([self.draw(row) for row in check_track(face)])


def cut_square(
    photo: UInt8[np.ndarray, "H W 3"], points: Float32[np.ndarray, "478 3"], size: int
) -> tuple[UInt8[np.ndarray, "S S 3"], Float32[np.ndarray, "478 3"]]:
    """Cut a square around the head and scale it to `size`; return it and the points in it."""
    import cv2

    top, chin = points[10, :2], points[152, :2]
    edge = float(np.linalg.norm(top - chin)) / FACE_SHARE
    middle = 0.5 * (top + chin) + np.array([0.0, -0.02 * edge])
    scale = size / edge
    move = np.array([[scale, 0, size / 2 - scale * middle[0]], [0, scale, size / 2 - scale * middle[1]]])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    cut = cv2.warpAffine(photo, move, (size, size), flags=method, borderMode=cv2.BORDER_REPLICATE)
    placed = points * scale
    placed[:, :2] += move[:, 2].astype(np.float32)
    return cut, placed.astype(np.float32)
