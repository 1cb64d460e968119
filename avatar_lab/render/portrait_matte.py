"""What of a photograph is the head, and what stands behind it: a soft matte and a filled background.

    layer, plate = cut_head(photo, points)       # (S, S, 4) premultiplied by its own coverage, (S, S, 3)
    photo == layer colours + (1 - coverage) * plate                                     # up to rounding

The head is told from its background by colour (`cv2.grabCut`), started from the face's outline, and its edge is
softened along the photograph's own edges (a guided filter). The background behind it is filled from around.

What is peculiar: the colours of the layer are solved for, so that head and background together are the photograph;
a half-covered pixel of hair keeps its hair when it moves, and leaves the old background behind.

Source: Rother et al., "GrabCut", 2004; He et al., "Guided Image Filtering", 2010. Notebook: 11 (a portrait).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

TOP, CHIN, EAR_RIGHT, EAR_LEFT = 10, 152, 234, 454
OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
HAIR_ENDS: Final = 0.24  # above the chin: from half of that up, thin things are taken for stray hair
RINGS: Final = (
    0.08,
    0.012,
)  # how far around the head the background is filled in too: by a plain wall, elsewhere
NECK_FADES: Final = (0.16, 0.38)  # below the chin: where the neck begins to belong to the body, and does
WORK: Final = 176  # pixels: the size at which the head is told from its background
ROUNDS: Final = 4
SURE, LIKELY = 1.0, 0.80  # lengths in half heads: beyond `SURE` is background, within `LIKELY` rather head
HALF_HEAD: Final = (0.86, 1.12)  # half width; height above the middle of the face: hair and hats included
NECK: Final = (0.30, 0.50)  # half width, and length below the chin


def cut_head(
    photo: UInt8[np.ndarray, "S S 3"], points: Float32[np.ndarray, "478 3"]
) -> tuple[UInt8[np.ndarray, "S S 4"], UInt8[np.ndarray, "S S 3"]]:
    """Return the head as a layer (colours times coverage, coverage) and the background without it.

    Parameters
    ----------
    photo : the square picture. points : its face, in its pixels.
    """
    import cv2

    size = len(photo)
    face = float(np.linalg.norm(points[TOP, :2] - points[CHIN, :2]))
    y = np.arange(size, dtype=np.float32)[:, None]
    below = (y - points[CHIN, 1]) / face
    cover = coverage(photo, points) * np.clip((NECK_FADES[1] - below) / (NECK_FADES[1] - NECK_FADES[0]), 0, 1)
    seen = (cover > 0.04).astype(np.uint8)
    wide, tight = (cv2.dilate(seen, np.ones((2 * int(r * face) + 1,) * 2, np.uint8)) for r in RINGS)
    hair = np.clip(
        -below / HAIR_ENDS - 0.5, 0, 1
    )  # 1 where stray hair is looked for, 0 at collars and shoulders
    wide = np.where(hair > 0, wide, tight)
    plate = fill(photo, wide, face)
    plain = plainness(photo, wide, face)
    ring = plain * wide * hair
    # Before a bare wall all that differs from it is hair; else only what differs towards the head's colour.
    differs = np.abs(photo.astype(np.float32) - plate).mean(-1)
    bare = np.clip(3 * plain - 2, 0, 1) * np.clip(differs / 24 - 0.4, 0, 1)
    stray = np.maximum(wisps(photo, plate, cover, face), bare) * ring * np.minimum(y / (0.04 * face), 1)
    cover = np.maximum(cover, stray)
    other = np.clip(differs / 12 - 1, 0, 1) * np.clip(1 - 4 * stray, 0, 1)
    blur = max(0.6, 0.006 * face)
    soft = cv2.GaussianBlur(np.maximum(tight, ring * (1 - other)).astype(np.float32), (0, 0), blur)
    soft = soft * np.clip((NECK_FADES[1] - 0.04 - below) / (NECK_FADES[1] - NECK_FADES[0]), 0, 1)
    plate = photo + soft[..., None] * (plate.astype(np.float32) - photo)
    # What is not background is head: C = photo - (1 - a) * plate, which lies between 0 and a.
    a = cover[..., None]
    colour = np.clip(photo - (1 - a) * plate, 0, 255 * a)
    lost = photo - colour - (1 - a) * plate  # beside the neck, what fits neither stays where it is
    plate = plate + lost * np.clip(1 - 20 * a, 0, 1) * (1 - hair[..., None])
    layer = np.concatenate([colour, 255 * a], -1)
    return np.rint(layer).astype(np.uint8), np.rint(np.clip(plate, 0, 255)).astype(np.uint8)


def coverage(
    photo: UInt8[np.ndarray, "S S 3"], points: Float32[np.ndarray, "478 3"]
) -> Float32[np.ndarray, "S S"]:
    """Return how much of each pixel is head, hair and neck, 0..1."""
    import cv2

    size = len(photo)
    scale = min(1.0, WORK / size)
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    marks, oval = seeds(points * scale, len(small))
    cv2.setRNGSeed(7)
    cv2.grabCut(
        np.ascontiguousarray(small), marks, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    head = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    head = tidy(head, oval)
    guide = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    wide = cv2.resize(head.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    face = float(np.linalg.norm(points[TOP, :2] - points[CHIN, :2]))
    soft = guided(guide, wide, max(2, int(0.045 * face)), 3e-4)
    near = cv2.dilate(wide, np.ones((2 * int(0.06 * face) + 1,) * 2, np.uint8))
    soft = np.clip((soft - 0.12) / 0.76, 0, 1) * near
    inner = cv2.erode(wide, np.ones((2 * int(0.03 * face) + 1,) * 2, np.uint8))
    return np.maximum(soft, inner * (inner > 0.9)).astype(np.float32)


def plainness(
    photo: UInt8[np.ndarray, "S S 3"], gone: UInt8[np.ndarray, "S S"], face: float
) -> Float32[np.ndarray, "S S"]:
    """Return how plain the background around is, 1 for a bare wall, 0 where a pattern hides what is hair."""
    import cv2

    known, reach = (gone == 0).astype(np.float32), 0.1 * face
    rough = np.abs(photo.astype(np.float32) - cv2.blur(photo, (5, 5))).mean(-1)
    near = cv2.GaussianBlur(rough * known, (0, 0), reach)
    return np.clip(1.6 - near / np.maximum(cv2.GaussianBlur(known, (0, 0), reach), 1e-3) / 2.5, 0, 1)


def wisps(
    photo: UInt8[np.ndarray, "S S 3"],
    plate: UInt8[np.ndarray, "S S 3"],
    cover: Float32[np.ndarray, "S S"],
    face: float,
) -> Float32[np.ndarray, "S S"]:
    """Return the coverage by thin hair around the head: how far a pixel is from the background towards the head."""
    import cv2

    def mean(a: np.ndarray, reach: float) -> np.ndarray:
        return cv2.GaussianBlur(a, (0, 0), reach * face)

    shown, behind = photo.astype(np.float32), plate.astype(np.float32)
    inside = (cover > 0.9).astype(np.float32)
    head = mean(shown * inside[..., None], 0.06) / np.maximum(mean(inside, 0.06), 1e-3)[..., None]
    apart = head - behind
    along = ((shown - behind) * apart).sum(-1) / np.maximum((apart * apart).sum(-1), 30.0**2)
    return np.clip((along - 0.15) / 0.7, 0, 1) * np.clip(mean(inside, 0.07) * 8, 0, 1)


def seeds(
    points: Float32[np.ndarray, "478 3"], size: int
) -> tuple[UInt8[np.ndarray, "s s"], UInt8[np.ndarray, "s s"]]:
    """Return what grabCut starts from (its four labels), and the face's outline."""
    import cv2

    face = float(np.linalg.norm(points[TOP, :2] - points[CHIN, :2]))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    middle = 0.5 * (points[TOP, :2] + points[CHIN, :2])
    chin = float(points[CHIN, 1])
    oval = np.zeros((size, size), np.uint8)
    cv2.fillPoly(oval, [np.rint(points[list(OVAL), :2]).astype(np.int32)], 1)
    right, up = np.abs(x - middle[0]) / face, (middle[1] - y) / face
    high = np.where(up > 0, HALF_HEAD[1], 0.80)
    reach = ((right / HALF_HEAD[0]) ** 3 + np.abs(up / high) ** 3) ** (1 / 3)
    marks = np.full((size, size), cv2.GC_PR_BGD, np.uint8)
    marks[reach < LIKELY] = cv2.GC_PR_FGD
    marks[reach > SURE] = cv2.GC_BGD
    below = (y - chin) / face
    neck = (right < NECK[0]) & (below > -0.1)
    marks[neck & (below < NECK[1])] = cv2.GC_PR_FGD
    marks[(below > 0.02 + 0.3 * np.clip(right - 0.4, 0, 1)) & (right > NECK[0] + 0.05)] = cv2.GC_PR_BGD
    marks[below > NECK[1]] = cv2.GC_BGD
    marks[oval > 0] = cv2.GC_FGD
    marks[(right < 0.14) & (below > -0.05) & (below < 0.16)] = cv2.GC_FGD
    return marks, oval


