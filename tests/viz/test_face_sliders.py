"""Every parameter can be dragged, through its resting value, within its limits."""

from __future__ import annotations

import pytest

from avatar_lab.data.face import FACE_NAMES, FACE_SPECS
from avatar_lab.errors import ConfigError
from avatar_lab.viz.face_sliders import STEPS, face_sliders, steps_of


def test_all_parameters_are_drawn_in_a_small_page() -> None:
    figure = face_sliders((3,))
    assert figure.data["names"] == list(FACE_NAMES)
    assert len(set(figure.data["films"])) == len(FACE_NAMES), "every parameter changes the picture"
    assert len(face_sliders().html()) < 300_000


def test_steps_stay_within_the_limits_and_pass_rest() -> None:
    for spec in FACE_SPECS:
        steps = steps_of(spec)
        assert len(steps) == STEPS
        assert steps[0] >= spec.low
        assert steps[-1] <= spec.high
        assert spec.neutral in steps


def test_somebody_must_be_drawn() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        face_sliders(())
