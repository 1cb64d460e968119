"""What to give up when blocks take too long: quality, then pictures, then motion, never the present.

    8 steps -> 4 -> 2 -> every other picture -> one picture a block -> hold        after three late blocks in a row
    hold -> one picture a block -> every other picture -> 2 -> 4 -> 8              after a calm while

What is peculiar: one late block is nothing (a computer hiccups), three in a row are load. It comes back slowly, after
many calm blocks and no late one; between "late" and "calm" nothing changes: hysteresis, else it would flicker. A
level below may look calm while the one above is too much; so a level up is tried, and each time that it fails the
next try comes twice as late. A pose that is held computes nothing, whatever the load; but an avatar that stands still
has ceased to answer, and so it tries to move again after a second, and never later than after five. A pyramid costs
one evaluation a frame whatever its height: it has no fewer steps.

Notebook: 10 (real time).
"""

from __future__ import annotations

from typing import Final, NamedTuple

LATE, CALM = 1.0, 0.65  # shares of the time that a block lasts
IN_A_ROW: Final = 3  # late blocks before a level down
PATIENCE: Final = 15  # calm blocks before a level up: three seconds
MOST_PATIENCE: Final = 120
HOLD_PATIENCE, MOST_HOLD_PATIENCE = 5, 25  # the same while the pose is held
HOLD: Final = 0
ALL: Final = 99  # frames: more than a block has
FULL, FEWER, SPARSE, HOLDING = "full", "fewer steps", "fewer pictures", "holding"


class Level(NamedTuple):
    """How a block is made: in `nfe` steps (`HOLD`: not at all), with one picture for `every` frames."""

    nfe: int
    every: int
    quality: str


class Degrade:
    """Told how long each block took, it says how the next one may be made."""

    def __init__(self, nfe: int, fewer: bool = True) -> None:
        self._at, self._fewer = 0, fewer
        self._calm = self._late = 0
        self._patience, self._tried = PATIENCE, 0  # blocks since a level up is on trial; 0: none is
        self._hold_patience = HOLD_PATIENCE
        self.wish(nfe, fewer)

    def wish(self, nfe: int, fewer: bool = True) -> None:
        """Set how many steps the user wants; the level stays, unless it now means something else (`fewer`)."""
        steps = [n for n in (nfe // 2, nfe // 4) if n >= 1 and fewer]
        least = steps[-1] if steps else nfe
        self._levels = [
            Level(nfe, 1, FULL),
            *(Level(n, 1, FEWER) for n in steps),
            Level(least, 2, SPARSE),
            Level(least, ALL, SPARSE),
            Level(HOLD, 1, HOLDING),
        ]
        self._at = min(self._at, len(self._levels) - 1) if fewer == self._fewer else 0
        self._fewer = fewer

    @property
    def level(self) -> Level:
        """How the next block is made."""
        return self._levels[self._at]

    def told(self, compute_ms: float, budget_ms: float) -> None:
        """Learn how long a block of `budget_ms` took."""
        held = self.level.nfe == HOLD  # how long that took says nothing about the levels above
        late, calm = compute_ms > LATE * budget_ms and not held, compute_ms < CALM * budget_ms or held
        self._late, self._calm = self._late + 1 if late else 0, 0 if late else self._calm + calm
        self._tried += self._tried > 0
        if self._late >= IN_A_ROW:
            self._down()
        elif self._tried > PATIENCE:  # the level up is one to stay on
            self._patience, self._hold_patience, self._tried = PATIENCE, HOLD_PATIENCE, 0
        if self._calm >= (self._hold_patience if held else self._patience) and self._at:
            self._at, self._calm, self._tried = self._at - 1, 0, 1

    def _down(self) -> None:
        below = min(self._at + 1, len(self._levels) - 1)
        if self._tried and self._levels[below].nfe == HOLD:
            self._hold_patience = min(2 * self._hold_patience, MOST_HOLD_PATIENCE)
        elif self._tried:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._at, self._late, self._tried = below, 0, 0
