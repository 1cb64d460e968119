"""Small films and sounds made on the spot: every picture is grey, and its grey level tells its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

LEVELS = 8  # grey steps between one picture and the next; numbers repeat after 25


def level(index: int) -> int:
    return 20 + LEVELS * (index % 25)


def numbered(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level(index), np.uint8)


def film(
    path: Path,
    times: Sequence[float],
    *,
    draw: Callable[[int], np.ndarray] = numbered,
    rotation: float = 0.0,
    mirrored: bool = False,
    sound: np.ndarray | None = None,
    sound_rate: int = 16_000,
    sound_start: float = 0.0,
) -> Path:
    """Write pictures at `times` (seconds), with mono sound that starts at `sound_start`."""
    first = draw(0)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=90_000, options={"crf": "4", "bf": "0"})
        video.width, video.height, video.pix_fmt = first.shape[1], first.shape[0], "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 90_000)
        if rotation or mirrored:
            video.set_display_rotation(rotation, hflip=mirrored)
        audio: Any = None
        if sound is not None:
            audio = container.add_stream("aac", rate=sound_rate, layout="mono")
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = round(time * 90_000), Fraction(1, 90_000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            block = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            block.sample_rate, block.pts = sound_rate, round(sound_start * sound_rate)
            block.time_base = Fraction(1, sound_rate)
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def sound_file(path: Path, codec: str, rate: int, channels: Sequence[np.ndarray], sample_format: str) -> Path:
    """Write any sound format that this build of PyAV can write."""
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(channels)]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.format = sample_format
        packed = np.ascontiguousarray(np.stack(channels, 1).reshape(1, -1), np.float32)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate, frame_size=1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """film(times, name="film.mp4", ...) -> path"""

    def make(times: Sequence[float], name: str = "film.mp4", **how: Any) -> Path:
        return film(tmp_path / name, times, **how)

    return make


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., Path]:
    """sound(name, codec, rate, channels, sample_format) -> path"""

    def make(name: str, *how: Any) -> Path:
        return sound_file(tmp_path / name, *how)

    return make
