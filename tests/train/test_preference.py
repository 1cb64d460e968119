"""Preference without labels: the loss, its four classic mistakes, and the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.conversation import simulate
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.model.weights import load_tensors
from avatar_lab.motion.space import default_space
from avatar_lab.train.diffusion_forcing import ForcingConfig
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.losers import losing_tracks, winning_tracks, with_tracks
from avatar_lab.train.preference import (
    PreferenceConfig,
    PreferenceModule,
    draw_alike,
    preference_loss,
    train_preference,
)
from avatar_lab.train.windows import Conversation, to_conversation

FORCING = ForcingConfig(batch=4, history=40, clean_past=0.6)
CONFIG = PreferenceConfig(beta=50.0, forcing=FORCING)


@pytest.fixture(scope="module")
def talks() -> list[Conversation]:
    return [to_conversation(simulate(20, seed, reactivity=0.9), default_space(), 80) for seed in (1, 2, 3)]


def awake() -> Avatar:
    made = build(preset("tiny"), default_space(), seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for layer in (made.generator.modulation[1], made.generator.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return made


def pairs_of(talks: list[Conversation], avatar: Avatar, seed: int = 5):
    losing = with_tracks(talks, losing_tracks(avatar, talks, 0))
    return draw_alike((talks, losing), CONFIG, 30, torch.Generator().manual_seed(seed))


def errors(value: float, frames: int = 6) -> torch.Tensor:
    return torch.full((1, frames), value)


def test_a_policy_that_is_its_reference_knows_no_preference() -> None:
    judged = preference_loss((errors(0.3), errors(0.3)), (errors(0.5), errors(0.5)), errors(1.0), 100.0)
    torch.testing.assert_close(judged.loss, torch.tensor(2.0).log())
    assert judged.margin == judged.accuracy == judged.saturated == 0


def test_moving_towards_the_preferred_lowers_the_loss() -> None:
    every, known = errors(1.0), errors(0.4)
    good = preference_loss((errors(0.3), known), (errors(0.45), known), every, 10.0)
    bad = preference_loss((errors(0.45), known), (errors(0.3), known), every, 10.0)
    assert good.loss < torch.tensor(2.0).log() < bad.loss
    assert (good.accuracy, bad.accuracy) == (1, 0)


def test_mistake_one_the_mean_is_outside_the_log_sigmoid() -> None:
    """One frame that is decided beyond doubt must not hide three that are decided wrongly."""
    known, policy = errors(0.0, 4), torch.tensor([[-9.0, 1.0, 1.0, 1.0]])
    judged = preference_loss((policy, known), (known, known), errors(1.0, 4), 10.0)
    per_frame = -torch.nn.functional.logsigmoid(-10.0 * policy)
    torch.testing.assert_close(judged.loss, per_frame.mean())
    inside = -torch.nn.functional.logsigmoid(-10.0 * policy.mean())
    assert judged.loss > 7 > inside


def test_mistake_two_both_members_get_the_same_noise_and_sigma(
    talks: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair of twice the same motion has no margin, whatever the policy: any other noise would give one."""
    avatar = awake()
    module = PreferenceModule(avatar, CONFIG)
    with torch.no_grad():
        for weight in module.policy.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    preferred, losing = pairs_of(talks, avatar)
    assert not torch.equal(preferred.avatar_motion, losing.avatar_motion)
    twice = module.judge(preferred, preferred, torch.Generator().manual_seed(0))
    assert twice.margin == 0
    assert module.judge(preferred, losing, torch.Generator().manual_seed(0)).margin != 0


def test_mistake_three_the_reference_shares_no_storage(talks: list[Conversation]) -> None:
    module = PreferenceModule(awake(), CONFIG)
    own = {p.data_ptr() for p in module.policy.parameters()}
    assert not own & {p.data_ptr() for p in module.reference.parameters()}
    assert not any(p.requires_grad for p in module.reference.parameters())
    assert {n.split(".")[0] for n, _ in module.named_parameters()} == {"policy"}
    before = [p.clone() for p in module.reference.parameters()]
    true, losing = pairs_of(talks, awake())
    loss, _ = module.loss(true, true, losing, torch.Generator().manual_seed(0))
    loss.backward()
    torch.optim.SGD(module.parameters(), lr=1.0).step()
    assert all(torch.equal(a, b) for a, b in zip(before, module.reference.parameters(), strict=True))


def test_mistake_four_nothing_is_dropped_inside_a_pair(talks: list[Conversation]) -> None:
    everything = dict.fromkeys(FORCING.dropout, 1.0)
    dropping = replace(CONFIG, forcing=replace(FORCING, dropout=everything))
    avatar = awake()
    pairs = pairs_of(talks, avatar)
    with torch.no_grad():
        for weight in (moved := PreferenceModule(avatar, CONFIG)).policy.generator.parameters():
            weight.mul_(1.1)
        other = PreferenceModule(awake(), dropping)
        other.policy.load_state_dict(moved.policy.state_dict())
        ours, theirs = (m.judge(*pairs, torch.Generator().manual_seed(0)) for m in (moved, other))
    assert torch.equal(ours.loss, theirs.loss)


def test_pairs_are_cut_at_the_same_frames(talks: list[Conversation]) -> None:
    preferred, losing = pairs_of(talks, awake())
    assert torch.equal(preferred.user_motion, losing.user_motion)
    assert torch.equal(preferred.avatar_mel, losing.avatar_mel)
    assert not torch.equal(preferred.avatar_motion, losing.avatar_motion)


