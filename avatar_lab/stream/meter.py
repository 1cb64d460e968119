"""Where the milliseconds go: a stopwatch per stage, summed up as p50 and p95.

    with meter.stage("denoise"):
        ...

`Meter.lap()` closes one block and returns its stages; `summary()` looks at all blocks so far. The memory is
bounded: only the last `keep` blocks count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from avatar_lab.clock import Clock, SystemClock


class Meter:
    """Collects stage times of one block after another, in milliseconds."""

    def __init__(self, clock: Clock | None = None, keep: int = 1000) -> None:
        self.clock = clock or SystemClock()
        self.laps: deque[dict[str, float]] = deque(maxlen=keep)
        self._open: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to stage `name` of the current block."""
        began = self.clock.now()
        try:
            yield
        finally:
            self._open[name] = self._open.get(name, 0.0) + 1000 * (self.clock.now() - began)

    def so_far(self) -> dict[str, float]:
        """Return the stages of the current block as they stand."""
        return dict(self._open)

    def lap(self) -> dict[str, float]:
        """Close the current block and return its stages with their `total`."""
        lap = self._open | {"total": sum(self._open.values())}
        self.laps.append(lap)
        self._open = {}
        return lap

    def summary(self) -> dict[str, dict[str, float]]:
        """Return {stage: {"p50_ms", "p95_ms"}} over the remembered blocks."""
        names = {name for lap in self.laps for name in lap}
        table = {name: [lap.get(name, 0.0) for lap in self.laps] for name in sorted(names)}
        return {
            name: {"p50_ms": float(np.median(ms)), "p95_ms": float(np.percentile(ms, 95))}
            for name, ms in table.items()
        }
