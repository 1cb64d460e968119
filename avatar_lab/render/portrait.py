"""A photograph made to move: one frontal picture of a face, driven by the eighteen face parameters.

    picture = PhotoPortrait.from_file("me.jpg", size=256)
    picture.draw(face)                                        # the same interface as the drawn characters

Once: the head is cut from its background by a soft matte, and the background behind it is filled in
(`portrait_matte`). Each frame: eyes that look and close (`portrait_eyes`), lips and jaw bent between points
(`portrait_lips`, `portrait_warp`), the inside of the mouth (`portrait_mouth`); then brows, and a head that turns in
depth (`portrait_fields`). The head is laid over the background, which stands still.

What is peculiar: at rest the frame is the photograph, up to rounding. It is a puppet's trick, not a model of a face:
what the photograph does not show (teeth, the side of a head, the wall behind it) is invented from what it shows.

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
from avatar_lab.render.portrait_eyes import Eyes
from avatar_lab.render.portrait_fields import Fields, make_fields
from avatar_lab.render.portrait_lips import Lips, Values
from avatar_lab.render.portrait_matte import cut_head
from avatar_lab.render.portrait_mouth import Mouth
from avatar_lab.render.portrait_warp import Warp

SIZES: Final = (64, 1024)
SKIN: Final = (212.0, 172.0, 150.0)  # the usual colour of lit skin, against which a tint is told
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
        self._layer, self._plate = cut_head(self._photo, placed)
        self._fields: Fields = make_fields(placed, size)
        self._lips = Lips(placed)
        self._warp = Warp(self._lips, placed, size)
        light = light_of(self._photo, placed)
        self._mouth = Mouth(self._layer, self._lips, self._warp, light)
        self._eyes = Eyes(self._photo, placed, light)

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
        layer = self._expressed(values)
        flow = self._fields.displacement(values)
        flow = cv2.resize(flow, (self._size, self._size), interpolation=cv2.INTER_LINEAR)
        places = self._fields.grid - flow
        layer = cv2.remap(
            layer, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        behind = cv2.merge([255 - layer[..., 3]] * 3)
        return cv2.add(cv2.multiply(self._plate, behind, scale=1 / 255), layer[..., :3])

    def _expressed(self, values: dict[str, float]) -> UInt8[np.ndarray, "S S 4"]:
        """Return the head with the eyes and the mouth as the parameters want them, not turned yet."""
        layer = self._layer.copy()
        self._eyes.draw(layer[..., :3], values)
        lips = Values.of(values)
        if not lips.quiet:
            moved = self._lips.moved(lips)
            flow = self._warp.flow(moved, lips.pucker)
            part = self._warp.read(layer, flow)
            self._mouth.round_off(part, flow, moved, lips.pucker)
            self._mouth.paint(part, moved, lips)
            layer[self._warp.box] = part
        return layer

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


def light_of(
    photo: UInt8[np.ndarray, "S S 3"], points: Float32[np.ndarray, "478 3"]
) -> Float32[np.ndarray, "3"]:
    """Return the light of the picture, 1 for a well-lit white one: how bright skin is, and a half of its tint."""
    import cv2

    face = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(points[:468, :2]).astype(np.int32)), 1)
    skin = np.percentile(photo[face > 0], 70, axis=0)
    bright = np.clip(skin.mean() / 185, 0.45, 1.0)
    tint = np.clip(skin / np.array(SKIN) / (skin.mean() / np.mean(SKIN)), 0.75, 1.3) ** 0.6
    return (bright * tint).astype(np.float32)
