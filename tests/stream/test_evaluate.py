import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad, Event, Performance
from avatar_lab.errors import ShapeError
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.evaluate import evaluate, recall_of, smile_rises, stream_faces


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


def test_an_answer_is_seen_and_timed_and_its_absence_too() -> None:
    answered, ignored = [dyad(s, True) for s in range(3)], [dyad(s, False) for s in range(3)]
    faces = [np.stack([d.avatar.face for d in group]) for group in (answered, ignored)]
    assert smile_rises(faces[0], answered).min() > 0.7
    assert smile_rises(faces[1], ignored).max() < 0.05
    assert recall_of(faces[0], answered) == {"share": 1.0, "delay_ms": 600.0, "events": 3.0}
    assert recall_of(faces[1], ignored)["share"] == 0.0


def test_the_report_has_controls_and_repeats(avatar: Avatar) -> None:
    dyads = [dyad(s, True) for s in range(3)]
    first, second = evaluate(avatar, dyads, seed=1), evaluate(avatar, dyads, seed=1)
    assert first == second
    assert np.isfinite(first["lip_correlation"])
    assert 0 <= first["mouth_in_silence"] <= 1
    assert set(first["smile_rise"]) == {"true_user", "shuffled_user", "no_user", "truth"}
    assert first["smile_rise"]["truth"]["mean"] > 0.7
    assert first["smile_contingency"]["count"] == 3


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
