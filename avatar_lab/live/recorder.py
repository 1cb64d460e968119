"""A recording of the avatar, made only when somebody asks for one.

It encodes as it goes, on a thread of its own, so memory is constant. What is peculiar: the picture carries a badge that
everybody sees, and marks that only programs see (`data.marking`). The user is not in it: only the avatar is.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.marking import NOTE, marked
from avatar_lab.errors import AvatarLabError, MediaError

WAITING: Final = 10 * FPS  # frames that may wait for the encoder
PATIENCE_S: Final = 60.0


class Recorder:
    """Writes one film.

    Parameters
    ----------
    folder : where it goes, made if need be; the file is called live_001.mp4, or the next number that is free.

    Attributes
    ----------
    path : the film.
    dropped : frames that the encoder was too slow for.
    """

    def __init__(self, folder: str | Path = "recordings") -> None:
        self.path, self.dropped = free_name(Path(folder)), 0
        self._frames: queue.Queue[tuple[np.ndarray, np.ndarray] | None] = queue.Queue(WAITING)
        self._sound = np.zeros(0, np.float32)
        self._fault: AvatarLabError | None = None
        self._added = 0
        self._thread = threading.Thread(target=self._write, name="avatar-record", daemon=True)
        self._thread.start()

    def add(self, frames: UInt8[np.ndarray, "n H W 3"], audio: Float32[np.ndarray, "m"]) -> None:
        """Take in some frames and their sound; returns at once."""
        for frame, samples in zip(frames, audio.reshape(len(frames), SAMPLES_PER_FRAME), strict=True):
            try:
                self._frames.put_nowait((frame, samples))
                self._added += 1
            except queue.Full:
                self.dropped += 1

    def close(self) -> Path:
        """Finish the film and return where it is; raises MediaError when nothing was recorded, or writing failed."""
        self._frames.put(None)
        self._thread.join(PATIENCE_S)
        if self._fault is not None:
            raise self._fault
        if self._thread.is_alive():
            raise MediaError(f"{self.path} is still being written; it will be there in a moment.")
        return self.path

    def _write(self) -> None:
        from avatar_lab.data.media import write_video

        try:
            write_video(
                self.path, marked(self._shown()), lambda _: self._sound, title="avatar_lab live", comment=NOTE
            )
        except AvatarLabError as error:
            self._fault = error
            while self._frames.get() is not None:
                pass  # nobody may wait for a writer that is gone

    def _shown(self) -> Iterator[np.ndarray]:
        while True:
            item = self._frames.get()
            if item is None:
                if not self._added:
                    raise MediaError("Nothing was recorded: the avatar was not shown meanwhile.")
                return
            frame, self._sound = item
            yield with_badge(frame)


def free_name(folder: Path) -> Path:
    """Return the first of live_001.mp4, live_002.mp4, ... that is not there; raises MediaError for a bad folder."""
    from avatar_lab.data.media import check_writable

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"Cannot create the folder {folder}: {error.strerror}. Choose another one."
        ) from error
    for number in range(1, 10_000):
        path = folder / f"live_{number:03d}.mp4"
        if not path.exists():
            return check_writable(path)
    raise MediaError(f"{folder} holds ten thousand recordings. Choose another folder.")


def with_badge(frame: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """Return the frame with "AI" in its upper right corner."""
    import cv2

    edge = frame.shape[1]
    high, wide, margin = round(0.075 * edge), round(0.12 * edge), round(0.035 * edge)
    left, top = edge - margin - wide, margin
    out, shade = frame.copy(), frame.copy()
    radius = high // 2
    for centre in (left + radius, left + wide - radius):
        cv2.circle(shade, (centre, top + radius), radius, (40, 44, 44), -1, cv2.LINE_AA)
    cv2.rectangle(shade, (left + radius, top), (left + wide - radius, top + 2 * radius), (40, 44, 44), -1)
    out = cv2.addWeighted(shade, 0.78, out, 0.22, 0)
    scale, thick = edge / 256 * 0.42, max(1, round(edge / 256))
    (w, h), _ = cv2.getTextSize("AI", cv2.FONT_HERSHEY_DUPLEX, scale, thick)
    at = (left + (wide - w) // 2, top + radius + h // 2)
    return cv2.putText(out, "AI", at, cv2.FONT_HERSHEY_DUPLEX, scale, (255, 255, 255), thick, cv2.LINE_AA)
