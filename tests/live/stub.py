"""A pipeline without model and tracker: draws a puppet that copies the user, after a delay that is given.

    LiveAvatar(open_pipeline=stub(delay=0.3))

Used where a test is about the page or the widget, not about the avatar.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from avatar_lab.data.face import FACE_INDEX, neutral

BLOCK = 5


class StubPipeline:
    """Answers wants from a thread of its own; `delay` seconds a block."""

    def __init__(self, start: Mapping[str, Any], emit: Callable[..., None], delay: float, draw: bool) -> None:
        self.emit, self.delay, self.draw = emit, delay, draw
        self.calls: list[tuple[str, Any]] = [("start", start)]
        self.captured = 0.0
        self._wants: list[int] = []
        self._wake = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="stub-move", daemon=True)
        self._picture = None
        self._thread.start()

    @property
    def about(self) -> dict[str, Any]:
        return {"block_ms": 40 * BLOCK, "settings": {}, "notices": []}

    def tick(self, message: Mapping[str, Any], picture: bytes | None, sound: np.ndarray | None) -> None:
        self.captured = message["captured"]
        self.calls.append(("tick", None if picture is None else len(picture)))
        face = {"smile": 0.5 + 0.5 * np.sin(self.captured / 700), "nod": 8 * np.sin(self.captured / 500)}
        timing = {"decode_ms": 1.0, "track_ms": 17.0, "draw_ms": 0.0}
        self.emit({"type": "seen", "seq": message["seq"], "captured": self.captured, "found": True, "face": face,
                   "timing": timing}, [picture] if picture and self.draw else [])  # fmt: skip

    def want(self, message: Mapping[str, Any]) -> None:
        with self._wake:
            self._wants.append(message["seq"])
            self._wake.notify()

    @property
    def is_over(self) -> bool:
        return self._over

    def drawn(self, message: Mapping[str, Any]) -> None:
        self.calls.append(("drawn", message["drawn"]))

    def change(self, name: str, value: Any) -> None:
        self.calls.append((name, value))

    def job(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        self.calls.append((message["type"], [len(b) for b in buffers]))

    def stats(self) -> dict[str, Any]:
        return {"calls": len(self.calls)}

    def stop(self) -> None:
        with self._wake:
            self._over = True
            self._wake.notify()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._wants or self._over)
                if self._over:
                    return
                seq = self._wants.pop(0)
            self._make(seq)

    def _make(self, seq: int) -> None:
        captured, begun = self.captured, time.perf_counter()
        time.sleep(self.delay)
        times = captured / 1000 - 0.3 + np.arange(BLOCK) / 25
        smile, nod = 0.4 + 0.4 * np.sin(times / 0.7), 6 * np.sin(times / 0.5)
        pictures = self._draw(smile, nod) if self.draw else [b""] * BLOCK
        tone = (600 * np.sin(2 * np.pi * 220 * np.arange(BLOCK * 640) / 16000)).astype(np.int16)
        timing = {"denoise": 18.0, "draw": 1000 * (time.perf_counter() - begun), "encode": 3.0}
        self.emit({"type": "block", "seq": seq, "captured": captured, "frames": BLOCK, "pictures": BLOCK, "every": 1,
                   "samples": len(tone), "timing": timing, "face": {"smile": smile.tolist(), "nod": nod.tolist()},
                   "quality": "full", "nfe": 8, "turn": "listening"}, [*pictures, tone.tobytes()])  # fmt: skip

    def _draw(self, smile: np.ndarray, nod: np.ndarray) -> list[bytes]:
        import cv2

        from avatar_lab.render.picture import make_picture

        self._picture = self._picture or make_picture("puppet", 3, 256)
        faces = neutral(BLOCK)
        faces[:, FACE_INDEX["smile"]], faces[:, FACE_INDEX["pitch"]] = smile, nod
        return [cv2.imencode(".jpg", f[..., ::-1])[1].tobytes() for f in self._picture.draw_track(faces)]


def stub(
    delay: float = 0.02, draw: bool = True, made: list[StubPipeline] | None = None
) -> Callable[..., Any]:
    """Return what `LiveAvatar(open_pipeline=...)` wants; pipelines are appended to `made`."""

    def open_pipeline(start: Mapping[str, Any], buffers: Sequence[bytes], emit: Callable[..., None]) -> Any:
        pipeline = StubPipeline(start, emit, delay, draw)
        if made is not None:
            made.append(pipeline)
        return pipeline

    return open_pipeline
