"""What to give up when blocks take too long: first quality, then motion, never the present.

    8 steps -> 4 -> 2 -> hold the last pose                    one level down after two late blocks in a row
    hold -> 2 -> 4 -> 8                                        one level up after a calm while

What is peculiar: one late block is nothing (a computer hiccups), two are load. It comes back slowly, after many calm
blocks and no late one; between "late" and "calm" nothing changes: hysteresis, else it would flicker. A level below may
look calm while the one above is too much, most of all where the pose is held and nothing is computed; so a level up is
tried, and each time that it fails the next try comes twice as late. A pyramid costs one evaluation a frame whatever its
height: it has no fewer steps.

Notebook: 10 (real time).
"""

from __future__ import annotations

from typing import Final

LATE, CALM = 0.9, 0.5  # shares of the time that a block lasts
IN_A_ROW: Final = 2  # late blocks before a level down
PATIENCE: Final = 15  # calm blocks before a level up: three seconds
MOST_PATIENCE: Final = 120
HOLD: Final = 0
FULL, FEWER, HOLDING = "full", "fewer steps", "holding"


class Degrade:
    """Told how long each block took, it says how many steps the next one may have."""

    def __init__(self, nfe: int, fewer: bool = True) -> None:
        self._level, self._fewer = 0, fewer
        self._calm = self._late = 0
        self._patience, self._tried = PATIENCE, 0  # blocks since a level up is on trial; 0: none is
        self.wish(nfe, fewer)

    def wish(self, nfe: int, fewer: bool = True) -> None:
        """Set how many steps the user wants; the level stays, unless it now means something else (`fewer`)."""
        self._levels = [nfe, *(n for n in (nfe // 2, nfe // 4) if n >= 1 and fewer), HOLD]
        self._level = min(self._level, len(self._levels) - 1) if fewer == self._fewer else 0
        self._fewer = fewer

    @property
    def nfe(self) -> int:
        """Steps of the next block; `HOLD` (0) for none."""
        return self._levels[self._level]

    @property
    def quality(self) -> str:
        """How that is called on the screen."""
        return FULL if self._level == 0 else HOLDING if self.nfe == HOLD else FEWER

    def told(self, compute_ms: float, budget_ms: float) -> None:
        """Learn how long a block of `budget_ms` took."""
        late, calm = compute_ms > LATE * budget_ms, compute_ms < CALM * budget_ms
        self._late, self._calm = self._late + 1 if late else 0, 0 if late else self._calm + calm
        self._tried += self._tried > 0
        if self._late >= IN_A_ROW:
            if self._tried:
                self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._level, self._late, self._tried = min(self._level + 1, len(self._levels) - 1), 0, 0
        elif self._tried > PATIENCE:
            self._patience, self._tried = PATIENCE, 0  # the level up is one to stay on
        if self._calm >= self._patience and self._level:
            self._level, self._calm, self._tried = self._level - 1, 0, 1
