"""Notebook 01: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from avatar_lab.check import nb01


def turns_of(events: Any) -> list[Any]:
    return [event for event in events if event.kind == "turn"]


def right_gaps(events: Any) -> list[float]:
    return [b.start - a.end for a, b in pairwise(turns_of(events)) if a.who != b.who]


def test_right_gaps_pass() -> None:
    verdict = nb01.gaps(right_gaps)
    assert verdict.passed
    assert "overlaps" in verdict.message
    assert nb01.gaps(lambda events: np.array(right_gaps(events))).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda events: [b.start - a.end for a, b in pairwise(turns_of(events))], "a pause, not a gap"),
        (
            lambda events: [b.start - a.start for a, b in pairwise(turns_of(events)) if a.who != b.who],
            "from start to start",
        ),
        (lambda events: [-gap for gap in right_gaps(events)], "sign is exchanged"),
        (lambda events: [abs(gap) for gap in right_gaps(events)], "lost their sign"),
        (lambda events: [gap for gap in right_gaps(events) if gap > 0], "are missing"),
        (lambda events: [max(gap, 0) for gap in right_gaps(events)], "became 0"),
        (
            lambda events: [b.start - a.end for a, b in pairwise(events) if a.who != b.who],
            "no turns",
        ),
        (lambda events: [1.0, 2.0], "Expected 3 gaps"),
        (lambda events: [1000 * gap for gap in right_gaps(events)], "in seconds"),
        (lambda events: float(np.mean(right_gaps(events))), "list of seconds"),
        (lambda events: iter(right_gaps(events)), "list of seconds; got list_iterator"),
    ],
)
def test_wrong_gaps_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb01.gaps(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def scores(cause: np.ndarray, effect: np.ndarray, lags: range, score: Callable[..., float]) -> list[float]:
    n = len(cause)
    return [
        score(cause[max(0, -lag) : n - max(0, lag)], effect[max(0, lag) : n - max(0, -lag)]) for lag in lags
    ]


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def right_lag(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    lags = range(-reach, reach + 1)
    return lags[int(np.argmax(scores(cause, effect, lags, pearson)))]


def with_empty_slice(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    return max(range(reach), key=lambda lag: pearson(cause[:-lag], effect[lag:]))


def without_the_last(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    lags = range(-reach, reach)
    return lags[int(np.argmax(scores(cause, effect, lags, pearson)))]


def by_rolling(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    lags = range(-reach, reach + 1)
    return lags[int(np.argmax([pearson(cause, np.roll(effect, -lag)) for lag in lags]))]


def by_products(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    lags = range(-reach, reach + 1)
    return lags[int(np.argmax(scores(cause, effect, lags, np.dot)))]


def forward_only(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    return int(np.argmax(scores(cause, effect, range(reach + 1), pearson)))


def in_place(cause: np.ndarray, effect: np.ndarray, reach: int) -> int:
    cause -= cause.mean()
    return right_lag(cause, effect, reach)


def test_right_lag_passes() -> None:
    assert nb01.find_lag(right_lag).passed
    assert nb01.find_lag(lambda a, b, reach: np.int64(right_lag(a, b, reach))).passed


def test_one_frame_beside_is_close_enough_and_two_are_not() -> None:
    assert nb01.find_lag(lambda a, b, reach: right_lag(a, b, reach) + 1).passed
    assert not nb01.find_lag(lambda a, b, reach: right_lag(a, b, reach) + 2).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a, b, reach: -right_lag(a, b, reach), "sign is exchanged"),
        (lambda a, b, reach: right_lag(a, b, reach) + reach, "Subtract reach"),
        (lambda a, b, reach: right_lag(a, b, reach) / 25, "Answer in frames"),
        (forward_only, "negative lags"),
        (by_products, "subtract the means"),
        (by_rolling, "np.roll"),
        (with_empty_slice, "At lag 0"),
        (without_the_last, "both ends count"),
        (in_place, "changed in place"),
        (lambda a, b, reach: scores(a, b, range(reach), pearson), "Return one number"),
        (lambda a, b, reach: float("nan"), "Return one number"),
        (lambda a, b, reach: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_wrong_lag_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb01.find_lag(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def cut(
    decide: Callable[[bool, bool], int | None] = lambda user, avatar: int(user) if user == avatar else None,
    begin: Callable[[int], int] = lambda history: history,
    end: int = 1,
    step: float = 1.0,
) -> Callable[..., Any]:
    """Make an answer from which side a talk goes to, where windows begin and end, and how far they step."""

    def windows(talks: Any, unseen: set[int], size: int, history: int) -> Any:
        sides: tuple[list[Any], list[Any]] = ([], [])
        for number, (user, avatar, frames) in enumerate(talks):
            side = decide(user in unseen, avatar in unseen)
            if side is not None:
                starts = range(begin(history), frames - size + end, round(step * size))
                sides[side].extend((number, start) for start in starts)
        return sides

    return windows


def by_chance(talks: Any, unseen: set[int], size: int, history: int) -> Any:
    """Shuffle all windows and keep a quarter for the test: what leaks most."""
    every = [
        (n, s) for n, (_, _, frames) in enumerate(talks) for s in range(history, frames - size + 1, size)
    ]
    every = [every[i] for i in np.random.default_rng(0).permutation(len(every))]
    return every[len(every) // 4 :], every[: len(every) // 4]


def test_right_windows_pass() -> None:
    assert nb01.windows(cut()).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (by_chance, "acquaintance"),
        (cut(lambda user, avatar: int(user and avatar)), "acquaintance"),
        (cut(lambda user, avatar: int(user or avatar)), "not both of its people"),
        (cut(lambda user, avatar: int(avatar)), "is in"),
        (cut(lambda user, avatar: 1 - int(user) if user == avatar else None), "exchanged"),
        (cut(begin=lambda history: 0), "Start at `history`"),
        (cut(end=20), "but the talk has"),
        (cut(end=0), "add 1"),
        (cut(step=0.5), "share frames"),
        (cut(step=2.0), "only their histories may overlap"),
        (cut(end=-30), "the history lies before it"),
        (cut(begin=lambda history: history + 10), "starts at `history`"),
        (lambda talks, unseen, size, history: [], "two lists"),
    ],
)
def test_wrong_windows_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb01.windows(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb01.gaps(lambda events: ...).state == "open"
    assert nb01.find_lag(lambda cause, effect, reach: None).state == "open"
    assert nb01.windows(lambda *_: ...).state == "open"