def tidy(head: UInt8[np.ndarray, "s s"], oval: UInt8[np.ndarray, "s s"]) -> UInt8[np.ndarray, "s s"]:
    """Keep the part that holds the face, without threads and holes."""
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    head = cv2.morphologyEx(np.maximum(head, oval), cv2.MORPH_OPEN, disc)
    _, labels = cv2.connectedComponents(head)
    inside = labels[oval > 0]
    head = np.where(labels == np.bincount(inside[inside > 0]).argmax(), 1, 0).astype(np.uint8)
    head = cv2.morphologyEx(head, cv2.MORPH_CLOSE, disc)
    _, labels = cv2.connectedComponents(1 - head)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return (~(np.isin(labels, outside) & (head == 0))).astype(np.uint8)


def guided(
    guide: Float32[np.ndarray, "S S"], mask: Float32[np.ndarray, "S S"], radius: int, eps: float
) -> Float32[np.ndarray, "S S"]:
    """Return the mask, linear in the guide within each window of `2 radius + 1` pixels."""
    import cv2

    def mean(a: np.ndarray) -> np.ndarray:
        return cv2.blur(a, (2 * radius + 1, 2 * radius + 1))

    m, p = mean(guide), mean(mask)
    slope = (mean(guide * mask) - m * p) / (mean(guide * guide) - m * m + eps)
    return mean(slope) * guide + mean(p - slope * m)


