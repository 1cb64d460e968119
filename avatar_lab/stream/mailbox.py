"""What stands between a fast sender and a slow reader: a mailbox for pictures, a ring for sound, a track for faces.

What is peculiar: none of them can grow, and none of them makes the sender wait. Old pictures are worth nothing, so the
newest wins; sound is read on without a gap as long as its reader keeps up, and jumped over where it does not.

Notebook: 10 (real time).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS, SAMPLE_RATE
from avatar_lab.data.face import neutral

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One item; the newest wins. For one sender and one reader on two threads."""

    def __init__(self) -> None:
        self._item: T | None = None
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leave an item; return the one that had to give way, or None. A closed box takes nothing."""
        with self._changed:
            if self._closed:
                return item
            lost, self._item = self._item, item
            self._changed.notify()
            return lost

    def take(self, timeout: float | None = None) -> T | None:
        """Return the item and empty the box; wait for one up to `timeout` seconds. None: nothing came, or closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake whoever waits; from now on the box stays empty."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()


class SoundRing:
    """The newest `seconds` of a sound.

    Attributes
    ----------
    skipped : samples that were never read because their reader was late.
    """

    def __init__(self, seconds: float = 2.0, slack: float = 0.12) -> None:
        self._ring = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        self._slack = round(slack * SAMPLE_RATE)
        self._written = self._read = self.skipped = 0
        self._lock = threading.Lock()

    def append(self, samples: Float32[np.ndarray, "n"]) -> None:
        """Take in sound; the oldest is forgotten."""
        with self._lock:
            kept = samples[-len(self._ring) :]
            at = (self._written + len(samples) - len(kept) + np.arange(len(kept))) % len(self._ring)
            self._ring[at] = kept
            self._written += len(samples)

    def take(self, count: int) -> Float32[np.ndarray, "n"]:
        """Return the next `count` samples: without a gap, or the newest ones where more has piled up than `slack`.

        What has not come yet is silence.
        """
        with self._lock:
            waiting = self._written - self._read
            if waiting > count + self._slack:
                self.skipped += waiting - count
                self._read = self._written - count
            there = min(count, self._written - self._read)
            sound = np.zeros(count, np.float32)
            sound[:there] = self._ring[(self._read + np.arange(there)) % len(self._ring)]
            self._read += there
            return sound


class FaceTrack:
    """The user's newest face rows with the moments at which their pictures were taken."""

    def __init__(self, keep: int = 4 * FPS) -> None:
        self._rows: deque[tuple[float, np.ndarray]] = deque(maxlen=keep)
        self._lock = threading.Lock()

    def add(self, captured_ms: float, row: Float32[np.ndarray, "P"]) -> None:
        """Take in one row; one that is older than the newest is left out."""
        with self._lock:
            if not self._rows or captured_ms > self._rows[-1][0]:
                self._rows.append((captured_ms, row))

    def newest(self, count: int) -> tuple[Float32[np.ndarray, "b P"], float]:
        """Return `count` rows 40 ms apart that end with the newest one, and when that one was captured.

        In between they are interpolated, before the first one held; (a resting face, 0) while there is none.
        """
        with self._lock:
            rows = list(self._rows)
        if not rows:
            return neutral(count), 0.0
        times, values = np.array([t for t, _ in rows]), np.stack([row for _, row in rows])
        wanted = times[-1] - np.arange(count - 1, -1, -1) * 1000 / FPS
        right = (
            np.searchsorted(times, wanted).clip(1, len(times) - 1) if len(times) > 1 else np.zeros(count, int)
        )
        left = np.maximum(right - 1, 0)
        span = np.maximum(times[right] - times[left], 1e-6)
        share = ((wanted - times[left]) / span).clip(0, 1)[:, None]
        found = values[left] + share * (values[right] - values[left]) if len(times) > 1 else values[right]
        return found.astype(np.float32), float(times[-1])
