"""The only place that asks what time it is.

Code that measures or budgets time takes a `Clock`; tests hand it a `FakeClock` and decide when
time passes.
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """Anything that tells monotonic seconds."""

    def now(self) -> float:
        """Return seconds since some fixed moment."""
        ...


class SystemClock:
    """The real, monotonic clock."""

    def now(self) -> float:
        """Return `time.perf_counter()`."""
        return time.perf_counter()


class FakeClock:
    """A clock that moves only when told to, or by `tick` seconds at every look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.seconds, self.tick = 0.0, tick

    def now(self) -> float:
        """Return the current fake time, then let `tick` seconds pass."""
        seen = self.seconds
        self.seconds += self.tick
        return seen

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
