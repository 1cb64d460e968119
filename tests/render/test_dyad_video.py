"""A dyad on disk: the video has both people and the sound, the files beside it tell the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.conversation import cast, simulate
from avatar_lab.data.face import FACE_NAMES
from avatar_lab.data.media import probe, read_audio, read_video
from avatar_lab.data.performance import mix
from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.render.dyad_video import save_dyad


def test_saved_dyad_can_be_read_back(tmp_path: Path) -> None:
    dyad = simulate(0.8, 5)
    video = save_dyad(dyad, tmp_path / "talk", size=64, people=cast(5))
    assert video == tmp_path / "talk.mp4"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["talk.json", "talk.mp4", "talk.npz"]
    frames = list(read_video(video))
    assert len(frames) == 20
    assert frames[0].shape == (64, 128, 3)
    assert probe(video) is not None
    about = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert about["seed"] == 5
    assert about["people"]["user"]["voice"] == cast(5)[0].voice
    assert len(about["events"]) == len(dyad.events)
    with np.load(tmp_path / about["tracks"]) as tracks:
        assert np.array_equal(tracks["avatar"], dyad.avatar.face)
        assert tuple(tracks["names"]) == FACE_NAMES
        assert len(tracks["user_audio"]) == 20 * 640


def test_sound_is_mixed_without_clipping(tmp_path: Path) -> None:
    dyad = simulate(6, 5)
    both = mix(dyad.user.audio, dyad.avatar.audio)
    assert np.abs(both).max() <= 1
    assert np.corrcoef(both, dyad.user.audio + dyad.avatar.audio)[0, 1] > 0.999
    heard = read_audio(save_dyad(simulate(2, 5), tmp_path / "short", size=32))
    dyad = simulate(2, 5)
    wanted = mix(dyad.user.audio, dyad.avatar.audio)
    shortest = min(len(heard), len(wanted))
    assert np.corrcoef(heard[:shortest], wanted[:shortest])[0, 1] > 0.9


def test_bad_places_are_refused(tmp_path: Path) -> None:
    dyad = simulate(0.2, 1)
    with pytest.raises(ConfigError, match="without ending"):
        save_dyad(dyad, tmp_path / "talk.mp4")
    with pytest.raises(MediaError, match="does not exist"):
        save_dyad(dyad, tmp_path / "nowhere" / "talk")
