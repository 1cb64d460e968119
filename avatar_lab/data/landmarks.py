"""The points of one face in a photograph: 478 places in pixels, with depth.

What is peculiar: it is the tracker's own model, run once; several faces or none are told, not guessed about.

Needs the extra `live`. Notebook: 11 (a portrait).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.data.assets import resolve
from avatar_lab.data.tracker import quiet_stderr, raw_row, start_landmarker
from avatar_lab.errors import MediaError

SMALLEST, MOST_TURNED = 0.12, 22.0  # face height over picture height; degrees


@dataclass(frozen=True)
class FacePoints:
    """Points of a face.

    Attributes
    ----------
    points : (478, 3) x and y in pixels of the picture, z in pixels towards the camera.
    pose : yaw, pitch, roll in degrees.
    notes : what a user of the photograph should know.
    """

    points: Float32[np.ndarray, "478 3"]
    pose: tuple[float, float, float]
    notes: tuple[str, ...] = ()


def find_face(photo: UInt8[np.ndarray, "H W 3"]) -> FacePoints:
    """Return the points of the largest face.

    Raises MediaError when there is none, when it is too small or turned too far, or when mediapipe is missing.
    """
    path = resolve("face_landmarker")
    with quiet_stderr():
        image, landmarker = start_landmarker(path, 4)
        try:
            found: Any = landmarker.detect_for_video(image(np.ascontiguousarray(photo)), 1)
        finally:
            landmarker.close()
    if not found.face_landmarks:
        raise MediaError(
            "No face was found in the photograph. Expected one person, facing the camera, well lit and not covered."
        )
    high, wide = photo.shape[:2]
    faces = [
        np.array([(p.x * wide, p.y * high, -p.z * wide) for p in f], np.float32) for f in found.face_landmarks
    ]
    heights = [float(np.linalg.norm(f[10, :2] - f[152, :2])) for f in faces]
    largest = int(np.argmax(heights))
    if heights[largest] < SMALLEST * high:
        raise MediaError(
            f"The face fills {heights[largest] / high:.0%} of the photograph's height; expected at least "
            f"{SMALLEST:.0%}. Crop it closer."
        )
    shapes = {c.category_name: float(c.score) for c in found.face_blendshapes[largest]}
    matrix = np.asarray(found.facial_transformation_matrixes[largest], np.float64)
    yaw, pitch, roll = (float(v) for v in raw_row(shapes, matrix, 0.0, wide / high)[:3])
    if abs(yaw) > MOST_TURNED:
        raise MediaError(
            f"The head is turned by {abs(yaw):.0f} degrees; expected a frontal photograph, up to {MOST_TURNED:.0f}."
        )
    others = len(faces) - 1
    notes = (f"{others + 1} faces were found; the largest was taken.",) if others else ()
    return FacePoints(faces[largest], (yaw, pitch, roll), notes)
