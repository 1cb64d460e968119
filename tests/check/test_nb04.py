"""Notebook 04: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avatar_lab.check import nb04
from avatar_lab.model.masks import SELF_MASKS


def rows(n: int) -> torch.Tensor:
    return torch.arange(n)[:, None]


def columns(n: int) -> torch.Tensor:
    return torch.arange(n)[None, :]


def right_mask(n: int, block: int, lookahead: int) -> torch.Tensor:
    return columns(n) < (rows(n) // block + 1) * block + lookahead


def right_reachable(mask: torch.Tensor, depth: int) -> torch.Tensor:
    found = mask
    for _ in range(depth - 1):
        found = (mask.float() @ found.float()) > 0
    return found


def right_leaks(mask: torch.Tensor, depth: int, block: int, lookahead: int) -> bool:
    return bool((right_reachable(mask, depth) & ~right_mask(len(mask), block, lookahead)).any())


def test_right_answers_pass() -> None:
    assert nb04.mask(right_mask).passed
    assert nb04.reachable(right_reachable).passed
    assert nb04.leaks(right_leaks).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda n, b, k: columns(n) <= rows(n) + k, "that is the mask `released`"),
        (lambda n, b, k: columns(n) // b <= rows(n) // b + k, "that is the mask `block_lookahead_blocks`"),
        (lambda n, b, k: right_mask(n, b, k).T, "rows and columns"),
        (lambda n, b, k: ~right_mask(n, b, k), "True and False are exchanged"),
        (lambda n, b, k: columns(n) <= (rows(n) // b + 1) * b + k, "one frame too many"),
        (lambda n, b, k: right_mask(n, b, k).float(), "expected True and False"),
        (lambda n, b, k: right_mask(n, b, k)[0], "shape"),
        (lambda n, b, k: [[True]], "a tensor"),
        (lambda n, b, k: columns(n) < (rows(n) / b + 1) * b + k, "divide with //"),
        (lambda n, b, k: right_mask(n, b, k) & (columns(n) // b >= rows(n) // b), "the past is missing"),
    ],
)
def test_wrong_masks_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb04.mask(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda m, d: m, "that is one layer"),
        (lambda m, d: right_reachable(m, d + 1), "one layer too many"),
        (lambda m, d: right_reachable(m, 2 ** (d - 1)), "squaring doubles"),
        (lambda m, d: right_reachable(m, d).float(), "counts paths"),
        (lambda m, d: m[0], "the mask's shape"),
        (lambda m, d: m @ m, "take mask.float()"),
        (lambda m, d: right_reachable(m, d).T, "rows and columns"),
    ],
)
def test_wrong_reaches_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb04.reachable(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda m, d, b, k: right_leaks(m, 1, b, k), "one layer only"),
        (
            lambda m, d, b, k: bool((right_reachable(m, d) & (columns(len(m)) > rows(len(m)))).any()),
            "no leak",
        ),
        (lambda m, d, b, k: False, "one layer only"),
        (lambda m, d, b, k: True, "no leak"),
        (lambda m, d, b, k: torch.tensor(True), "True or False"),
    ],
)
def test_wrong_leaks_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb04.leaks(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb04.mask(lambda *_: ...).state == "open"
    assert nb04.reachable(lambda *_: None).state == "open"
    assert nb04.leaks(lambda *_: ...).state == "open"


def test_paths_are_those_of_the_library() -> None:
    for kind in SELF_MASKS:
        m = nb04.mask_of(kind, 15, 5, 2)
        assert torch.equal(nb04.paths(m, 3), right_reachable(m, 3))
