"""Read the sound of any recording as 16 kHz mono.

What is peculiar: channels are averaged (not summed), sample 0 can be tied to the first picture of a video,
short gaps in the time stamps become silence so that sound and picture stay together, and samples that are
no numbers are refused with their place.

Import from `avatar_lab.data.media`. Notebook: 01.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.container import KINDS, MAX_GAP, best, decode, open_media
from avatar_lab.errors import MediaError

MAX_OFFSET: Final = 60.0  # seconds between the first picture and the first sample
LOUDEST: Final = 100.0  # a float file beyond this holds integers, not sound in [-1, 1]


def read_audio(
    path: str | os.PathLike[str],
    *,
    start: float | None = None,
    max_seconds: float | None = None,
    may_be_empty: bool = False,
) -> Float32[np.ndarray, "N"]:
    """Read the sound of any file as 16 kHz mono float32 in [-1, 1]; channels are averaged.

    `start` is a container time in seconds (a `VideoReader.start`): sound before it is cut and a late
    beginning is padded with silence, so that sample 0 belongs to the first picture. Without it, sample 0
    is the first sample. Raises MediaError for a file without sound, with no samples (unless it
    `may_be_empty`), or with NaN or infinite samples.
    """
    path = Path(path)
    wanted = None if max_seconds is None else round(max_seconds * SAMPLE_RATE)
    ear, resampler = _Ear(start), _Resampler()
    chunks, count, peak = [np.zeros(0, np.float32)], 0, 0.0
    with open_media(path, "audio") as container:
        stream = best(container, "audio")
        if stream is None:
            raise MediaError(f"{path} has no sound. Expected {KINDS['audio']}.")
        for rate, mono in ear.listen(decode(container, stream)):
            peak = max(peak, float(np.abs(mono).max(initial=0.0)))
            chunks.append(resampler(mono, rate))
            count += len(chunks[-1])
            if wanted is not None and count >= wanted:
                break
    audio = np.concatenate([*chunks, resampler.flush()])
    _check_samples(path, len(audio) or int(may_be_empty), ear, peak)
    return np.clip(audio[:wanted], -1.0, 1.0)


def _check_samples(path: Path, count: int, ear: _Ear, peak: float) -> None:
    if ear.bad:
        raise MediaError(
            f"{path} holds {ear.bad} samples that are NaN or infinite, the first at {ear.first_bad:.3f} s."
            " Expected finite samples in [-1, 1]: replace them (numpy.nan_to_num) and save the file again."
        )
    if peak > LOUDEST:
        raise MediaError(
            f"{path} holds samples up to {peak:.0f}. Expected float samples in [-1, 1]: divide by 32768 if"
            " these are 16-bit integers, and save the file again."
        )
    if count == 0:
        raise MediaError(f"{path} holds no samples (0 s of sound). Record or export it again.")


class _Ear:
    """Turns decoded sound of any format into mono chunks without holes; counts samples that are no numbers.

    Gaps between time stamps of 50 ms to `MAX_GAP` become silence, overlaps are cut, larger jumps are ignored.
    """

    def __init__(self, start: float | None) -> None:
        self._origin = start
        self._written = 0
        self._convert: tuple[tuple[Any, ...], av.AudioResampler] | None = None
        self.bad = 0
        self.first_bad = 0.0

    def listen(self, decoded: Iterator[Any]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (rate, samples)."""
        for frame in decoded:
            rate, time = frame.sample_rate, frame.time
            mono = self._finite(self._to_mono(frame), rate)
            if self._origin is None:
                self._origin = time or 0.0
            late = 0 if time is None else round((time - self._origin) * rate) - self._written
            tolerance, limit = (rate // 20, MAX_GAP) if self._written else (0, MAX_OFFSET)
            if abs(late) > limit * rate:
                self._origin, late = (time or 0.0) - self._written / rate, 0
            if late > tolerance:
                self._written += late
                yield rate, np.zeros(late, np.float32)
            elif late < -tolerance:
                mono = mono[-late:]
            self._written += len(mono)
            yield rate, mono

    def _to_mono(self, frame: Any) -> np.ndarray:
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        if self._convert is None or self._convert[0] != kind:  # chained streams may change midway
            self._convert = (kind, av.AudioResampler(format="flt"))
        # Packed samples on purpose: PyAV reads beyond the planes of frames with eight channels or more.
        packed = [piece.to_ndarray()[0] for piece in self._convert[1].resample(frame)]
        channels = frame.layout.nb_channels
        return (
            np.concatenate([np.zeros(0, np.float32), *packed]).reshape(-1, channels).mean(1, dtype=np.float32)
        )

    def _finite(self, mono: np.ndarray, rate: int) -> np.ndarray:
        finite = np.isfinite(mono)
        if finite.all():
            return mono
        if not self.bad:
            self.first_bad = (self._written + int(np.argmin(finite))) / rate
        self.bad += int((~finite).sum())
        return np.where(finite, mono, 0.0).astype(np.float32)


class _Resampler:
    """Mono chunks at any rate -> 16 kHz; starts anew when the rate changes."""

    def __init__(self) -> None:
        self._rate = SAMPLE_RATE
        self._inner: av.AudioResampler | None = None

    def __call__(self, mono: np.ndarray, rate: int) -> np.ndarray:
        rest = np.zeros(0, np.float32)
        if rate != self._rate:
            rest = self.flush()
            self._rate = rate
            self._inner = None if rate == SAMPLE_RATE else av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        if self._inner is None or len(mono) == 0:
            return np.concatenate([rest, mono])
        frame = av.AudioFrame.from_ndarray(mono[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        return np.concatenate([rest, *(f.to_ndarray()[0] for f in self._inner.resample(frame))])

    def flush(self) -> np.ndarray:
        tail = [] if self._inner is None else self._inner.resample(None)
        return np.concatenate([np.zeros(0, np.float32), *(f.to_ndarray()[0] for f in tail)])
