"""Figures show what they are given, once, and refuse what they cannot show."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.viz.frames import strip
from avatar_lab.viz.tracks import tracks


def film(frames: int = 30) -> np.ndarray:
    return np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 3), np.uint8)


def test_strip_shows_the_same_moments_of_each_film() -> None:
    figure = strip({"user": film(), "avatar": film()}, at=[0, 12, 29])
    shown = [int(np.asarray(axis.images[0].get_array())[0, 0, 0]) for axis in figure.axes]
    assert shown == [0, 12, 29, 0, 12, 29]
    assert figure.axes[5].get_xlabel() == "1.2 s"
    assert figure.axes[3].get_ylabel() == "avatar"


def test_strip_spreads_its_moments() -> None:
    assert len(strip({"a": film()}, 4).axes) == 4


def test_strip_refuses_films_of_different_length() -> None:
    with pytest.raises(ShapeError, match="same number"):
        strip({"a": film(3), "b": film(4)})


def test_tracks_draw_the_asked_parameters() -> None:
    face = neutral(50)
    face[:, FACE_INDEX["smile"]] = 0.5
    figure = tracks({"user": neutral(50), "avatar": face}, ("smile", "yaw"), shade=(0.5, 1.0))
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["user", "avatar"]
    assert np.asarray(lines[1].get_ydata()).tolist() == [0.5] * 50
    assert figure.axes[1].get_ylabel() == "yaw\n(deg)"


def test_tracks_refuse_unknown_parameters() -> None:
    with pytest.raises(ConfigError, match="nose"):
        tracks({"user": neutral(5)}, ("nose",))


def test_figures_are_closed() -> None:
    strip({"a": film()}, 2)
    tracks({"a": neutral(5)})
    assert plt.get_fignums() == []
