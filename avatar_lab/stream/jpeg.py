"""Pictures on their way: RGB arrays to JPEG and back.

What is peculiar: bytes from a page may be anything, so that a picture that cannot be read is None, not an error.

Notebook: 10 (real time).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import UInt8

from avatar_lab.errors import StreamError

QUALITY: Final = 82


def encode_jpeg(picture: UInt8[np.ndarray, "h w 3"], quality: int = QUALITY) -> bytes:
    """Return an RGB picture as JPEG."""
    import cv2

    good, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise StreamError("OpenCV could not write a JPEG. Reinstall opencv-python.")
    return data.tobytes()


def decode_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """Return the RGB picture in `data`; None if there is none that can be read."""
    import cv2

    if not data:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else np.ascontiguousarray(picture[..., ::-1])
