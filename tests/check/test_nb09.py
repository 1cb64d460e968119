"""Notebook 09: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avatar_lab.check import nb09
from avatar_lab.check.nb09 import E


def pcc(a: Any, b: Any) -> float:
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0


def right_rpcc(user: Any, truth: Any, made: Any, way: str) -> float:
    if way == "flattened":
        return abs(pcc(user, truth) - pcc(user, made))
    return float(np.mean([right_rpcc(*clip, "flattened") for clip in zip(user, truth, made, strict=True)]))


def mean_pcc(a: Any, b: Any) -> float:
    return float(np.mean([pcc(x, y) for x, y in zip(a, b, strict=True)]))


def column_pcc(a: Any, b: Any) -> float:
    return float(np.mean([pcc(a[..., k], b[..., k]) for k in range(a.shape[-1])]))


def clip_column_rpcc(u: Any, r: Any, m: Any) -> float:
    columns = [(u[..., [k]], r[..., [k]], m[..., [k]]) for k in range(u.shape[-1])]
    return float(np.mean([right_rpcc(*column, "mean_over_clips") for column in columns]))


def only(way: str, wrong: Callable[..., Any]) -> Callable[..., Any]:
    return lambda u, r, m, w: wrong(u, r, m) if w == way else right_rpcc(u, r, m, w)


def test_right_rpcc_passes() -> None:
    assert nb09.rpcc(right_rpcc).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda u, r, m, w: right_rpcc(u, r, m, "flattened"), "that is the other way, flattened"),
        (lambda u, r, m, w: right_rpcc(u, r, m, "mean_over_clips"), "that is the other way, mean_over_clips"),
        (only("flattened", lambda u, r, m: pcc(u, r) - pcc(u, m)), "size is missing"),
        (
            only("mean_over_clips", lambda u, r, m: abs(mean_pcc(u, r) - mean_pcc(u, m))),
            "opposite sign cancel",
        ),
        (only("flattened", lambda u, r, m: abs(column_pcc(u, r) - column_pcc(u, m))), "column by column"),
        (only("mean_over_clips", lambda u, r, m: clip_column_rpcc(u, r, m)), "rPCC of every column"),
        (only("flattened", lambda u, r, m: pcc(r, m)), "compares both with the user"),
        (only("flattened", lambda u, r, m: abs(abs(pcc(u, r)) - abs(pcc(u, m)))), "wrong way round"),
        (lambda u, r, m, w: right_rpcc(u, r, m, w) if m.any() else float("nan"), "does not move gives NaN"),
        (lambda u, r, m, w: right_rpcc(u, r, m, w) if m.any() else 0.0, "the truth's stays"),
        (lambda u, r, m, w: np.abs(u - m).mean((0, 1)), "one number, not shape"),
        (lambda u, r, m, w: float(np.abs(r - m).mean()), "the wrong one"),
        (lambda u, r, m, w: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_wrong_rpcc_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb09.rpcc(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def shared(user: Any, avatar: Any, k: int) -> tuple[Any, Any]:
    n = len(user)
    return user[max(0, -k) : n - max(0, k)], avatar[max(0, k) : n + min(0, k)]


def lagger(score: Callable[..., float], low: int = -1, ends: tuple[int, int] = (0, 1)) -> Callable[..., Any]:
    """Make an answer from how it scores a lag, whether it tries negative ones, and where its range begins and stops."""

    def lag(user: Any, avatar: Any, reach: int) -> tuple[int, float]:
        scores = {k: score(user, avatar, k) for k in range(low * reach + ends[0], reach + ends[1])}
        best = max(scores, key=lambda k: scores[k])
        return best, pcc(*shared(user, avatar, best))

    return lag


right_lag = lagger(lambda u, a, k: pcc(*shared(u, a, k)))


def test_right_lag_passes() -> None:
    assert nb09.lag(right_lag).passed
    assert nb09.lag(lambda u, a, reach: list(right_lag(u, a, reach))).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda u, a, reach: right_lag(a, u, reach), "sign is turned round"),
        (lagger(lambda u, a, k: abs(pcc(*shared(u, a, k)))), "of either sign"),
        (lagger(lambda u, a, k: pcc(u, np.roll(a, -k))), "rolled"),
        (lagger(lambda u, a, k: float(np.dot(*shared(u, a, k)))), "without subtracting the means"),
        (lagger(lambda u, a, k: pcc(*shared(u, a, k)), low=0), "may come first"),
        (lagger(lambda u, a, k: pcc(*shared(u, a, k)), ends=(0, 0)), "leaves its end out"),
        (lagger(lambda u, a, k: pcc(*shared(u, a, k)), ends=(1, 1)), "leaves its end out"),
        (lambda u, a, reach: (right_lag(u, a, reach)[0] + reach, 0.5), "place in a list"),
        (lambda u, a, reach: right_lag(u, a, reach)[::-1], "exchanged"),
        (lambda u, a, reach: (right_lag(u, a, reach)[0] / 25, 0.5), "not in seconds"),
        (lambda u, a, reach: (right_lag(u, a, reach)[0], 7.0), "the correlation there is not"),
        (lambda u, a, reach: right_lag(u, a, reach)[0], "Return two numbers"),
        (lambda u, a, reach: (reach + 3, 0.5), "Correlate user[t]"),
    ],
)
def test_wrong_lag_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb09.lag(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def impostor(strength: float = 2.5, size: float = 1.0) -> Callable[..., Any]:
    def make(recordings: Any, count: int, rng: np.random.Generator) -> Any:
        made = recordings[rng.permutation(len(recordings))[:count]].copy()
        mean = recordings[..., E].mean((0, 1))
        made[..., E] = size * (made[..., E] - mean) + (1 + strength) * mean
        return made

    return make


def in_place(recordings: Any, count: int, rng: np.random.Generator) -> Any:
    recordings[..., E] += 0.1
    return recordings[:count]


def shaken(recordings: Any, count: int, rng: np.random.Generator) -> Any:
    return recordings[np.random.default_rng().permutation(len(recordings))[:count]]


def still(recordings: Any, count: int, rng: np.random.Generator) -> Any:
    return np.broadcast_to(recordings.mean((0, 1)), (count, *recordings.shape[1:]))


def test_the_impostor_passes_and_the_recordings_stay() -> None:
    before = nb09._stage()[2].copy()
    assert nb09.impostor(impostor()).passed
    assert np.array_equal(before, nb09._stage()[2])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (impostor(0.0), "not fooled yet"),
        (still, "hardly moves"),
        (impostor(2.0, 3.0), "Var should lie"),
        (impostor(6.0), "constant part too strong"),
        (in_place, "were changed"),
        (shaken, "draw from rng only"),
        (lambda recordings, count, rng: recordings[0], "one track for each"),
        (lambda recordings, count, rng: recordings[:count] * np.nan, "NaN"),
    ],
)
def test_wrong_impostors_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    before = nb09._stage()[2].copy()
    verdict = nb09.impostor(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message
    assert np.array_equal(before, nb09._stage()[2])


def test_stubs_are_open() -> None:
    assert nb09.rpcc(lambda u, r, m, way: ...).state == "open"
    assert nb09.lag(lambda u, a, reach: None).state == "open"
    assert nb09.impostor(lambda recordings, count, rng: ...).state == "open"
