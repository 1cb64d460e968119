"""Reading and writing real files: time stamps, rotation, alignment, sound formats, and nothing half-written."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.stream
import numpy as np
import pytest

from avatar_lab.data.media import (
    check_writable,
    probe,
    read_audio,
    read_video,
    write_video,
    write_wav,
)
from avatar_lab.errors import AvatarLabError, MediaError

RATE = 16_000
Make = Callable[..., Path]


def level(index: int) -> int:
    return 20 + 8 * (index % 25)


def numbers(frames: Iterator[np.ndarray]) -> np.ndarray:
    """Which source picture (modulo 25) each frame shows."""
    return np.array([(float(frame.mean()) - 20) / 8 for frame in frames]).round().astype(int)


def tone(seconds: float, rate: int, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def beep(seconds: float, at: float, rate: int = RATE) -> np.ndarray:
    sound = np.zeros(round(seconds * rate), np.float32)
    first = round(at * rate)
    sound[first : first + rate // 10] = tone(0.1, rate)
    return sound


def onset(sound: np.ndarray) -> float:
    return float(np.argmax(np.abs(sound) > 0.1)) / RATE


@pytest.mark.parametrize("rate", [10, 23.976, 25, 29.97, 60, 15.5])
def test_every_rate_becomes_25_and_each_frame_shows_the_nearest_picture(make_film: Make, rate: float) -> None:
    times = np.arange(round(1.6 * rate)) / rate
    reader = read_video(make_film(times))
    shown = numbers(reader)
    assert abs(len(shown) - len(times) / rate * 25) <= 1
    ticks = np.arange(len(shown)) / 25
    nearest = np.abs(ticks[:, None] - times).min(axis=1)
    chosen = np.array(
        [np.abs(ticks[k] - times[np.arange(len(times)) % 25 == n]).min() for k, n in enumerate(shown)]
    )
    np.testing.assert_allclose(chosen, nearest, atol=1e-4)
    assert reader.fps_in == pytest.approx(rate, rel=0.01)
    assert not reader.variable_frame_rate


def test_variable_frame_rate_follows_the_time_stamps(make_film: Make) -> None:
    times = np.cumsum([0, *([0.02, 0.09, 0.033, 0.2, 0.04] * 4)])
    reader = read_video(make_film(times))
    shown = numbers(reader)
    ticks = np.arange(len(shown)) / 25
    expected = np.abs(ticks[:, None] - times).argmin(axis=1)
    assert (shown == expected).mean() > 0.97  # ties may fall either way
    assert reader.variable_frame_rate


def test_one_picture_is_one_frame(make_film: Make) -> None:
    assert len(list(read_video(make_film([0.0])))) == 1


def quarters(_: int) -> np.ndarray:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, :32], picture[24:, 32:] = 40, 90, 150, 210
    return picture


def corners(frame: np.ndarray) -> list[list[int]]:
    height, width = frame.shape[:2]
    rows = [frame[height // 4], frame[3 * height // 4]]
    return [[int(row[width // 4, 0]) for row in rows], [int(row[3 * width // 4, 0]) for row in rows]]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_phone_video_is_turned_upright(make_film: Make, rotation: int, mirrored: bool) -> None:
    reader = read_video(make_film([0.0, 0.04], draw=quarters, rotation=rotation, mirrored=mirrored))
    upright = np.rot90(quarters(0), rotation // 90)  # both turn counter-clockwise
    upright = upright[:, ::-1] if mirrored else upright
    frame = next(reader)
    assert frame.shape == upright.shape
    np.testing.assert_allclose(corners(frame), corners(upright), atol=6)
    reader.close()


def test_probe_reports_the_upright_size(make_film: Make) -> None:
    info = probe(make_film([0.0, 0.04], rotation=90, sound=tone(0.1, RATE)))
    assert (info.width, info.height, info.rotation) == (48, 64, 270)
    assert info.has_audio
    assert info.sample_rate == RATE


@pytest.mark.parametrize(("first_picture", "sound_start"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.3), (0.4, 0.6)])
def test_sound_starts_with_the_first_picture(
    make_film: Make, first_picture: float, sound_start: float
) -> None:
    times = first_picture + np.arange(50) / 25
    path = make_film(times, "film.mkv", sound=beep(2.5, 1.0), sound_start=sound_start)
    reader = read_video(path)
    assert len(list(reader)) == 50
    sound = read_audio(path, start=reader.start, max_seconds=2.0)
    # AAC spreads an onset by up to a block; Matroska keeps its time stamps to a millisecond.
    assert onset(sound) == pytest.approx(1.0 + sound_start - first_picture, abs=0.02)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "sample_format"),
    [
        ("a.wav", "pcm_s16le", 8_000, "s16"),
        ("a.wav", "pcm_f32le", 44_100, "flt"),
        ("a.wav", "pcm_u8", 11_025, "u8"),
        ("a.wav", "pcm_f64le", 96_000, "dbl"),
        ("a.wav", "pcm_s16le", 16_000, "s16"),
        ("a.flac", "flac", 48_000, "s16"),
        ("a.mp3", "libmp3lame", 44_100, "fltp"),
        ("a.m4a", "aac", 22_050, "fltp"),
        ("a.ogg", "libopus", 48_000, "flt"),
    ],
)
def test_any_sound_becomes_16_khz_mono(
    make_sound: Make, name: str, codec: str, rate: int, sample_format: str
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV lacks {codec}")
    left, right = tone(1.0, rate), np.zeros(rate, np.float32)
    sound = read_audio(make_sound(name, codec, rate, [left, right], sample_format))
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(RATE, abs=1600)
    middle = sound[4000:12000]
    assert np.abs(middle).max() == pytest.approx(0.25, abs=0.03)  # the mean of a tone and silence
    peak = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * RATE / len(middle)
    assert peak == pytest.approx(440, abs=3)


@pytest.mark.parametrize("channels", [6, 8])
def test_surround_sound_is_averaged(make_sound: Make, channels: int) -> None:
    sounds = [tone(0.5, RATE)] * (channels // 2) + [np.zeros(RATE // 2, np.float32)] * (channels // 2)
    sound = read_audio(make_sound("a.wav", "pcm_f32le", RATE, sounds, "flt"))
    np.testing.assert_allclose(sound, tone(0.5, RATE) / 2, atol=1e-4)


def test_resampling_adds_no_delay(make_sound: Make) -> None:
    sound = read_audio(make_sound("a.wav", "pcm_f32le", 44_100, [beep(1.0, 0.5, 44_100)], "flt"))
    assert len(sound) == RATE
    assert onset(sound) == pytest.approx(0.5, abs=0.001)


def test_silence_is_sound(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "silence.wav", np.zeros(1600, np.float32))
    assert read_audio(path).tolist() == [0.0] * 1600


def test_wav_survives_a_round_trip(tmp_path: Path) -> None:
    sound = tone(0.2, RATE)
    np.testing.assert_allclose(read_audio(write_wav(tmp_path / "ü ber.wav", sound)), sound, atol=1 / 32000)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_header_that_claims_three_hours_is_not_believed(make_film: Make, kind: str) -> None:
    path = make_film(np.arange(20) / 25, f"film.{kind}", sound=tone(0.8, RATE))
    blob = bytearray(path.read_bytes())
    if kind == "mkv":
        at = blob.find(b"\x44\x89\x88") + 3
        blob[at : at + 8] = struct.pack(">d", 3 * 3600 * 1000.0)
    for box, scale_at, length_at in ((b"mvhd", 16, 20), (b"mdhd", 16, 20), (b"tkhd", None, 24)):
        at = blob.find(box)
        while at >= 0:
            scale = (
                1000 if scale_at is None else int.from_bytes(blob[at + scale_at : at + scale_at + 4], "big")
            )
            blob[at + length_at : at + length_at + 4] = (scale * 3 * 3600).to_bytes(4, "big")
            at = blob.find(box, at + 4)
    path.write_bytes(blob)
    reader = read_video(path)
    assert reader.claimed_seconds == pytest.approx(3 * 3600)
    assert len(list(reader)) == 20
    assert len(read_audio(path, start=reader.start)) < RATE


def test_a_film_cut_off_midway_gives_what_is_there(make_film: Make) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), np.uint8)
    path = make_film(np.arange(50) / 25, "film.mkv", draw=lambda i: noise[i])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = read_video(path)
    assert 5 < len(list(reader)) < 45
    assert reader.claimed_seconds == pytest.approx(2.0, abs=0.1)


def test_a_jump_in_the_time_stamps_is_closed(make_film: Make) -> None:
    times = np.concatenate([np.arange(10) / 25, 5000 + np.arange(10) / 25])
    reader = read_video(make_film(times, "film.mkv"))
    assert numbers(reader).tolist() == list(range(20))
    assert reader.gaps_closed == 1


def test_limits_of_length_and_size(make_film: Make) -> None:
    path = make_film(np.arange(50) / 25)
    frames = list(read_video(path, max_seconds=0.6, max_side=32))
    assert len(frames) == 15
    assert frames[0].shape == (24, 32, 3)
    sound = read_audio(write_wav(path.with_suffix(".wav"), tone(1.0, RATE)), max_seconds=0.25)
    assert len(sound) == 4000


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    if "libmp3lame" not in av.codecs_available:
        pytest.skip("this build of PyAV writes no mp3")
    song = tmp_path / "song.mp3"
    with av.open(str(song), "w") as container:
        sound = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        frame = av.AudioFrame.from_ndarray(tone(0.5, RATE)[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    assert len(read_audio(song)) >= RATE // 2
    assert not probe(song).has_video
    with pytest.raises(MediaError, match="no video stream"):
        read_video(song)


def pictures(count: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    for index in range(count):
        yield np.full((height, width, 3), level(index), np.uint8)


def test_written_video_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "Grüße: 你好.mp4"
    sound = beep(2.0, 0.52)
    assert write_video(path, pictures(30), sound, title="A title", comment="made by avatar_lab") == path
    reader = read_video(path)
    assert numbers(reader).tolist() == [n % 25 for n in range(30)]
    heard = read_audio(path, start=reader.start)
    assert onset(heard) == pytest.approx(0.52, abs=0.02)
    assert len(heard) < 1.4 * RATE  # sound beyond the last frame is dropped
    with av.open(f"file:{path}") as container:
        assert container.metadata["title"] == "A title"
        assert container.metadata["comment"] == "made by avatar_lab"
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.video[0].average_rate == 25
    blob = path.read_bytes()
    assert blob.find(b"moov") < blob.find(b"mdat"), "the index must come first (faststart)"


def test_colours_survive_writing(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (220, 60, 40), (30, 90, 200)
    frame = next(read_video(write_video(tmp_path / "c.mp4", [picture] * 3)))
    np.testing.assert_allclose(frame[24, 12], (220, 60, 40), atol=6)
    np.testing.assert_allclose(frame[24, 52], (30, 90, 200), atol=6)


def test_odd_sizes_are_padded_by_their_edge(tmp_path: Path) -> None:
    frame = next(read_video(write_video(tmp_path / "odd.mp4", pictures(2, 47, 65))))
    assert frame.shape == (48, 66, 3)
    assert np.abs(frame.astype(int) - level(0)).max() <= 3


def test_arrays_are_frames_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "array.mp4", np.stack(list(pictures(3))))
    assert len(list(read_video(path))) == 3


@pytest.mark.parametrize(
    ("frames", "audio", "says"),
    [
        ([], None, "no frames"),
        ([np.zeros((8, 8, 3))], None, "uint8 RGB"),
        ([np.zeros((8, 8), np.uint8)], None, "uint8 RGB"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], None, "Frame 1"),
        ([np.zeros((8, 8, 3), np.uint8)], np.zeros((2, 100), np.float32), "mono"),
        ([np.zeros((8, 8, 3), np.uint8)], np.array([0.0, np.nan], np.float32), "1 samples are NaN"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, frames: list[np.ndarray], audio: np.ndarray | None, says: str
) -> None:
    with pytest.raises(MediaError, match=says):
        write_video(tmp_path / "out.mp4", frames, audio)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_keeps_the_old_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "out.mp4", pictures(2))
    before = path.read_bytes()

    def breaks() -> Iterator[np.ndarray]:
        yield from pictures(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, breaks())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/out.mp4", "folder", "out.txt", "file/out.mp4"])
def test_bad_places_are_refused_before_work_starts(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    def never() -> Iterator[np.ndarray]:
        raise AssertionError("a frame was asked for")
        yield

    with pytest.raises(MediaError):
        write_video(tmp_path / place, never())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_refuses_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(MediaError, match=f"Cannot write into {tmp_path}: Permission denied"):
        check_writable(tmp_path / "out.mp4")


FULL_DISK = """
import resource, signal, sys
import numpy as np
from avatar_lab.data.media import write_video, write_wav
from avatar_lab.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0)
frames = (noise.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(40))
for write in (lambda: write_video(sys.argv[1] + "/a.mp4", frames),
              lambda: write_wav(sys.argv[1] + "/a.wav", np.zeros(16_000, np.float32))):
    try:
        write()
    except MediaError as error:
        assert "failed" in str(error), error
    else:
        raise SystemExit("no error")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_errors_have_one_root() -> None:
    assert issubclass(MediaError, AvatarLabError)
