"""Shapes of single movements: nods, blinks, expressions, mimicry."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.config import FPS
from avatar_lab.data import gestures
from avatar_lab.data.people import Person, draw_person
from avatar_lab.data.reactions import Act
from avatar_lab.errors import ConfigError


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_nod_dips_at_two_hertz_and_fades(strength: float) -> None:
    periods = []
    for seed in range(12):
        track = gestures.nods([Act("nod", 0, 1.0, 2.5, strength)], 100, np.random.default_rng(seed))
        dips = [i for i in range(1, 99) if track[i] < min(track[i - 1], track[i + 1]) and track[i] < -0.2]
        assert len(dips) >= 2
        assert dips[0] == int(np.argmin(track))
        assert -8.5 < track.min() < -1.8
        assert abs(track[dips[-1]]) < 0.75 * abs(track[dips[0]])
        periods += list(np.diff(dips))
    assert 0.42 < np.mean(periods) / FPS < 0.58


def test_shake_swings_to_both_sides() -> None:
    track = gestures.shakes([Act("shake", 0, 1.0, 2.4, 0.8)], 100, np.random.default_rng(0))
    assert track.max() > 2
    assert track.min() < -2
    assert not track[:25].any()


def test_smile_rises_within_half_a_second_and_goes_slowly() -> None:
    track = gestures.expression([Act("smile", 0, 1.0, 3.0, 0.8)], "smile", 150)
    assert not track[:25].any()
    up = (np.argmax(track > 0.9 * track.max()) - 25) / FPS
    gone = (len(track) - np.argmax(track[::-1] > 0.1 * track.max()) - np.argmax(track > 0)) / FPS
    assert 0.15 < up <= 0.5
    assert track.max() == pytest.approx(0.8, abs=0.05)
    assert gone > 2.2
    assert track[-1] == 0


def test_blinks_by_role_and_length() -> None:
    rates = {}
    for talking in (True, False):
        acts: list[Act] = []
        rng = np.random.default_rng(3)
        track = gestures.blinks(acts, 0, np.full(15000, talking), np.zeros(0), Person(), rng)
        rates[talking] = len(acts) / 10
        lengths = np.array([act.end - act.start for act in acts])
        assert (lengths >= 0.149).all()
        assert (lengths <= 0.301).all()
        closings = np.sum((track[1:, 0] > 0.5) & (track[:-1, 0] <= 0.5))
        assert closings == pytest.approx(len(acts), rel=0.03)
    assert rates[True] == pytest.approx(26, rel=0.12)
    assert rates[False] == pytest.approx(17, rel=0.12)


def test_mimicry_comes_600_ms_later_and_never_earlier() -> None:
    impulse = np.zeros((200, 1), np.float32)
    impulse[60] = 1
    answer = gestures.mimicry(impulse)[:, 0]
    assert not answer[:60].any()
    assert int(np.argmax(answer)) == 60 + gestures.MIMICRY_LAG
    assert not answer[60 + 2 * gestures.MIMICRY_LAG + 1 :].any()


@pytest.mark.parametrize(("hertz", "low", "high"), [(0.0, -0.01, 0.25), (0.6, 0.3, 1.1), (3.0, -0.01, 0.1)])
def test_mimicry_passes_slow_nods_not_posture_or_tremor(hertz: float, low: float, high: float) -> None:
    time = np.arange(1000) / FPS
    answer = gestures.mimicry(np.cos(2 * np.pi * hertz * time)[:, None].astype(np.float32))[100:]
    assert low < np.abs(answer).max() < high


def test_sway_has_unit_size_and_is_smooth() -> None:
    noise = gestures.sway(20000, 0.1, 1.0, np.random.default_rng(0), 3)
    assert noise.std(axis=0) == pytest.approx(np.ones(3), abs=0.15)
    assert np.abs(np.diff(noise, axis=0)).max() < 0.6


def test_most_people_are_stiff_and_all_are_within_limits() -> None:
    people = [draw_person(np.random.default_rng(seed)) for seed in range(400)]
    stiff = np.mean([p.reactivity < 0.5 for p in people])
    assert 0.52 < stiff < 0.68
    lively = draw_person(np.random.default_rng(5), reactivity=0.9)
    assert lively.reactivity == 0.9
    assert lively.blink_rate == draw_person(np.random.default_rng(5)).blink_rate


@pytest.mark.parametrize(
    "wrong", [{"voice": 9}, {"reactivity": 1.5}, {"gaze_speaking": -0.1}, {"warmth": -1.0}]
)
def test_impossible_people_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Person(**wrong)
