"""Who may be live: as many sessions as the machine carries, and what the process is set to meanwhile.

    OpenCV works on one core        it would share every call between all of them, which for pictures as small as an
                                    avatar's gains nothing, costs twice the computing time, and takes it from the model
    threads take shorter turns      whoever draws lets go of the interpreter at every call of OpenCV, and would get it
                                    back only when the turn of another thread, 5 ms, is over

What is peculiar: both belong to the process, so they are put back when the last session has ended.

Notebook: 10 (real time).
"""

from __future__ import annotations

import sys
import weakref
from typing import Final, Protocol, runtime_checkable

from avatar_lab.errors import StreamError
from avatar_lab.stream.live_settings import SESSIONS, capacity


@runtime_checkable
class Live(Protocol):
    """What must be known of a session here."""

    @property
    def is_over(self) -> bool: ...


_OPEN: weakref.WeakSet[Live] = weakref.WeakSet()
TURN_S: Final = 0.0005
# OpenCV's threads and the turn as they were before the first session; empty while nobody is live.
_before: list[tuple[int, float]] = []


def enter(session: Live) -> None:
    """Enter a session in the list of open ones; raise StreamError when it is full. One caller at a time."""
    import cv2

    most = capacity()
    running = sum(not other.is_over for other in _OPEN)
    if running >= most:
        raise StreamError(
            f"{running} live sessions are open, and this machine can carry {most}. Stop another one first "
            f"(or set {SESSIONS} to a larger number before the kernel starts)."
        )
    _OPEN.add(session)
    if not _before:
        _before.append((cv2.getNumThreads(), sys.getswitchinterval()))
        cv2.setNumThreads(1)
        sys.setswitchinterval(TURN_S)


def leave(session: Live) -> None:
    """Strike a session off the list; may be called twice. One caller at a time."""
    import cv2

    _OPEN.discard(session)
    if not _OPEN and _before:
        threads, turn = _before.pop()
        cv2.setNumThreads(threads)
        sys.setswitchinterval(turn)
