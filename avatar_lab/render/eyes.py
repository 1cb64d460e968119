"""Eyes: lids that close and squint, lashes, and an eyeball that turns behind the opening.

The opening is two curves over u = -1 (inner corner) .. 1 (outer corner); blink moves the upper one down to
a closing line, squint and smile lift the lower one. Iris and pupil sit on a sphere, so gaze foreshortens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.rig import Rig
from avatar_lab.render.sculpt import EYE_Y

COUNT: Final = 17
U: Final = np.linspace(-1, 1, COUNT)
ARCH: Final = (1 - np.abs(U) ** 2.3) * (1 + 0.10 * U)  # upper lid, fuller outside
BOWL: Final = (1 - np.abs(U) ** 2.6) * (1 + 0.12 * U)
BALL: Final = 0.255  # radius of the eyeball
IRIS: Final = 0.138
CIRCLE: Final = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 28, endpoint=False)), np.sin(a)], 1)
LASH: Final = (34, 24, 26)
WHITE: Final = (250, 246, 243)


@dataclass(frozen=True)
class Eye:
    """One eye on the canvas: curves in pixels, inner corner first."""

    upper: np.ndarray
    lower: np.ndarray
    crease: np.ndarray
    bag: np.ndarray
    iris: np.ndarray
    axes: np.ndarray
    side: int
    closed: float

    @property
    def opening(self) -> np.ndarray:
        return np.concatenate([self.upper, self.lower[::-1]])


def place_eyes(rig: Rig) -> list[Eye]:
    """Put both eyes on the face; the person's left (side +1) comes last."""
    return [_place(rig, -1, rig.face.blink_right), _place(rig, 1, rig.face.blink_left)]


def _place(rig: Rig, side: int, blink: float) -> Eye:
    who, face = rig.who, rig.face
    wide, tall = who.eye_width, who.eye_height
    raise_ = 1 + 0.14 * face.brow_raise - 0.16 * face.brow_furrow
    look = face.gaze_pitch / 30
    slant = who.eye_tilt * U
    line = slant - 0.42 * tall * (1 - U**2)
    top = (
        slant + tall * ARCH * (0.90 * raise_ - 0.10 * face.squint) + tall * 0.22 * min(look, 0.4) * (1 - U**2)
    )
    lift = 0.62 * face.squint + 0.30 * face.smile
    low = slant - tall * BOWL * (0.74 - lift + 0.10 * min(-look, 0.5))
    # the lids meet at the closing line; both curves end there exactly at blink = 1
    upper = top + (line - top) * blink
    lower = low + (line - low) * blink**2
    fold = upper + tall * (0.34 - 0.10 * blink) * (1 - 0.75 * U**2) + 0.10 * tall * blink
    bag = low - tall * (0.30 - 0.1 * lift) * (1 - U**2) ** 0.5

    x = side * (who.eye_spacing + wide * U)
    flat = np.concatenate([np.stack([x, EYE_Y + v], 1) for v in (upper, lower, fold, bag)])
    bulge = np.tile(0.050 * (1 - U**2), 4)
    bulge[2 * COUNT :] *= 0.5
    curves = rig.lift(flat, bulge).reshape(4, COUNT, 2)
    iris = _iris(rig, side)
    return Eye(curves[0], curves[1], curves[2], curves[3], iris[0], iris[1:] - iris[0], side, blink)


def _iris(rig: Rig, side: int) -> np.ndarray:
    """Return pixels of the iris' middle and of its two half-axes' ends."""
    centre = rig.surface(np.array([[side * rig.who.eye_spacing, EYE_Y + 0.01]]), 0.055 - BALL)[0]
    yaw, pitch = np.deg2rad([rig.face.gaze_yaw, rig.face.gaze_pitch])
    yaw = yaw - side * 0.05  # eyes at rest meet a little before infinity
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    across = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    up = np.cross(ahead, across)
    middle = centre + BALL * ahead
    return rig.view.project(np.stack([middle, middle + IRIS * across, middle + IRIS * up]).astype(np.float32))


def draw_eye(rig: Rig, eye: Eye) -> None:
    """Paint one eye."""
    tall = rig.who.eye_height * rig.unit
    _lids_behind(rig, eye, tall)
    area = paint.box(eye.opening, rig.image.shape, 3)
    if area is None:
        return
    if eye.closed < 0.985:
        _ball(rig, eye, area, tall)
    _lash_line(rig, eye, tall)


