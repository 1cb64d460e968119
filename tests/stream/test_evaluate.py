import json

import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad, Event, Performance
from avatar_lab.errors import ShapeError
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.evaluate import evaluate, long_drift, stream_faces, stream_with_controls


def dyad(seed: int, answer: bool, frames: int = 150) -> Dyad:
    """A user who smiles at 2 s, and an avatar who does or does not smile back 0.6 s later."""
    rng = np.random.default_rng(seed)
    user, avatar = neutral(frames), neutral(frames)
    user[50:100, FACE_INDEX["smile"]] = 0.8
    if answer:
        avatar[65:110, FACE_INDEX["smile"]] = 0.8
    avatar[:, FACE_INDEX["jaw_open"]] = rng.uniform(0, 0.5, frames)
    audio = (0.1 * rng.standard_normal(frames * 640)).astype(np.float32)
    audio[: 40 * 640] = 0
    return Dyad(
        Performance(user, audio), Performance(avatar, audio), (Event("smile", "user", 2.0, 4.0),), seed
    )


def test_the_report_has_controls_and_repeats(avatar: Avatar) -> None:
    dyads = [dyad(s, True) for s in range(3)]
    first, second = evaluate(avatar, dyads, seed=1), evaluate(avatar, dyads, seed=1)
    assert json.dumps(first) == json.dumps(second)
    assert 0 <= first["mouth_in_silence"] <= 1
    smile = first["reactions"]["smile"]
    assert set(smile["rise"]) == {"true_user", "shuffled_user", "no_user", "truth"}
    assert smile["rise"]["truth"]["mean"] > 0.7
    assert smile["events"] == smile["contingency"]["count"] == 3
    assert "nod" not in first["reactions"]  # nobody gave a cue
    assert {"generated", "truth"} == set(first["sid pose, paper"])


def test_many_conversations_are_streamed_in_groups(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversations streamed in two groups are as many, and in their order: the first group is unchanged."""
    dyads = [dyad(s, True, frames=25) for s in range(5)]
    whole = stream_with_controls(avatar, dyads[:3], seed=1)
    monkeypatch.setattr("avatar_lab.stream.evaluate.AT_ONCE", 3)
    parts = stream_with_controls(avatar, dyads, seed=1)
    assert parts["no_user"].shape == (5, 25, 18)
    np.testing.assert_allclose(parts["true_user"][:3], whole["true_user"], atol=1e-4)


def test_drift_is_measured_on_long_streams(avatar: Avatar) -> None:
    found = long_drift(avatar, [dyad(s, True) for s in range(2)])
    assert found["dyads"] == 2
    assert all(np.isfinite(value) for value in found.values())


def test_sessions_do_not_touch_each_other(avatar: Avatar) -> None:
    """Changing one session's user leaves the other's motion alone."""
    faces = np.stack([dyad(s, True).user.face for s in range(2)])
    sound = np.stack([dyad(s, True).user.audio for s in range(2)])
    before = stream_faces(avatar, faces, sound, sound)
    faces[1, :, FACE_INDEX["yaw"]] = 20
    after = stream_faces(avatar, faces, sound, sound)
    np.testing.assert_allclose(before[0], after[0], atol=1e-4)
    assert np.abs(before[1] - after[1]).max() > 1e-3


def test_unequal_lengths_and_broken_blocks_are_refused(avatar: Avatar) -> None:
    with pytest.raises(ShapeError, match="equal length"):
        evaluate(avatar, [dyad(0, True), dyad(1, True, frames=155)])
    with pytest.raises(ShapeError, match="whole blocks of 5"):
        stream_faces(
            avatar,
            np.zeros((2, 7, 18), np.float32),
            np.zeros((2, 7 * 640), np.float32),
            np.zeros((2, 7 * 640), np.float32),
        )
