"""Read any video as upright RGB frames at exactly 25 a second.

What is peculiar:
- Time stamps rule, headers do not. Frame k is the source picture nearest to k/25 s after the first one, so
  variable frame rates, 23.976 and 60 fps come out alike; a header that claims three hours costs nothing.
- Everything streams; a picture that is not needed is never converted to RGB.
- Phone video is turned (and un-mirrored) by its display matrix; non-square pixels are made square.
- A jump of time stamps beyond `MAX_GAP` seconds is taken for damage and closed, here and in `sound.py`.

Import from `avatar_lab.data.media`. Notebook: 01.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from avatar_lab.config import FPS
from avatar_lab.data.container import (
    KINDS,
    MAX_GAP,
    best,
    claimed_seconds,
    decode,
    open_media,
    orientation,
    square_size,
)
from avatar_lab.errors import MediaError


def read_video(
    path: str | os.PathLike[str], *, max_seconds: float | None = None, max_side: int | None = None
) -> VideoReader:
    """Open a video as an iterator of upright RGB frames at exactly 25 a second, from its first picture on.

    `max_side` shrinks larger pictures, keeping their shape. A held picture is yielded as the same array
    twice: copy before drawing on it. Raises MediaError at once if the file has no picture that can be
    decoded.
    """
    return VideoReader(path, max_seconds=max_seconds, max_side=max_side)


class VideoReader(Iterator[np.ndarray]):
    """Iterator over the frames `(H, W, 3)` uint8 of a video; closes itself at the end (or by `with`).

    While it runs it counts what it saw: `source_frames`, `emitted`, `damaged` (packets that did not
    decode) and `gaps_closed`. `start` is the container time of the first picture, for aligning the sound.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_seconds: float | None = None, max_side: int | None = None
    ) -> None:
        self.path = Path(path)
        self._max_side = max_side
        self._limit = None if max_seconds is None else max(1, round(max_seconds * FPS))
        self._container = open_media(self.path, "video")
        self.emitted = self.damaged = self.gaps_closed = self.source_frames = 0
        self._intervals: list[float] = []
        self._size: tuple[int, int] | None = None
        try:
            self._frames = self._open_stream()
        except BaseException:
            self._container.close()
            raise
        self._pictures = self._resample()

    def _open_stream(self) -> Iterator[tuple[float, Any]]:
        stream = best(self._container, "video")
        if stream is None:
            raise MediaError(f"{self.path} has no video stream. Expected {KINDS['video']}.")
        self._stream = stream
        stream.thread_type = "AUTO"
        decoded = decode(self._container, stream, self._count_damage)
        first = next(decoded, None)
        if first is None:
            raise MediaError(
                f"{self.path} has a video stream, but no picture in it could be decoded: the file is damaged"
                " or cut off. Export or record it again."
            )
        self.has_audio: bool = best(self._container, "audio") is not None
        self.claimed_seconds = claimed_seconds(self._container, self.path)
        self.claimed_fps = float(stream.average_rate or FPS)
        self.start: float = first.time or 0.0
        self.rotation, self.mirrored = orientation(first)
        return self._timed(chain([first], decoded))

    def _count_damage(self) -> None:
        self.damaged += 1

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; iterating afterwards ends at once."""
        self._pictures.close()
        self._container.close()

    def __next__(self) -> UInt8[np.ndarray, "H W 3"]:
        if self.limited:
            self.close()
        picture = next(self._pictures)
        self.emitted += 1
        return picture

    @property
    def fps_in(self) -> float:
        """Median rate of the pictures seen so far."""
        return 1.0 / float(np.median(self._intervals)) if self._intervals else self.claimed_fps

    @property
    def variable_frame_rate(self) -> bool:
        """Whether more than 2 % of the pictures came off the beat by over a quarter of it."""
        if len(self._intervals) < 2:
            return False
        steps = np.asarray(self._intervals)
        beat = np.median(steps)
        return bool(np.mean(np.abs(steps - beat) > 0.25 * beat) > 0.02)

    @property
    def limited(self) -> bool:
        """Whether `max_seconds`, and not the file, ended the film."""
        return self._limit is not None and self.emitted >= self._limit

    @property
    def seconds(self) -> float:
        """Length of what was yielded so far."""
        return self.emitted / FPS

    def _timed(self, decoded: Iterator[Any]) -> Iterator[tuple[float, Any]]:
        """Yield (seconds since the first picture, picture), with damaged time stamps mended."""
        clock, shift = 0.0, 0.0
        for frame in decoded:
            beat = float(np.median(self._intervals[-FPS:])) if self._intervals else 1.0 / self.claimed_fps
            time = clock + beat if frame.time is None else frame.time - self.start - shift
            if self.source_frames and not 0 < time - clock <= MAX_GAP:
                self.gaps_closed += 1
                shift += time - clock - beat
                time = clock + beat
            if self.source_frames:
                self._intervals.append(time - clock)
            self.source_frames += 1
            clock = time
            yield clock, frame

    def _resample(self) -> Generator[UInt8[np.ndarray, "H W 3"], None, None]:
        """Give each tick k/25 the picture nearest in time; the last one lasts its own duration."""
        tick, tie = 0, 1e-6
        time, frame = next(self._frames)
        ending: list[tuple[float | None, Any]] = [(None, None)]
        for later, following in chain(self._frames, ending):
            if later is None:
                end = max(time + self._last_duration(frame) - 0.5 / FPS, 0.5 / FPS if tick == 0 else 0.0)
            else:
                end = 0.5 * (time + later)
            picture = None
            while tick / FPS < end - tie or (later is None and tick / FPS <= end + tie):
                picture = self._rgb(frame) if picture is None else picture
                yield picture
                tick += 1
            if later is not None:
                time, frame = later, following
        self._container.close()

    def _last_duration(self, frame: Any) -> float:
        """How long the last picture stays: one beat, or up to a second if the file says so."""
        beat = 1.0 / self.fps_in
        own = float(frame.duration * frame.time_base) if frame.duration else beat
        return own if beat < own <= 1.0 else beat

    def _rgb(self, frame: Any) -> UInt8[np.ndarray, "H W 3"]:
        if self._size is None:  # a stream that changes its size midway keeps its first one
            width, height = square_size(frame, self._stream)
            shrink = min(1.0, (self._max_side or max(width, height)) / max(width, height))
            self._size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        width, height = self._size
        picture = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
        if self.mirrored:
            picture = picture[:, ::-1]
        if self.rotation:
            picture = np.rot90(picture, -self.rotation // 90)
        return np.ascontiguousarray(picture)
