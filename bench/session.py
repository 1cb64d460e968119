"""A live session under load, without a browser: how long from a face to its answer, and does every stall heal?

    python bench/session.py --json bench/results/session.json --seconds 60

A page in this process does what `static/session.js` and `player.js` do: it sends the recorded user of `data_samples` 25
times a second, plays what comes by the clock, and asks for the next block when little is left. The session is the real
one: both threads, the `lab` weights, the drawn character at 256 pixels. What a browser adds is not in these figures:
the camera, two ways through a comm, decoding, and the screen's refresh. Nor is face tracking, since the recorded user
was tracked long ago, unless `--film FILE` names a film of a face, whose pictures then go through it as JPEGs.

The JSON holds, for `block` and `pyramid`,

    path_ms         from the capture of a picture to the first shown one that could depend on it, by block
    answer_ms       the same for every picture that was sent: it includes the wait for its block
    stages_ms       where the time went, in the last 250 pieces; `draw` has all pictures of a piece, of which the
                    path waits for the first two only
    quality         blocks by what was given up; underruns: times that nothing was left to play
    heals_s         after the reader, the mover or the road stood still for 0.2, 1 and 5 s: until the path is within
                    50 ms of its median again, and how far the first block that was begun then looked back. `jitter`:
                    the same after ten seconds in which every piece came up to 0.3 s late
    memory          resident megabytes after a warm-up and in the end
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit
from streaming import resident_mb

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.config import FPS, SAMPLE_RATE
from avatar_lab.errors import AvatarLabError
from avatar_lab.live.users import sample_user
from avatar_lab.live.voice import SampleVoice
from avatar_lab.stream.jpeg import encode_jpeg
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.mover import AvatarMover
from avatar_lab.stream.session import Session

FRAME_MS, WARM_UP_S, SETTLED_MS, CAMERA_SIDE = 1000 / FPS, 5.0, 50.0, 320
STALLS_S, JITTER_S, LATE_S = (0.2, 1.0, 5.0), 10.0, 0.3


def now() -> float:
    """Milliseconds on the page's clock."""
    return 1000 * time.perf_counter()


class Voice:
    """The avatar says one of its phrases every few seconds."""

    state = "speaking"

    def __init__(self) -> None:
        phrase = SampleVoice().speak("How was your weekend?")
        self._sound, self._at = np.concatenate([phrase, np.zeros(3 * SAMPLE_RATE, np.float32)]), 0

    def take(self, count: int) -> tuple[np.ndarray, bool]:
        said = self._sound[(self._at + np.arange(count)) % len(self._sound)]
        self._at += count
        return said, True

    def hear(self, samples: np.ndarray, captured_ms: float) -> None:
        pass


