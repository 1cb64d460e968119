"""The critic learns who belongs to whom from reactions, and cannot where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad, Performance
from avatar_lab.errors import CheckpointError, ConfigError, ShapeError
from avatar_lab.metrics.critic import Critic, win_rate
from avatar_lab.train.critic import pairs_of, train_critic

SMILE, JAW = FACE_INDEX["smile"], FACE_INDEX["jaw_open"]


def dyads(seeds: range, answer: bool, by: int = SMILE) -> list[Dyad]:
    """Users whose smile wanders, and avatars that do the same 0.6 s later, with `by`, or something of their own."""
    made = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        wander = np.convolve(rng.standard_normal(340), np.ones(12) / 4, "valid")[:315].clip(0, 1)
        own = np.convolve(rng.standard_normal(340), np.ones(12) / 4, "valid")[:300].clip(0, 1)
        user, avatar = neutral(300), neutral(300)
        user[:, SMILE] = wander[15:]
        avatar[:, by] = wander[:300] if answer else own
        sound = np.zeros(300 * 640, np.float32)
        made.append(Dyad(Performance(user, sound), Performance(avatar, sound), (), seed))
    return made


def test_it_tells_matched_from_shuffled_pairs_by_the_reaction(tmp_path: Path) -> None:
    data = (dyads(range(30), True), dyads(range(50, 60), True))
    critic, report = train_critic(tmp_path, steps=80, dyads=data, progress=False)
    assert report["accuracy_of_pairs"] > 0.85
    users, avatars = (t.numpy() for t in pairs_of(dyads(range(70, 80), True)))
    scores = [critic.score(users, who) for who in (avatars, np.roll(avatars, 1, axis=0))]
    assert win_rate(*scores).low > 0.5
    again, same = train_critic(tmp_path, steps=80, dyads=data, progress=False)  # it is read, not trained
    np.testing.assert_array_equal(again.score(users, avatars), scores[0])
    assert same["accuracy"] == report["accuracy"]


@pytest.mark.parametrize(("answer", "by"), [(False, SMILE), (True, JAW)])
def test_without_a_reaction_that_it_may_see_it_knows_nothing(tmp_path: Path, answer: bool, by: int) -> None:
    """An avatar that goes its own way, and one that answers with its mouth only, which the critic does not see."""
    data = (dyads(range(30), answer, by), dyads(range(50, 80), answer, by))
    _, report = train_critic(tmp_path, steps=40, dyads=data, progress=False)
    assert 0.3 < report["accuracy_of_pairs"] < 0.7


def test_a_critic_of_other_settings_is_refused(tmp_path: Path) -> None:
    data = (dyads(range(3), True), dyads(range(5, 8), True))
    critic, _ = train_critic(tmp_path, steps=2, dyads=data, progress=False)
    with pytest.raises(
        ConfigError, match=r"seed: expected 1, found 0; steps: expected 600, found 2\. Choose"
    ):
        train_critic(tmp_path, seed=1, dyads=data, progress=False)
    with pytest.raises(ConfigError, match=r"dyads: expected .*, found "):
        train_critic(tmp_path, steps=2, dyads=(data[1], data[0]), progress=False)
    with pytest.raises(
        ConfigError, match=r"dyads: expected none, found .*; hours: expected 5\.0, found none"
    ):
        train_critic(tmp_path, steps=2, progress=False)
    critic.save(tmp_path / "critic.safetensors", {"steps": 2})  # as files were before they told
    with pytest.raises(ConfigError, match="does not say with which settings"):
        train_critic(tmp_path, steps=2, dyads=data, progress=False)


def test_win_rates() -> None:
    ours = np.array([1.0, 2.0, 3.0, 4.0])
    assert win_rate(ours, ours).mean == 0.5
    assert win_rate(ours, ours - 1).low == 1
    assert win_rate(ours, np.array([0.0, 2.0, 4.0, 5.0])).mean == pytest.approx(0.375)


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="one shape"):
        Critic().score(np.zeros((2, 50, 18), np.float32), np.zeros((2, 60, 18), np.float32))
    with pytest.raises(ConfigError, match="two conversations"):
        train_critic(tmp_path, dyads=(dyads(range(1), True), dyads(range(3), True)), progress=False)
    with pytest.raises(CheckpointError, match="not a readable"):
        Critic.read(tmp_path / "nothing.safetensors")
