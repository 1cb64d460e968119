"""What no smooth field can do to a photograph: lids that close, eyes that look aside, a jaw that opens.

    lids     the skin above the eye is pulled down over it; its lower edge carries the lashes along
    gaze     the inside of the eye slides, the lids stay
    jaw      all below the lip line moves down; the gap is painted: dark, teeth above, a tongue below

What is peculiar: everything is done column by column between curves through the landmarks, in the photograph as it is;
turning and smiling come afterwards (`portrait_fields`), so that a closed eye and an open mouth turn with the head.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

# The person's right eye is on the picture's left. Points from the picture's left to its right.
RIGHT_EYE: Final = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133))
LEFT_EYE: Final = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
)
RIGHT_BROW, LEFT_BROW = (46, 53, 52, 65, 55), (285, 295, 282, 283, 276)  # lower edges
INNER_UPPER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
TOP, CHIN = 10, 152
LASHES: Final = 0.38  # eye heights: how much of the lid's edge keeps its form
OPEN: Final = 0.20  # face heights that the lower lip falls at jaw_open 1
OPEN_ALREADY: Final = 0.02  # a gap between the lips, in face heights, that shows teeth in the photograph
GAZE_FULL: Final = 30.0  # degrees
DARK, TEETH, TONGUE = (46, 20, 22), (226, 220, 212), (150, 74, 78)


def curve(points: Float32[np.ndarray, "478 3"], names: Sequence[int], x: np.ndarray) -> np.ndarray:
    """Return the height of a curve through points at columns `x`; held beyond its ends."""
    chosen = points[list(names), :2]
    order = np.argsort(chosen[:, 0])
    return np.interp(x, chosen[order, 0], chosen[order, 1])


@dataclass(frozen=True)
class Eye:
    """One eye: a box of the picture, and its curves by column of the box."""

    left: int
    top: int
    right: int
    bottom: int
    upper: np.ndarray
    lower: np.ndarray
    skin: np.ndarray  # from here down the lid is pulled
    cheek: np.ndarray  # from here up the lower lid is pushed
    inside: np.ndarray  # 0 at the corners, 1 in the middle

    @property
    def box(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def make_eye(
    points: Float32[np.ndarray, "478 3"], eye: Sequence[Sequence[int]], brow: Sequence[int], size: int
) -> Eye:
    """Place one eye in a picture of `size` pixels."""
    ends = sorted(float(points[i, 0]) for i in (eye[0][0], eye[0][-1]))
    left, right = max(0, int(ends[0]) - 1), min(size, int(ends[1]) + 2)
    x = np.arange(left, right, dtype=np.float64)
    upper, lower, above = (curve(points, names, x) for names in (*eye, brow))
    lower = np.maximum(lower, upper)
    height = float((lower - upper).max())
    skin, cheek = upper - 0.62 * np.maximum(upper - above, 2), lower + 1.1 * height
    u = (x - 0.5 * (ends[0] + ends[1])) / max(0.5 * (ends[1] - ends[0]), 1)
    inside = np.clip(1.5 * (1 - u * u), 0, 1)
    top, bottom = max(0, int(skin.min()) - 1), min(size, int(cheek.max()) + 2)
    return Eye(left, top, right, bottom, upper, lower, skin, cheek, inside)


class Folds:
    """Lids, gaze and jaw of one photograph."""

    def __init__(self, photo: UInt8[np.ndarray, "S S 3"], points: Float32[np.ndarray, "478 3"]) -> None:
        size = len(photo)
        self._photo, self._points = photo, points
        self._face = float(np.linalg.norm(points[TOP, :2] - points[CHIN, :2]))
        self._eyes = (
            make_eye(points, RIGHT_EYE, RIGHT_BROW, size),
            make_eye(points, LEFT_EYE, LEFT_BROW, size),
        )
        skin = photo[int(points[50, 1]), int(points[50, 0])].astype(np.float32)
        self._light = float(np.clip(skin.mean() / 190, 0.45, 1.05))  # how bright the picture is
        self._place_mouth(size)

    def _place_mouth(self, size: int) -> None:
        p, face = self._points, self._face
        ends = sorted(float(p[i, 0]) for i in (78, 308))
        self._middle, self._half = 0.5 * (ends[0] + ends[1]), max(0.5 * (ends[1] - ends[0]), 1.0)
        left, right = (int(np.clip(self._middle + side * 0.62 * face, 0, size)) for side in (-1, 1))
        top = int(np.clip(p[list(INNER_UPPER), 1].min() - 2, 0, size))
        bottom = int(np.clip(p[CHIN, 1] + 0.32 * face, 0, size))
        self._box = (slice(top, bottom), slice(left, right))
        self._y, self._x = np.mgrid[top:bottom, left:right].astype(np.float32)
        columns = self._x[0]
        self._lip = curve(p, INNER_LOWER, columns).astype(np.float32)  # what is below it goes with the jaw
        self._gap = float((curve(p, INNER_LOWER, columns) - curve(p, INNER_UPPER, columns)).max())

    def folded(self, values: dict[str, float]) -> UInt8[np.ndarray, "S S 3"]:
        """Return the photograph with eyes and jaw as the parameters want them."""
        out = self._photo.copy()
        down = max(0.0, -values["gaze_pitch"]) / GAZE_FULL
        for eye, blink in zip(self._eyes, (values["blink_right"], values["blink_left"]), strict=True):
            self._look(out, eye, values["gaze_yaw"], values["gaze_pitch"])
            self._close(out, eye, float(np.clip(blink + 0.4 * down * (1 - blink), 0, 1)), values["squint"])
        if values["jaw_open"] > 0.01:
            self._open(out, float(np.clip(values["jaw_open"], 0, 1)), values["pucker"])
        return out

    def _look(self, out: np.ndarray, eye: Eye, yaw: float, pitch: float) -> None:
        """Slide what lies between the lids."""
        if abs(yaw) + abs(pitch) < 0.5:
            return
        rows = np.arange(eye.top, eye.bottom, dtype=np.float32)[:, None]
        open_ = np.maximum(eye.lower - eye.upper, 1e-3)
        v = (rows - eye.upper) / open_  # 0 at the upper lid, 1 at the lower
        within = np.clip(4 * v, 0, 1) * np.clip(4 * (1 - v), 0, 1) * eye.inside
        right = 0.30 * (eye.right - eye.left) * np.clip(yaw / GAZE_FULL, -1, 1)
        up = 0.35 * float(open_.max()) * np.clip(pitch / GAZE_FULL, -1, 1)
        columns = np.arange(eye.left, eye.right, dtype=np.float32)[None]
        self._read(out, eye.box, columns - right * within, rows + up * within)

    def _close(self, out: np.ndarray, eye: Eye, closed: float, squint: float) -> None:
        """Pull the upper lid down, and push the lower one up a little."""
        if closed + squint < 0.02:
            return
        rows = np.arange(eye.top, eye.bottom, dtype=np.float32)[:, None]
        columns = np.broadcast_to(
            np.arange(eye.left, eye.right, dtype=np.float32), (len(rows), eye.right - eye.left)
        )
        lower = eye.lower - 0.28 * min(1.0, max(squint, 0.5 * closed)) * (eye.lower - eye.upper)
        upper = eye.upper + min(1.0, closed + 0.15 * squint) * (lower - eye.upper)
        below = eye.cheek - (eye.cheek - rows) * (eye.cheek - eye.lower) / np.maximum(eye.cheek - lower, 1e-3)
        self._read(out, eye.box, columns, np.where((rows > lower) & (rows <= eye.cheek), below, rows))
        # The edge with its lashes comes down as it is; the skin above it stretches.
        edge = np.minimum(LASHES * (eye.lower - eye.upper).max(), 0.5 * (eye.upper - eye.skin))
        share = (rows - eye.skin) / np.maximum(upper - edge - eye.skin, 1e-3)
        lid = np.where(
            rows > upper - edge, rows - (upper - eye.upper), eye.skin + share * (eye.upper - edge - eye.skin)
        )
        covered = np.clip(upper - rows + 0.5, 0, 1) * np.clip(rows - eye.skin + 0.5, 0, 1)
        shown = out[eye.box].astype(np.float32)
        skin = self._photo.copy()
        self._read(skin, eye.box, columns, lid)
        out[eye.box] = (shown + covered[..., None] * (skin[eye.box] - shown)).astype(np.uint8)

    def _open(self, out: np.ndarray, jaw: float, pucker: float) -> None:
        """Let the jaw fall, and paint what is seen in between."""
        x, y, lip = self._x, self._y, self._lip[None]
        chin, end = float(self._points[CHIN, 1]), float(y.max())
        u = (x - self._middle) / self._half
        most = OPEN * self._face * jaw

        def fall(width: np.ndarray | float) -> np.ndarray:
            return most * np.clip(1 - (u / width) ** 2, 0, 1) ** 0.7

        lips = fall(1.0 - 0.25 * np.clip(pucker, 0, 1))
        deep = np.clip((y - lip) / max(chin - float(lip.mean()), 1), 0, 1)
        drop = fall(1.0 + 0.7 * deep)
        rigid = y - drop
        stretch = np.clip((y - chin - drop) / np.maximum(end - chin - drop, 1), 0, 1)
        source = np.where(y > chin + drop, chin + stretch * (end - chin), rigid)
        source = np.where(y < lip + 0.5 * lips, y, np.maximum(source, lip))
        self._read(out, self._box, x, source)
        self._paint(out, lips, most)

    def _paint(self, out: np.ndarray, lips: np.ndarray, most: float) -> None:
        """Fill the gap between where the lip was and where it is."""
        import cv2

        x, y, lip = self._x, self._y, self._lip[None]
        height = np.maximum(lips, 1e-3)
        v = (y - lip) / height
        mask = (np.clip(y - lip + 0.5, 0, 1) * np.clip(lip + lips - y + 0.5, 0, 1) * (lips > 0.6)).astype(
            np.float32
        )
        colour = np.empty((*x.shape, 3), np.float32)
        colour[:] = np.array(DARK, np.float32) * (0.55 + 0.45 * np.clip(v, 0, 1))[..., None]
        u = (x - self._middle) / self._half
        tongue = (
            np.clip((v - 0.62) / 0.25, 0, 1)
            * np.clip(1 - (u / 0.62) ** 2, 0, 1)
            * min(1.0, most / (0.08 * self._face))
        )
        colour += tongue[..., None] * (np.array(TONGUE, np.float32) - colour)
        if self._gap < OPEN_ALREADY * self._face:  # lips were closed: teeth are behind the upper one
            edge = min(0.38 * most, 0.05 * self._face)
            teeth = np.clip((lip + edge * (1 - 0.35 * u * u) - y) / 1.5 + 0.5, 0, 1) * np.clip(
                1 - (u / 0.86) ** 4, 0, 1
            )
            shade = 0.78 + 0.22 * np.clip(1 - u * u, 0, 1)
            colour += teeth[..., None] * (np.array(TEETH, np.float32) * shade[..., None] - colour)
        mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, self._face / 240))[..., None]
        rows, columns = self._box
        part = out[rows, columns].astype(np.float32)
        out[rows, columns] = np.clip(part + mask * (colour * self._light - part), 0, 255).astype(np.uint8)

    def _read(self, out: np.ndarray, box: tuple[slice, slice], x: np.ndarray, y: np.ndarray) -> None:
        """Replace a box of the picture by what lies at other places of it."""
        import cv2

        x, y = (
            np.ascontiguousarray(np.broadcast_to(a, np.broadcast_shapes(x.shape, y.shape)), np.float32)
            for a in (x, y)
        )
        out[box] = cv2.remap(out, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