def fill(
    photo: UInt8[np.ndarray, "S S 3"], gone: UInt8[np.ndarray, "S S"], face: float
) -> UInt8[np.ndarray, "S S 3"]:
    """Fill where the head was: lines run on a little, then all becomes smooth."""
    import cv2

    size = len(photo)
    small = min(size, 128)
    tiny = cv2.resize(photo, (small, small), interpolation=cv2.INTER_AREA)
    hole = cv2.resize(gone, (small, small), interpolation=cv2.INTER_AREA)
    hole = cv2.dilate((hole > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    smooth = cv2.inpaint(tiny, hole, 3, cv2.INPAINT_TELEA).astype(np.float32)
    calm = cv2.GaussianBlur(smooth, (0, 0), 0.05 * face * small / size)
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, 3).astype(np.float32)[..., None]
    deep = np.minimum(depth / (0.06 * face * small / size), 1).astype(np.float32)
    wide = cv2.resize(smooth + deep * (calm - smooth), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.where(gone[..., None] > 0, np.clip(wide, 0, 255), photo).astype(np.uint8)


def heal(
    picture: UInt8[np.ndarray, "S S 3"], gone: UInt8[np.ndarray, "S S"], calm: float
) -> Float32[np.ndarray, "S S 3"]:
    """Fill a small hole in skin from around, smoothly over `calm` pixels."""
    import cv2

    skin = cv2.inpaint(np.ascontiguousarray(picture), gone, 3, cv2.INPAINT_TELEA).astype(np.float32)
    soft = cv2.GaussianBlur(gone.astype(np.float32), (0, 0), max(0.6, 0.3 * calm))[..., None]
    smooth = 0.25 * skin + 0.75 * cv2.GaussianBlur(skin, (0, 0), max(0.6, calm))
    return picture + soft * (smooth - picture)
