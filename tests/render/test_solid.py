"""Geometry: casting inverts projecting, and rotations turn the way the parameters say."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.face import FaceParams
from avatar_lab.render import sculpt
from avatar_lab.render.camera import View
from avatar_lab.render.character import Character
from avatar_lab.render.solid import row_of

WHO = Character.from_seed(0)


@pytest.mark.parametrize(
    "pose", [{}, {"yaw": 30.0}, {"pitch": -20.0}, {"yaw": -40.0, "pitch": 15.0, "roll": 10.0, "scale": 1.2}]
)
def test_cast_finds_the_projected_point(pose: dict[str, float]) -> None:
    solid = sculpt.head_solid(WHO)
    lon, y = (a.ravel() for a in np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.7, 0.6, 9)))
    points = solid.points(lon, y)
    view = View.of(FaceParams(**pose), 256)
    pixels = view.project(points)
    hit, _ = solid.cast(*view.rays(pixels))
    missed = np.linalg.norm(view.project(hit.astype(np.float32)) - pixels, axis=1)
    assert missed.max() < 0.1  # on the sight line
    apart = np.linalg.norm(hit - points, axis=1)
    assert np.median(apart) < 0.02
    assert np.quantile(apart, 0.95) < 0.1


def test_rotation_directions() -> None:
    nose = np.array([[0.0, -0.3, 1.0]], np.float32)
    crown = np.array([[0.0, 1.0, 0.0]], np.float32)
    rest = View.of(FaceParams(), 100)

    def moved(point: np.ndarray, **pose: float) -> np.ndarray:
        return (View.of(FaceParams(**pose), 100).project(point) - rest.project(point))[0]

    assert moved(nose, yaw=20)[0] > 3  # right in the picture
    assert moved(nose, pitch=20)[1] < -3  # up in the picture
    assert moved(crown, roll=20)[0] > 3


def test_rows_invert_heights() -> None:
    solid = sculpt.head_solid(WHO)
    t = np.linspace(0.05, 0.95, 20)
    assert np.allclose(row_of(solid.height(t), solid.top, solid.bottom), t)


def test_open_jaw_lowers_only_the_lower_face() -> None:
    y = np.array([0.5, 0.0, -0.4, -1.0])
    assert np.allclose(sculpt.dropped(y, 1.0)[:3], y[:3])
    assert np.isclose(sculpt.dropped(y, 1.0)[3], -1.0 - sculpt.JAW_DROP)
    solid = sculpt.head_solid(WHO)
    assert np.isclose(sculpt.drop_solid(solid, 1.0).bottom, solid.bottom - sculpt.JAW_DROP)


def test_nose_stands_out() -> None:
    x = np.array([0.0, 0.3])
    assert np.diff(sculpt.nose(x, np.full(2, sculpt.NOSE_TIP_Y), WHO))[0] < -0.1
