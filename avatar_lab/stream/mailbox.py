"""What stands between a fast sender and a slow reader: a mailbox for pictures, a line for wishes, a ring for sound, a
track for faces.

What is peculiar: none of them can grow, and none of them makes the sender wait. Old pictures are worth nothing, so the
newest wins; wishes are answered in turn, and refused when there are too many; sound is read on without a gap as long as
its reader keeps up, and jumped over where it does not.

Notebook: 10 (real time).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float32, Float64

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

    def wait(self, timeout: float) -> None:
        """Return when there is something to take, when the box is closed, or when time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)

    def close(self) -> None:
        """Wake whoever waits; from now on the box stays empty."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()


class Line(Generic[T]):
    """A few items in the order in which they came; more than `most` are refused."""

    def __init__(self, most: int) -> None:
        self._items: deque[T] = deque()
        self._most, self._closed = most, False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Add an item; False when the line is full or closed."""
        with self._changed:
            if self._closed or len(self._items) >= self._most:
                return False
            self._items.append(item)
            self._changed.notify()
            return True

    def take(self) -> T | None:
        """Return the first item at once; None when there is none."""
        with self._changed:
            return self._items.popleft() if self._items else None

    def wait(self, timeout: float) -> None:
        """Return when there is something to take, when the line is closed, or when time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)

    def close(self) -> None:
        """Wake whoever waits; from now on the line stays empty."""
        with self._changed:
            self._closed = True
            self._items.clear()
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
        self._used = self._seen = -np.inf  # the newest moment that was given away, that was looked at
        self._missed: float | None = None  # where `_seen` stood when it was waited for in vain
        self._lock = threading.Condition()

    def add(self, captured_ms: float, row: Float32[np.ndarray, "P"] | None) -> None:
        """Take in one row, or that nobody was seen; one that is older than the newest is left out."""
        with self._lock:
            if row is not None and (not self._rows or captured_ms > self._rows[-1][0]):
                self._rows.append((captured_ms, row))
            self._seen = max(self._seen, captured_ms)
            self._lock.notify_all()

    def catch_up(self, captured_ms: float, timeout: float) -> None:
        """Wait a moment for the picture of `captured_ms` to be looked at; once only, should that take longer."""
        with self._lock:
            if self._seen >= captured_ms or self._missed == self._seen:
                return
            if not self._lock.wait_for(lambda: self._seen >= captured_ms, timeout):
                self._missed = self._seen

    def newest(self, count: int) -> tuple[Float32[np.ndarray, "b P"], float]:
        """Return the next `count` rows, which end with the newest one, and when that one was captured.

        They are 40 ms apart, or a little more or less, so that what came since the last call fills them. Nothing is
        given twice: where less than half has come the pose is held first, and where nothing has, all the time. What
        came far too late is passed over. Before the first face: (a resting face, 0).
        """
        with self._lock:
            rows = list(self._rows)
            if not rows:
                return neutral(count), 0.0
            used, self._used = self._used, rows[-1][0]
        times, values = np.array([t for t, _ in rows]), np.stack([row for _, row in rows])
        wanted = moments(used, times[-1], count)
        right = np.searchsorted(times, wanted).clip(min(1, len(times) - 1), len(times) - 1)
        left = np.maximum(right - 1, 0)
        span = np.maximum(times[right] - times[left], 1e-6)
        share = ((wanted - times[left]) / span).clip(0, 1)[:, None]
        return (values[left] + share * (values[right] - values[left])).astype(np.float32), float(times[-1])


def moments(used: float, newest: float, count: int) -> Float64[np.ndarray, "b"]:
    """Return the moments of `count` rows: after `used`, up to `newest`, about 40 ms apart."""
    fresh, lasts = newest - used, count * 1000 / FPS
    if 0.5 * lasts <= fresh <= 1.5 * lasts:
        return used + fresh * np.arange(1, count + 1) / count
    grid = newest - np.arange(count - 1, -1, -1) * 1000 / FPS
    return np.maximum(grid, min(used, newest))