class Stalling:
    """Wraps `reader.read` and `mover.move` so that they can be made to stand still once, or the mover to be late."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.late_until, self._rng = 0.0, np.random.default_rng(0)

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: Any) -> Any:
            if name == "mover" and now() < self.late_until:
                time.sleep(self._rng.uniform(0.0, LATE_S))
            time.sleep(self.seconds.pop(name, 0.0))
            return call(*args)

        return slow


class Page:
    """Sends, plays and measures. `run` keeps it going for a while."""

    def __init__(self, pictures: Sequence[bytes]) -> None:
        self.session: Session | None = None
        self.pictures = pictures
        self.came: deque[tuple[dict[str, Any], int]] = deque()
        self.path: list[tuple[float, float]] = []
        self.answer: list[float] = []
        self.blocks: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.road_until = 0.0
        self.underruns = self.bytes_down = 0
        self._sent: deque[float] = deque()
        self._ticks: dict[int, float] = {}
        self._wanted: dict[int, float] = {}
        self._taken: deque[tuple[float, float]] = deque(maxlen=40)
        self._due: deque[tuple[float, dict[str, Any]]] = deque()
        self._seq = self._block = 0
        self._next = self._end = now()
        self._last = self._newest = 0.0
        self._block_ms = 200.0

    def emit(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.came.append(({**message, "made": now()}, sum(map(len, buffers))))

    def run(self, seconds: float) -> None:
        until = now() + 1000 * seconds
        while now() < until:
            if now() >= self.road_until:
                self._tick()
                self._want()
                self._receive()
                self._show()
            time.sleep(0.003)

    def forget(self) -> None:
        """Begin to measure anew."""
        self.path.clear()
        self.answer.clear()
        self.blocks.clear()
        self.underruns = self.bytes_down = 0

    def _tick(self) -> None:
        if now() < self._next:
            return
        self._next = max(self._next + FRAME_MS, now() - FRAME_MS)
        self._ticks = {seq: at for seq, at in self._ticks.items() if now() - at < 4000}
        if len(self._ticks) >= 3 or self.session is None:
            return
        captured = now()
        self._ticks[self._seq] = captured
        self._sent.append(captured)
        picture = self.pictures[self._seq % len(self.pictures)] if self.pictures else None
        self.session.tick({"seq": self._seq, "captured": captured}, picture, None)
        self._seq += 1

    def _want(self) -> None:
        buffered, asked = max(0.0, self._end - now()), len(self._wanted)
        recent = [ms for at, ms in self._taken if now() - at < 4000]
        lead = min(max((float(np.quantile(recent, 0.8)) if recent else 120.0) + 30.0, 45.0), 1500.0)
        if self.session is None or asked >= 2 or buffered + asked * self._block_ms >= lead:
            return
        self._wanted[self._block] = now()
        self.session.want({"seq": self._block, "buffered_ms": buffered, "now": now()})
        self._block += 1

    def _receive(self) -> None:
        while self.came:
            message, size = self.came.popleft()
            self.bytes_down += size
            if message["type"] in ("seen", "lost"):
                self._ticks.pop(message["seq"], None)
            elif message["type"] == "block":
                self._lay(message)
            elif message["type"] == "pictures":
                continue
            else:
                self.told.append(message)

    def _lay(self, message: dict[str, Any]) -> None:
        asked = self._wanted.pop(message["seq"], None)
        if asked is not None:
            self._taken.append((now(), now() - max(asked, self._last)))
        self._last, self._block_ms = now(), message["frames"] * FRAME_MS
        self.underruns += self._end < now()
        begin = max(self._end, now() + 10)
        self._end = begin + self._block_ms
        self._due.append((begin, message))

    def _show(self) -> None:
        while self._due and self._due[0][0] <= now():
            _, message = self._due.popleft()
            drawn, captured = now(), message["captured"]
            self.blocks.append(message)
            if self.session is not None:
                self.session.drawn({"seq": message["seq"], "captured": captured, "drawn": drawn})
            if captured > self._newest:
                self._newest = captured
                self.path.append((drawn, drawn - captured))
            while self._sent and self._sent[0] <= captured + 0.5:
                self.answer.append(drawn - self._sent.popleft())


def both(values: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95."""
    if not len(values):
        return {}
    return {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95))}


