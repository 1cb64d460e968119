"""Checks of notebook 01, "Conversations with a known answer": gaps between turns, a planted lag, honest windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import FPS
from avatar_lab.data.conversation import simulate
from avatar_lab.data.gestures import sway
from avatar_lab.data.performance import Event

TURNS = (  # a conversation of five turns: a pause of one speaker, an overlap, and events of other kinds
    Event("turn", "user", 0.0, 2.0),
    Event("smile", "avatar", 1.5, 3.0),
    Event("turn", "avatar", 2.25, 4.0),
    Event("turn", "avatar", 4.75, 6.0),
    Event("blink", "user", 5.0, 5.25),
    Event("turn", "user", 5.75, 8.0),
    Event("nod", "avatar", 8.25, 9.0),
    Event("turn", "avatar", 8.5, 9.5),
)
Talk = tuple[int, int, int]  # user, avatar, frames
TALKS: tuple[Talk, ...] = ((0, 1, 230), (2, 3, 150), (4, 5, 260), (1, 4, 300), (5, 4, 149), (3, 0, 90))
UNSEEN = {4, 5}
REACH = 40  # frames, either way


def gaps(function: Callable[..., Any]) -> Verdict:
    """Check `gaps(events)`: seconds from the end of a turn to the partner's next turn."""
    return _checked(lambda: function(TURNS), lambda: _gaps(function))


def _gaps(function: Callable[..., Any]) -> str:
    for events in (TURNS, simulate(60, seed=0).events):
        turns = [event for event in events if event.kind == "turn"]
        right = _between(turns)
        answer = function(events)
        if not isinstance(answer, list | tuple | np.ndarray):
            raise Wrong(f"Return a list of seconds; got {type(answer).__name__}.")
        given = np.asarray(answer, float)
        if given.ndim != 1:
            raise Wrong(f"Return a list of seconds; got shape {given.shape}.")
        if not _same(given, right):
            raise Wrong(_gaps_hint(given, events, turns, right))
    return f"Right: {len(right)} gaps in a minute, {np.sum(np.array(right) < 0)} of them overlaps."


def _between(turns: Sequence[Event], changes: bool = True) -> list[float]:
    return [b.start - a.end for a, b in pairwise(turns) if a.who != b.who or not changes]


def _gaps_hint(
    given: np.ndarray, events: Sequence[Event], turns: Sequence[Event], right: Sequence[float]
) -> str:
    values = np.array(right)
    likely = {
        "somebody who goes on after a breath makes a pause, not a gap: the speaker must change.": _between(
            turns, changes=False
        ),
        "that is from start to start; a gap begins where the first turn ends.": [
            b.start - a.start for a, b in pairwise(turns) if a.who != b.who
        ],
        "the sign is exchanged: a gap is the next start minus the last end.": -values,
        "negative gaps lost their sign: people who overlap are the point.": np.abs(values),
        "negative gaps are missing: people who overlap are the point.": values[values >= 0],
        "negative gaps became 0: people who overlap are the point.": np.maximum(values, 0),
        'smiles and nods are no turns: keep the events whose kind is "turn".': _between(events),
    }
    for hint, wrong in likely.items():
        if _same(given, wrong):
            return f"Right idea, but {hint}"
    return (
        f"Expected {len(right)} gaps here, got {len(given)}."
        if len(given) != len(right)
        else ("Right count, wrong values: take the next turn's start minus this turn's end, in seconds.")
    )


def _same(given: np.ndarray, wanted: Sequence[float] | np.ndarray) -> bool:
    return len(given) == len(wanted) and bool(np.allclose(given, np.asarray(wanted, float), atol=1e-6))


def find_lag(function: Callable[..., Any]) -> Verdict:
    """Check `find_lag(cause, effect, reach)`: the lag, in frames, of the largest correlation."""
    cause, effect = _planted(5, 0)
    return _checked(lambda: function(cause, effect, REACH), lambda: _find_lag(function))


