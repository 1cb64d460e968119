"""The speech corpus: whole, free of train/test overlap, and its lips fit its sound."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data import speech
from avatar_lab.data.conversation import simulate
from avatar_lab.data.speech import CLIP_KINDS, VOICES, load_corpus, samples_dir, with_more
from avatar_lab.data.visemes import MOUTH_RATE, VISEMES, loudness, mouth_track, sample_mouth
from avatar_lab.errors import ConfigError, MediaError


def test_manifest_lists_every_file_with_its_hash() -> None:
    folder = samples_dir()
    entries = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    present = {p.relative_to(folder).as_posix() for p in (folder / "speech").iterdir()}
    assert present <= set(entries)
    for name, entry in entries.items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], name
        assert len(content) == entry["bytes"]
        assert entry["licence"] == "CC0-1.0"
        assert entry["origin"]


def test_corpus_is_small_enough_to_ship() -> None:
    assert sum(p.stat().st_size for p in (samples_dir() / "speech").iterdir()) < 12e6


def test_splits_share_no_sentence_and_every_voice_says_all() -> None:
    train, test = load_corpus("train"), load_corpus("test")
    words = {split.split: {c.text for c in split.clips} for split in (train, test)}
    assert not words["train"] & words["test"]
    assert len(train.clips) + len(test.clips) == len(load_corpus("all").clips)
    share = len(words["test"]) / (len(words["train"]) + len(words["test"]))
    assert 0.15 < share < 0.25
    for voice in range(VOICES):
        assert {c.text for c in train.clips if c.voice == voice} == words["train"]
        for kind in CLIP_KINDS:
            assert train.of(voice, kind)
            assert test.of(voice, kind)


def test_corpus_is_decoded_once_and_cannot_be_scribbled_on() -> None:
    corpus = load_corpus("train")
    assert load_corpus("train") is corpus
    with pytest.raises(ValueError, match="read-only"):
        corpus.clips[0].audio[0] = 1.0


def test_phonemes_lie_in_order_inside_their_clip() -> None:
    for clip in load_corpus("all").clips:
        assert len(clip.phonemes) == len(clip.starts) == len(clip.ends)
        assert (clip.starts >= 0).all()
        assert (clip.ends >= clip.starts).all()
        assert (np.diff(clip.starts) >= 0).all()
        assert clip.ends[-1] <= clip.seconds + 0.01
        assert 0.01 < np.abs(clip.audio).max() <= 1.0


def test_every_phoneme_of_the_corpus_has_a_viseme() -> None:
    symbols = {symbol for clip in load_corpus("all").clips for symbol in clip.phonemes}
    assert symbols <= set(VISEMES)


def test_voices_differ_in_pitch() -> None:
    """Count zero crossings of low-passed vowels: deep voices have fewer."""
    pitch = []
    for voice in range(VOICES):
        audio = np.concatenate([c.audio for c in load_corpus("all").of(voice, "laugh")])
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
        hertz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
        pitch.append(float((spectrum * hertz)[hertz < 4000].sum() / spectrum[hertz < 4000].sum()))
    assert max(pitch) / min(pitch) > 1.15


def test_jaw_follows_loudness() -> None:
    clips = load_corpus("all").of(0, "statement")
    correlation = [np.corrcoef(c.mouth[:, 0], loudness(c.audio, len(c.mouth)))[0, 1] for c in clips]
    assert np.mean(correlation) > 0.65


def test_bilabials_close_the_mouth_in_every_clip() -> None:
    for clip in load_corpus("all").of(2, "statement"):
        lips = [i for i, symbol in enumerate(clip.phonemes) if symbol in "mbp"]
        centres = (clip.starts[lips] + clip.ends[lips]) / 2 - 0.025
        assert (sample_mouth(clip.mouth, centres)[:, 0] < 0.08).all(), clip.text


@pytest.mark.parametrize("phase", [0.0, 0.01, 0.02, 0.03])
def test_a_short_p_shows_at_25_frames_a_second(phase: float) -> None:
    audio = np.full(SAMPLE_RATE, 0.1, np.float32)
    starts, ends = np.array([0.2, 0.45, 0.49], np.float32), np.array([0.45, 0.49, 0.75], np.float32)
    track = mouth_track(("ɑ", "p", "ɑ"), starts, ends, audio)
    frames = sample_mouth(track, np.arange(0, 1, 0.04) + phase)[:, 0]
    closed = frames[(np.arange(0, 1, 0.04) + phase > 0.4) & (np.arange(0, 1, 0.04) + phase < 0.54)].min()
    assert closed < 0.05
    assert frames.max() > 0.5


def test_oo_puckers_and_ee_stretches() -> None:
    audio = np.full(SAMPLE_RATE, 0.1, np.float32)
    span = np.array([0.3], np.float32), np.array([0.6], np.float32)
    assert mouth_track(("u",), *span, audio)[:, 1].max() > 0.7
    assert mouth_track(("i",), *span, audio)[:, 2].max() > 0.5
    rest = mouth_track(("_", "ɑ"), np.array([0.0, 0.5], np.float32), np.array([0.5, 0.9], np.float32), audio)
    assert rest[: round(0.4 * MOUTH_RATE)].max() < 0.05


def test_laughter_has_notes_every_210_ms() -> None:
    for clip in load_corpus("all").of(0, "laugh"):
        notes = clip.starts[[i for i, symbol in enumerate(clip.phonemes) if symbol == "a"]]
        assert 0.18 < np.diff(notes).mean() < 0.24


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="train, test, all"):
        load_corpus("validation")
    with pytest.raises(ConfigError, match="voices are"):
        load_corpus("train").of(99, "statement")


def test_missing_or_damaged_corpus_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "voice_0.ogg"
    bad.write_bytes(b"not an ogg file")
    with pytest.raises(MediaError, match="rebuild"):
        speech._decode(bad)
    monkeypatch.setattr(speech, "__file__", str(tmp_path / "package" / "data" / "speech.py"))
    with pytest.raises(MediaError, match="build_speech"):
        samples_dir()


def test_more_sentences_are_added_for_training_only(tmp_path: Path) -> None:
    few = json.loads((samples_dir() / "speech" / "clips.json").read_text())["clips"]
    train = [dict(clip, text=f"odd {i}") for i, clip in enumerate(few) if clip["split"] == "train"][:7]
    for name in [f"voice_{n}.ogg" for n in range(6)]:
        shutil.copy(samples_dir() / "speech" / name, tmp_path / name)
    with pytest.raises(MediaError, match="--more 1000"):
        with_more(tmp_path)
    (tmp_path / "clips.json").write_text(json.dumps({"clips": train}))
    corpus = with_more(tmp_path)
    assert len(corpus.clips) == len(load_corpus("train").clips) + 7
    assert simulate(6, seed=1, corpus=corpus).user.audio.any()

    told = tmp_path / "told"
    shutil.copytree(tmp_path, told)
    held_out = next(clip for clip in few if clip["split"] == "test")
    (told / "clips.json").write_text(json.dumps({"clips": [dict(held_out, split="train")]}))
    with pytest.raises(ConfigError, match="held-out"):
        with_more(told)
