"""The critic at its borders: what it may see, foreign files, scores that cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import CheckpointError, ShapeError
from avatar_lab.metrics.critic import UNSEEN, Critic, win_rate
from avatar_lab.model.weights import save_tensors


def tracks(seed: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 50, 18)).astype(np.float32)


def test_the_avatars_mouth_and_lids_change_nothing_and_its_smile_does() -> None:
    critic, user, avatar = Critic(), tracks(0), tracks(1)
    before, other = critic.score(user, avatar), avatar.copy()
    other[..., [FACE_INDEX[name] for name in UNSEEN]] += 1
    np.testing.assert_array_equal(critic.score(user, other), before)
    other[..., FACE_INDEX["smile"]] += 1
    assert not np.allclose(critic.score(user, other), before)


def test_a_saved_critic_scores_alike_and_knows_its_accuracy(tmp_path: Path) -> None:
    critic = Critic()
    critic.fit_scale(torch.from_numpy(tracks(2, 4) * 3 + 1))
    critic.save(tmp_path / "critic.safetensors", {"accuracy": 0.75})
    again, meta = Critic.read(tmp_path / "critic.safetensors")
    np.testing.assert_array_equal(again.score(tracks(0), tracks(1)), critic.score(tracks(0), tracks(1)))
    assert meta == {"accuracy": 0.75}


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "other.safetensors", {"weight": torch.zeros(2)}, {})
    with pytest.raises(CheckpointError, match="does not fit"):
        Critic.read(tmp_path / "other.safetensors")


@pytest.mark.parametrize("shape", [(2, 50, 17), (0, 50, 18), (2, 0, 18)])
def test_tracks_of_a_wrong_shape_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\(n, t, 18\)"):
        Critic().score(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def test_an_interval_holds_its_mean_and_narrows_with_more_conversations() -> None:
    few, many = np.tile([1.0, 1.0, 0.0], 4), np.tile([1.0, 1.0, 0.0], 100)
    narrow, wide = (win_rate(ours, np.full(len(ours), 0.5)) for ours in (many, few))
    assert narrow.mean == pytest.approx(2 / 3)
    assert narrow.low < narrow.mean < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_scores_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ShapeError, match="every conversation"):
        win_rate(np.zeros(3), np.zeros(1))
    with pytest.raises(ShapeError, match="finite"):
        win_rate(np.array([1.0, np.nan]), np.zeros(2))
