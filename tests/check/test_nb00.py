"""Notebook 00: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avatar_lab.check import nb00
from avatar_lab.check.verdict import verdict_of
from avatar_lab.config import FPS
from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Performance
from avatar_lab.stream.react import Reaction

T, P, SIZE = 50, 18, 32
RIGHT: dict[str, Any] = {
    "user.face": (T, P),
    "user.audio": (T * 640,),
    "motion": (T, P),
    "face": (T, P),
    "frames": (T, SIZE, SIZE, 3),
}


@pytest.fixture
def reaction() -> Reaction:
    user = Performance(neutral(T), np.zeros(T * 640, np.float32))
    frames = np.zeros((T, SIZE, SIZE, 3), np.uint8)
    return Reaction(frames, neutral(T), neutral(T), user.audio, {}, user)


def test_right_shapes_pass(reaction: Reaction) -> None:
    assert nb00.shapes(RIGHT, reaction).passed


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("user.face", (P, T), "time comes first"),
        ("user.audio", (T,), "samples in each"),
        ("user.audio", (T, 640), "expected 1 axes"),
        ("frames", (T, SIZE, SIZE), "colours"),
        ("frames", (T, 3, SIZE, SIZE), "colours come last"),
        ("face", (1, T, P), "no batch axis"),
        ("motion", (2, P), "seconds times 25"),
        ("motion", (T, 20), "count the numbers"),
        ("face", [T, P], "write a tuple"),
        ("face", None, "not filled in"),
    ],
)
def test_wrong_shapes_name_the_mistake(name: str, wrong: Any, words: str, reaction: Reaction) -> None:
    verdict = nb00.shapes(RIGHT | {name: wrong}, reaction)
    assert verdict.state == "wrong"
    assert name in verdict.message
    assert words in verdict.message


def right_latency(config: Any, compute_ms: float) -> float:
    return 1000 * config.generator.block / FPS + compute_ms


def test_right_latency_passes() -> None:
    assert nb00.latency(right_latency).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda c, ms: (1000 * c.generator.block / FPS + ms) / 1000, "in seconds"),
        (lambda c, ms: 1000 * c.generator.block / FPS, "waiting alone"),
        (lambda c, ms: ms, "computing alone"),
        (lambda c, ms: 1000 * c.generator.window / FPS + ms, "whole window"),
        (lambda c, ms: 1000 * (c.generator.block + c.generator.lookahead) / FPS + ms, "look-ahead"),
        (lambda c, ms: 40 * (c.generator.block - 1) + ms, "one frame short"),
        (lambda c, ms: 25 * c.generator.block + ms, "not 25"),
        (lambda c, ms: 200 + ms, "blocks of 10 frames"),
        (lambda c, ms: c.generator.block / FPS + ms, "one unit"),
        (lambda c, ms: "250 ms", "one number"),
        (lambda c, ms: c.generator.size, "AttributeError"),
    ],
)
def test_wrong_latency_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb00.latency(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open_not_wrong(reaction: Reaction) -> None:
    assert nb00.shapes(dict.fromkeys(RIGHT), reaction).state == "open"
    assert nb00.latency(lambda config, compute_ms: None).state == "open"


def test_strict_mode_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_LAB_STRICT", "1")
    assert nb00.latency(right_latency).passed
    with pytest.raises(AssertionError, match="Not done yet"):
        nb00.latency(lambda config, compute_ms: None)


def test_verdict_escapes_html() -> None:
    def fail() -> str:
        raise ValueError("<b>")

    assert "&lt;b&gt;" in verdict_of(fail)._repr_html_()
