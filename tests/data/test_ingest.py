"""The whole way from a video file to a Performance, with a stand-in tracker and with the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.config import SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX, FACE_NAMES
from avatar_lab.data.ingest import ingest, ingest_speech
from avatar_lab.data.media import write_video, write_wav
from avatar_lab.data.performance import Performance
from avatar_lab.data.quality import av_offset, frame_loudness, jitter, sound_report
from avatar_lab.data.tracker import RawFace
from avatar_lab.errors import MediaError

Make = Callable[..., Path]
REAL = Path(__file__).parents[3] / "shared" / "media" / "user.mp4"


class Puppeteer:
    """A tracker that sees what it is told to: `seen(frame index)` -> RawFace or None."""

    def __init__(self, seen: Callable[[int], RawFace | None]) -> None:
        self.seen, self.index, self.times = seen, 0, [-1]

    def reset(self) -> None:
        self.index, self.times = 0, [-1]

    def track(self, frame: np.ndarray, time_ms: int) -> RawFace | None:
        assert frame.ndim == 3
        assert time_ms > self.times[-1]
        self.times.append(time_ms)
        self.index += 1
        return self.seen(self.index - 1)


def face(faces: int = 1, lip_gap: float = 0.0, **values: float) -> RawFace:
    row = np.zeros(len(FACE_NAMES), np.float32)
    row[FACE_INDEX["scale"]] = 1.0
    for name, v in values.items():
        row[FACE_INDEX[name]] = v
    return RawFace(row, lip_gap, faces=faces)


def syllables(frames: int, seed: int = 0) -> np.ndarray:
    """Mouth opening 0-1 per frame: bursts of irregular syllables with pauses."""
    generator = np.random.default_rng(seed)
    mouth, at = np.zeros(frames), 3
    while at < frames - 6:
        length = int(generator.integers(3, 7))
        strength = generator.uniform(0.4, 1.0)
        mouth[at : at + length] += strength * np.hanning(length + 2)[1:-1][: frames - at]
        at += length + int(generator.integers(0, 12))
    return mouth


def voice(mouth: np.ndarray, lag: int) -> np.ndarray:
    """Noise as loud as the mouth was open `lag` frames before."""
    moved = np.roll(mouth, lag)
    noise = np.random.default_rng(1).normal(0, 0.2, len(mouth) * SAMPLES_PER_FRAME)
    return (noise * np.repeat(moved, SAMPLES_PER_FRAME)).clip(-1, 1).astype(np.float32)


def times(frames: int) -> np.ndarray:
    return np.arange(frames) / 25


def sounding(frames: int) -> np.ndarray:
    return (0.3 * np.sin(np.arange(frames * SAMPLES_PER_FRAME) / 8)).astype(np.float32)


def test_a_good_video_becomes_a_performance_without_warnings(make_film: Make) -> None:
    path = make_film(times(100), sound=sounding(100))
    told: list[tuple[int, int | None]] = []
    got = ingest(path, tracker=Puppeteer(lambda k: face(yaw=k / 10)), progress=lambda *n: told.append(n))
    assert isinstance(got, Performance)
    assert got.face.shape == (100, len(FACE_NAMES))
    assert got.audio.shape == (100 * SAMPLES_PER_FRAME,)
    assert got.source == path
    assert got.quality["warnings"] == []
    assert got.quality["detection_rate"] == 1.0
    assert told[-1] == (100, 100)
    json.dumps(got.quality, allow_nan=False)


def test_lost_frames_are_bridged_counted_and_reported(make_film: Make) -> None:
    path = make_film(times(120), sound=sounding(120))
    got = ingest(path, tracker=Puppeteer(lambda k: None if 40 <= k < 80 or k == 90 else face(yaw=9.0)))
    assert np.isfinite(got.face).all()
    quality = got.quality
    assert (quality["bridged_frames"], quality["longest_gap_s"]) == (41, 1.6)
    assert quality["detection_rate"] == pytest.approx(79 / 120, abs=1e-3)
    assert any("66 %" in w for w in quality["warnings"])


def test_no_face_at_all_is_an_error(make_film: Make) -> None:
    with pytest.raises(MediaError, match="No face was found in the 10 frames"):
        ingest(make_film(times(10)), tracker=Puppeteer(lambda _: None))


def test_two_faces_are_reported(make_film: Make) -> None:
    got = ingest(make_film(times(80)), tracker=Puppeteer(lambda k: face(faces=1 + (k == 5))))
    assert got.quality["faces_max"] == 2
    assert any("2 faces" in w for w in got.quality["warnings"])


def test_without_sound_there_is_silence_and_a_warning(make_film: Make) -> None:
    got = ingest(make_film(times(80)), tracker=Puppeteer(lambda _: face()))
    assert not got.audio.any()
    assert got.quality["silent"]
    assert got.quality["warnings"] == ["The video has no sound; silence is used."]


def test_one_frame_works(make_film: Make) -> None:
    got = ingest(make_film([0.0]), tracker=Puppeteer(lambda _: face()))
    assert got.face.shape == (1, len(FACE_NAMES))
    assert any("0.04 s" in w for w in got.quality["warnings"])


def test_a_lying_header_is_reported(make_film: Make) -> None:
    path = make_film(times(80), sound=sounding(80))
    blob = bytearray(path.read_bytes())
    at = blob.find(b"mvhd")
    blob[at + 20 : at + 24] = (1000 * 10_800).to_bytes(4, "big")
    path.write_bytes(blob)
    got = ingest(path, tracker=Puppeteer(lambda _: face()))
    assert len(got.face) == 80
    assert any("claims 10800.0 s, but 3.2 s" in w for w in got.quality["warnings"])
    short = ingest(path, tracker=Puppeteer(lambda _: face()), max_seconds=3.0)
    assert len(short.face) == 75
    assert short.quality["warnings"] == []  # nothing can be said about what was not read


def test_rotation_and_rate_are_reported(make_film: Make) -> None:
    path = make_film(np.cumsum([0.0, *([0.03, 0.07] * 40)]), rotation=90)
    got = ingest(path, tracker=Puppeteer(lambda _: face()))
    assert got.quality["rotation"] == 270
    assert got.quality["variable_frame_rate"] is True


@pytest.mark.parametrize("lag", [-5, 0, 3, 7])
def test_the_offset_of_lips_and_voice_is_found(lag: int) -> None:
    mouth = syllables(300)
    offset, confidence = av_offset(mouth[:, None], voice(mouth, lag))
    assert offset == pytest.approx(40 * lag, abs=41)
    assert confidence > 0.95


def test_an_unrelated_voice_gives_no_confidence() -> None:
    confidences = [
        av_offset(syllables(300, 2 * s)[:, None], voice(syllables(300, 2 * s + 1), 0))[1] for s in range(8)
    ]
    assert np.median(confidences) < 0.9


def test_too_little_to_compare_gives_no_offset() -> None:
    mouth = syllables(300)
    assert av_offset(mouth[:50, None], voice(mouth, 0)) == (None, 0.0)
    assert av_offset(mouth[:, None], np.zeros(300 * SAMPLES_PER_FRAME, np.float32)) == (None, 0.0)
    assert av_offset(np.zeros((300, 1)), voice(mouth, 0)) == (None, 0.0)


def test_an_offset_is_reported_but_not_repaired(tmp_path: Path) -> None:
    mouth = syllables(200)
    sound = voice(mouth, 7)
    pictures = (np.full((32, 32, 3), 99, np.uint8) for _ in range(200))
    path = write_video(tmp_path / "film.mp4", pictures, sound)
    got = ingest(path, tracker=Puppeteer(lambda k: face(jaw_open=mouth[k], lip_gap=mouth[k] / 10)))
    assert got.quality["av_offset_ms"] == pytest.approx(280, abs=41)
    assert any("lips lead the sound" in w for w in got.quality["warnings"])
    correlation = np.corrcoef(frame_loudness(got.audio), frame_loudness(sound))[0, 1]
    assert correlation > 0.9  # still where it was


def test_jitter_measures_noise_and_not_movement() -> None:
    generator = np.random.default_rng(0)
    sway = 10 * np.sin(np.arange(500)[:, None] / 12)
    assert jitter(sway) < 0.06
    assert jitter(sway + generator.normal(0, 0.5, (500, 1))) == pytest.approx(0.5, rel=0.15)


def test_sound_report() -> None:
    report = sound_report(np.full(16_000, 0.1, np.float32))
    assert report["loudness_dbfs"] == pytest.approx(-20.0)
    assert not report["silent"]
    quiet = sound_report(np.zeros(100, np.float32))
    assert quiet["silent"]
    assert quiet["loudness_dbfs"] == -100.0
    assert sound_report(np.full(640, 1.0, np.float32))["clipped_fraction"] == 1.0


def test_speech_alone(tmp_path: Path, make_sound: Make) -> None:
    stereo = [sounding(25)[::2], sounding(25)[::2]]
    sound = ingest_speech(make_sound("a.wav", "pcm_s16le", 8_000, stereo, "s16"))
    assert len(sound) == SAMPLE_RATE
    got = ingest(write_wav(tmp_path / "b.wav", sounding(10)[:-100]), speech_only=True)
    assert got.face.shape == (10, len(FACE_NAMES))
    assert got.quality["detection_rate"] is None
    assert got.quality["warnings"] == []
    with pytest.raises(MediaError, match="lasts 10 ms"):
        ingest_speech(write_wav(tmp_path / "c.wav", sounding(1)[:160]))


def test_a_real_face_from_the_file_to_the_track(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="face tracking needs the extra live")
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the portrait")
    portrait = np.ascontiguousarray(data.astronaut()[:256, 100:356])
    film = [np.roll(portrait, shift, axis=1) for shift in [0] * 20 + [*range(0, 60, 3)]]
    path = write_video(tmp_path / "film.mp4", film, sounding(40))
    got = ingest(path)
    assert got.quality["detection_rate"] > 0.95
    x = got.face[:, FACE_INDEX["x"]]
    assert x[-1] - x[10] == pytest.approx(57 / 256, abs=0.06)  # the person moved to their left
    assert np.abs(got.face[:20, FACE_INDEX["yaw"]]).max() < 6


@pytest.mark.skipif(not REAL.exists(), reason="the evaluation video is not here")
def test_the_evaluation_video() -> None:
    pytest.importorskip("mediapipe", reason="face tracking needs the extra live")
    got = ingest(REAL)
    quality = got.quality
    assert len(got.face) == 396
    assert quality["detection_rate"] == 1.0
    assert quality["faces_max"] == 1
    assert quality["jitter_deg"] < 0.25
    assert 160 <= quality["av_offset_ms"] <= 360  # her lips lead the sound by 6 to 8 frames
    assert got.face[:, FACE_INDEX["smile"]].max() > 0.8
    assert np.ptp(got.face[:, FACE_INDEX["yaw"]]) > 15
