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
    return bootstrap_ratio(kept, np.isfinite(kept).astype(float), seed, level, rounds)


def bootstrap_ratio(
    above: Float[np.ndarray, "n"],
    below: Float[np.ndarray, "n"],
    seed: int = 0,
    level: float = 0.95,
    rounds: int = 2000,
) -> Interval:
    """Return `sum(above) / sum(below)` over conversations with its percentile bootstrap interval.

    With sums of events above and their numbers below it is the mean over events, drawn conversation by conversation,
    because events of one conversation resemble each other. With two sums it is a ratio, e.g. to the truth.
    Conversations with nothing below are left out; raises ShapeError when none is left.
    """
    kept = (np.asarray(below) != 0) & np.isfinite(above)
    if not kept.any():
        raise ShapeError("bootstrap needs at least one finite value; no conversation had the event.")
    a, b = np.asarray(above, float)[kept], np.asarray(below, float)[kept]
    drawn = np.random.default_rng(seed).integers(0, a.size, (rounds, a.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(a[drawn].sum(1) / b[drawn].sum(1), [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(a.sum() / b.sum()), float(low), float(high), int(a.size))


def derangement(count: int) -> Int[np.ndarray, "n"]:
    """Return an order in which nobody keeps their partner; raises ShapeError for fewer than two."""
    if count < 2:
        raise ShapeError(f"Partners can be exchanged among two or more conversations; got {count}.")
    return np.roll(np.arange(count), 1)
