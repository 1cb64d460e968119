"""Small drawing helpers over OpenCV: sub-pixel anti-aliased fills, strokes, soft patches and curves.

Points are float canvas pixels `(N, 2)`; colours are RGB. OpenCV draws with 4 fractional bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

BITS = 4
Colour = Sequence[float] | np.ndarray


def fixed(points: np.ndarray) -> np.ndarray:
    """Return the points as OpenCV's fixed-point integers."""
    return np.rint(points * (1 << BITS)).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, colour: Colour | float) -> None:
    """Fill a polygon, anti-aliased."""
    cv2.fillPoly(image, [fixed(points)], _scalar(colour), cv2.LINE_AA, BITS)


def fill_plain(mask: np.ndarray, polygons: Sequence[np.ndarray], value: int = 255) -> None:
    """Fill polygons in a binary mask (one call; polygons must not overlap)."""
    cv2.fillPoly(mask, [fixed(p) for p in polygons], value, cv2.LINE_8, BITS)


def stroke(image: np.ndarray, points: np.ndarray, colour: Colour | float, width: float) -> None:
    """Draw an open line of even width, anti-aliased."""
    thickness = max(1, round(width))
    cv2.polylines(image, [fixed(points)], False, _scalar(colour), thickness, cv2.LINE_AA, BITS)


def ribbon(line: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return the outline of a line whose width changes along it."""
    count = len(line)
    along = np.empty((count, 2))
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    dx, dy = along[:, 0], along[:, 1]
    half = widths / (2 * np.maximum(np.sqrt(dx * dx + dy * dy), 1e-6))
    outline = np.empty((2 * count, 2))
    outline[:count, 0], outline[:count, 1] = line[:, 0] - dy * half, line[:, 1] + dx * half
    outline[count:, 0], outline[count:, 1] = (line[:, 0] + dy * half)[::-1], (line[:, 1] - dx * half)[::-1]
    return outline


def box(points: np.ndarray, shape: tuple[int, ...], margin: float = 2) -> tuple[int, int, int, int] | None:
    """Return x0, y0, x1, y1 of the points inside a picture, or None if nothing is left."""
    left, top, width, height = cv2.boundingRect(points.astype(np.float32))
    edge = int(np.ceil(margin)) + 1
    x0, y0 = max(left - edge, 0), max(top - edge, 0)
    x1, y1 = min(left + width + edge, shape[1]), min(top + height + edge, shape[0])
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def glaze(image: np.ndarray, points: np.ndarray, colour: Colour, alpha: float, blur: float = 0.0) -> None:
    """Fill a polygon translucently, its edge softened by `blur` pixels."""
    area = box(points, image.shape, 2 + 2 * blur)
    if area is None or alpha <= 0.004:
        return
    x0, y0, x1, y1 = area
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    fill(mask, points - (x0, y0), 255)
    if blur > 0.4:
        reach = 2 * round(1.9 * blur) + 1
        mask = cv2.stackBlur(mask, (reach, reach))
    mix(image[y0:y1, x0:x1], mask, colour, alpha)


def mix(patch: np.ndarray, mask: np.ndarray, colour: Colour | np.ndarray, alpha: float = 1.0) -> None:
    """Blend a colour, or a picture of the same size, into `patch` where `mask` (0-255) says so."""
    # 7-bit weights keep the product in 16 bits, which is twice as fast as floats; and where there are three channels
    # OpenCV is twice as fast as numpy, whose innermost loop would run over them.
    weight = cv2.convertScaleAbs(mask, alpha=alpha * 128 / 255)
    wanted: Any = colour if np.ndim(colour) == 3 else (*(int(c) for c in colour), 0)
    change = cv2.subtract(wanted, patch, dtype=cv2.CV_16S)
    change *= cv2.merge((weight, weight, weight))
    change += 64
    change >>= 7
    patch[:] = cv2.add(patch, change, dtype=cv2.CV_8U)


def smooth_curve(knots: np.ndarray, count: int, closed: bool = False) -> np.ndarray:
    """Return `count` points of the Catmull-Rom curve through `knots` (any dimension)."""
    return _spline(len(knots), count, closed) @ knots


@lru_cache(maxsize=64)
def _spline(knots: int, count: int, closed: bool) -> np.ndarray:
    """Return the (count, knots) matrix of a Catmull-Rom curve."""
    spans = knots if closed else knots - 1
    place = np.linspace(0, spans, count, endpoint=not closed)
    span = np.minimum(place.astype(int), spans - 1)
    u = place - span
    weights = np.stack(
        [
            -0.5 * u + u**2 - 0.5 * u**3,
            1 - 2.5 * u**2 + 1.5 * u**3,
            0.5 * u + 2 * u**2 - 1.5 * u**3,
            -0.5 * u**2 + 0.5 * u**3,
        ],
        1,
    )
    matrix = np.zeros((count, knots), np.float32)
    for k in range(4):
        index = span + k - 1
        index = index % knots if closed else np.clip(index, 0, knots - 1)
        np.add.at(matrix, (np.arange(count), index), weights[:, k])
    return matrix


def tint(colour: Colour, other: Colour, amount: float) -> tuple[float, float, float]:
    """Mix two colours: 0 gives the first, 1 the second."""
    r, g, b = (float(p) * (1 - amount) + float(q) * amount for p, q in zip(colour, other, strict=True))
    return (r, g, b)


def shade(colour: Colour, factor: float) -> tuple[float, float, float]:
    """Scale a colour's brightness, limited to 255."""
    r, g, b = (min(255.0, float(p) * factor) for p in colour)
    return (r, g, b)


def _scalar(colour: Colour | float) -> tuple[float, ...] | float:
    if isinstance(colour, (int, float)):
        return float(colour)
    return tuple(float(c) for c in colour)
