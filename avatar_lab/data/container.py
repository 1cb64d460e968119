"""Open a recording and say what is in it, or what is wrong with it.

What is peculiar: only local files are opened (no address, no playlist that points elsewhere), and a damaged
packet is stepped over instead of ending the film. `video.py` and `sound.py` build on this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.stream import Disposition

from avatar_lab.errors import MediaError

MAX_GAP: Final = 10.0  # seconds
_NOT_MEDIA: Final = {"tty", "lrc", "srt", "ass", "webvtt", "subviewer"}  # text that ffmpeg would "play"
KINDS: Final = {
    "video": "a video (mp4, mov, mkv, webm, avi)",
    "audio": "a sound file (wav, flac, mp3, m4a, ogg, opus) or a video with sound",
}


@dataclass(frozen=True)
class MediaInfo:
    """What a file says about itself; only rotation and size come from a decoded picture.

    `duration` (seconds) and `fps` are claims of the header. `rotation` is the clockwise turn, in degrees,
    that the picture needs; `width` and `height` are those of the upright picture.
    """

    path: Path
    container: str
    duration: float | None
    has_video: bool
    has_audio: bool
    fps: float | None = None
    width: int = 0
    height: int = 0
    rotation: int = 0
    sample_rate: int | None = None
    channels: int = 0


def probe(path: str | os.PathLike[str]) -> MediaInfo:
    """Read a file's header and first picture. Raises MediaError if it is no media file."""
    path = Path(path)
    with open_media(path, "video") as container:
        video, audio = best(container, "video"), best(container, "audio")
        if video is None and audio is None:
            raise MediaError(f"{path} holds neither picture nor sound. Expected {KINDS['video']}.")
        width = height = turn = 0
        if video is not None:
            first = next(decode(container, video), None)
            if first is not None:
                width, height = square_size(first, video)
                turn, _ = orientation(first)
                width, height = (height, width) if turn % 180 else (width, height)
        return MediaInfo(
            path, container.format.name, claimed_seconds(container, path), video is not None, audio is not None,
            float(video.average_rate) if video is not None and video.average_rate else None,
            width, height, turn,
            audio.codec_context.sample_rate if audio is not None else None,
            audio.codec_context.channels if audio is not None else 0,
        )  # fmt: skip


def comment_of(path: str | os.PathLike[str]) -> str:
    """Return the comment in a file's metadata; empty if it has none. Raises MediaError if it is no media file."""
    with open_media(Path(path), "video") as container:
        return str(container.metadata.get("comment", ""))


def open_media(path: Path, kind: str) -> Any:
    """Open a container for reading, or raise MediaError that says what is wrong with the file."""
    expected = f"Expected {KINDS[kind]}"
    if not path.exists():
        raise MediaError(f"There is no file {path}. {expected}; check the name and the folder.")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise MediaError(f"{path} is {what}. {expected}; name the file itself.")
    try:
        head = _head(path)
        if not head:
            raise MediaError(f"{path} is empty (0 bytes). {expected}; copy or record it again.")
        # "file:" keeps names with a colon or a percent sign from being read as an address
        container = av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
    except PermissionError as error:
        raise MediaError(f"{path} may not be read: permission denied. Change its permissions.") from error
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{path} cannot be read: {_guess(head)}. {expected}.") from error
    if not len(container.streams):
        container.close()
        raise MediaError(f"{path} cannot be read: {_guess(head)}. {expected}.")
    if set(container.format.name.split(",")) & _NOT_MEDIA:
        container.close()
        raise MediaError(f"{path} cannot be read: it is a text file. {expected}.")
    return container


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _guess(head: bytes) -> str:
    """Say in a few words what a file that ffmpeg refuses seems to be."""
    if head[4:8] == b"ftyp":
        return "it begins as an mp4 but its index is missing or damaged (cut off while recording or copying)"
    try:
        text = head.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return "its contents are no format that ffmpeg knows, or are damaged"
    return "it is a text file" if text.isprintable() or "\n" in text else "its contents are damaged"


def best(container: Any, kind: str) -> Any:
    """The main stream of a kind, or None; the cover picture of a song is no video."""
    streams = [s for s in getattr(container.streams, kind) if s.codec_context is not None]
    if kind == "video":
        streams = [s for s in streams if not s.disposition & Disposition.attached_pic]
    if not streams:
        return None
    preferred = container.streams.best(kind)
    return preferred if preferred in streams else streams[0]


def decode(container: Any, stream: Any, on_damage: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """Decode one stream to its true end, stepping over packets that are damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            yield from packet.decode()
        except (StopIteration, av.error.EOFError):
            return
        except av.error.InvalidDataError:
            on_damage()
        except (av.error.FFmpegError, OSError):  # the container itself broke off
            on_damage()
            return


def claimed_seconds(container: Any, path: Path) -> float | None:
    """The length that the header claims; for mp4 the movie header itself, which ffmpeg quietly overrules."""
    claims = [] if container.duration is None else [container.duration / 1e6]
    if "mp4" in container.format.name:
        claims.append(_movie_header_seconds(path))
    return max(claims, default=None)


def _movie_header_seconds(path: Path) -> float:
    """Duration in the mvhd box of an mp4, 0.0 if there is none."""
    with path.open("rb") as file:
        end = path.stat().st_size
        while file.tell() + 8 <= end:
            start = file.tell()
            size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
            size = int.from_bytes(file.read(8), "big") if size == 1 else size or end - start
            if kind == b"mvhd":
                wide = file.read(4)[:1] == b"\x01"  # version 1 has 64-bit times
                file.seek(16 if wide else 8, os.SEEK_CUR)
                scale = int.from_bytes(file.read(4), "big")
                length = file.read(8 if wide else 4)
                unknown = length.strip(b"\xff") == b""  # all ones, says the standard
                return 0.0 if unknown else int.from_bytes(length, "big") / max(scale, 1)
            if kind != b"moov":  # moov is a folder: go in; everything else is stepped over
                file.seek(start + max(size, 8))
    return 0.0


def square_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height in square pixels, before turning."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return max(1, round(frame.width * ratio)), frame.height


def orientation(frame: Any) -> tuple[int, bool]:
    """Read the display matrix: (clockwise quarter turns in degrees, whether to mirror first)."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float) / 65536.0
    mirrored = a * d - b * c < 0
    angle = np.degrees(np.arctan2(-b if mirrored else b, -a if mirrored else a))
    return round(angle / 90.0) % 4 * 90, bool(mirrored)