def film_pictures(path: Path) -> list[bytes]:
    """Return a film's pictures as a page would send them."""
    import cv2

    film, pictures = cv2.VideoCapture(str(path)), []
    while len(pictures) < 60 * FPS:
        good, picture = film.read()
        if not good:
            break
        side = min(picture.shape[:2])
        top, left = ((n - side) // 2 for n in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        small = cv2.resize(square, (CAMERA_SIDE, CAMERA_SIDE), interpolation=cv2.INTER_AREA)
        pictures.append(encode_jpeg(small[..., ::-1]))
    film.release()
    if not pictures:
        raise SystemExit(f"{path} has no pictures that can be read.")
    return pictures


class Camera:
    """A film through the tracker; its sound is the recorded user's."""

    def __init__(self) -> None:
        from avatar_lab.live.camera import CameraReader

        self._reader, self._user = CameraReader(), sample_user()
        self.hear, self.close = self._user.hear, self._reader.close

    def read(self, jpeg: bytes, captured_ms: float) -> np.ndarray | None:
        return self._reader.read(jpeg, captured_ms)


def heal(
    page: Page, stalling: Stalling, who: str, stall_s: float, usual_ms: float
) -> dict[str, float | None]:
    """Let one of them stand still, and see how long the path takes to come back; nothing where it was never called."""
    page.run(1.0)
    if who == "jitter":
        stalling.late_until = now() + 1000 * stall_s
    elif who == "road":
        page.road_until = now() + 1000 * stall_s
    else:
        stalling.seconds[who] = stall_s
    page.run(stall_s)
    patience = now() + 10_000
    while who in stalling.seconds and now() < patience:  # it stands still only when it is called
        page.run(0.05)
    if stalling.seconds.pop(who, None):  # an overloaded machine holds the pose and calls nothing
        return {}
    end = now()
    page.run(8.0)
    after = [(at, path) for at, path in page.path if at >= end]
    good = [at for at, path in after if path <= usual_ms + SETTLED_MS]
    begun = [(m["made"] - m["timing"].get("total", 0.0), m) for m in page.blocks if m["quality"] != "holding"]
    first = next((m for at, m in begun if at >= end), None)
    late = [path for at, path in after if at >= end + 5000]
    return {
        "back_after_s": (good[0] - end) / 1000 if good else None,
        "first_block_looks_back_ms": first["made"] - first["captured"] if first else None,
        "path_in_the_end_ms": float(np.median(late)) if late else None,
    }


def measure(avatar: Any, schedule: str, nfe: int, seconds: float, film: Path | None) -> dict[str, Any]:
    """Run one session."""
    sampler = avatar.config.sampler
    settings = LiveSettings(
        schedule=schedule,
        nfe=nfe,
        guidance_audio=float(sampler.guidance.get("audio", 1.0)),
        guidance_user=float(sampler.guidance.get("user", 1.0)),
    )
    page = Page(film_pictures(film) if film else [])
    reader: Any = Camera() if film else sample_user()
    mover, stalling = AvatarMover(avatar, settings), Stalling()
    reader.read = stalling.wrap("reader", reader.read)
    mover.move = stalling.wrap("mover", mover.move)  # pyright: ignore[reportAttributeAccessIssue]
    before = threading.active_count()
    session = Session(mover, reader, page.emit, settings=settings, speaker=Voice())
    page.session = session
    try:
        page.run(WARM_UP_S)
        page.forget()
        memory, began = [resident_mb()], time.perf_counter()
        page.run(seconds)
        memory.append(resident_mb())
        hours = (time.perf_counter() - began) / 3600
        path, blocks = [p for _, p in page.path], list(page.blocks)
        spent = session.stats()["stages"]
        report = {
            "nfe": nfe,
            "frames": blocks[0]["frames"],
            "blocks": len(blocks),
            "path_ms": both(path),
            "answer_ms": both(page.answer),
            "stages_ms": {name: {"p50": ms["p50_ms"], "p95": ms["p95_ms"]} for name, ms in spent.items()},
            "quality": dict(Counter(b["quality"] for b in blocks)),
            "underruns": page.underruns,
            "kilobytes_a_second": page.bytes_down / seconds / 1000,
            "sound_passed_over_s": session.stats()["skipped_sound"] / SAMPLE_RATE,
            "session_says_path_ms": session.stats()["path"],
            "memory": {"megabytes": memory, "megabytes_an_hour": (memory[1] - memory[0]) / hours},
        }
        usual = report["path_ms"]["p50"]
        report["heals_s"] = {
            who: {f"{s:g}": heal(page, stalling, who, s, usual) for s in STALLS_S}
            for who in ("reader", "mover", "road")
        }
        report["heals_s"]["jitter"] = {f"{JITTER_S:g}": heal(page, stalling, "jitter", JITTER_S, usual)}
    finally:
        session.stop()
    report["threads_left"] = threading.active_count() - before
    report["told"] = [m.get("text") or m.get("reason") for m in page.told]
    return report


def main() -> None:
    """Measure both schedules."""
    parser = arguments_of(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--film", type=Path, help="a film of one face, to go through the tracker")
    parser.add_argument("--pyramid-steps", type=int, default=4, help="height of the pyramid's stair")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        avatar = al.load("lab")
        steps = {"block": avatar.config.sampler.nfe, "pyramid": arguments.pyramid_steps}
        made = {s: measure(avatar, s, n, arguments.seconds, arguments.film) for s, n in steps.items()}
    except AvatarLabError as error:
        raise SystemExit(f"bench/session.py: {error}") from error
    emit({"hardware": hardware(), "film": arguments.film is not None, **made}, arguments.json)


if __name__ == "__main__":
    main()
