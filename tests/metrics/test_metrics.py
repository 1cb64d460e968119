import numpy as np
import pytest

from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import bootstrap, bootstrap_ratio, derangement
from avatar_lab.metrics.reaction import answers, event_rise, rpcc
from avatar_lab.metrics.richness import jitter, seam_ratio, temporal_variance
from avatar_lab.metrics.sync import best_lag, correlation, speaking


def wave(frames: int = 500) -> np.ndarray:
    return np.convolve(np.random.default_rng(0).standard_normal(frames), np.ones(9) / 9, "same")


@pytest.mark.parametrize("lag", [-12, 0, 15])
def test_the_lag_is_found(lag: int) -> None:
    seconds, score = best_lag(wave(), np.roll(wave(), lag))
    assert seconds == pytest.approx(lag / 25)
    assert score > 0.9


def test_a_still_signal_has_no_correlation() -> None:
    assert np.isnan(correlation(np.zeros(50), wave(50)))
    assert np.isnan(best_lag(np.zeros(100), wave(100))[1])


def test_speech_is_where_the_sound_is() -> None:
    audio = np.zeros(100 * 640, np.float32)
    audio[40 * 640 : 60 * 640] = 0.2
    talking = speaking(audio)
    assert talking[40:60].all()
    assert not talking[:34].any()
    assert not talking[66:].any()


def test_an_event_rise_is_a_difference_around_the_event() -> None:
    track = np.zeros(200)
    track[110:160] = 0.5
    assert event_rise(track, [100 / 25])[0] == pytest.approx(0.5, abs=0.02)
    assert event_rise(track, [0.1, 7.9]).size == 0


def test_answers_are_matched_and_counted_both_ways() -> None:
    track = np.zeros(400)
    track[110:160], track[300:350] = 0.5, 0.5
    found = answers(track, [100 / 25, 40 / 25, 15.9], threshold=0.15)
    assert (found.events, found.delays_ms) == (2, (pytest.approx(400),))  # the last one is too near the end
    assert (found.onsets, found.deserved) == (2, 1)


def test_rpcc_is_zero_for_the_truth() -> None:
    user, truth = wave(300)[:, None], wave(300)[::-1][:, None]
    assert rpcc(user, truth, truth) == 0
    assert rpcc(user, truth, user) > 0.5


def test_bootstrap_intervals_tell_something_from_nothing() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap(rng.normal(1, 0.5, 40)).excludes_zero
    assert not bootstrap(rng.normal(0, 0.5, 40)).excludes_zero
    assert bootstrap(np.array([1.0, np.nan, 3.0])).count == 2
    with pytest.raises(ShapeError, match="no conversation had the event"):
        bootstrap(np.array([np.nan]))


def test_a_ratio_is_drawn_conversation_by_conversation() -> None:
    sums, counts = np.array([2.0, 0.0, 4.0, np.nan]), np.array([1.0, 0.0, 3.0, 1.0])
    ratio = bootstrap_ratio(sums, counts)
    assert (ratio.mean, ratio.count) == (1.5, 2)
    assert 4 / 3 <= ratio.low <= ratio.high <= 2
    with pytest.raises(ShapeError, match="no conversation had the event"):
        bootstrap_ratio(sums, np.zeros(4))


def test_nobody_keeps_their_partner() -> None:
    assert (derangement(5) != np.arange(5)).all()
    with pytest.raises(ShapeError, match="two or more"):
        derangement(1)


def test_richness() -> None:
    ramp = np.linspace(0, 1, 50)[:, None]
    assert jitter(ramp) == pytest.approx(0, abs=1e-9)
    assert temporal_variance(ramp) == pytest.approx(ramp.var())
    steps = np.repeat(np.arange(10), 5)[:, None] + ramp
    assert seam_ratio(steps, 5) > 10
    assert seam_ratio(ramp, 5) == pytest.approx(1)
