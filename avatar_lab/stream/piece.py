"""A piece of the avatar on its way from the model to the page.

What is peculiar: the first pictures do not wait for the last ones. A piece goes out with its sound and the pictures of
its first 80 ms; the others are drawn while those are shown, and follow. Where a picture stands for several frames (a
machine that is late, a pose that is held), it is drawn and sent once.

Notebook: 10 (real time).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from avatar_lab.stream.mover import Moved
from avatar_lab.stream.roles import Message

FIRST_PICTURES: Final = 2


@dataclass
class Piece:
    """A piece of the avatar while it is made; `came` and `began` are seconds on the session's clock."""

    message: Message
    moved: Moved
    face: np.ndarray  # as the dials want it
    every: int  # frames for which one picture stands
    came: float
    began: float
    drawn: list[np.ndarray] = field(default_factory=list)

    def timing(self, stages: dict[str, float], now: float) -> dict[str, float]:
        """Return the milliseconds by stage."""
        took, waited = 1000 * (now - self.began), 1000 * (self.began - self.came)
        return {**stages, **self.moved.timing, "wait": waited, "total": took}

    @property
    def first(self) -> np.ndarray:
        """Return the poses (n, P) of the pictures that go out at once."""
        return self.face[: FIRST_PICTURES : self.every]

    @property
    def rest(self) -> np.ndarray:
        """Return the poses of those that follow."""
        return self.face[:: self.every][len(self.first) :]

    def frames(self) -> np.ndarray:
        """Return a picture for every frame (n, h, w, 3), once all are drawn."""
        return np.concatenate(self.drawn)[np.arange(len(self.face)) // self.every]
