"""Write results: sound as wav, picture and sound as mp4 (H.264 + AAC) that every browser plays.

What is peculiar: a file appears under its name only when it is whole. It is written beside its place under a
temporary name and renamed at the end; whatever goes wrong, nothing half-written stays behind.

Import these functions from `avatar_lab.data.media`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.errors import MediaError

_ENCODERS: Final = {  # the first one that this build of ffmpeg has
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libopenh264": {"b": "4M"},
    "h264_videotoolbox": {"b": "4M"},
    "h264_mf": {"b": "4M"},
}
_BT709: Final = 1


def check_writable(path: str | os.PathLike[str], suffixes: tuple[str, ...] = ()) -> Path:
    """Return `path` if a file can be written there; raise MediaError before any work is done if not."""
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise MediaError(
            f"The output name must end in {' or '.join(suffixes)}; got {path.name!r}. Rename it."
        )
    if path.is_dir():
        raise MediaError(
            f"{path} is a folder. Expected a file name, e.g. {path / 'out'}{''.join(suffixes[:1])}."
        )
    if not path.parent.is_dir():
        raise MediaError(
            f"The folder {path.parent} does not exist, so {path.name} cannot be written. Create it first."
        )
    try:  # trying is the only test that also knows read-only mounts and full disks
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise MediaError(
            f"Cannot write into {path.parent}: {error.strerror}. Choose another folder."
        ) from error
    return path


def write_wav(path: str | os.PathLike[str], audio: np.ndarray) -> Path:
    """Write 16 kHz mono float sound `(N,)` in [-1, 1] as 16-bit wav; louder samples are clipped."""
    path = check_writable(path, (".wav",))
    samples = _check_audio(audio)
    with _whole_or_nothing(path) as part, wave.open(str(part), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(samples * 32767.0).astype("<i2").tobytes())
    return path


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    audio: np.ndarray | Callable[[int], np.ndarray] | None = None,
    *,
    title: str = "",
    comment: str = "",
) -> Path:
    """Write RGB frames `(H, W, 3)` uint8 at 25 fps, with 16 kHz sound, as an mp4 that starts playing at once.

    Frames may come from a generator; they are encoded as they come. Odd sizes are padded to even ones by
    repeating the last row or column. Sound beyond the last frame is dropped; instead of all of it, a function may be
    given that returns the 640 samples of frame k when that frame is there. Raises MediaError for no
    frames, frames of the wrong type or changing size, and anything the disk refuses; the file then does
    not exist.
    """
    path = check_writable(path, (".mp4", ".m4v", ".mov"))
    samples = None if audio is None or callable(audio) else _check_audio(audio)
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise MediaError(
            f"There are no frames to write to {path}. Expected at least one (H, W, 3) uint8 picture."
        )
    shape = _check_frame(first, None, 0).shape
    with (
        _whole_or_nothing(path) as part,
        av.open(f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata.update({k: v for k, v in (("title", title), ("comment", comment)) if v})
        video = _video_stream(container, shape[0], shape[1])
        sound = (
            None
            if audio is None
            else container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", bit_rate=64_000)
        )
        for index, frame in enumerate(chain([first], source)):
            container.mux(video.encode(_video_frame(_check_frame(frame, shape, index), index)))
            if sound is not None:
                piece = _check_audio(audio(index)) if callable(audio) else _piece(samples, index)
                _encode_sound(container, sound, piece, index)
        for stream in (video, sound):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def _video_stream(container: Any, height: int, width: int) -> Any:
    codec = next((name for name in _ENCODERS if name in av.codecs_available and _can_encode(name)), None)
    if codec is None:
        raise MediaError(
            f"This build of PyAV has no H.264 encoder (looked for {', '.join(_ENCODERS)}). Reinstall `av`."
        )
    stream = container.add_stream(codec, rate=FPS, options=dict(_ENCODERS[codec]))
    stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = 1  # limited, what players expect
    return stream


def _can_encode(name: str) -> bool:
    try:
        return av.Codec(name, "w").is_encoder
    except (av.error.FFmpegError, ValueError):
        return False


def _video_frame(picture: UInt8[np.ndarray, "H W 3"], index: int) -> av.VideoFrame:
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts = index
    return frame


def _piece(samples: np.ndarray | None, index: int) -> np.ndarray:
    """Return the 640 samples that belong to one frame."""
    assert samples is not None
    return samples[index * SAMPLES_PER_FRAME : (index + 1) * SAMPLES_PER_FRAME]


def _encode_sound(container: Any, stream: Any, piece: np.ndarray, index: int) -> None:
    """Encode the samples of one frame."""
    if len(piece) == 0:
        return
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, index * SAMPLES_PER_FRAME
    container.mux(stream.encode(frame))


def _check_frame(frame: Any, shape: tuple[int, ...] | None, index: int) -> UInt8[np.ndarray, "H W 3"]:
    picture = np.asarray(frame)
    good = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0
    if not good or (shape is not None and picture.shape != shape):
        wanted = "(H, W, 3)" if shape is None else str(shape)
        raise MediaError(
            f"Frame {index} must be uint8 RGB of shape {wanted}; got {picture.dtype} {picture.shape}."
            " Convert floats by (255 * x).astype('uint8') and keep one size for the whole video."
        )
    return picture


def _check_audio(audio: Any) -> Float32[np.ndarray, "N"]:
    samples = np.asarray(audio)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise MediaError(
            f"Sound must be mono float samples of shape (N,) at {SAMPLE_RATE} Hz; got {samples.dtype}"
            f" {samples.shape}."
            " Average the channels and scale integers into [-1, 1]."
        )
    bad = ~np.isfinite(samples)
    if bad.any():
        raise MediaError(
            f"Sound must be finite; {int(bad.sum())} samples are NaN or infinite. Mend them before writing."
        )
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[Path]:
    """Give a temporary name in a folder beside `path`; rename on success, remove on any failure."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
        part = folder / f"part{path.suffix}"
        yield part
        os.replace(part, path)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"Writing {path} failed: {reason}. Nothing was left there; free some space or choose another"
            " folder."
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
