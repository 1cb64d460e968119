"""Delay that heals: whatever stalls, and for how long, the next block looks at the present and the path is back.

`FakePage` does what `static/session.js` and `static/player.js` do, in milliseconds that a test lets pass. Whatever is
between page and kernel may stall (`road`), and so may the two workers (`reader`, `mover`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from avatar_lab.clock import FakeClock
from avatar_lab.data.face import neutral
from avatar_lab.stream import admission as module
from avatar_lab.stream.degrade import MOST_HOLD_PATIENCE
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.mover import Moved
from avatar_lab.stream.session import Session

TRACK_S = 0.018
STEP_S = 0.004
FRAME_MS, PICTURES, WANTS, FORGOTTEN_MS, MARGIN_MS = 40.0, 3, 2, 4000.0, 30.0


class FakePage:
    """A page on a fake clock: pictures up on credit, blocks down on request, played on a clock of its own.

    `road`, `reader` and `mover` are moments until which each of them stands still.

    Attributes
    ----------
    paths : (moment, drawn - captured) of each block that showed something new.
    ages : (moment it was made, how old the newest picture was that it depends on).
    """

    def __init__(self, clock: FakeClock, delay_ms: float = 0.0, jitter_ms: float = 0.0) -> None:
        self.clock, self.delay, self.jitter = clock, delay_ms, jitter_ms
        self.session: Session | None = None
        self.road = self.reader = self.mover = 0.0
        self.paths: list[tuple[float, float]] = []
        self.ages: list[tuple[float, float]] = []
        self.qualities: list[str] = []
        self.most_ticks = self.most_on_road = self.underruns = 0
        self._rng = np.random.default_rng(0)
        self._up: list[tuple[float, dict[str, Any]]] = []
        self._down: list[tuple[float, dict[str, Any]]] = []
        self._ticks: dict[int, float] = {}
        self._wanted: dict[int, float] = {}
        self._taken: list[tuple[float, float]] = []
        self._next_tick = self._end = self._newest = self._last_arrival = 0.0
        self._seq = self._block = 0
        self._block_ms = 200.0

    def now(self) -> float:
        return 1000 * self.clock.seconds

    def emit(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        if message["type"] == "block":
            self.ages.append((self.now(), self.now() - message["captured"]))
            self.qualities.append(message["quality"])
        self._down.append((self._arrival(self._down), message))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self._tick()
            self._want()
            self._deliver()
            assert self.session is not None
            if self.now() >= self.reader:
                self.session.step("see")
            if self.now() >= self.mover:
                self.session.step("move")
            self._receive()
            self.clock.advance(STEP_S)

    def path(self, since_ms: float, until_ms: float = np.inf) -> float:
        """Return the median path of what was drawn in this time."""
        return float(np.median([path for at, path in self.paths if since_ms <= at < until_ms]))

    def _arrival(self, road: list[tuple[float, dict[str, Any]]]) -> float:
        at = max(self.now(), self.road) + self.delay + self.jitter * self._rng.random()
        return max(at, road[-1][0] if road else 0.0)  # nothing overtakes

    def _tick(self) -> None:
        now = self.now()
        if now < self._next_tick:
            return
        self._next_tick = max(self._next_tick + FRAME_MS, now)
        self._ticks = {seq: at for seq, at in self._ticks.items() if now - at < FORGOTTEN_MS}
        if len(self._ticks) >= PICTURES:
            return
        self._ticks[self._seq] = now
        self.most_ticks = max(self.most_ticks, len(self._ticks))
        self._up.append((self._arrival(self._up), {"type": "tick", "seq": self._seq, "captured": now}))
        self._seq += 1

    def _want(self) -> None:
        now, buffered = self.now(), max(0.0, self._end - self.now())
        self._wanted = {seq: at for seq, at in self._wanted.items() if now - at < 8000}
        recent = [ms for at, ms in self._taken if now - at < 4000]
        lead = min(max((float(np.quantile(recent, 0.8)) if recent else 120.0) + MARGIN_MS, 45.0), 1500.0)
        if len(self._wanted) >= WANTS or buffered + len(self._wanted) * self._block_ms >= lead:
            return
        self._wanted[self._block] = now
        self._up.append((self._arrival(self._up), {"type": "want", "seq": self._block, "now": now}))
        self._block += 1

    def _deliver(self) -> None:
        self.most_on_road = max(self.most_on_road, len(self._up) + len(self._down))
        while self._up and self._up[0][0] <= self.now():
            message = self._up.pop(0)[1]
            assert self.session is not None
            if message["type"] == "tick":
                self.session.tick(message, b"jpeg", np.zeros(640, np.int16))
            elif message["type"] == "want":
                self.session.want(message)
            else:
                self.session.drawn(message)

    def _receive(self) -> None:
        while self._down and self._down[0][0] <= self.now():
            message = self._down.pop(0)[1]
            if message["type"] in ("seen", "lost"):
                self._ticks.pop(message["seq"], None)
            elif message["type"] == "block":
                self._play(message)

    def _play(self, message: dict[str, Any]) -> None:
        now, asked = self.now(), self._wanted.pop(message["seq"], None)
        if asked is not None:
            self._taken = [*self._taken[-50:], (now, now - max(asked, self._last_arrival))]
        self._last_arrival = now
        self._block_ms = message["frames"] * FRAME_MS
        self.underruns += self._end < now
        begin = max(self._end, now + 10)
        self._end = begin + self._block_ms
        if message["captured"] > self._newest:
            self._newest = message["captured"]
            self.paths.append((begin, begin - message["captured"]))
        drawn = {"type": "drawn", "seq": message["seq"], "captured": message["captured"], "drawn": begin}
        self._up.append((self._arrival(self._up), drawn))


class Blank:
    """A picture that costs nothing."""

    size = 8

    def draw(self, face: np.ndarray) -> np.ndarray:
        return np.zeros((8, 8, 3), np.uint8)

    def draw_track(self, face: np.ndarray) -> np.ndarray:
        return np.zeros((len(face), 8, 8, 3), np.uint8)


class Face:
    """A reader that takes 18 ms."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def read(self, jpeg: bytes, captured_ms: float) -> np.ndarray | None:
        self.clock.advance(TRACK_S)
        return neutral(1)[0]

    def close(self) -> None:
        pass


