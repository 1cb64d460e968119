"""Checks of notebook 10, "Real time": path latency, a mailbox in which the newest wins, and a plan for bad moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import FPS

FRAME_MS = 1000 / FPS
LEVELS = (0, 2, 4, 8)


def path_latency(function: Callable[..., Any]) -> Verdict:
    """Check `path_latency_ms(k, block, compute_ms, transport_ms)`."""
    if _is_open(lambda: function(0, 5, 20.0, 10.0)):
        return not_yet()
    return verdict_of(lambda: _path_latency(function))


def _is_open(call: Callable[[], Any]) -> bool:
    try:
        return is_stub(call())
    except Exception:
        return False


def _path_latency(function: Callable[..., Any]) -> str:
    for block, compute, transport in ((5, 20.0, 10.0), (10, 50.0, 0.0), (1, 7.0, 3.0)):
        for k in sorted(
            range(block), key=lambda k: k != block - 2
        ):  # the last but one tells most mistakes apart
            given = function(k, block, compute, transport)
            if isinstance(given, bool) or not isinstance(given, int | float):
                raise Wrong(f"Return one number, in milliseconds; got {type(given).__name__}.")
            waiting = (block - 1 - k) * FRAME_MS
            if abs(given - (waiting + compute + transport)) > 1e-6:
                raise Wrong(_latency_hint(float(given), k, block, compute, transport))
    return "Right: the first frame of a block waits longest, its last one not at all."


def _latency_hint(given: float, k: int, block: int, compute: float, transport: float) -> str:
    rest = compute + transport
    likely = {
        "one frame too many: the picture is captured at the end of its frame.": (block - k) * FRAME_MS + rest,
        "that waits longer the later a picture comes; it is the other way round.": k * FRAME_MS + rest,
        "every frame waits for a whole block there; only the missing ones are waited for.": (
            block * FRAME_MS + rest
        ),
        "k is left out: only the first frame of a block waits that long.": (block - 1) * FRAME_MS + rest,
        "that takes every block for one of 5 frames.": (4 - k) * FRAME_MS + rest,
        "the transport is counted twice; the number given is for the whole way.": (
            (block - 1 - k) * FRAME_MS + rest + transport
        ),
        "the transport is missing.": (block - 1 - k) * FRAME_MS + compute,
        "the computing is missing. It begins when the block is complete: it comes on top.": (block - 1 - k)
        * FRAME_MS
        + transport,
        "that is in seconds.": ((block - 1 - k) * FRAME_MS + rest) / 1000,
    }
    case = f"k = {k} of {block}"
    for hint, value in likely.items():
        if abs(given - value) < 1e-6:
            return f"{case}: {hint}"
    return f"{case}: {given:g} ms is wrong. What is waited for, and what comes after?"


def mailbox(kind: Callable[[], Any]) -> Verdict:
    """Check a `Mailbox` with `put` and `take`."""

    def first() -> Any:
        box = kind()
        box.put(1)
        return box.take()

    if _is_open(first):
        return not_yet()
    return verdict_of(lambda: _mailbox(kind))


def _mailbox(kind: Callable[[], Any]) -> str:
    box = kind()
    if box.take() is not None:
        raise Wrong("An empty box must give None.")
    if box.put("first") is not None:
        raise Wrong("The first item displaces nobody: put must return None then.")
    lost = box.put("second")
    if lost is None:
        raise Wrong("put must return the item that had to give way: its sender waits for an answer.")
    if lost == "second":
        raise Wrong("The newest wins: the *old* item gives way, not the new one.")
    got = box.take()
    if got == "first":
        raise Wrong("take gave the oldest item: that is a queue. The newest wins.")
    if got != "second":
        raise Wrong(f"take must give the newest item, 'second'; it gave {got!r}.")
    if box.take() is not None:
        raise Wrong("An item was given twice: take must empty the box.")
    if box.put("third") is not None:
        raise Wrong("After take the box is empty, so that put displaces nobody.")
    other = kind()
    if other.take() is not None:
        raise Wrong("Two boxes share their item: keep it in self, set in __init__.")
    box.take()
    box.put(0)
    if box.put(1) != 0:
        raise Wrong("0 is an item, too: compare with None, not by truth.")
    return "Right: one item, the newest wins, and nobody waits in vain."


def degrade(function: Callable[..., Any]) -> Verdict:
    """Check `choose(steps, last_ms, budget_ms)`."""
    if _is_open(lambda: function(8, [20.0], 200.0)):
        return not_yet()
    return verdict_of(lambda: _degrade(function))


def _right(steps: int, last_ms: Sequence[float], budget_ms: float) -> int:
    level, slowest = LEVELS.index(steps), max(last_ms)
    if slowest > 0.8 * budget_ms:
        return LEVELS[max(level - 1, 0)]
    return LEVELS[min(level + 1, len(LEVELS) - 1)] if slowest < 0.4 * budget_ms else steps


def _degrade(function: Callable[..., Any]) -> str:
    cases = [
        [20.0], [100.0], [90.0], [150.0], [170.0],
        [20.0, 20.0, 170.0], [20.0, 170.0, 20.0], [20.0, 100.0, 20.0], [70.0, 75.0],
    ]  # fmt: skip
    for steps, last, budget in product(LEVELS[::-1], cases, (200.0, 400.0)):
        scaled = [ms * budget / 200 for ms in last]
        given = function(steps, scaled, budget)
        right = _right(steps, scaled, budget)
        if given != right:
            raise Wrong(_degrade_hint(given, steps, scaled, budget, right))
    return "Right: quality goes first, then motion, never the present."


def _degrade_hint(given: Any, steps: int, last: Sequence[float], budget: float, right: int) -> str:
    case = f"{steps} steps, the last blocks took {[round(ms) for ms in last]} of {budget:.0f} ms"
    if given not in LEVELS:
        return f"{case}: return one of {LEVELS}; got {given!r}."
    mean, newest = sum(last) / len(last), last[-1]
    if given == _right(steps, [newest], budget) and newest != max(last):
        return f"{case}: that looks at the newest alone. A late block before it counts as well."
    if given == _right(steps, [mean], budget) and mean != max(last):
        return f"{case}: that looks at their mean, or at the fastest. The slowest counts: one late block is heard."
    if abs(LEVELS.index(given) - LEVELS.index(steps)) > 1:
        return f"{case}: {given} is a leap. One level at a time."
    if steps == 0 and right == 2:
        return f"{case}: there is time again, so that it must move again: from 0 to the lowest level."
    if right == steps:
        return f"{case}: between 40 and 80 % nothing changes; else the quality flickers."
    return (
        f"{case}: expected {'fewer' if right < steps else 'more'} steps, or the same at the end of the scale."
    )
