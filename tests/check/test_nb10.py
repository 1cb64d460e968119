"""Notebook 10: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from avatar_lab.check import nb10


def right_latency(k: int, block: int, compute_ms: float, transport_ms: float) -> float:
    return (block - 1 - k) * 40 + transport_ms + compute_ms


def test_right_latency_passes() -> None:
    assert nb10.path_latency(right_latency).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda k, b, c, t: (b - k) * 40 + c + t, "one frame too many"),
        (lambda k, b, c, t: k * 40 + c + t, "other way round"),
        (lambda k, b, c, t: b * 40 + c + t, "only the missing ones"),
        (lambda k, b, c, t: (b - 1) * 40 + c + t, "k is left out"),
        (lambda k, b, c, t: (4 - k) * 40 + c + t, "one of 5 frames"),
        (lambda k, b, c, t: right_latency(k, b, c, t) + t, "counted twice"),
        (lambda k, b, c, t: max((b - 1 - k) * 40, c) + t, "it comes on top"),
        (lambda k, b, c, t: (b - 1 - k) * 40 + c, "transport is missing"),
        (lambda k, b, c, t: (b - 1 - k) * 40 + t, "computing is missing"),
        (lambda k, b, c, t: right_latency(k, b, c, t) / 1000, "in seconds"),
        (lambda k, b, c, t: (b - 1 - k) * 25 + c + t, "is wrong"),
        (lambda k, b, c, t: "180 ms", "one number"),
    ],
)
def test_wrong_latency_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb10.path_latency(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


class Right:
    def __init__(self) -> None:
        self.item: Any = None

    def put(self, item: Any) -> Any:
        lost, self.item = self.item, item
        return lost

    def take(self) -> Any:
        item, self.item = self.item, None
        return item


class Queue(Right):
    def __init__(self) -> None:
        self.items: deque[Any] = deque()

    def put(self, item: Any) -> Any:
        self.items.append(item)
        return self.items[0] if len(self.items) > 1 else None

    def take(self) -> Any:
        return self.items.popleft() if self.items else None


class Silent(Right):
    def put(self, item: Any) -> Any:
        self.item = item


class Keeps(Right):
    def take(self) -> Any:
        return self.item


class OldWins(Right):
    def put(self, item: Any) -> Any:
        if self.item is None:
            self.item = item
            return None
        return item


class ByTruth(Right):
    def put(self, item: Any) -> Any:
        lost = self.item or None
        self.item = item
        return lost


def test_right_mailbox_passes() -> None:
    assert nb10.mailbox(Right).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Queue, "that is a queue"),
        (Silent, "its sender waits"),
        (Keeps, "given twice"),
        (OldWins, "the *old* item gives way"),
        (ByTruth, "compare with None"),
    ],
)
def test_wrong_mailbox_names_the_mistake(wrong: Callable[[], Any], words: str) -> None:
    verdict = nb10.mailbox(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_choice(steps: int, last_ms: list[float], budget_ms: float) -> int:
    levels = (0, 2, 4, 8)
    level, slowest = levels.index(steps), max(last_ms)
    if slowest > 0.8 * budget_ms:
        level = max(level - 1, 0)
    elif slowest < 0.4 * budget_ms:
        level = min(level + 1, 3)
    return levels[level]


def test_right_plan_passes() -> None:
    assert nb10.degrade(right_choice).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s, last, b: right_choice(s, [sum(last) / len(last)], b), "their mean"),
        (lambda s, last, b: right_choice(s, last[-1:], b), "the newest alone"),
        (lambda s, last, b: right_choice(s, [min(last)], b), "or at the fastest"),
        (lambda s, last, b: right_choice(s, [1.0 if max(last) < 0.5 * b else max(last)], b), "flickers"),
        (lambda s, last, b: right_choice(s, [b if max(last) > 0.7 * b else max(last)], b), "flickers"),
        (lambda s, last, b: 0 if max(last) > 0.8 * b else right_choice(s, last, b), "a leap"),
        (lambda s, last, b: s and right_choice(s, last, b), "move again"),
        (lambda s, last, b: right_choice(s, [1.0 if max(last) < 0.6 * b else b], b), "flickers"),
        (lambda s, last, b: 8, "expected fewer"),
        (lambda s, last, b: 3, "return one of"),
    ],
)
def test_wrong_plan_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb10.degrade(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    class Stub:
        def put(self, item: Any) -> Any: ...

        def take(self) -> Any: ...

    assert nb10.path_latency(lambda *_: ...).state == "open"
    assert nb10.mailbox(Stub).state == "open"
    assert nb10.degrade(lambda *_: None).state == "open"
