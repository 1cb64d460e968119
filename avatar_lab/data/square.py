"""Square pictures of one size: what the networks that see pictures want.

The centre square is taken, not a face crop: a crop that follows the face would hide the head's own movement, which
is half of what there is to read.

Notebook: 12 (from lab to paper).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from avatar_lab.errors import MediaError, ShapeError

LEAST_SIDE = 64  # pixels; a smaller picture shows no face worth moving
SMALLEST = 16  # pixels; the least that any network here reads


def check_picture(picture: object, name: str = "portrait") -> UInt8[np.ndarray, "h w 3"]:
    """Return an RGB picture as it is; raise ShapeError for anything else, whatever it may be."""
    if not isinstance(picture, np.ndarray):
        raise ShapeError(
            f"{name} must be an array (H, W, 3) of uint8; got {type(picture).__name__}. Read files with "
            "avatar_lab.data.square.read_portrait."
        )
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ShapeError(f"{name} must be RGB, (H, W, 3) of uint8; got {picture.dtype} {picture.shape}.")
    if min(picture.shape[:2]) < SMALLEST:
        raise ShapeError(f"{name} must have at least {SMALLEST} pixels a side; got {picture.shape}.")
    return picture


def square(frame: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Return the centre square of a picture, at `size` pixels."""
    import cv2

    check_picture(frame, "a picture")
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    centre = frame[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(centre, (size, size), interpolation=way).astype(np.uint8)


def read_portrait(path: str | Path, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Read a picture file as an RGB square; raises MediaError when it is missing, no picture, or too small."""
    return square(read_picture(Path(path)), size)


def read_picture(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Read a picture file as RGB; raises MediaError when it is missing, no picture, or too small."""
    import cv2

    if not path.is_file():
        raise MediaError(f"There is no picture {path}. Check the name.")
    data = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        picture = None
    if picture is None:
        raise MediaError(f"{path} is not a picture that can be read. Use a JPEG or PNG of one face.")
    if min(picture.shape[:2]) < LEAST_SIDE:
        raise MediaError(
            f"{path} has {picture.shape[1]} x {picture.shape[0]} pixels; a portrait needs at least {LEAST_SIDE} a side."
        )
    return np.ascontiguousarray(picture[..., ::-1])
