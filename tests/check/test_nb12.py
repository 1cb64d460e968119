"""Notebook 12: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from avatar_lab.check import nb12


def right_weights(w: int, m: float) -> float:
    return (8 + 2 * m) * w * w + (9 + m) * w


def right_gflop(w: int, depth: int, m: float, tokens: int, passes: int, branches: int) -> float:
    return 2 * (6 + 2 * m) * w * w * depth * tokens * passes * branches / 1e9


def right_bound(work: float, size: float, peak: float, speed: float) -> float:
    return 1000 * max(work / peak, size / speed)


def test_right_answers_pass() -> None:
    assert nb12.weights(right_weights).passed
    assert nb12.arithmetic(right_gflop).passed
    assert nb12.roofline(right_bound).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda w, m: (8 + 2 * m) * w * w, "biases are missing"),
        (lambda w, m: right_weights(w, m) - 4 * w * w - 4 * w, "cross-attention is missing"),
        (lambda w, m: right_weights(w, m) - 2 * m * w * w - (m + 1) * w, "MLP is missing"),
        (lambda w, m: right_weights(w, m) - w * w - w, "one layer w -> w"),
        (lambda w, m: right_weights(w, m) - 2 * w * w - 2 * w, "two layers w -> w"),
        (lambda w, m: right_weights(w, m) + 6 * w * w + 6 * w, "not counted here"),
        (lambda w, m: right_weights(w, 4), "not 4 everywhere"),
        (lambda w, m: (8 + 2 * m) * w * w + 7 * w, "the biases are not"),
        (lambda w, m: right_weights(w, m) / 1e6, "in millions"),
        (lambda w, m: 12 * w * w, "but the block has"),
        (lambda w, m: "many", "one number"),
    ],
)
def test_wrong_weights_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb12.weights(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda *a: right_gflop(*a) / 2, "times two"),
        (lambda *a: right_gflop(*a) * 1e9, "divide by 1e9"),
        (lambda *a: right_gflop(*a) / a[5], "branches"),
        (lambda *a: right_gflop(*a) / a[4], "each pass"),
        (lambda *a: right_gflop(*a) / a[4] * (a[4] + 1), "one of the passes already"),
        (lambda *a: right_gflop(*a) / a[3], "each token"),
        (lambda *a: right_gflop(*a) / (6 + 2 * a[2]) * (3 + 2 * a[2]), "four matrices"),
        (lambda *a: right_gflop(*a) * (8 + 2 * a[2]) / (6 + 2 * a[2]), "computed once"),
        (lambda *a: 3.0, "one by one"),
    ],
)
def test_wrong_arithmetic_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb12.arithmetic(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda f, b, p, s: 1000 * (f / p + b / s), "their sum"),
        (lambda f, b, p, s: 1000 * min(f / p, b / s), "the faster one"),
        (lambda f, b, p, s: max(f / p, b / s), "in seconds"),
        (lambda f, b, p, s: 1000 * max(f / s, b / p), "over the bandwidth"),
        (lambda f, b, p, s: 7.0, "the bound is not"),
    ],
)
def test_wrong_rooflines_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb12.roofline(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb12.weights(lambda *_: ...).state == "open"
    assert nb12.arithmetic(lambda *_: None).state == "open"
    assert nb12.roofline(lambda *_: ...).state == "open"