def _lids_behind(rig: Rig, eye: Eye, tall: float) -> None:
    """Soft shade of the lid, its crease, and the fold below the eye."""
    lid = np.concatenate([eye.crease, eye.upper[::-1]])
    paint.glaze(rig.image, lid, rig.skin(0.50), 0.30 + 0.12 * eye.closed)
    crease = paint.ribbon(eye.crease, tall * 0.10 * (1 - 0.85 * np.abs(U) ** 2.5))
    paint.glaze(rig.image, crease, rig.skin(0.16), 0.42 * (1 - 0.6 * eye.closed))
    strength = 0.10 + 0.22 * rig.who.age + 0.22 * max(rig.face.squint, 0.7 * rig.face.smile)
    bag = paint.ribbon(eye.bag, tall * 0.12 * (1 - U**2))
    paint.glaze(rig.image, bag, rig.skin(0.25), strength, tall * 0.07)


def _ball(rig: Rig, eye: Eye, area: tuple[int, int, int, int], tall: float) -> None:
    """Sclera, iris, pupil, the lid's shadow and two catchlights, seen through the opening."""
    x0, y0, x1, y1 = area
    corner = np.array([x0, y0])
    patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
    patch[:] = WHITE

    def disc(radius: float, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        return eye.iris - corner + (CIRCLE * radius + shift) @ eye.axes

    colour = rig.who.eye
    paint.fill(patch, disc(1.06), paint.shade(colour, 0.42))
    paint.fill(patch, disc(0.92), paint.shade(colour, 0.95))
    paint.fill(patch, disc(0.66, (0.0, -0.20)), paint.tint(paint.shade(colour, 1.25), (255, 232, 190), 0.16))
    paint.fill(patch, disc(0.46), (22, 16, 18))
    shadow = np.concatenate([eye.upper, (eye.upper + (0, 0.42 * tall))[::-1]]) - corner
    paint.glaze(patch, shadow, (84, 56, 62), 0.42, 0.12 * tall)
    paint.fill(patch, disc(0.25, (-0.34, 0.40)), (255, 255, 255))
    paint.fill(patch, disc(0.11, (0.36, -0.38)), paint.tint(colour, (255, 255, 255), 0.72))
    mask = np.zeros(patch.shape[:2], np.uint8)
    paint.fill(mask, eye.opening - corner, 255)
    paint.mix(rig.image[y0:y1, x0:x1], mask, patch)


def _lash_line(rig: Rig, eye: Eye, tall: float) -> None:
    """Dark upper rim that thickens outwards, lashes at the outer corner, thin lower rim."""
    lashes = rig.who.lashes
    outward = eye.upper[-1] - eye.upper[-4]
    rim = np.concatenate([eye.upper, eye.upper[-1:] + outward * (0.25 + 0.25 * lashes)])
    swell = np.interp(
        np.linspace(0, 1, COUNT + 1), (0, 0.25, 0.8, 1), (0.05, 0.15, 0.20 + 0.10 * lashes, 0.0)
    )
    paint.fill(rig.image, paint.ribbon(rim, swell * tall), LASH)
    if lashes > 0.4:
        across = eye.upper[-1] - eye.upper[0]
        across = across / max(float(np.hypot(*across)), 1e-6)
        up = np.array([across[1], -across[0]]) * eye.side * (1 - 1.9 * eye.closed)
        for place, lean, length in ((11, 0.35, 0.24), (13, 0.60, 0.30), (15, 0.85, 0.34)):
            root = eye.upper[place]
            tip = root + tall * length * lashes * (across * lean + up * (1.1 - 0.5 * lean))
            paint.fill(rig.image, paint.ribbon(np.stack([root, tip]), np.array([0.17, 0.02]) * tall), LASH)
    if eye.closed < 0.9:
        line = eye.lower[2:]
        width = np.interp(np.linspace(0, 1, len(line)), (0, 0.7, 1), (0.02, 0.09, 0.12)) * tall
        paint.glaze(rig.image, paint.ribbon(line, width), rig.skin(0.10), 0.55 * (1 - eye.closed))


def eye_mask(eyes: list[Eye], canvas: int) -> np.ndarray:
    """Return a 0-255 mask of both eyes with their lids."""
    mask = np.zeros((canvas, canvas), np.uint8)
    for eye in eyes:
        hull = cv2.convexHull(np.concatenate([eye.crease, eye.bag, eye.opening]).astype(np.float32))[:, 0]
        paint.fill(mask, hull, 255)
    return mask