class Steps:
    """A mover that takes `ms` for each step, and pieces of `frames`."""

    def __init__(self, clock: FakeClock, frames: int, ms: float) -> None:
        self.clock, self.frames, self.ms = clock, frames, ms

    def set(self, settings: LiveSettings) -> None:
        pass

    def move(self, rows: np.ndarray, heard: np.ndarray, voice: np.ndarray, nfe: int) -> Moved:
        self.clock.advance(self.ms * nfe / 1000)
        return Moved(rows, voice)

    def hold(self, voice: np.ndarray) -> np.ndarray:
        return voice


class Gone:
    """The last session to leave: whoever is still in the room has been forgotten."""

    is_over = True


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AVATAR_LAB_SESSIONS", "99")
    gc.collect()
    yield
    module._OPEN.clear()
    module.leave(Gone())


def opened(
    frames: int = 5, ms: float = 8.0, delay_ms: float = 5.0, jitter_ms: float = 0.0
) -> tuple[FakePage, Steps, Session]:
    clock = FakeClock()
    page, mover = FakePage(clock, delay_ms, jitter_ms), Steps(clock, frames, ms)
    settings = LiveSettings(twin=False, nfe=8 if frames > 2 else 1)
    session = Session(
        mover,
        Face(clock),
        page.emit,
        settings=settings,
        clock=clock,
        pictures=lambda _: Blank(),
        threads=False,
    )
    page.session = session
    return page, mover, session


@pytest.mark.parametrize("stall_s", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("who", ["reader", "mover", "road"])
@pytest.mark.parametrize("frames", [5, 2])
def test_after_a_stall_the_path_is_back(who: str, stall_s: float, frames: int) -> None:
    page, _, session = opened(frames)
    page.run(10)
    before = page.path(4000)
    setattr(page, who, page.now() + 1000 * stall_s)
    page.run(stall_s)
    end = page.now()
    page.run(10)
    after = page.path(end + 8000)
    assert after <= before + 20, f"the path was {before:.0f} ms and is {after:.0f} ms"
    healed = next(at for at, path in page.paths if at > end and path <= before + 100)
    assert healed - end < 2000, "not only in the end"
    stats = session.stats()
    assert stats["counts"]["refused"] == 0
    assert page.most_ticks <= 3
    assert page.most_on_road < 40
    assert set(page.qualities) == {"full"}


@pytest.mark.parametrize("stall_s", [0.2, 1.0, 5.0])
def test_the_first_block_after_a_stall_of_the_mover_depends_on_fresh_pictures(stall_s: float) -> None:
    page, _, _ = opened()
    page.run(5)
    page.mover = page.now() + 1000 * stall_s
    page.run(stall_s)
    end = page.now()
    page.run(1)
    first = next(age for at, age in page.ages if at >= end)
    assert first < 64 + 40 + 2 * 1000 * TRACK_S + 20, "one block's time, one picture, and its tracking"


def test_under_jitter_the_delay_does_not_ratchet() -> None:
    page, _, session = opened(jitter_ms=80.0)
    page.run(60)
    early, late = page.path(5000, 20_000), page.path(45_000)
    assert late < early + 20
    path = session.stats()["path"]
    assert path["p50_ms"] == pytest.approx(page.path(0), abs=20)
    assert path["p95_ms"] < path["p50_ms"] + 150
    assert session._sound.skipped < 0.02 * 60 * 16_000


def test_many_stalls_leave_nothing_behind() -> None:
    page, _, session = opened()
    page.run(5)
    before = page.path(2000)
    for who in ("mover", "road", "reader") * 4:
        setattr(page, who, page.now() + 700)
        page.run(2.5)
    page.run(5)
    assert page.path(page.now() - 4000) <= before + 20
    assert len(session._wants._items) <= 2


def test_a_machine_that_is_too_slow_gives_up_steps_and_keeps_the_present() -> None:
    page, mover, session = opened()
    page.run(5)
    before = page.path(2000)
    mover.ms = 60.0  # 480 ms a block of 200: it cannot be done
    page.run(10)
    assert page.qualities[-1] == "fewer steps"
    assert page.path(page.now() - 4000) < before + 400
    mover.ms = 150.0
    page.run(20)
    held = [len(list(run)) for quality, run in groupby(page.qualities[-80:]) if quality == "holding"]
    assert sum(held) > 50, "most of the time nothing can be made"
    assert max(held) <= MOST_HOLD_PATIENCE, "and yet it tries again and again"
    mover.ms = 8.0
    page.run(60)
    assert page.qualities[-1] == "full"
    assert page.path(page.now() - 4000) <= before + 20
    assert session.stats()["quality"] == "full"
