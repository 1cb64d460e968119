"""Notebook 05: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avatar_lab.check import nb05


def right_sigma(batch: int, frames: int, block: int, rng: torch.Generator) -> torch.Tensor:
    blocks = -(-frames // block)
    return torch.rand(batch, blocks, generator=rng).repeat_interleave(block, dim=1)[:, :frames]


def right_pyramid(frames: int, steps: int) -> torch.Tensor:
    fallen = (torch.arange(frames + steps)[:, None] - torch.arange(frames)).clamp(0, steps)
    return 1 - fallen / steps


def right_kind(sigma: torch.Tensor, block: int) -> str:
    if (sigma[:, :-block] == 0).all():
        return "teacher"
    return "full" if (sigma == sigma[:, :1]).all() else "forcing"


def test_right_answers_pass() -> None:
    assert nb05.block_sigma(right_sigma).passed
    assert nb05.pyramid(right_pyramid).passed
    assert nb05.kind(right_kind).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda b, n, k, g: torch.rand(b, n, generator=g), "one level a frame"),
        (lambda b, n, k, g: torch.rand(b, -(-n // k), generator=g).repeat(1, k)[:, :n], "repeat_interleave"),
        (lambda b, n, k, g: torch.rand(b, 1, generator=g).expand(b, n), "all blocks have the same"),
        (lambda b, n, k, g: right_sigma(1, n, k, g).expand(b, n), "all examples have the same"),
        (lambda b, n, k, g: right_sigma(b, n, k, torch.Generator().manual_seed(0)) ** 3, "not uniform"),
        (lambda b, n, k, g: torch.rand(b, -(-n // k)).repeat_interleave(k, 1)[:, :n], "global generator"),
        (lambda b, n, k, g: torch.rand(b, -(-n // k), generator=g), "expected a tensor"),
        (lambda b, n, k, g: 2 * right_sigma(b, n, k, g), "between 0 and 1"),
        (
            lambda b, n, k, g: right_sigma(b, n, k, torch.Generator().manual_seed(0)),
            "not from one of your own",
        ),
    ],
)
def test_wrong_levels_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb05.block_sigma(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda n, s: right_pyramid(n, s).T, "yours is turned"),
        (lambda n, s: 1 - right_pyramid(n, s), "yours rises"),
        (lambda n, s: 1 - (torch.arange(n + s)[:, None] - torch.arange(n)) / s, "clamp"),
        (lambda n, s: right_pyramid(n, s) ** 2, "equal parts"),
        (lambda n, s: right_pyramid(n, s)[:-1], "shape"),
        (lambda n, s: right_pyramid(n, s).roll(-1, 0).clamp(0, 1), "row 0 is all noise"),
        (lambda n, s: torch.cat([right_pyramid(n, s)[:1], right_pyramid(n, s)[:-1]]), "row 1, frame 0"),
        (lambda n, s: [1.0], "a tensor"),
    ],
)
def test_wrong_pyramids_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb05.pyramid(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s, b: "teacher" if (s[:, :-b] == 0).any() else right_kind(s, b), "not in *every* example"),
        (lambda s, b: "teacher" if (s[:, :b] == 0).all() else right_kind(s, b), "not all of the past"),
        (lambda s, b: "teacher" if (s[:, :-b] == 0).all() else "forcing", "full-sequence diffusion"),
        (lambda s, b: "full" if (s == s[:, :1]).all() else "forcing", "is teacher training"),
        (lambda s, b: "other", "Return"),
    ],
)
def test_wrong_kinds_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb05.kind(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb05.block_sigma(lambda *_: ...).state == "open"
    assert nb05.pyramid(lambda *_: None).state == "open"
    assert nb05.kind(lambda *_: ...).state == "open"
