"""Notebook 06: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avatar_lab.check import nb06


def right_drop(signals: dict[str, Any], probability: float, rng: torch.Generator) -> dict[str, Any]:
    batch = len(signals["user_motion"])
    user, voice = (torch.rand(batch, 1, 1, generator=rng) >= probability for _ in range(2))
    keep = {"user_motion": user, "user_audio": user, "avatar_audio": voice}
    return {name: signal * keep[name] for name, signal in signals.items()}


def dropper(decide: Callable[..., Any]) -> Callable[..., Any]:
    """Make a wrong answer from how it decides what to keep of one signal."""

    def drop(signals: dict[str, Any], probability: float, rng: torch.Generator) -> dict[str, Any]:
        return {name: signal * decide(signal, probability, rng) for name, signal in signals.items()}

    return drop


def in_place(signals: dict[str, Any], probability: float, rng: torch.Generator) -> dict[str, Any]:
    for signal in signals.values():
        signal.mul_(torch.rand(len(signal), 1, 1, generator=rng) >= probability)
    return signals


def together(signals: dict[str, Any], probability: float, rng: torch.Generator) -> dict[str, Any]:
    keep = torch.rand(len(signals["user_motion"]), 1, 1, generator=rng) >= probability
    return {name: signal * keep for name, signal in signals.items()}


def test_right_dropout_passes() -> None:
    assert nb06.dropout(right_drop).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (dropper(lambda s, p, g: torch.rand(len(s), 1, 1, generator=g) >= p), "neither seen nor heard"),
        (dropper(lambda s, p, g: torch.rand(s.shape, generator=g) >= p), "only parts were zeroed"),
        (dropper(lambda s, p, g: torch.rand(len(s), s.shape[1], 1, generator=g) >= p), "only parts"),
        (dropper(lambda s, p, g: torch.rand(len(s), 1, 1, generator=g) < p), "exchanged"),
        (dropper(lambda s, p, g: torch.rand(1, 1, 1, generator=g) >= p), "one decision for each"),
        (dropper(lambda s, p, g: torch.ones(1)), "never dropped"),
        (lambda s, p, g: right_drop(s, p, torch.Generator().manual_seed(0)), "not one of your own"),
        (dropper(lambda s, p, g: torch.rand(len(s), 1, 1) >= p), "global generator"),
        (
            dropper(lambda s, p, g: (torch.rand(len(s), 1, 1, generator=g) >= p) / (1 - p)),
            "do not rescale",
        ),
        (together, "second decision"),
        (in_place, "changed in place"),
        (lambda s, p, g: {"user_motion": s["user_motion"]}, "all three signals"),
    ],
)
def test_wrong_dropout_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb06.dropout(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_combine(v: Any, w_a: float, w_u: float, form: str) -> Any:
    nothing, voice = v["0", "0"], v["a", "0"]
    user = v["0", "u"] - nothing if form == "sum" else v["a", "u"] - voice
    return nothing + w_a * (voice - nothing) + w_u * user


def test_right_combination_passes() -> None:
    assert nb06.combine(right_combine).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda v, a, u, form: right_combine(v, a, u, "sum"), "that is the sum form"),
        (lambda v, a, u, form: right_combine(v, u, a, form), "exchanged"),
        (lambda v, a, u, form: right_combine(v, a, u, form) - v["0", "0"], "where you start from"),
        (
            lambda v, a, u, form: (
                right_combine(v, a, u, form)
                if form == "sum"
                else v["0", "0"] + a * (v["a", "0"] - v["0", "0"]) + u * (v["a", "u"] - v["0", "0"])
            ),
            "voice is present on both sides",
        ),
        (lambda v, a, u, form: 2 * v["a", "u"], "wrong values"),
        (lambda v, a, u, form: 1.0, "same shape"),
        (lambda v, a, u, form: v["0", "0"].add_(v["a", "u"]), "changed in place"),
    ],
)
def test_wrong_combination_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb06.combine(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


NEEDED: dict[Any, Any] = {
    ("sum", 1.0, 1.0): {("0", "0"), ("a", "0"), ("0", "u")},
    ("nested", 1.0, 1.0): {("a", "u")},
    ("nested", 2.0, 2.0): {("0", "0"), ("a", "u")},
    ("nested", 2.0, 3.0): {("0", "0"), ("a", "0"), ("a", "u")},
}


def test_right_branches_pass() -> None:
    assert nb06.needed(NEEDED).passed


@pytest.mark.parametrize(
    ("case", "wrong", "words"),
    [
        (("sum", 1.0, 1.0), {("a", "u")}, "never shows voice and user together"),
        (("sum", 1.0, 1.0), {("a", "0"), ("0", "u")}, "a branch is missing"),
        (("nested", 1.0, 1.0), {("0", "0"), ("a", "u")}, "leave it out"),
        (("nested", 2.0, 2.0), [("a", "u")], "write a set"),
        (("nested", 2.0, 3.0), None, "not filled in"),
    ],
)
def test_wrong_branches_name_the_mistake(case: Any, wrong: Any, words: str) -> None:
    verdict = nb06.needed(NEEDED | {case: wrong})
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_rows_that_are_gone_are_missed() -> None:
    for rows in ({("sum", 1.0, 1.0): NEEDED["sum", 1.0, 1.0]}, [1, 2]):
        verdict: Any = nb06.needed(rows)
        assert verdict.state == "wrong"
        assert "four rows" in verdict.message


def test_stubs_are_open() -> None:
    assert nb06.dropout(lambda s, p, g: ...).state == "open"
    assert nb06.combine(lambda v, a, u, form: None).state == "open"
    assert nb06.needed(dict.fromkeys(NEEDED, ...)).state == "open"
    for stub in (None, ...):
        assert nb06.needed(stub).state == "open"
