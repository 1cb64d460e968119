"""Notebook 11: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from avatar_lab.check import nb11
from avatar_lab.live.voice import SampleVoice


def right_summary(log: np.ndarray) -> tuple[float, float]:
    return float(np.median(log)), float(np.percentile(log, 95))


def test_right_summary_passes() -> None:
    assert nb11.summary(right_summary).passed
    assert nb11.summary(lambda x: np.percentile(x, [50, 95])).passed
    assert nb11.summary(lambda x: (np.sort(x)[len(x) // 2], np.sort(x)[int(0.95 * len(x))])).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: right_summary(x)[::-1], "exchanged"),
        (lambda x: (float(x.mean()), float(np.percentile(x, 95))), "the mean"),
        (lambda x: (float(np.median(x)), float(x.max())), "the maximum"),
        (lambda x: (float(np.median(x)), 0.95 * float(x.max())), "no percentile"),
        (lambda x: (float(np.median(x)), float(np.percentile(x, 5))), "fast end"),
        (lambda x: float(np.median(x)), "a pair"),
        (lambda x: tuple(np.percentile(x, (0.5, 0.95))), "from 0 to 100"),
        (lambda x: (x[len(x) // 2], x[int(0.95 * len(x))]), "Sort it"),
        (lambda x: (100.0, 200.0), "is not (100, 200)"),
    ],
)
def test_wrong_summary_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb11.summary(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


class Answer:
    """A responder made of two functions."""

    def __init__(self, smiling: Callable[[np.ndarray], Any], sober: Callable[[np.ndarray], Any]) -> None:
        self.smiling, self.sober = smiling, sober

    def on_turn(self, user_audio: np.ndarray, events: Sequence[str]) -> Any:
        return (self.smiling if "smile" in events else self.sober)(user_audio)


class Heedless(Answer):
    """Takes its reason from elsewhere."""

    def __init__(self, smiled: Callable[[Sequence[str]], bool]) -> None:
        super().__init__(happy, last)
        self.smiled = smiled

    def on_turn(self, user_audio: np.ndarray, events: Sequence[str]) -> Any:
        return (self.smiling if self.smiled(events) else self.sober)(user_audio)


def happy(_: np.ndarray) -> np.ndarray:
    return SampleVoice().phrases(mood="happy")[1].audio


def last(turn: np.ndarray) -> np.ndarray:
    return turn[-16_000:]


def test_right_responder_passes() -> None:
    assert nb11.responder(Answer(happy, last)).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Answer(happy, lambda x: x), "all of it"),
        (Answer(happy, lambda x: x[:16_000]), "the beginning"),
        (Answer(happy, lambda x: x[-1600:]), "expected the last"),
        (Answer(last, last), "the same as without"),
        (Answer(lambda x: np.zeros(100, np.float32), last), "happy phrases"),
        (Answer(lambda x: "ha ha", last), "return samples"),
        (Heedless(bool), "only a smile counts"),
        (Heedless(lambda events: events[-1:] == ["smile"]), "anywhere in events"),
        (Heedless(lambda events: events[:1] == ["smile"]), "anywhere in events"),
    ],
)
def test_wrong_responder_names_the_mistake(wrong: Answer, words: str) -> None:
    verdict = nb11.responder(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb11.summary(lambda x: ...).state == "open"
    assert nb11.responder(Answer(lambda x: None, lambda x: None)).state == "open"
