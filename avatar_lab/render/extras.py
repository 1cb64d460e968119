"""Ears, earrings and glasses: things at the side of the head that appear and vanish as it turns."""

from __future__ import annotations

from typing import Final

import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.rig import Rig
from avatar_lab.render.sculpt import EAR_Z, EYE_Y

EAR_OUTER: Final = np.array(
    [
        (-0.02, 0.13),
        (0.07, 0.19),
        (0.16, 0.15),
        (0.185, 0.03),
        (0.14, -0.08),
        (0.07, -0.17),
        (0.01, -0.17),
        (-0.03, -0.06),
    ]
)  # (backward, up), in head units
EAR_INNER: Final = np.array(
    [(0.03, 0.09), (0.09, 0.13), (0.135, 0.08), (0.13, 0.0), (0.08, -0.07), (0.035, -0.04), (0.06, 0.03)]
)
EAR_FLARE: Final = 0.58  # how far an ear stands off, per unit backward


def ear_before_head(rig: Rig, side: int) -> bool:
    """Return whether this ear is on the near side of the head."""
    return rig.faces_viewer((side * 0.985, 0.0, -0.17)) > -0.02


def _ear(rig: Rig, side: int, shape: np.ndarray, count: int) -> np.ndarray:
    curve = paint.smooth_curve(shape * rig.who.ear_size * 1.12, count, closed=True)
    base = rig.who.face_width * 0.955
    x = side * (base + EAR_FLARE * np.maximum(curve[:, 0], -0.02))
    points = np.stack([x, EYE_Y - 0.10 + curve[:, 1] * 1.1, EAR_Z - curve[:, 0] * 0.80], 1)
    return rig.view.project(points.astype(np.float32))


def draw_ear(rig: Rig, side: int) -> None:
    """Paint one ear: rim, hollow and lobe."""
    lit = 0.66 if side < 0 else 0.52
    outer = _ear(rig, side, EAR_OUTER, 28)
    paint.fill(rig.image, outer, paint.tint(rig.skin(lit), (214, 92, 84), 0.10))
    inner = _ear(rig, side, EAR_INNER, 22)
    paint.glaze(
        rig.image, inner, paint.tint(rig.skin(lit - 0.28), (196, 70, 66), 0.12), 0.75, 0.012 * rig.unit
    )
    if rig.who.earrings:
        lobe = outer[np.argmax(outer[:, 1])]
        ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        disc = np.stack([np.cos(ring), np.sin(ring)], 1) * 0.045 * rig.unit
        paint.fill(rig.image, lobe + disc - (0, 0.01 * rig.unit), (222, 176, 92))
        paint.fill(rig.image, lobe + disc * 0.4 - (0.012 * rig.unit, 0.022 * rig.unit), (255, 240, 205))


def _rim(rig: Rig, side: int) -> np.ndarray:
    """Return head coordinates of one rim; the lens plane is curved a little around the face."""
    ring = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    kind = rig.who.glasses
    power = 0.55 if kind == "square" else 0.85 if kind == "cat" else 1.0
    cos, sin = np.cos(ring), np.sin(ring)
    wide, tall = (0.255, 0.205) if kind != "round" else (0.240, 0.235)
    x = np.sign(cos) * np.abs(cos) ** power * wide
    y = np.sign(sin) * np.abs(sin) ** power * tall
    if kind == "cat":
        y = y + 0.07 * np.clip(x / wide, 0, 1) ** 2 * (y > -0.05)
    place = rig.who.eye_spacing + 0.012 + x
    depth = LENS_Z - LENS_BEND * np.clip(place, 0, 1) ** 2
    return np.stack([side * place, EYE_Y - 0.015 + y, depth], 1).astype(np.float32)


LENS_Z: Final = 0.85
LENS_BEND: Final = 0.38  # how much the outer edges stand back


def draw_glasses(rig: Rig) -> None:
    """Paint lenses, rims and bridge."""
    unit, colour = rig.unit, rig.who.glasses_colour
    width = 0.040 * unit
    for side in (-1, 1):
        rim = rig.view.project(_rim(rig, side))
        paint.glaze(rig.image, rim + (0.01 * unit, 0.035 * unit), rig.skin(0.2), 0.10, 0.02 * unit)
        paint.glaze(rig.image, rim, (236, 246, 255), 0.10)
        closed = np.concatenate([rim, rim[:2]])
        paint.stroke(rig.image, closed, colour, width)
        corner = rim[10:17] if side > 0 else rim[1:8]  # towards the key light
        glint = corner * 0.76 + rim.mean(0) * 0.24
        shine = paint.ribbon(glint, 0.035 * unit * np.sin(np.linspace(0.1, np.pi - 0.1, 7)))
        paint.glaze(rig.image, shine, (255, 255, 255), 0.40)
    inner = rig.who.eye_spacing - 0.232
    arc = np.linspace(-1, 1, 7)
    bridge = np.stack(
        [arc * max(inner, 0.05), EYE_Y + 0.05 + 0.03 * (1 - arc**2), np.full(7, LENS_Z + 0.02)], 1
    )
    paint.stroke(rig.image, rig.view.project(bridge.astype(np.float32)), colour, width)


def draw_temple_arm(rig: Rig, side: int) -> None:
    """Paint the arm from hinge to ear on one side."""
    far = rig.who.eye_spacing + 0.262
    hinge = (side * far, EYE_Y + 0.05, LENS_Z - LENS_BEND * far**2 - 0.01)
    wide = rig.who.face_width * 0.955
    arm = np.array(
        [hinge, (side * wide, EYE_Y + 0.05, 0.30), (side * wide, EYE_Y + 0.04, EAR_Z + 0.03)], np.float32
    )
    paint.stroke(rig.image, rig.view.project(arm), rig.who.glasses_colour, 0.040 * rig.unit)
