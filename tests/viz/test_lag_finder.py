"""The lag finder's page adds up to what the simulator would do, and stays small."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.gestures import MIMICRY_LAG, mimicry
from avatar_lab.errors import ConfigError
from avatar_lab.metrics.sync import best_lag
from avatar_lab.viz.lag_finder import REACH, STRENGTH, copied, heads, lag_finder


def test_its_data_are_small_and_of_one_length() -> None:
    figure = lag_finder()
    tracks = figure.data["tracks"]
    assert {len(values) for values in tracks.values()} == {240 * 25}
    assert len(figure.html()) < 300_000
    assert figure.data["lengths"][-1] == 240
    assert lag_finder(40).data["lengths"] == [15, 30]


def test_the_copy_is_the_simulators_without_its_lag() -> None:
    user, _, _ = heads(60, 4)
    lagged = mimicry(user[:, None])[:, 0]
    np.testing.assert_allclose(copied(user)[:-MIMICRY_LAG], lagged[MIMICRY_LAG:], atol=1e-4)


@pytest.mark.parametrize("lag", [-20, 0, MIMICRY_LAG, 35])
def test_what_is_planted_can_be_found_after_four_minutes(lag: int) -> None:
    user, own, _ = heads(240, 4)
    moved = np.zeros_like(own)
    source = copied(user)
    moved[max(0, lag) : len(own) + min(0, lag)] = source[max(0, -lag) : len(own) - max(0, lag)]
    found, _ = best_lag(user, own + STRENGTH * moved, REACH / 25)
    assert abs(25 * found - lag) <= 1


def test_too_little_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 15 s"):
        lag_finder(5)
