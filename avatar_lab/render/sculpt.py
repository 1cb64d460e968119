"""The bare head: outline curves of skull, face and jaw, and the relief of nose, sockets, cheeks and wrinkles.

All numbers that shape a face live here or in `Character`. Heights in head units: crown +1, chin about -1.

What is peculiar: the relief is a height field h(x, y) added to z, so every feature placed at (x, y) can be
lifted onto the surface exactly, and the nose casts a true parallax when the head turns.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from avatar_lab.render.character import Character
from avatar_lab.render.solid import Solid

EYE_Y: Final = 0.0
BROW_Y: Final = 0.25
NOSE_TIP_Y: Final = -0.335
MOUTH_Y: Final = -0.615
TEMPLE_Y: Final = -0.02  # the widest place of the skull
EAR_Z: Final = 0.06
CROWN_Z: Final = -0.18
BACK_Z: Final = -1.16
FACE_Z: Final = 0.80  # how far the front of the face lies before the middle of the head
JAW_DROP: Final = 0.17  # how far the chin falls at jaw_open = 1


def head_solid(who: Character, thickness: float = 0.0) -> Solid:
    """Return the skull with jaw; `thickness` inflates it (a beard)."""
    chin = -who.chin_length
    y = np.cos(np.linspace(0, np.pi, 400)) * (1 - chin) / 2 + (1 + chin) / 2
    above = np.clip((y - TEMPLE_Y) / (1 - TEMPLE_Y), 0, 1)
    below = np.clip((TEMPLE_Y - y) / (TEMPLE_Y - chin), 0, 1)
    dome = (1 - above**2.3) ** (1 / 2.1)
    power = who.jaw_square
    jaw = (1 - below**power) ** (1 / power) * (1 - who.jaw_taper * _ramp(below, 0.0, 1.0) ** 1.1)
    width = who.face_width * np.where(y > TEMPLE_Y, dome, jaw)

    chin_z = 0.42
    front_low = chin_z + (FACE_Z - chin_z) * (1 - below**5) ** 0.5 - 0.03 * np.sin(np.pi * below)
    front = np.where(y > TEMPLE_Y, CROWN_Z + (FACE_Z - CROWN_Z) * dome, front_low)
    back_low = chin_z - (chin_z - BACK_Z) * (1 - below**2) ** 0.9
    back = np.where(y > TEMPLE_Y, CROWN_Z - (CROWN_Z - BACK_Z) * dome, back_low)
    if thickness > 0:
        grow = thickness * _ramp(-y, 0.35, 0.8)
        width, front = width + grow * (y > chin + 0.004), front + grow
    return Solid.from_profiles(y, width, front, back)


def relief(x: np.ndarray, y: np.ndarray, who: Character, smile: float = 0.0) -> np.ndarray:
    """Return how far the soft parts stand out along z over the bare solid."""
    side = np.abs(x)
    h = nose(x, y, who)
    h = h - 0.060 * _bump(side, y, who.eye_spacing, EYE_Y + 0.01, 0.16, 0.10)
    h = h + 0.030 * _bump(side, y, 0.30, BROW_Y + 0.02, 0.22, 0.07)
    h = h + (0.026 * who.cheek + 0.05 * smile) * _bump(side, y, 0.44, -0.30 + 0.07 * smile, 0.15, 0.13)
    h = h + 0.035 * _bump(x, y, 0, MOUTH_Y, 0.24, 0.13)
    h = h - 0.016 * _bump(x, y, 0, MOUTH_Y - 0.155, 0.13, 0.035)
    h = h + 0.030 * _bump(x, y, 0, -who.chin_length + 0.12, 0.12, 0.09)
    h = h - 0.012 * _bump(x, y, 0, MOUTH_Y + 0.14, 0.03, 0.06)
    return h - _creases(side, y, who, smile)


def nose(x: np.ndarray, y: np.ndarray, who: Character) -> np.ndarray:
    """Return the height of the nose: a ridge that widens to the tip, and two wings."""
    along = np.asarray(y) / who.nose_length
    ridge = np.interp(-along, (-0.16, -0.02, 0.12, 0.24, 0.33, 0.38, 0.43, 0.48), NOSE_HEIGHT)
    width = np.interp(-along, (-0.16, 0.0, 0.14, 0.24, 0.34, 0.46), NOSE_WIDTH) * who.nose_width
    tip = 0.045 * _bump(x, along, 0.0, -0.345, 0.062, 0.05)
    wings = 0.075 * _bump(np.abs(x), along, 0.105 * who.nose_width, -0.375, 0.042, 0.045)
    return who.nose_height * (ridge * np.exp(-0.5 * (x / width) ** 2) + tip + wings)


NOSE_HEIGHT: Final = (0.0, 0.025, 0.075, 0.145, 0.195, 0.175, 0.085, 0.0)
NOSE_WIDTH: Final = (0.10, 0.062, 0.062, 0.075, 0.088, 0.085)


def dropped(y: np.ndarray, jaw_open: float) -> np.ndarray:
    """Return where the height `y` of a face at rest lies when the jaw is open."""
    return y - JAW_DROP * jaw_open * _ramp(-np.asarray(y), 0.50, 0.86)


def drop_solid(solid: Solid, jaw_open: float) -> Solid:
    """Return the solid with its jaw open; rows t keep naming the same skin."""
    if jaw_open <= 0:
        return solid
    rest = np.linspace(solid.top, solid.bottom, len(solid.table))
    moved = dropped(rest, jaw_open)
    grid = np.linspace(solid.top, moved[-1], len(solid.table))
    place = np.interp(-grid, -moved, np.arange(len(rest)))
    low = np.minimum(place.astype(int), len(rest) - 2)
    part = (place - low)[:, None]
    table = solid.table[low] * (1 - part) + solid.table[low + 1] * part
    return Solid(solid.top, float(moved[-1]), table.astype(np.float32))


def _creases(side: np.ndarray, y: np.ndarray, who: Character, smile: float) -> np.ndarray:
    """Return the depth of lines: nasolabial fold, forehead lines and crow's feet."""
    fold_x = 0.16 + 0.62 * np.clip(-0.40 - y, 0, 0.3) + 0.05 * smile
    reach = _ramp(-y, 0.36, 0.44) * (1 - _ramp(-y, 0.60, 0.74))
    depth = (0.012 + 0.012 * smile) * who.age + 0.010 * smile
    lines = depth * reach * np.exp(-0.5 * ((side - fold_x) / 0.040) ** 2)
    old = np.clip(who.age * 1.5 - 0.5, 0, 1)
    for height in (0.44, 0.53, 0.62):
        wave = height + 0.02 * np.cos(5 * side)
        lines = lines + 0.006 * old * np.exp(-0.5 * ((y - wave) / 0.014) ** 2) * (side < 0.45)
    for slope in (-0.25, 0.1):
        tail = np.exp(-0.5 * ((y - EYE_Y - slope * (side - 0.5)) / 0.012) ** 2)
        lines = lines + 0.006 * (old + 0.5 * smile * who.age) * tail * _ramp(side, 0.55, 0.58) * (side < 0.68)
    return lines


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    u = np.clip((value - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)


def _bump(x: np.ndarray, y: np.ndarray, at_x: float, at_y: float, wide: float, tall: float) -> np.ndarray:
    return np.exp(-0.5 * (((x - at_x) / wide) ** 2 + ((y - at_y) / tall) ** 2))
