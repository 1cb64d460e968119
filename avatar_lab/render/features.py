"""Brows, the drawn parts of the nose, dimples and frown lines: what lies on the skin besides eyes and mouth."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from avatar_lab.render import paint
from avatar_lab.render.rig import Rig
from avatar_lab.render.sculpt import BROW_Y, MOUTH_Y

BROW_COUNT: Final = 13
BROW_INNER: Final = 0.135
BROW_OUTER: Final = 0.545


def draw_brows(rig: Rig) -> None:
    """Tapered brows: raise lifts them whole, furrow pulls the inner ends down and together."""
    who, f = rig.who, rig.face
    s = np.linspace(0, 1, BROW_COUNT)
    arch = (
        who.brow_arch * np.sin(np.pi * np.clip(s * 1.15 - 0.1, 0, 1)) - 0.045 * np.clip(s - 0.6, 0, 1) / 0.4
    )
    inner = (1 - s) ** 1.5
    height = BROW_Y + arch + f.brow_raise * (0.135 + 0.025 * np.sin(np.pi * s))
    height = height - f.brow_furrow * (0.105 * inner + 0.035 - 0.03 * s) - 0.01 * f.squint
    x = BROW_INNER + (BROW_OUTER - BROW_INNER) * s - 0.052 * f.brow_furrow * inner
    thick = who.brow_thickness * np.interp(s, (0, 0.12, 0.5, 1), (0.62, 0.95, 1.0, 0.16))
    for side in (-1, 1):
        upper = np.stack([side * x, height + thick * 0.5], 1)
        lower = np.stack([side * x, height - thick * 0.5], 1)
        edge = rig.lift(np.concatenate([upper, lower]), 0.012)
        outline = np.concatenate([edge[:BROW_COUNT], edge[BROW_COUNT:][::-1]])
        paint.glaze(rig.image, outline, who.brow, 0.94, 0.0)
    if f.brow_furrow > 0.1:
        _frown_lines(rig)


def _frown_lines(rig: Rig) -> None:
    line = np.linspace(0, 1, 6)
    for side in (-1, 1):
        flat = np.stack([side * (0.055 + 0.012 * line), 0.10 + 0.15 * line], 1)
        width = 0.020 * rig.unit * np.sin(np.pi * (0.15 + 0.7 * line))
        paint.glaze(
            rig.image, paint.ribbon(rig.lift(flat), width), rig.skin(0.2), 0.40 * rig.face.brow_furrow
        )


def draw_nose(rig: Rig) -> None:
    """Nostrils, the curve of the wings, and the far contour that a turned nose shows."""
    who = rig.who
    wide, long_ = who.nose_width, who.nose_length
    ring = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for side in (-1, 1):
        x = side * (0.056 + 0.032 * np.cos(ring)) * wide
        y = (-0.412 + 0.014 * np.sin(ring) - 0.006 * np.cos(ring)) * long_
        paint.glaze(rig.image, rig.lift(np.stack([x, y], 1)), rig.skin(0.02), 0.62, 0.006 * rig.unit)
        bend = np.linspace(-0.9, 1.1, 9)
        wing = np.stack(
            [side * wide * (0.098 + 0.046 * np.cos(bend)), long_ * (-0.382 + 0.048 * np.sin(bend))], 1
        )
        width = 0.020 * rig.unit * np.cos(np.linspace(-1.3, 1.4, 9))
        paint.glaze(rig.image, paint.ribbon(rig.lift(wing), width), rig.skin(0.16), 0.42, 0.004 * rig.unit)
    turned = float(rig.view.rotation[0, 2])
    if abs(turned) > 0.12:
        _far_contour(rig, int(np.sign(turned)), min(1.0, (abs(turned) - 0.12) / 0.35))


def _far_contour(rig: Rig, side: int, strength: float) -> None:
    """Line the far side of the ridge, from between the eyes around the tip."""
    who = rig.who
    y = np.array([-0.02, -0.10, -0.18, -0.25, -0.31, -0.36, -0.40, -0.43]) * who.nose_length
    x = side * np.array([0.050, 0.046, 0.050, 0.060, 0.072, 0.078, 0.066, 0.040]) * who.nose_width
    width = 0.026 * rig.unit * np.array([0.1, 0.4, 0.6, 0.8, 1.0, 1.0, 0.8, 0.2])
    line = rig.lift(np.stack([x, y], 1), 0.01)
    paint.glaze(rig.image, paint.ribbon(line, width), rig.skin(0.22), 0.50 * strength, 0.005 * rig.unit)


def draw_dimples(rig: Rig) -> None:
    """Short curves beside a smiling or stretched mouth."""
    strength = max(rig.face.smile, 0.6 * rig.face.stretch) - 0.25
    if strength <= 0:
        return
    bend = np.linspace(-0.8, 0.8, 9)
    half = rig.who.mouth_width * (1 + 0.28 * rig.face.smile + 0.26 * rig.face.stretch)
    for side in (-1, 1):
        flat = np.stack(
            [
                side * (half + 0.015 + 0.045 * np.cos(bend)),
                MOUTH_Y + 0.09 * rig.face.smile + 0.09 * np.sin(bend),
            ],
            1,
        )
        width = 0.018 * rig.unit * np.cos(bend * 1.7)
        paint.glaze(
            rig.image, paint.ribbon(rig.lift(flat), width), rig.skin(0.30), 0.26 * strength, 0.014 * rig.unit
        )


def nose_outline(rig: Rig) -> np.ndarray:
    """Return the hull of the nose, which stands over the cheek's outline when the head is turned far."""
    who = rig.who
    y = np.array([0.05, -0.10, -0.20, -0.28, -0.335, -0.38, -0.42, -0.46]) * who.nose_length
    flat = np.stack([np.zeros(8), y], 1)
    wings = np.array([[0.10 * who.nose_width, -0.37], [-0.10 * who.nose_width, -0.37]])
    return cv2.convexHull(rig.lift(np.concatenate([flat, wings])).astype(np.float32))[:, 0]
