"""Every bad file is one typed error of one line that says what was expected, what came and what to do."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.ingest import ingest, ingest_speech
from avatar_lab.data.media import probe, read_audio, read_video, write_video, write_wav
from avatar_lab.errors import AvatarLabError, MediaError


def float_wav(path: Path, samples: np.ndarray) -> Path:
    """A 16 kHz mono float wav, header and all, that may hold anything."""
    body = samples.astype("<f4").tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000, 4, 32
    )
    path.write_bytes(header + struct.pack("<4sI", b"data", len(body)) + body)
    return path


def missing(folder: Path) -> Path:
    return folder / "absent.mp4"


def a_folder(folder: Path) -> Path:
    return folder


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("Dear diary,\ntoday I renamed a file.\n")
    return folder / "text.mp4"


def plain_text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("Dear diary,\ntoday I did not even rename it.\n" * 40)
    return folder / "notes.txt"


def rubbish(folder: Path) -> Path:
    (folder / "rubbish.mp4").write_bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes())
    return folder / "rubbish.mp4"


def film(folder: Path) -> tuple[Path, bytes, int, int]:
    """A good mp4, its bytes, and where its index and its pictures begin."""
    noise = np.random.default_rng(0).integers(0, 255, (10, 64, 64, 3), np.uint8)
    path = write_video(folder / "film.mp4", noise)
    blob = path.read_bytes()
    return path, blob, blob.find(b"moov") - 4, blob.find(b"mdat") - 4


def no_index(folder: Path) -> Path:
    """An mp4 as a camera leaves it when the battery dies: the index would have come last."""
    path, blob, index, pictures = film(folder)
    path.write_bytes(blob[:index] + blob[pictures:])
    return path


def cut_off(folder: Path) -> Path:
    """An mp4 of which only the beginning was copied."""
    path, blob, index, _ = film(folder)
    path.write_bytes(blob[: index + 40])
    return path


def playlist(folder: Path) -> Path:
    """A playlist that points into the network must not be followed."""
    path = folder / "list.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n"
    )
    return path


def sound_only(folder: Path) -> Path:
    return write_wav(folder / "sound.wav", np.zeros(1600, np.float32))


def picture_only(folder: Path) -> Path:
    return write_video(folder / "picture.mp4", np.zeros((3, 32, 32, 3), np.uint8))


def no_samples(folder: Path) -> Path:
    return float_wav(folder / "nothing.wav", np.zeros(0))


def not_numbers(folder: Path) -> Path:
    samples = np.zeros(16000)
    samples[8000:8003] = np.nan
    samples[9000] = np.inf
    return float_wav(folder / "nan.wav", samples)


def integers(folder: Path) -> Path:
    return float_wav(folder / "integers.wav", 20_000 * np.sin(np.arange(16000) / 9))


UNREADABLE = [
    (missing, "There is no file"),
    (a_folder, "is a folder"),
    (empty, "is empty"),
    (text, "it is a text file"),
    (plain_text, "it is a text file"),
    (rubbish, "cannot be read"),
    (no_index, "index is missing"),
    (cut_off, "index is missing"),
    (playlist, "."),
]
NO_VIDEO = [*UNREADABLE, (sound_only, "no video stream"), (no_samples, "no video stream|cannot be read")]
NO_SOUND = [
    *UNREADABLE,
    (picture_only, "has no sound"),
    (no_samples, "no samples|cannot be read"),
    (not_numbers, r"4 samples that are NaN or infinite, the first at 0\.500 s"),
    (integers, "samples up to 20000.*divide by 32768"),
]
READERS = [
    *((read_video, *case) for case in NO_VIDEO),
    *((ingest, *case) for case in NO_VIDEO),
    *((read_audio, *case) for case in NO_SOUND),
    *((ingest_speech, *case) for case in NO_SOUND),
    *((probe, *case) for case in UNREADABLE),
]


@pytest.mark.parametrize(
    ("read", "make", "says"), READERS, ids=[f"{r.__name__}-{m.__name__}" for r, m, _ in READERS]
)
def test_bad_files_are_named_in_one_line(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    read: Callable[[Path], object],
    make: Callable[[Path], Path],
    says: str,
) -> None:
    path = make(tmp_path)
    with pytest.raises(MediaError, match=says) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400
    assert isinstance(caught.value, AvatarLabError)
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_a_float_wav_that_is_merely_loud_is_clipped(tmp_path: Path) -> None:
    sound = read_audio(float_wav(tmp_path / "loud.wav", np.array([0.5, 1.5, -2.0, 0.25])))
    np.testing.assert_allclose(sound, [0.5, 1.0, -1.0, 0.25])


@pytest.mark.parametrize("name", ["ä ö.wav", "a:b.wav", "100%d.wav", "-x.wav", "语音.wav", "q'uo\"te.wav"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    path = write_wav(tmp_path / name, np.zeros(640, np.float32))
    assert len(read_audio(path)) == 640
    assert len(read_audio(str(path))) == 640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(sound_only(tmp_path))
    assert len(read_audio(tmp_path / "link.wav")) == 1600
