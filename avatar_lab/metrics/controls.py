"""Controls: without them a metric of reaction means little.

A generated avatar can look lively without ever looking at its user. So every claim is compared with the same
avatar, same voice, same seed, and another user (`derangement`), or none; and every difference carries an
interval from the bootstrap over conversations.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from avatar_lab.errors import ShapeError


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def bootstrap(
    values: Float[np.ndarray, "n"], seed: int = 0, level: float = 0.95, rounds: int = 2000
) -> Interval:
    """Return the mean of `values` with its percentile bootstrap interval.

    Raises ShapeError when there is nothing to average. NaN values (no event in that conversation) are left
    out.
    """
    kept = np.asarray(values, float)
    kept = kept[np.isfinite(kept)]
    if kept.size == 0:
        raise ShapeError("bootstrap needs at least one finite value; no conversation had the event.")
    draws = np.random.default_rng(seed).choice(kept, (rounds, kept.size)).mean(1)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(kept.mean()), float(low), float(high), int(kept.size))


def derangement(count: int) -> Int[np.ndarray, "n"]:
    """Return an order in which nobody keeps their partner; raises ShapeError for fewer than two."""
    if count < 2:
        raise ShapeError(f"Partners can be exchanged among two or more conversations; got {count}.")
    return np.roll(np.arange(count), 1)
