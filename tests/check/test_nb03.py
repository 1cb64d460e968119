"""Notebook 03: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from avatar_lab.check import nb03


def right_pair(clean: Any, noise: Any, sigma: Any) -> Any:
    level = sigma[..., None]
    return (1 - level) * clean + level * noise, noise - clean


def pair(noisy: Callable[..., Any] | None = None, velocity: Callable[..., Any] | None = None) -> Any:
    """Make a wrong answer from a wrong half."""

    def answer(clean: Any, noise: Any, sigma: Any) -> Any:
        x, v = right_pair(clean, noise, sigma)
        x = noisy(clean, noise, sigma[..., None]) if noisy else x
        return x, velocity(clean, noise, x) if velocity else v

    return answer


def test_the_right_pair_passes() -> None:
    assert nb03.training_pair(right_pair).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (pair(noisy=lambda m, e, s: s * m + (1 - s) * e), "at sigma 1 yours is clean"),
        (pair(noisy=lambda m, e, s: m + s * e), "still there"),
        (pair(noisy=lambda m, e, s: (1 - s).sqrt() * m + s.sqrt() * e), "without roots"),
        (lambda m, e, s: ((1 - s) * m + s * e, e - m), "wrong axis"),
        (pair(velocity=lambda m, e, x: m - e), "the sign is the paper's"),
        (pair(velocity=lambda m, e, x: x - m), "must not depend on sigma"),
        (pair(velocity=lambda m, e, x: e - x), "still to go"),
        (pair(velocity=lambda m, e, x: e), "the noise itself"),
        (pair(velocity=lambda m, e, x: 3 * m), "wrong values"),
        (pair(velocity=lambda m, e, x: e[0]), "shape of clean"),
        (lambda m, e, s: e - m, "two things"),
        (lambda m, e, s: right_pair(m, e, s)[::-1], "exchanged"),
        (lambda m, e, s: (right_pair(m, e, s)[0], (right_pair(m, e, s)[0] - m) / s[..., None]), "0 / 0"),
    ],
)
def test_wrong_pairs_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb03.training_pair(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def euler(
    sign: float = 1,
    late: bool = False,
    thrift: bool = True,
    extra: int = 0,
    said: int = 0,
    flat: bool = False,
) -> Callable[..., Any]:
    """Make an Euler loop with one fault, or none."""

    def answer(velocity: Any, noise: Any, levels: Any) -> Any:
        noisy, count = noise, 0
        for now, then in itertools.pairwise(levels.tolist()):
            if now == then and thrift:
                continue
            level = then if late else now
            sigma = torch.tensor([level]) if flat else torch.full(noise.shape[:2], level)
            noisy = noisy + sign * (then - now) * velocity(noisy, sigma)
            count += 1
        for _ in range(extra):
            velocity(noisy, torch.full(noise.shape[:2], float(levels[-1])))
            count += 1
        return noisy, count + said

    return answer


def in_place(velocity: Any, noise: Any, levels: Any) -> Any:
    noise += 1
    return noise, 1


def test_the_right_walk_passes() -> None:
    assert nb03.euler(euler()).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (euler(sign=-1), "walk away from the face"),
        (euler(late=True), "where it stands"),
        (euler(thrift=False), "do not pay for it"),
        (euler(extra=1), "no step follows"),
        (euler(extra=3), "evaluated 7 times"),
        (euler(said=1), "you say 5 evaluations"),
        (euler(sign=2), "right count, wrong place"),
        (euler(flat=True), "one level per frame, (2, 3)"),
        (lambda v, e, s: (e, 4.0), "whole number"),
        (lambda v, e, s: (e[0], 4), "shape of noise"),
        (lambda v, e, s: e, "two things"),
        (in_place, "in place"),
    ],
)
def test_wrong_walks_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb03.euler(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_order(steps: Any, errors: Any) -> float:
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def test_the_right_order_passes() -> None:
    assert nb03.order(right_order).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda n, e: -right_order(n, e), "minus the slope"),
        (lambda n, e: -np.polyfit(n, e, 1)[0], "fit the logarithms"),
        (lambda n, e: -np.polyfit(n, np.log(e), 1)[0], "logarithm of the steps"),
        (lambda n, e: -np.polyfit(np.log(n), e, 1)[0], "logarithm of the errors"),
        (lambda n, e: -np.polyfit(np.log(e), np.log(n), 1)[0], "axes are exchanged"),
        (lambda n, e: -np.log(e[-1] / e[0]) / np.log(n[-1] / n[0]), "first and the last"),
        (lambda n, e: np.log2(np.divide(e[:-1], e[1:])).mean(), "compare neighbours"),
        (lambda n, e: 7.0, "expected about 1.0"),
        (lambda n, e: n / e, "one number"),
    ],
)
def test_wrong_orders_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb03.order(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb03.training_pair(lambda *_: ...).state == "open"
    assert nb03.training_pair(lambda *_: (..., ...)).state == "open"
    assert nb03.euler(lambda *_: None).state == "open"
    assert nb03.order(lambda *_: ...).state == "open"