def test_an_anchor_asks_for_better_winners_not_only_worse_losers() -> None:
    """Both members became worse, the losing one more: preferred without an anchor, not with one."""
    worse = (errors(0.5), errors(0.4)), (errors(0.6), errors(0.4))
    assert preference_loss(*worse, errors(1.0), 10.0).loss < torch.tensor(2.0).log()
    assert preference_loss(*worse, errors(1.0), 10.0, anchor=3.0).loss > torch.tensor(2.0).log()
    better = (errors(0.3), errors(0.4)), (errors(0.5), errors(0.4))
    free, held = (preference_loss(*better, errors(1.0), 10.0, anchor) for anchor in (0.0, 3.0))
    assert torch.equal(free.loss, held.loss)
    assert float(free.winner_change) == pytest.approx(-0.1)


def test_aligned_losers_hold_their_heads_like_the_truth(talks: list[Conversation]) -> None:
    truth = torch.stack([t.avatar_motion for t in talks]).float()
    apart = [
        float((torch.stack(losing_tracks(awake(), talks, 0, level=level)) - truth).abs().mean())
        for level in (1.0, 0.5, 0.1)
    ]
    assert apart[0] > apart[1] > apart[2] > 0
    with pytest.raises(ConfigError, match="level must lie in"):
        losing_tracks(awake(), talks, 0, level=0.0)


def test_losers_know_nothing_of_the_user(talks: list[Conversation]) -> None:
    deaf = [replace(t, user_motion=t.user_motion * 0 + 3, user_mel=t.user_mel * 0) for t in talks]
    ours, theirs = (losing_tracks(awake(), t, 0) for t in (talks, deaf))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert ours[0].shape == talks[0].avatar_motion.shape
    with pytest.raises(ShapeError, match="one length"):
        losing_tracks(awake(), [*talks, to_conversation(simulate(10, 9), default_space(), 80)], 0)


def test_a_short_training_prefers_and_the_control_does_not_look(
    talks: list[Conversation], tmp_path: Path
) -> None:
    loop = LoopConfig(steps=80, learning_rate=1e-3, warmup=5, ema=0.5)
    made, report = train_preference(awake(), talks, loop, tmp_path / "dpo", CONFIG, progress=False)
    assert report.metrics["margin"] > 0
    assert report.metrics["accuracy"] > 0.5
    assert set(report.metrics) >= {"winner_error", "saturated", "forcing", "loss"}
    control = replace(CONFIG, weight=0.0)
    other, plain = train_preference(awake(), talks, loop, tmp_path / "sft", control, progress=False)
    assert "margin" not in plain.metrics
    assert not torch.equal(made.generator.head.linear.weight, other.generator.head.linear.weight)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="beta must be > 0"):
        PreferenceConfig(beta=0)
    with pytest.raises(ConfigError, match="weight, anchor and winner_pull >= 0"):
        PreferenceConfig(weight=-1)


def test_losers_are_made_anew_by_the_policy_and_a_resumed_run_goes_on_with_them(
    talks: list[Conversation], tmp_path: Path
) -> None:
    config = replace(CONFIG, refresh=2)
    given = losing_tracks(awake(), talks, 0)

    def run(folder: str, steps: int) -> Avatar:
        loop = LoopConfig(steps=steps, learning_rate=1e-3, warmup=1, save_every=3)
        return train_preference(
            awake(), talks, loop, tmp_path / folder, config, tracks=given, progress=False
        )[0]

    run("whole", 2)
    assert not (tmp_path / "whole" / "losers.safetensors").exists()
    run("whole", 3)
    fresh = load_tensors(tmp_path / "whole" / "losers.safetensors")[0]
    assert sorted(fresh) == ["000000", "000001", "000002"]
    assert not torch.equal(fresh["000000"], given[0])
    read: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "avatar_lab.train.preference.load_tensors", lambda path: read.append(path) or load_tensors(path)
        )
        run("whole", 4)
    assert read[0] == tmp_path / "whole" / "losers.safetensors"


def test_winners_pulled_towards_the_user_share_noise_and_voice_with_their_losers(
    talks: list[Conversation], tmp_path: Path
) -> None:
    avatar, first = awake(), [replace(talk, user_motion=talk.user_motion * 0) for talk in talks]
    ours, theirs = (winning_tracks(avatar, t, 0, user=4.0) for t in (talks, first))
    assert not torch.equal(ours[0], theirs[0])  # winners look at their users
    gap = [
        float((won - lost).abs().mean())
        for weight in (0.001, 4.0)
        for won, lost in [
            (winning_tracks(avatar, talks, 0, user=weight)[0], losing_tracks(avatar, talks, 0)[0])
        ]
    ]
    assert gap[0] < 1e-2 * gap[1]  # with no pull they are the losers
    with pytest.raises(ConfigError, match="pull"):
        winning_tracks(avatar, talks, 0, user=0.0)
    with pytest.raises(ConfigError, match="winner_pull"):
        PreferenceConfig(winner_pull=-1.0)

    loop = LoopConfig(steps=2, learning_rate=1e-3, log_every=1)
    one, two = (
        train_preference(
            avatar,
            talks,
            loop,
            tmp_path / name,
            replace(CONFIG, winner_pull=4.0),
            winners=given,
            progress=False,
        )[1]
        for name, given in (("made", None), ("given", winning_tracks(avatar, talks, 0, user=4.0)))
    )
    assert one.metrics["loss"] == two.metrics["loss"]
    assert 0 <= one.metrics["accuracy"] <= 1
