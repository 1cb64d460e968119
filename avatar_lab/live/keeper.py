"""One conversation on the kernel's side: begun by a message, kept by a thread, ended by whatever comes first.

The widget's handler runs on the kernel's thread and must return at once. So `deliver` only drops a picture into the
pipeline's mailbox or a job into a queue; a thread of this session does what takes time: it opens the pipeline, works
off jobs (speech to be synthesised, a portrait, a recording), and looks whether the page is still there. A page that
was closed or loaded anew cannot say so; six seconds without a message mean that it is gone.

Notebook: 10 (real time).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from avatar_lab.clock import Clock, SystemClock
from avatar_lab.errors import AvatarLabError

SILENCE_S: Final = 6.0  # a page silent for so long is gone
STATS_S: Final = 2.0
LOOK_S: Final = 0.25
MAX_JOBS: Final = 8
JOBS: Final = ("say", "voice", "portrait", "record")

Message = Mapping[str, Any]
Emit = Callable[[dict[str, Any], Sequence[bytes]], None]


@runtime_checkable
class Pipeline(Protocol):
    """What a keeper needs of the session behind it. Nothing here may block, except `job` and `stop`."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself; it has told the page why."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What `ready` tells the page: block_ms, settings, notices."""
        ...

    def tick(self, message: Message, picture: bytes | None, sound: np.ndarray | None) -> None:
        """Take one picture and the sound that came with it, int16."""
        ...

    def want(self, message: Message) -> None:
        """Ask for the next block."""
        ...

    def drawn(self, message: Message) -> None:
        """Learn when a block was on the screen."""
        ...

    def change(self, name: str, value: Any) -> None:
        """Change a setting; raises AvatarLabError if there is no such value."""
        ...

    def job(self, message: Message, buffers: Sequence[bytes]) -> None:
        """Do what may take a second."""
        ...

    def stats(self) -> dict[str, Any]:
        """Return numbers for the page."""
        ...

    def stop(self) -> None:
        """End all threads."""
        ...


Open = Callable[[Message, Sequence[bytes], Emit], Pipeline]


class Keeper:
    """Keep one session; `over` tells when its thread has ended."""

    def __init__(
        self,
        start: Message,
        buffers: Sequence[bytes],
        open_pipeline: Open,
        emit: Emit,
        clock: Clock | None = None,
    ) -> None:
        self.session = str(start.get("session", ""))
        self.bytes_in = sum(len(b) for b in buffers)
        self._clock = clock or SystemClock()
        self._emit_all, self._open = emit, open_pipeline
        self._jobs: queue.Queue[tuple[Message, list[bytes]]] = queue.Queue(MAX_JOBS)
        self._leaving = threading.Event()
        self._reason: str | None = None
        self._pipeline: Pipeline | None = None
        self._last = self._clock.now()
        self._thread = threading.Thread(
            target=self._run, args=(start, buffers), name=f"avatar-live-{self.session[:6]}", daemon=True
        )
        self._thread.start()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline while it runs."""
        return None if self._leaving.is_set() else self._pipeline

    def deliver(self, message: Message, buffers: Sequence[Any]) -> None:
        """Take a message of this session; returns at once."""
        self._last = self._clock.now()
        kind = message.get("type")
        if kind == "stop":
            self.leave()
        elif kind in JOBS:
            self._add_job(message, buffers)
        elif self._pipeline is None:
            self.emit({"type": "opening"})  # so that the page does not take a slow start for a dead kernel
        elif self._pipeline is not None and not self._leaving.is_set():
            self._pass_on(self._pipeline, str(kind), message, buffers)

    def emit(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send to the page, unless the session is over."""
        if not self._leaving.is_set():
            self._emit_all({**message, "session": self.session}, buffers)

    def leave(self, reason: str | None = None) -> None:
        """Ask the thread to end everything; returns at once. A reason is told to the page."""
        self._reason = self._reason or reason
        if reason:
            self._emit_all({"type": "ended", "reason": reason, "session": self.session}, ())
        self._leaving.set()

    def stop(self, timeout: float = 10.0) -> None:
        """End everything and wait for it."""
        self.leave()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _add_job(self, message: Message, buffers: Sequence[Any]) -> None:
        self.bytes_in += sum(len(b) for b in buffers)
        try:
            self._jobs.put_nowait((message, [bytes(b) for b in buffers]))
        except queue.Full:
            self.emit(
                {"type": "notice", "level": "warning", "text": "Still busy with what you asked before."}
            )

    def _pass_on(self, pipeline: Pipeline, kind: str, message: Message, buffers: Sequence[Any]) -> None:
        if kind == "tick":
            self.bytes_in += sum(len(b) for b in buffers)
            if message.get("seq", -1) >= 0:  # a negative number only says that the page is there
                pipeline.tick(message, *_parts(message, buffers))
        elif kind == "want":
            pipeline.want(message)
        elif kind == "drawn":
            pipeline.drawn(message)
        elif kind == "set":
            try:
                pipeline.change(str(message.get("name")), message.get("value"))
            except AvatarLabError as error:
                self.emit({"type": "notice", "level": "warning", "text": str(error)})

    def _run(self, start: Message, buffers: Sequence[bytes]) -> None:
        try:
            self._pipeline = self._open(start, buffers, self.emit)
            about = self._pipeline.about
            self._last = self._clock.now()
            self.emit({"type": "ready", "state": "running", **about})
            self._keep(self._pipeline)
        except AvatarLabError as error:
            self._refuse(str(error))
        except Exception as error:  # whatever it was, the page must hear of it and the threads must go
            self._refuse(f"The session failed ({type(error).__name__}: {error}).")
        finally:
            self._leaving.set()
            if self._pipeline is not None:
                self._pipeline.stop()

    def _refuse(self, reason: str) -> None:
        kind = "refused" if self._pipeline is None else "ended"
        self.emit({"type": kind, "reason": reason, "advice": ""})

    def _keep(self, pipeline: Pipeline) -> None:
        told = self._clock.now()
        while not self._leaving.is_set():
            if pipeline.is_over:
                return
            now = self._clock.now()
            if now - self._last > SILENCE_S:
                self.leave("The page has been silent for six seconds, so the kernel ended the session.")
                return
            if now - told > STATS_S:
                told = now
                threads = threading.active_count()
                self.emit(
                    {"type": "stats", **pipeline.stats(), "threads": threads, "bytes_in": self.bytes_in}
                )
            try:
                message, data = self._jobs.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            self._work(pipeline, message, data)

    def _work(self, pipeline: Pipeline, message: Message, data: list[bytes]) -> None:
        try:
            pipeline.job(message, data)
        except AvatarLabError as error:
            self.emit({"type": "notice", "level": "warning", "text": str(error)})
        except Exception as error:  # a wish that fails must not end the conversation
            text = f"That did not work ({type(error).__name__}: {error})."
            self.emit({"type": "notice", "level": "error", "text": text})


def _parts(message: Message, buffers: Sequence[Any]) -> tuple[bytes | None, np.ndarray | None]:
    """Split the buffers of a tick as its `has` says: JPEG, then int16 sound."""
    picture: bytes | None = None
    sound: np.ndarray | None = None
    for name, buffer in zip(message.get("has", ()), buffers, strict=False):
        if name == "picture":
            picture = bytes(buffer)
        elif name == "sound":
            sound = np.frombuffer(bytes(buffer)[: len(buffer) // 2 * 2], np.int16)
    return picture, sound
