from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.face import neutral
from avatar_lab.data.media import read_audio, read_video
from avatar_lab.data.performance import Performance
from avatar_lab.errors import MediaError, ShapeError
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.engine import AvatarEngine
from avatar_lab.stream.react import block_inputs, react, silent_user


def test_offline_is_the_engine_in_a_loop(avatar: Avatar, user: Performance, voice: np.ndarray) -> None:
    offline = react(avatar, user, voice, character=3, size=32, seed=2)
    engine = AvatarEngine(avatar, character=3, size=32, seed=2)
    live = [engine.step(*block_inputs(user, voice, b, 5)) for b in range(0, 50, 5)]
    assert np.array_equal(offline.face, np.concatenate([b.face for b in live]))
    assert offline.frames is not None
    assert np.array_equal(offline.frames, np.concatenate([b.frames for b in live if b.frames is not None]))


@pytest.mark.parametrize("frames", [1, 5, 12])
def test_any_length_comes_back_whole(avatar: Avatar, user: Performance, frames: int) -> None:
    seen = []
    result = react(
        avatar, user.cut(0, frames), picture=None, progress=lambda done, total: seen.append((done, total))
    )
    assert result.face.shape == result.motion.shape == (frames, 18)
    assert result.audio.shape == (frames * 640,)
    assert seen[-1] == (frames, frames)


def test_speech_is_fitted_to_the_user(avatar: Avatar, user: Performance) -> None:
    short = react(avatar, user, np.ones(1000, np.float32) * 0.1, picture=None)
    assert short.audio[:1000].all()
    assert not short.audio[1000:].any()
    assert short.notes == ()
    long = react(avatar, user, np.zeros(10**6, np.float32), picture=None)
    assert len(long.audio) == 50 * 640
    assert "cut to the user" in long.notes[0]


def test_the_film_shows_both_and_sounds(
    avatar: Avatar, user: Performance, voice: np.ndarray, tmp_path: Path
) -> None:
    result = react(avatar, user.cut(0, 20), voice, size=64)
    path = result.save(tmp_path / "out.mp4")
    frames = list(read_video(path))
    assert len(frames) == 20
    assert frames[0].shape == (64, 128, 3)
    assert result.frames is not None
    gap = np.abs(frames[5][:, 64:].astype(float) - result.frames[5].astype(float)).mean()
    assert gap < 12
    assert np.abs(read_audio(path)).max() > 0.05


def test_what_cannot_be_filmed_or_heard_is_refused(avatar: Avatar, user: Performance, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="picture=None"):
        react(avatar, user.cut(0, 5), picture=None).save(tmp_path / "out.mp4")
    with pytest.raises(ShapeError, match="finite mono"):
        react(avatar, user, np.array([0.0, np.nan], np.float32))
    with pytest.raises(ShapeError, match="at least one frame"):
        react(avatar, Performance(neutral(0), np.zeros(0, np.float32)))


def test_timing_separates_waiting_from_computing(avatar: Avatar) -> None:
    timing = react(avatar, silent_user(1.0), picture=None).timing
    assert timing["buffer_ms"] == 200
    assert timing["nfe"] == 4
    assert timing["rtf"] == pytest.approx(timing["compute_p50_ms"] / 200)
    assert {"see", "listen", "condition", "denoise", "remember", "draw", "total"} == set(timing["stages"])