def _planted(lag: int, seed: int, frames: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Return a moving head, and another that copies it `lag` frames later besides moving by itself."""
    rng = np.random.default_rng([seed, 41])
    both = sway(frames + 100, 0.8, 1.4, rng, 2).astype(np.float64)
    cause, own = both[50 : 50 + frames, 0], both[50 : 50 + frames, 1]
    return cause + 4.0, 0.7 * both[50 - lag : 50 - lag + frames, 0] + 0.15 * own - 2.0


def _find_lag(function: Callable[..., Any]) -> str:
    found = []
    for seed, lag in enumerate((5, 15, 33, -8, 0, -21)):
        cause, effect = _planted(lag, seed)
        kept = cause.copy(), effect.copy()
        given = _found(function, cause, effect)
        if not (np.array_equal(cause, kept[0]) and np.array_equal(effect, kept[1])):
            raise Wrong("The tracks that were passed were changed in place. Work on copies.")
        if isinstance(given, bool) or not np.isscalar(given) or not np.isfinite(float(given)):  # type: ignore[arg-type]
            raise Wrong(f"Return one number, the lag in frames; got {given!r}.")
        if abs(float(given) - lag) > 1:  # type: ignore[arg-type]
            raise Wrong(f"Planted {lag:+d} frames, you found {given:g}: {_lag_hint(given, lag, REACH)}")  # type: ignore[str-format]
        found.append(given)
    if abs(function(*_drifting(20), REACH) - 20) > 1:
        raise Wrong(
            "Right as long as nothing drifts. On two heads that slowly turn away it fails: np.roll brings the end "
            "back in at the beginning, np.correlate fills up with zeros. Cut both tracks to the frames that overlap."
        )
    if function(*_drifting(REACH), REACH) < REACH:
        raise Wrong(
            f"A lag of {REACH} is not found with reach {REACH}: from -reach to reach, both ends count."
        )
    return f"Right: six planted lags found within one frame ({', '.join(f'{lag:+d}' for lag in found)})."


def _found(function: Callable[..., Any], cause: np.ndarray, effect: np.ndarray) -> Any:
    """Return the learner's lag; the slice that is empty at lag 0 is so common that it gets a word of its own."""
    try:
        return function(cause, effect, REACH)
    except ValueError as error:
        raise Wrong(
            f"Your code raised ValueError: {error}. Have the two parts the same length at every lag? "
            "At lag 0, `track[:-lag]` is empty; `track[: n - lag]` is not."
        ) from error


def _drifting(lag: int, frames: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return a head that slowly turns away, and one that follows exactly."""
    whole = sway(frames + lag, 0.3, 1.2, np.random.default_rng(43), 1)[:, 0].astype(np.float64)
    whole += np.linspace(0, 12, frames + lag)
    return whole[lag:], whole[:-lag]


def _lag_hint(given: Any, lag: int, reach: int) -> str:
    likely = {
        "the sign is exchanged. A positive lag means that the effect comes after the cause.": -lag,
        "that is the place in your list, which starts at -reach. Subtract reach.": lag + reach,
        "that is in seconds. Answer in frames.": lag / FPS,
    }
    for hint, value in likely.items():
        if abs(value - lag) > 1 and abs(float(given) - value) <= 0.06 * (1 + abs(value)):
            return hint
    if lag < 0 <= given:
        return "try negative lags, too; the effect may lead."
    return "subtract the means and divide by the spreads of the frames that overlap (np.corrcoef does both)."


def windows(function: Callable[..., Any]) -> Verdict:
    """Check `windows(talks, unseen, size, history)`: training and test windows that share no person and no frame."""
    return _checked(lambda: function(TALKS, UNSEEN, 50, 30), lambda: _windows(function))


def _right_windows(
    talks: Sequence[Talk], unseen: set[int], size: int, history: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    sides: tuple[list[tuple[int, int]], ...] = ([], [])
    for number, (user, avatar, frames) in enumerate(talks):
        if (user in unseen) == (avatar in unseen):
            starts = range(history, frames - size + 1, size)
            sides[user in unseen].extend((number, start) for start in starts)
    return sides[0], sides[1]


def _windows(function: Callable[..., Any]) -> str:
    rng = np.random.default_rng(5)
    drawn = [
        (int(user), int(avatar), int(frames))
        for user, avatar, frames in zip(
            rng.integers(0, 8, 40), rng.integers(8, 16, 40), rng.integers(60, 400, 40), strict=True
        )
    ]
    count = 0
    for talks, unseen, size, history in (
        (TALKS, UNSEEN, 50, 30),
        (TALKS, UNSEEN, 40, 0),
        (drawn, {1, 2, 5, 8, 9, 13}, 50, 50),
    ):
        given = function(talks, set(unseen), size, history)
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise Wrong("Return two lists of (talk, start): those for training, and those for the test.")
        train, test = ([(int(number), int(start)) for number, start in side] for side in given)
        _judge_windows(train, test, talks, set(unseen), size, history)
        count += len(train) + len(test)
    return f"Right: {count} windows, and no person and no frame stands on both sides."


def _judge_windows(
    train: list[tuple[int, int]],
    test: list[tuple[int, int]],
    talks: Sequence[Talk],
    unseen: set[int],
    size: int,
    history: int,
) -> None:
    right = _right_windows(talks, unseen, size, history)
    if (sorted(train), sorted(test)) == (sorted(right[1]), sorted(right[0])):
        raise Wrong("Training and test are exchanged: return (train, test).")
    for number, _ in train:
        if set(talks[number][:2]) & unseen:
            raise Wrong(
                f"Talk {number} is in training, but one of its people {talks[number][:2]} is to be unseen "
                f"({sorted(unseen)}): the test would meet an acquaintance. A talk between both groups belongs "
                "to neither side."
            )
    for number, _ in test:
        if not set(talks[number][:2]) <= unseen:
            raise Wrong(
                f"Talk {number} is in the test, but not both of its people {talks[number][:2]} are unseen "
                f"({sorted(unseen)}). A talk between both groups belongs to neither side."
            )
    for number, start in train + test:
        if start < history:
            raise Wrong(
                f"A window of talk {number} starts at frame {start}; its conditions reach {history} frames further "
                "back, before the recording begins. Start at `history`."
            )
        if start + size > talks[number][2]:
            raise Wrong(
                f"A window of talk {number} ends at frame {start + size}, but the talk has {talks[number][2]}."
            )
    for side, name in ((train, "training"), (test, "test")):
        for (number, start), (other, following) in pairwise(sorted(side)):
            if number == other and following - start < size:
                raise Wrong(
                    f"In {name}, windows of talk {number} at {start} and {following} share frames. Step by `size`."
                )
    missing = sorted({*right[0], *right[1]} - {*train, *test})
    if missing:
        number, start = missing[0]
        raise Wrong(
            f"Talk {number} has room for a window at {start}, but it is missing."
            + _missing_hint(missing, {*train, *test}, talks, size, history)
        )
    if (sorted(train), sorted(test)) != (sorted(right[0]), sorted(right[1])):
        raise Wrong("Windows should begin at `history` and follow each other without holes.")


def _missing_hint(
    missing: Sequence[tuple[int, int]],
    given: set[tuple[int, int]],
    talks: Sequence[Talk],
    size: int,
    history: int,
) -> str:
    if not given:
        return ""
    if all(start + size == talks[number][2] for number, start in missing):
        return " range() leaves its end out: add 1."
    if all(start + 2 * size > talks[number][2] for number, start in missing):
        return " Only the window must fit behind its start; the history lies before it."
    if missing[0][1] == history:
        return " The first window of a talk starts at `history`."
    return " The next window begins where the last one ends: only their histories may overlap."


def _checked(first: Callable[[], Any], check: Callable[[], str]) -> Verdict:
    """Run a check unless the exercise is still a stub."""
    try:
        answer = first()
    except Exception:
        answer = 0
    return not_yet() if is_stub(answer) else verdict_of(check)
