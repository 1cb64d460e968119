from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.face import FACE_INDEX, clamp, neutral
from avatar_lab.data.performance import Dyad, Event, Performance
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import build
from avatar_lab.motion.space import default_space
from avatar_lab.train.augment import Augmenter, UserAugmentation
from avatar_lab.train.diffusion_forcing import (
    ForcingConfig,
    ForcingModule,
    cue_share,
    keep_mask,
    train,
    velocity_error,
)
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.recipes import train_generator
from avatar_lab.train.windows import draw_batch, to_conversation


def dyad(seed: int, frames: int = 200) -> Dyad:
    rng = np.random.default_rng(seed)
    face = clamp(neutral(frames) + 0.1 * rng.standard_normal((2, frames, 18)).astype(np.float32))
    audio = (0.1 * rng.standard_normal((2, frames * 640))).astype(np.float32)
    events = (Event("smile", "user", 3.0, 4.0), Event("smile", "avatar", 4.0, 5.0, cause=0))
    return Dyad(Performance(face[0], audio[0]), Performance(face[1], audio[1]), events, seed)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


TALKS = [to_conversation(dyad(s), default_space(), 80) for s in range(3)]


def test_a_window_is_aligned_with_its_history() -> None:
    batch = draw_batch(TALKS, 6, window=30, history=40, cue_share=0.0, generator=generator())
    assert batch.user_motion.shape == (6, 70, 18)
    assert batch.avatar_motion.shape == (6, 30, 18)
    talk = TALKS[0]
    for row in range(6):
        source = next(t for t in TALKS if torch.equal(t.reference, batch.reference[row]))
        starts = [
            i
            for i in range(171)
            if torch.equal(source.avatar_motion[i : i + 30].float(), batch.avatar_motion[row])
        ]
        assert len(starts) == 1
        seen = source.user_mel[starts[0] - 40 : starts[0] + 30].float()
        assert torch.equal(seen, batch.user_mel[row])
    assert talk.cues == (100,)


def test_cue_windows_hold_the_cue() -> None:
    batch = draw_batch(TALKS, 40, window=30, history=40, cue_share=1.0, generator=generator())
    for row in range(40):
        source = next(t for t in TALKS if torch.equal(t.reference, batch.reference[row]))
        start = next(
            i
            for i in range(171)
            if torch.equal(source.avatar_motion[i : i + 30].float(), batch.avatar_motion[row])
        )
        assert start <= 100 < start + 30
    assert cue_share(ForcingConfig(cue_share=0.5, cue_until=0.5), 0.25) == 0.25
    assert cue_share(ForcingConfig(), 0.9) == 0.0


@pytest.mark.parametrize(("kind", "expected"), [("l1", 2.0), ("l2", 4.0), ("pseudo_huber", 4.25**0.5 - 0.5)])
def test_the_three_errors(kind: str, expected: float) -> None:
    error = velocity_error(torch.zeros(1, 2, 3), torch.full((1, 2, 3), 2.0), kind)
    assert error.tolist() == [pytest.approx([expected, expected])]
    with pytest.raises(ConfigError, match="l1, l2 or pseudo_huber"):
        velocity_error(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), "l3")


def test_dropout_drops_as_often_as_it_should_and_to_zero() -> None:
    kept = keep_mask(20_000, 0.1, generator())
    assert float(kept.mean()) == pytest.approx(0.9, abs=0.01)
    assert set(kept.unique().tolist()) == {0.0, 1.0}


def test_a_dropped_user_cannot_be_noticed() -> None:
    avatar = build(preset("tiny"), default_space())
    forget = {"user": 1.0, "user_audio": 0.0, "user_motion": 0.0, "avatar_audio": 0.0, "reference": 0.0}
    module = ForcingModule(avatar, ForcingConfig(dropout=forget)).eval()
    batch = draw_batch(TALKS, 4, 30, 40, 0.0, generator())
    other = draw_batch(TALKS, 4, 30, 40, 0.0, generator(1))
    from dataclasses import replace

    swapped = replace(batch, user_motion=other.user_motion, user_mel=other.user_mel)
    with torch.no_grad():
        one, two = (module.condition(module.draw(b, generator(5))) for b in (batch, swapped))
    assert torch.equal(one, two)


