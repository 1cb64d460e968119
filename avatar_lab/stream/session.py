"""A live session: the user comes in at any pace, one piece of the avatar goes out for each that is asked for.

    tick  -> mailbox (pictures, newest wins), ring (sound)                     returns at once
    see   -> picture to face row, the twin beside it                           thread 1
    want  -> at most two in waiting                                            returns at once
    move  -> newest face and sound to a piece of the avatar, drawn and packed  thread 2

What is peculiar: nothing is made that was not asked for, and what is made starts from the newest that is known. So no
delay can pile up, and after a stall of any length the next piece already looks at the present. `see_once` and
`move_once` are all that the threads do; tests call them by hand.

Notebook: 10 (real time).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avatar_lab.clock import Clock, SystemClock
from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import AvatarLabError, StreamError
from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.stream.degrade import HOLD, Degrade
from avatar_lab.stream.live_settings import LiveSettings, shaped
from avatar_lab.stream.mailbox import FaceTrack, Mailbox, SoundRing
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.mover import Moved, Mover

MAX_WANTS: Final = 2
LOOK_S: Final = 0.25  # how long a thread waits before it looks whether the session is over
TWIN, TWIN_SIZE, JPEG_QUALITY = 1, 192, 82
TWIN_EVERY_MS: Final = 75.0  # every second picture: the twin is a mirror, not a film
TOO_MANY_FAULTS: Final = 10  # in a row: then the session is ended instead of failing on
ENVIRONMENT: Final = "AVATAR_LAB_SESSIONS"
_OPEN: weakref.WeakSet[Session] = weakref.WeakSet()

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


@runtime_checkable
class Recorder(Protocol):
    """Takes down what was shown."""

    def add(self, frames: np.ndarray, audio: np.ndarray) -> None: ...


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
        pictures: Callable[[LiveSettings], Picture] | None = None,
        job: Callable[[Message, Sequence[bytes]], None] | None = None,
        notices: Sequence[str] = (),
        threads: bool = True,
    ) -> None:
        admit(self)
        self.settings, self._clock = settings or LiveSettings(), clock or SystemClock()
        self._mover, self._reader, self._emit = mover, reader, emit
        self._speaker, self._job, self._notices = speaker or Silence(), job, list(notices)
        self._pictures = pictures or (lambda s: make_picture(s.picture, s.character, size))
        self._picture, self._twin = self._pictures(self.settings), make_picture("puppet", TWIN, TWIN_SIZE)
        self._degrade = Degrade(self.settings.nfe)
        self.recorder: Recorder | None = None
        self._box: Mailbox[tuple[Message, bytes | None, float]] = Mailbox()
        self._track, self._sound = FaceTrack(), SoundRing()
        self._wants: deque[tuple[Message, float]] = deque(maxlen=MAX_WANTS)
        self._turned: deque[tuple[str, Any]] = deque(maxlen=64)
        self._wake = threading.Condition()
        self._over = threading.Event()
        self._see_meter, self._move_meter = Meter(self._clock, keep=250), Meter(self._clock, keep=250)
        self._counts = {"ticks": 0, "lost": 0, "seen": 0, "blocks": 0, "refused": 0}
        self._face: np.ndarray | None = None  # the last one that was shown
        self._twin_at = -TWIN_EVERY_MS
        self._faults = 0
        loops = (("see", self._see_loop), ("move", self._move_loop)) if threads else ()
        self._threads = [threading.Thread(target=run, name=f"avatar-{n}", daemon=True) for n, run in loops]
        for thread in self._threads:
            thread.start()

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
        captured = float(message.get("captured", 0.0))
        heard = getattr(self._reader, "hear", None)
        samples = heard(captured) if heard else np.zeros(0, np.float32)
        if sound is not None and len(sound):
            samples = sound.astype(np.float32) / 32768
        if len(samples):
            self._sound.append(samples)
            self._speaker.hear(samples, captured)
        self._counts["ticks"] += 1
        lost = self._box.put((message, picture, self._clock.now()))
        if lost is not None:
            self._counts["lost"] += 1
            self._emit({"type": "lost", "seq": lost[0].get("seq")}, ())

    def want(self, message: Message) -> None:
        """Ask for the next piece of the avatar; more than two in waiting are not kept."""
        with self._wake:
            if len(self._wants) == MAX_WANTS:
                self._counts["refused"] += 1
                return
            self._wants.append((message, self._clock.now()))
            self._wake.notify()

    def change(self, name: str, value: Any) -> None:
        """Turn a dial, from the next piece on; raises ConfigError for no such dial or value."""
        self.settings = self.settings.changed(name, value)
        self._turned.append((name, value))

    def job(self, message: Message, buffers: Sequence[bytes]) -> None:
        """Do what may take a second; raises StreamError where nothing was prepared for it."""
        if self._job is None:
            raise StreamError(f"This session cannot do that: {message.get('type')}.")
        self._job(message, buffers)

    def use_pictures(self, pictures: Callable[[LiveSettings], Picture]) -> None:
        """Draw the avatar otherwise from now on, e.g. as a portrait."""
        self._pictures, self._picture = pictures, pictures(self.settings)

    def stats(self) -> dict[str, Any]:
        """Return counts, and p50 and p95 of every stage."""
        both = {**self._see_meter.summary(), **self._move_meter.summary()}
        both.pop("total", None)
        return {
            "counts": dict(self._counts),
            "stages": both,
            "nfe": self._degrade.nfe,
            "skipped_sound": self._sound.skipped,
        }

    def stop(self) -> None:
        """End both threads and release the reader; may be called twice."""
        self._over.set()
        self._box.close()
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)
        if self in _OPEN:
            _OPEN.discard(self)
            self._reader.close()
            for thing, farewell in ((self._speaker, "stop"), (self.recorder, "close")):
                with suppress(AvatarLabError):  # nothing was recorded: nothing is missed
                    getattr(thing, farewell, lambda: None)()

    # ---- thread 1: see

    def see_once(self, timeout: float | None = 0.0) -> bool:
        """Read one picture; False when none has come."""
        item = self._box.take(timeout)
        if item is None:
            return False
        message, picture, came = item
        captured, meter = float(message.get("captured", 0.0)), self._see_meter
        began = self._clock.now()
        with meter.stage("track"):
            row = self._reader.read(picture or b"", captured)
        found = row is not None and getattr(self._reader, "found", True)
        twin: tuple[bytes, ...] = ()
        with meter.stage("twin"):
            if row is not None:
                self._track.add(captured, row)
                if self.settings.twin and captured - self._twin_at >= TWIN_EVERY_MS:
                    twin, self._twin_at = (jpeg(self._twin.draw(row)),), captured
        lap = meter.lap()
        self._counts["seen"] += 1
        timing = {"wait_ms": 1000 * (began - came), "track_ms": lap["track"], "draw_ms": lap["twin"]}
        face = {} if row is None else {"smile": float(row[_SMILE]), "nod": float(row[_PITCH])}
        self._emit(
            {
                "type": "seen",
                "seq": message.get("seq"),
                "captured": captured,
                "found": found,
                "face": face,
                "timing": timing,
            },
            twin,
        )
        return True

    # ---- thread 2: move

    def move_once(self) -> bool:
        """Make the piece that was asked for first; False when none was."""
        with self._wake:
            if not self._wants:
                return False
            message, came = self._wants.popleft()
        self._turn_dials()
        meter, began = self._move_meter, self._clock.now()
        nfe, quality, frames = self._degrade.nfe, self._degrade.quality, self._mover.frames
        rows, captured = self._track.newest(frames)
        heard = self._sound.take(frames * SAMPLES_PER_FRAME)
        voice, speaking = self._speaker.take(frames * SAMPLES_PER_FRAME)
        held = self._face if nfe == HOLD else None
        if held is not None:
            moved = Moved(np.repeat(held[None], frames, axis=0), voice)
        else:
            moved = self._mover.move(rows, heard, voice, max(1, nfe))
        self._face = moved.face[-1]
        face = shaped(moved.face, self.settings)
        with meter.stage("draw"):
            pictures = self._picture.draw_track(face if held is None else face[:1])
        with meter.stage("encode"):
            packed = [jpeg(picture) for picture in pictures]
        if held is not None:  # one picture, as often as it is shown
            pictures, packed = np.repeat(pictures, frames, axis=0), packed * frames
        if self.recorder is not None:
            self.recorder.add(pictures, moved.voice)
        took = 1000 * (self._clock.now() - began)
        self._degrade.told(took, 1000 * frames / FPS)
        lap = meter.lap()
        timing = {"wait": 1000 * (began - came), **moved.timing, "draw": lap["draw"], "encode": lap["encode"]}
        self._counts["blocks"] += 1
        sound = (moved.voice.clip(-1, 1) * 32767).astype(np.int16).tobytes()
        content = {
            "type": "block",
            "seq": message.get("seq"),
            "captured": captured - 1000 * moved.late / FPS,
            "frames": frames,
            "samples": len(moved.voice),
            "timing": timing | {"total": took},
            "face": {"smile": face[:, _SMILE].tolist(), "nod": face[:, _PITCH].tolist()},
            "quality": quality,
            "nfe": nfe,
            "turn": str(getattr(self._speaker, "state", "speaking" if speaking else "listening")),
        }
        self._emit(content, [*packed, sound])
        return True

    def _turn_dials(self) -> None:
        """Let the dials that were turned take effect, between two pieces."""
        names = set()
        while self._turned:
            names.add(self._turned.popleft()[0])
        if not names:
            return
        self._mover.set(self.settings)
        if "nfe" in names:
            self._degrade.wish(self.settings.nfe)
        if names & {"character", "picture"}:
            self._picture = self._pictures(self.settings)

    # ---- the threads themselves

    def _see_loop(self) -> None:
        while not self._over.is_set():
            self._guarded(lambda: self.see_once(LOOK_S))

    def _move_loop(self) -> None:
        while not self._over.is_set():
            with self._wake:
                self._wake.wait_for(lambda: self._wants or self._over.is_set(), LOOK_S)
            if not self._over.is_set():
                self._guarded(self.move_once)

    def _guarded(self, step: Callable[[], bool]) -> None:
        """Take one step; a fault is told to the page, and too many in a row end the session."""
        try:
            if step():
                self._faults = 0
        except Exception as error:
            self._faults += 1
            known = isinstance(error, AvatarLabError)
            text = str(error) if known else f"Something failed ({type(error).__name__}: {error})."
            if self._faults >= TOO_MANY_FAULTS:
                self._over.set()
                self._emit({"type": "ended", "reason": f"{text} It failed too often; the session ended."}, ())
            elif self._faults == 1:
                self._emit({"type": "notice", "level": "warning", "text": text}, ())


_SMILE, _PITCH = FACE_INDEX["smile"], FACE_INDEX["pitch"]


def capacity() -> int:
    """Return how many sessions this machine may carry: one a core, or what AVATAR_LAB_SESSIONS says."""
    try:
        return max(1, int(os.environ.get(ENVIRONMENT, "") or os.cpu_count() or 1))
    except ValueError as error:
        raise StreamError(f"{ENVIRONMENT} must be a number; got {os.environ[ENVIRONMENT]!r}.") from error


def admit(session: Session) -> None:
    """Enter a session in the list of open ones; raise StreamError when it is full."""
    most = capacity()
    if len(_OPEN) >= most:
        raise StreamError(
            f"{len(_OPEN)} live sessions are open, and this machine can carry {most}. Stop another one first "
            f"(or set {ENVIRONMENT} to a larger number before the kernel starts)."
        )
    _OPEN.add(session)


def jpeg(picture: np.ndarray) -> bytes:
    """Return an RGB picture as JPEG."""
    import cv2

    good, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not good:
        raise StreamError("OpenCV could not write a JPEG. Reinstall opencv-python.")
    return data.tobytes()
