"""Checks of notebook 11, "Talk to it": p50 and p95 of a log, and a responder of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import SAMPLE_RATE


def summary(function: Callable[[np.ndarray], Any]) -> Verdict:
    """Check `summary_ms(log_ms)`: the median and the 95th percentile."""
    try:
        first = function(np.arange(10.0))
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _summary(function))


def _summary(function: Callable[[np.ndarray], Any]) -> str:
    rng = np.random.default_rng(0)
    for count in (400, 11, 1001):
        log = 150 + rng.gamma(2.0, 40.0, count)
        given = function(log.copy())
        if not isinstance(given, tuple | list | np.ndarray) or np.shape(given) != (2,):
            raise Wrong("Return a pair: (p50, p95).")
        p50, p95 = (float(np.percentile(log, q)) for q in (50, 95))
        if all(_between_neighbours(float(value), log, q) for value, q in zip(given, (50, 95), strict=True)):
            continue
        if np.allclose(given, (p95, p50), rtol=0.01):
            raise Wrong("Both are right, but exchanged: the median comes first.")
        if abs(given[0] - log.mean()) < 0.01 * log.mean():
            raise Wrong("The first number is the mean; a few bad moments pull it up. Take the median.")
        if abs(given[1] - log.max()) < 1e-6:
            raise Wrong("The second number is the maximum: that is one picture. 95 of 100 stay below p95.")
        if abs(given[1] - 0.95 * log.max()) < 1e-6:
            raise Wrong("95 % of the maximum is no percentile: sort the values and count.")
        if abs(given[1] - float(np.percentile(log, 5))) < 1e-6:
            raise Wrong("The second number is the 5th percentile: the fast end, not the slow one.")
        if np.allclose(given, np.percentile(log, (0.5, 0.95))):
            raise Wrong("np.percentile counts from 0 to 100: 50 and 95, not 0.5 and 0.95.")
        if np.allclose(given, (log[count // 2], log[int(0.95 * count)])):
            raise Wrong("The log is in order of time. Sort it before you count.")
        raise Wrong(f"For {count} values (p50, p95) is not {tuple(round(float(x)) for x in given)}.")
    return "Right: how it usually feels, and how it feels when it annoys."


def _between_neighbours(value: float, log: np.ndarray, percent: float) -> bool:
    """Whether some usual rule of percentiles gives the value: they differ between two neighbouring values."""
    low, high = (float(np.percentile(log, percent, method=rule)) for rule in ("lower", "higher"))
    return 0.99 * low <= value <= 1.01 * high


def responder(answer: Any) -> Verdict:
    """Check a responder: happy phrases after a smile, else the last second of what was said."""
    turn = np.arange(3 * SAMPLE_RATE, dtype=np.float32) / (3 * SAMPLE_RATE)
    try:
        first = answer.on_turn(turn, ["smile"])
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _responder(answer, turn))


def _responder(answer: Any, turn: np.ndarray) -> str:
    from avatar_lab.live.voice import SampleVoice

    echo, happy = answer.on_turn(turn.copy(), []), answer.on_turn(turn.copy(), ["smile"])
    for name, sound in (("without a smile", echo), ("after a smile", happy)):
        if not isinstance(sound, np.ndarray) or sound.ndim != 1:
            raise Wrong(f"{name}: return samples, an array with one axis; got {type(sound).__name__}.")
    if len(echo) == len(turn):
        raise Wrong("Without a smile: that repeats all of it. Only the last second, please.")
    if len(echo) and np.array_equal(echo, turn[: len(echo)]):
        raise Wrong("Without a smile: that is the beginning of the turn; the last second is at its end.")
    if not np.array_equal(echo, turn[-SAMPLE_RATE:]):
        raise Wrong(f"Without a smile: expected the last {SAMPLE_RATE} samples; got {len(echo)} others.")
    if len(happy) == len(echo) and np.array_equal(happy, echo):
        raise Wrong('After a smile it does the same as without one. Look for "smile" in events.')
    known = [clip.audio for clip in SampleVoice().phrases(mood="happy")]
    if not any(len(happy) == len(sound) and np.allclose(happy, sound) for sound in known):
        raise Wrong("After a smile: expected one of the voice's happy phrases.")
    if not np.array_equal(answer.on_turn(turn.copy(), ["nod"]), echo):
        raise Wrong("After a nod it does not echo: events may hold other words, and only a smile counts.")
    for events in (["smile", "nod"], ["nod", "smile"]):
        if np.array_equal(answer.on_turn(turn.copy(), events), echo):
            raise Wrong(f"For {events} it does not notice the smile: look for it anywhere in events.")
    return "Right: give it to LiveAvatar(responder=...) and smile."
