"""Who a live session works with: a reader who finds the user's face, a speaker, a recorder.

All of them are small protocols, so that a camera, a recorded user and a test's fake fit alike. What is peculiar: a
reader may have more than it must. `hear(captured_ms)` gives the sound of a recorded user, `found` tells whether the
last row was seen or only held, `damaged` counts pictures that could not be decoded.

Notebook: 10 (real time).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

Message = Mapping[str, Any]
Emit = Callable[[dict[str, Any], Sequence[bytes]], None]


@runtime_checkable
class Reader(Protocol):
    """Finds the user's face in what a tick brought."""

    def read(self, jpeg: bytes, captured_ms: float) -> Float32[np.ndarray, "P"] | None:
        """Return the face row of this moment; None when nobody is seen."""
        ...

    def close(self) -> None:
        """Release what was opened."""
        ...


@runtime_checkable
class Speaker(Protocol):
    """Says what the avatar says, and listens to the user to know when."""

    def take(self, count: int) -> tuple[Float32[np.ndarray, "n"], bool]:
        """Return the next samples of the voice, and whether the avatar is speaking."""
        ...

    def hear(self, samples: Float32[np.ndarray, "n"], captured_ms: float) -> None:
        """Listen to the user."""
        ...


class Silence:
    """A speaker that never says anything."""

    state = "listening"

    def take(self, count: int) -> tuple[Float32[np.ndarray, "n"], bool]:
        return np.zeros(count, np.float32), False

    def hear(self, samples: Float32[np.ndarray, "n"], captured_ms: float) -> None:
        pass

    def cut(self) -> None:
        pass


@runtime_checkable
class Recorder(Protocol):
    """Takes down what was shown."""

    def add(self, frames: np.ndarray, audio: np.ndarray) -> None: ...
