"""Votes of people: which of two avatars reacts better? Kept in one local file, counted like the critic's.

A file of JSON lines, one vote each: {"pair", "question", "left", "right", "answer"}. Nothing about who voted is
written, and nothing leaves the machine. What was shown left and right is drawn from a seed, so that a side has no
meaning.

Notebook: 08 (preference without labels), 09 (does it really react?).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Final

import numpy as np

from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.metrics.controls import Interval, bootstrap_ratio

ANSWERS: Final = ("left", "right", "same")


@dataclass(frozen=True)
class Vote:
    """One answer: of the pair's two films, `left` and `right` name what was shown where."""

    pair: str
    question: str
    left: str
    right: str
    answer: str  # one of ANSWERS

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ConfigError(f"answer must be one of {', '.join(ANSWERS)}; got {self.answer!r}.")
        if self.left == self.right:
            raise ConfigError(f"A vote compares two different films; both are {self.left!r}.")

    def points(self, name: str) -> float:
        """Return 1 if `name` was preferred, one half for "same", else 0."""
        if self.answer == "same":
            return 0.5
        return float((self.left if self.answer == "left" else self.right) == name)


class VoteFile:
    """Votes in one file; adding is one short write, so a crash loses nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, vote: Vote) -> None:
        """Append one vote."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # After a write that broke off, begin a new line: the rest of the old vote must not spoil this one.
        kept = self.path.read_bytes() if self.path.exists() else b""
        torn = kept and not kept.endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(asdict(vote)) + "\n")

    def read(self) -> list[Vote]:
        """Return all votes, oldest first; raises MediaError naming the first line that is none."""
        if not self.path.exists():
            return []
        votes = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            try:
                fields = json.loads(line)
                if not (isinstance(fields, dict) and all(isinstance(v, str) for v in fields.values())):
                    raise TypeError("not an object of texts")
                votes.append(Vote(**fields))
            except (ValueError, TypeError) as error:  # no UTF-8, no JSON and ConfigError are ValueErrors
                raise MediaError(
                    f"{self.path}, line {number} is no vote ({error}). Expected one JSON object with the texts pair, "
                    "question, left, right, answer; correct or delete that line."
                ) from error
        return votes


def sides(first: str, second: str, pair: str, seed: int) -> tuple[str, str]:
    """Return what is shown left and right: drawn from pair and seed, the same whenever it is asked."""
    rng = np.random.default_rng([seed, *pair.encode()])
    return (first, second) if rng.random() < 0.5 else (second, first)


def votes_won(votes: Sequence[Vote], name: str, question: str) -> Interval:
    """Return how often `name` was preferred, "same" as half, with its bootstrap interval over pairs.

    Votes on one pair resemble each other, so pairs are drawn, not votes. Raises ShapeError without votes.
    """
    cast = [v for v in votes if v.question == question and name in (v.left, v.right)]
    pairs = sorted({v.pair for v in cast})
    won = np.array([sum(v.points(name) for v in cast if v.pair == pair) for pair in pairs])
    count = np.array([float(sum(v.pair == pair for v in cast)) for pair in pairs])
    return bootstrap_ratio(won, count)


def wilson(won: float, count: int, z: float = 1.96) -> Interval:
    """Return the share `won / count` with Wilson's interval, which stays honest for few votes and near 0 or 1.

    The bootstrap draws from the votes that were cast: after three wins in three it knows of no loss, and its interval
    is [1, 1]. Wilson asks which true shares would make what was seen unsurprising (|difference| <= z deviations).

    Parameters
    ----------
    won : votes won, "same" as half; the votes must not hang together.
    z : 1.96 for 95 %.

    Raises ConfigError unless 0 <= won <= count and count >= 1. Source: Wilson 1927.

    >>> found = wilson(3, 3)
    >>> round(found.low, 2), round(found.high, 2)
    (0.44, 1.0)
    """
    if count < 1 or not 0 <= won <= count:
        raise ConfigError(f"Needs at least one vote, and won in 0..count; got {won} of {count}.")
    share, spread = won / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), count)
