"""What an exercise check answers: passed, not yet, or a hint at the likely mistake.

A check never raises and never shows the reference, so a learner's notebook always runs to its end. What is peculiar:
with AVATAR_LAB_STRICT=1 a check that does not pass raises; that is how the solutions are proven.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check and what to tell the learner."""

    state: Literal["passed", "wrong", "open"]
    message: str

    @property
    def passed(self) -> bool:
        """True when the exercise is solved."""
        return self.state == "passed"

    def __str__(self) -> str:
        sign = {"passed": "✓", "wrong": "✗", "open": "…"}[self.state]
        return f"{sign} {self.message}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour = {"passed": "#2e7d32", "wrong": "#c62828", "open": "#6b7280"}[self.state]
        return f"<p style='color:{colour}'><b>{html.escape(str(self))}</b></p>"


class Wrong(Exception):
    """Raised inside a check with the hint for the learner."""


def passed(message: str = "Right.") -> Verdict:
    """The exercise is solved."""
    return Verdict("passed", message)


def verdict_of(check: Callable[[], str]) -> Verdict:
    """Run a check that returns praise or raises `Wrong`; turn anything else into a hint, too."""
    try:
        found = passed(check())
    except Wrong as hint:
        found = Verdict("wrong", str(hint))
    except Exception as error:
        found = Verdict("wrong", f"Your code raised {type(error).__name__}: {error}")
    return strict(found)


def not_yet() -> Verdict:
    """The stub is still a stub."""
    return strict(
        Verdict("open", "Not done yet: replace the dots, return your answer, and run this cell again.")
    )


def strict(verdict: Verdict) -> Verdict:
    """Return the verdict; under AVATAR_LAB_STRICT=1 raise AssertionError unless it passed."""
    if os.environ.get("AVATAR_LAB_STRICT") == "1" and not verdict.passed:
        raise AssertionError(str(verdict))
    return verdict


def is_stub(value: Any) -> bool:
    """Whether an answer was left as it came: None or dots."""
    return value is None or value is Ellipsis