def test_augmentation_changes_the_recording_and_keeps_the_quiet_quiet() -> None:
    still = UserAugmentation(
        offset={}, gain=(1.0, 1.0), noise=0.0, lost=0.0, room=0.0, tilt=0.0, dull=0.0, throat=0.0
    )
    batch = draw_batch(TALKS, 4, 30, 40, 0.0, generator())
    same = Augmenter(still, default_space()).motion(batch.user_motion, generator())
    torch.testing.assert_close(same, batch.user_motion, atol=2e-2, rtol=0)
    moved = Augmenter(UserAugmentation(noise=0.0), default_space()).motion(batch.user_motion, generator())
    yaw = torch.from_numpy(default_space().inverse)[:, FACE_INDEX["yaw"]]
    assert ((moved - batch.user_motion) @ yaw).abs().max() > 2
    assert torch.equal(Augmenter(still, default_space()).record(batch.user_mel, generator()), batch.user_mel)
    noisy = Augmenter(UserAugmentation(room=0.3), default_space()).room(torch.zeros(8, 5, 4), generator())
    assert 0 <= noisy.min() <= noisy.max() < 0.5


def test_microphones_and_throats_differ_and_silence_stays_silent() -> None:
    mel = draw_batch(TALKS, 16, 30, 40, 0.0, generator()).user_mel
    quiet_room = Augmenter(UserAugmentation(room=0.0), default_space())
    heard = quiet_room.record(mel, generator())
    assert heard.shape == mel.shape
    assert (heard - mel).abs().amax(dim=(1, 2)).min() > 0.05  # every microphone is another one
    assert 0 <= heard.min() <= heard.max() < 1.6
    assert quiet_room.record(torch.zeros(8, 5, 320), generator()).max() == 0
    one_throat = Augmenter(UserAugmentation(room=0, tilt=0, dull=0, throat=0.1), default_space())
    tone = torch.zeros(32, 1, 320)
    tone[..., 40::80] = 1.0
    places = one_throat.record(tone, generator())[:, 0, :80].argmax(-1)
    assert places.unique().numel() > 4
    assert places.float().mean().sub(40).abs() < 3


def test_a_tracker_that_has_lost_its_user_holds_the_last_value() -> None:
    motion = torch.arange(50.0)[None, :, None].expand(64, 50, 3)
    always = Augmenter(UserAugmentation(lost=1.0, lost_frames=(5, 8)), default_space())
    held = (always.lose(motion, generator()).diff(dim=1) == 0).all(-1).sum(1)
    assert held.max() in range(5, 9)
    assert held.min() >= 1
    never = Augmenter(UserAugmentation(lost=0.0), default_space())
    assert torch.equal(never.lose(motion, generator()), motion)


def test_training_lowers_the_loss_and_repeats(tmp_path: Path) -> None:
    loop = LoopConfig(steps=30, learning_rate=3e-3, warmup=5, log_every=1)
    forcing = ForcingConfig(batch=4, history=20)

    def run(folder: str) -> tuple[torch.Tensor, dict[str, float]]:
        avatar, report = train(
            preset("tiny"), TALKS, default_space(), loop, tmp_path / folder, forcing, progress=False
        )
        return avatar.generator.head.linear.weight, report.metrics

    (one, metrics), (two, _) = run("a"), run("b")
    assert torch.equal(one, two)
    assert (tmp_path / "a" / "generator.safetensors").exists()
    import json

    losses = [json.loads(line)["loss"] for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert metrics["loss"] < 0.9 * losses[0]


def test_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny, lab"):
        train_generator("paper", tmp_path, steps=1)
