"""A live session: the user comes in at any pace, one piece of the avatar goes out for each that is asked for.

    tick  -> mailbox (pictures, newest wins), ring (sound)                     returns at once
    see   -> picture to face row, the twin beside it                           thread 1
    want  -> at most two in waiting                                            returns at once
    move  -> newest face and sound to a piece of the avatar, drawn and packed  thread 2

What is peculiar: nothing is made that was not asked for, and what is made starts from the newest that is known. So no
delay can pile up, and after a stall of any length the next piece already looks at the present. Every piece that was
asked for is answered, even if only the pose can be held: a page that waits in vain would stand still. `see_once` and
`move_once` are all that the threads do; tests call them by hand.

Notebook: 10 (real time).
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from avatar_lab.clock import Clock, SystemClock
from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.errors import AvatarLabError, StreamError
from avatar_lab.render.picture import make_picture
from avatar_lab.stream import admission, messages
from avatar_lab.stream.degrade import FULL, HOLD, Degrade
from avatar_lab.stream.easel import Easel, Pictures
from avatar_lab.stream.live_settings import LiveSettings, shaped
from avatar_lab.stream.mailbox import FaceTrack, Line, Mailbox, SoundRing
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.mover import Moved, Mover
from avatar_lab.stream.piece import Piece
from avatar_lab.stream.roles import Emit, Message, Reader, Recorder, Silence, Speaker

__all__ = ["Reader", "Recorder", "Session", "Silence", "Speaker"]
MAX_WANTS: Final = 2
LOOK_S: Final = 0.25  # how long a thread waits before it looks whether the session is over
STALE_MS, CATCH_UP_S = 250.0, 0.1  # a face so much older than the newest picture is worth a wait
TOO_MANY_FAULTS: Final = 10  # in a row, of one kind: then the session is ended instead of failing on
NOTICE_S: Final = 5.0  # faults of one kind are told once in this time
PATHS: Final = 500
_ROOM = threading.Lock()


class Session:
    """One user and one avatar, live.

    Parameters
    ----------
    mover : what moves the avatar's face (`stream.mover`).
    reader : finds the user's face; may hear as well: `hear(captured_ms)` gives the sound of a recorded user.
    emit : takes messages for the page (a dictionary, and buffers); called from two threads.
    speaker : the avatar's voice; by default it is silent.
    size : edge of the avatar's pictures.
    pictures : makes a picture for the settings; by default the drawn character.
    job : what `job` does (speech, a portrait, a recording): belongs to whoever opened the session.
    threads : False for tests, which call `see_once` and `move_once`.

    Raises StreamError when as many sessions are open as this machine can carry.
    """

    def __init__(
        self,
        mover: Mover,
        reader: Reader,
        emit: Emit,
        *,
        settings: LiveSettings | None = None,
        speaker: Speaker | None = None,
        clock: Clock | None = None,
        size: int = 256,
        pictures: Pictures | None = None,
        job: Callable[[Message, Sequence[bytes]], None] | None = None,
        notices: Sequence[str] = (),
        threads: bool = True,
    ) -> None:
        self.settings, self._clock = settings or LiveSettings(), clock or SystemClock()
        self._mover, self._reader, self._emit = mover, reader, emit
        self._speaker, self._job, self._notices = speaker or Silence(), job, list(notices)
        pictures = pictures or (lambda s: make_picture(s.picture, s.character, size))
        self._easel = Easel(pictures, self.settings)
        self._degrade = Degrade(self.settings.nfe, self.settings.schedule == "block")
        self.recorder: Recorder | None = None
        self._box: Mailbox[tuple[Message, bytes | None, float]] = Mailbox()
        self._track, self._sound = FaceTrack(), SoundRing()
        self._wants: Line[tuple[Message, float]] = Line(MAX_WANTS)
        self._turned: deque[str] = deque(maxlen=64)
        self._over, self._numbers = threading.Event(), threading.Lock()
        self._see_meter, self._move_meter = Meter(self._clock, keep=250), Meter(self._clock, keep=250)
        self._counts = {"ticks": 0, "lost": 0, "seen": 0, "blocks": 0, "held": 0, "refused": 0}
        self._paths: deque[float] = deque(maxlen=PATHS)
        self._came = self._drawn = self._buffered = self._captured = 0.0
        self._face: np.ndarray | None = None  # the last one that was shown
        self._faults = {"hear": 0, "see": 0, "move": 0}
        self._told: dict[str, float] = {}
        with _ROOM:  # late: a session that could not be made takes no place
            admission.enter(self)
        self._release = weakref.finalize(self, release, reader, self._speaker)
        self._release.atexit = False
        me, work = weakref.ref(self), {"see": self._box, "move": self._wants} if threads else {}
        self._threads = [
            threading.Thread(target=_work, args=(me, name, todo), name=f"avatar-{name}", daemon=True)
            for name, todo in work.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, by `stop` or by itself."""
        return self._over.is_set()

    # ---- from the page; all of these return at once

    @property
    def about(self) -> dict[str, Any]:
        """What the page must know when it begins."""
        return {
            "block_ms": 1000 * self._mover.frames / FPS,
            "settings": asdict(self.settings),
            "notices": self._notices,
        }

    def tick(self, message: Message, picture: bytes | None, sound: np.ndarray | None) -> None:
        """Take one picture (a JPEG) and the sound that came with it (int16, 16 kHz)."""
        self._counts["ticks"] += 1
        self._came = max(self._came, messages.stamp(message))
        lost = self._box.put((message, picture, self._clock.now()))
        if lost is not None:
            self._counts["lost"] += 1
            self._emit(messages.lost(lost[0]), ())
        with self._guard("hear"):
            self._hear(messages.stamp(message), sound)

    def _hear(self, captured: float, sound: np.ndarray | None) -> None:
        recorded = getattr(self._reader, "hear", None)
        samples = recorded(captured) if recorded else np.zeros(0, np.float32)
        if sound is not None and len(sound):
            samples = sound.astype(np.float32) / 32768
        if len(samples):
            self._sound.append(samples)
            self._speaker.hear(samples, captured)

    def drawn(self, message: Message) -> None:
        """Learn when the first picture of a piece was put on the screen; both stamps are the page's."""
        captured = messages.stamp(message)
        path = messages.stamp(message, "drawn") - captured
        if captured > self._drawn and 0 <= path < 60_000:  # a pose that was held shows nothing new
            with self._numbers:
                self._drawn = captured
                self._paths.append(path)

    def want(self, message: Message) -> None:
        """Ask for the next piece of the avatar; more than two in waiting are not kept."""
        self._buffered = messages.stamp(message, "buffered_ms")
        self._counts["refused"] += not self._wants.put((message, self._clock.now()))

    def change(self, name: str, value: Any) -> None:
        """Turn a dial, from the next piece on; raises ConfigError for no such dial or value."""
        with self._numbers:
            self.settings = self.settings.changed(name, value)
        self._turned.append(name)

    def job(self, message: Message, buffers: Sequence[bytes]) -> None:
        """Do what may take a second; raises StreamError where nothing was prepared for it."""
        if self._job is None:
            raise StreamError(f"This session cannot do that: {message.get('type')}.")
        self._job(message, buffers)

    def use_pictures(self, pictures: Pictures) -> None:
        """Draw the avatar otherwise from now on, e.g. as a portrait."""
        self._easel.use(pictures, self.settings)

    def stats(self) -> dict[str, Any]:
        """Return counts, p50 and p95 of every stage, and of the path from a capture to the screen."""
        with self._numbers:  # a meter must not be read while it is written
            stages = {**self._see_meter.summary(), **self._move_meter.summary()}
            path = np.percentile(self._paths, (50, 95)) if self._paths else None
        return {
            "counts": dict(self._counts),
            "stages": stages,
            "path": None if path is None else {"p50_ms": float(path[0]), "p95_ms": float(path[1])},
            "dropped": self._counts["lost"],
            "buffer": self._buffered,
            "nfe": self._degrade.level.nfe,
            "quality": self._degrade.level.quality,
            "skipped_sound": self._sound.skipped,
        }

    def stop(self) -> None:
        """End both threads and release the reader; may be called twice."""
        self._over.set()
        self._box.close()
        self._wants.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)
        with _ROOM:
            admission.leave(self)
        if not any(thread.is_alive() for thread in self._threads):
            self._release()  # else it is in use: it is released when the last thread lets go of the session
        recorder, self.recorder = self.recorder, None
        with suppress(AvatarLabError):  # nothing was recorded: nothing is missed
            getattr(recorder, "close", lambda: None)()

    # ---- thread 1: see

    def see_once(self) -> bool:
        """Read one picture; False when none has come."""
        item = self._box.take(0)
        if item is None:
            return False
        message, picture, came = item
        try:
            self._see(message, picture or b"", came)
        except Exception:
            self._emit(messages.seen(message, None, found=False, timing={}), ())  # the page's credit
            raise
        return True

    def _see(self, message: Message, picture: bytes, came: float) -> None:
        captured, meter, began = messages.stamp(message), self._see_meter, self._clock.now()
        with meter.stage("track"):
            row = self._reader.read(picture, captured)
        found = row is not None and getattr(self._reader, "found", True)
        twin: tuple[bytes, ...] = ()
        with meter.stage("twin"):
            self._track.add(captured, row)
            if row is not None:
                late = self._degrade.level.quality != FULL
                twin = self._easel.twin(row, captured, late=late) if self.settings.twin else ()
        with self._numbers:
            lap = meter.lap()
            lap["see"] = lap.pop("total")
        self._counts["seen"] += 1
        timing = {"wait_ms": 1000 * (began - came), "track_ms": lap["track"], "draw_ms": lap["twin"]}
        self._emit(messages.seen(message, row, found=found, timing=timing), twin)
        if getattr(self._reader, "damaged", 0) and "damaged" not in self._told:
            self._notice("damaged", "A picture from the camera could not be read; it was passed over.")

    # ---- thread 2: move

    def move_once(self) -> bool:
        """Make the piece that was asked for first; False when none was."""
        asked = self._wants.take()
        if asked is None:
            return False
        message, came = asked
        try:
            self._turn_dials()
            piece = self._begin(message, came)
        except Exception:
            self._hold(message)
            raise
        self._finish(piece)
        return True

    def _begin(self, message: Message, came: float) -> Piece:
        """Make a piece and send it with its first pictures: they need not wait for the last ones."""
        meter, frames = self._move_meter, self._mover.frames
        nfe, every, quality = self._degrade.level
        if self._threads:  # after a stall, picture and wish come together; a mirror has nothing to say twice
            self._track.catch_up(self._came - STALE_MS if frames > 1 else self._captured + 1, CATCH_UP_S)
        began = self._clock.now()
        rows, captured = self._track.newest(frames)
        heard = self._sound.take(frames * SAMPLES_PER_FRAME)
        voice, speaking = self._speaker.take(frames * SAMPLES_PER_FRAME)
        held = self._face if nfe == HOLD else None
        if held is None:
            moved = self._mover.move(rows, heard, voice, max(1, nfe))
            self._captured = captured - 1000 * moved.late / FPS
        else:
            moved = Moved(np.repeat(held[None], frames, axis=0), self._mover.hold(voice))
        self._face = moved.face[-1]
        every = frames if held is not None else every
        piece = Piece(message, moved, shaped(moved.face, self.settings), every, came, began)
        pictures, packed = self._easel.draw(piece.first, meter)
        piece.drawn.append(pictures)
        self._counts["blocks"] += 1
        self._counts["held"] += held is not None
        content = messages.block(
            message,
            piece.face,
            len(moved.voice),
            pictures=len(packed),
            every=every,
            captured=self._captured,
            timing=piece.timing(meter.so_far(), self._clock.now()),
            quality=quality,
            nfe=nfe,
            turn=str(getattr(self._speaker, "state", "speaking" if speaking else "listening")),
        )
        self._emit(content, [*packed, messages.pcm(moved.voice)])
        return piece

    def _finish(self, piece: Piece) -> None:
        """Draw the rest of a piece, and learn how long all of it took."""
        if len(piece.rest):
            pictures, packed = self._easel.draw(piece.rest, self._move_meter)
            piece.drawn.append(pictures)
            self._emit(messages.pictures(piece.message), packed)
        recorder = self.recorder
        if recorder is not None:
            recorder.add(piece.frames(), piece.moved.voice)
        with self._numbers:
            lap = self._move_meter.lap()
            lap |= piece.timing(lap, self._clock.now())
        if len(piece.face) > 1:  # a single picture is all there is: nothing of it can be given up
            self._degrade.told(lap["total"], 1000 * len(piece.face) / FPS)

    def _hold(self, message: Message) -> None:
        """Answer for a piece that failed: the last picture, in silence."""
        frames = self._mover.frames
        self._counts["held"] += 1
        turn = str(getattr(self._speaker, "state", "listening"))
        content = messages.held(message, frames, captured=self._captured, turn=turn)
        self._emit(content, [self._easel.shown, bytes(2 * content["samples"])])

    def _turn_dials(self) -> None:
        """Let the dials that were turned take effect, between two pieces."""
        names = set()
        while self._turned:
            names.add(self._turned.popleft())
        if not names:
            return
        self._mover.set(self.settings)
        if names & {"nfe", "schedule"}:
            self._degrade.wish(self.settings.nfe, self.settings.schedule == "block")
        if names & {"character", "picture"}:
            try:
                self._easel.wear(self.settings)
            except AvatarLabError as error:
                with self._numbers:
                    self.settings = self._easel.worn(self.settings)
                self._notice("picture", str(error))

    # ---- faults, and the end

    def step(self, name: str) -> None:
        """Do one round of a thread's work: "see" or "move"."""
        with self._guard(name):
            if self.see_once() if name == "see" else self.move_once():
                self._faults[name] = 0

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        """Tell the page of a fault instead of failing; too many of one kind in a row end the session."""
        try:
            yield
        except Exception as error:
            self._faults[name] += 1
            known = isinstance(error, AvatarLabError)
            text = str(error) if known else f"Something failed ({type(error).__name__}: {error})."
            with suppress(Exception):  # where the page cannot be told any more, nobody can
                if name == "hear" or self._faults[name] < TOO_MANY_FAULTS:
                    self._notice(name, text)
                elif not self._over.is_set():
                    self._over.set()
                    self._emit(messages.ended(f"{text} It failed too often; the session ended."), ())

    def _notice(self, kind: str, text: str) -> None:
        now = self._clock.now()
        if now - self._told.get(kind, -NOTICE_S) >= NOTICE_S:
            self._told[kind] = now
            self._emit(messages.notice(text), ())


def _work(me: weakref.ref[Session], name: str, todo: Mailbox[Any] | Line[Any]) -> None:
    """Run one thread of a session, until it is over or nobody holds it any more."""
    while True:
        todo.wait(LOOK_S)  # without a hold on the session: both threads together would keep it for ever
        session = me()
        if session is None or session.is_over:
            return
        session.step(name)
        del session


def release(reader: Reader, speaker: Speaker) -> None:
    """Let go of what a session worked with."""
    try:
        reader.close()
    finally:
        getattr(speaker, "stop", lambda: None)()
