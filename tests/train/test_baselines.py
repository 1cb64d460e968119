"""Rivals and ablations: each differs from the method in what it says, and is trained and streamed accordingly."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avatar_lab.config import SAMPLES_PER_FRAME, preset
from avatar_lab.data.conversation import simulate
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.flow.path import LEVELS, last_block_sigma
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import default_space
from avatar_lab.stream.evaluate import stream_faces
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.train.baselines import (
    VARIANTS,
    Variant,
    buffer_frames,
    folder_of,
    read_variant,
    train_variant,
    variant_of,
)
from avatar_lab.train.diffusion_forcing import ForcingConfig, ForcingModule, start_frames, without_history
from avatar_lab.train.windows import draw_batch, to_conversation

BASE, METHOD = "no-preference", VARIANTS["no-preference"]
WINDOW = VARIANTS["window"].config("tiny")


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one, keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def settings(variant: Variant, size: str) -> dict[str, Any]:
    """Return every setting of a variant."""
    first, last = (flat(asdict(stage)) for stage in variant.stages(size))
    every = flat(variant.config(size).to_dict())
    return every | {f"first.{k}": v for k, v in first.items()} | {f"last.{k}": v for k, v in last.items()}


def announced(variant: Variant) -> set[str]:
    """Return the settings that a variant says it changes."""
    said = {f"generator.{name}" for name in variant.generator}
    said |= {f"{stage}.{name}" for stage in ("first", "last") for name in variant.forcing}
    said |= {f"last.{name}" for name in variant.stream}
    said |= {f"{stage}.dropout.{name}" for stage in ("first", "last") for name in variant.never}
    said |= {"sampler.guidance.user"} if "user" in variant.never else set()
    return said | {f"sampler.{name}" for name in flat(dict(variant.sampler))}


def awake(config: Any) -> Avatar:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = build(config, default_space(), seed=1)
        for layer in (made.generator.modulation[1], made.generator.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return made.eval()


@pytest.mark.parametrize("size", ["tiny", "lab"])
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_a_variant_differs_from_the_method_only_in_what_it_says(name: str, size: str) -> None:
    variant = VARIANTS[name]
    ours, theirs = settings(METHOD, size), settings(variant, size)
    changed = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert changed <= announced(variant)
    if not (variant.weights or variant.after or variant is METHOD):
        assert changed, "a variant of its own must differ"
    assert set(variant.needs) <= set(VARIANTS)


def test_the_method_is_the_preset_in_the_papers_window_without_smoothing() -> None:
    preset_settings, ours = flat(preset("lab").to_dict()), flat(METHOD.config().to_dict())
    changed = {key for key in ours if ours[key] != preset_settings[key]}
    assert changed == {"sampler.steady_hz"}
    assert METHOD.config("tiny").generator.window == 50


def test_the_issues_baselines_are_all_there() -> None:
    masks = {VARIANTS[name].config().generator.mask for name in VARIANTS}
    assert masks == {
        "released",
        "bidirectional",
        "frame_causal",
        "block_causal",
        "block_lookahead_frames",
        "block_lookahead_blocks",
    }
    assert {VARIANTS[name].config().generator.block for name in VARIANTS} == {2, 5, 10, 25, 75}
    assert {stage.loss for name in VARIANTS for stage in VARIANTS[name].stages()} == {"l1", "l2"}
    assert VARIANTS["ours"].losers == "audio-only"  # the published kind
    assert VARIANTS["fine-tuned"].after == VARIANTS["ours"].after


def test_latency_counts_the_frames_that_are_waited_for() -> None:
    waits = {
        name: buffer_frames(VARIANTS[name].config()) for name in ("window", "ours", "block-10", "pyramid")
    }
    assert waits == {"window": 75, "ours": 5, "block-10": 10, "pyramid": 8}


def test_teacher_forcing_has_four_clean_blocks_and_a_noisy_one() -> None:
    config = VARIANTS["teacher-forced"].config()
    window, block = config.generator.window, config.generator.block
    sigma = last_block_sigma(64, window, block, torch.Generator().manual_seed(0))
    assert (window // block, sigma.shape) == (5, (64, 50))
    assert not sigma[:, :40].any()
    assert (sigma[:, 40:] == sigma[:, 40:41]).all()
    assert sigma[:, 40].min() > 0
    assert abs(float(sigma[:, 40].mean()) - 0.5) < 0.1
    assert all(stage.levels == "last_block" for stage in VARIANTS["teacher-forced"].stages())
    with pytest.raises(ConfigError, match=f"levels must be one of {', '.join(LEVELS)}; got 'none'"):
        ForcingConfig(levels="none")


@pytest.mark.parametrize(
    ("name", "lengths"), [("teacher-forced", {10, 20, 30, 40, 50}), ("window", {75, 85})]
)
def test_with_a_clean_past_a_session_also_learns_to_begin(name: str, lengths: set[int]) -> None:
    variant, generator = VARIANTS[name], torch.Generator().manual_seed(0)
    config, forcing = variant.config("tiny"), variant.stages("tiny")[0]
    talks = [to_conversation(simulate(20, seed, reactivity=0.9), default_space(), 80) for seed in (1, 2)]
    found = {start_frames(forcing, config, generator) for _ in range(60)}
    assert found == lengths
    batch = draw_batch(talks, 2, config.generator.window, forcing.history, 0.0, generator)
    start = without_history(batch, min(lengths))
    assert start.user_motion.shape == start.avatar_motion.shape == (2, min(lengths), 18)
    module = ForcingModule(awake(config), forcing)
    drawn, begun = (module.draw(b, generator) for b in (batch, start))
    assert drawn.counts[0].sum() == begun.counts[0].sum() == config.generator.block
    assert begun.sigma.min() > 0  # nothing clean comes before a first block
    assert torch.isfinite(module.loss(start, generator))
    assert start_frames(METHOD.stages("tiny")[0], METHOD.config("tiny"), generator) == 50


def test_windows_are_chained_by_ten_clean_frames() -> None:
    """The stream of a window model is: ten frames of the last window, clean, and 75 of noise; again and again."""
    avatar = awake(WINDOW)
    model, sampler = avatar.generator, replace(WINDOW.sampler, guidance={"audio": 1.0, "user": 1.0}, nfe=3)
    seeded = torch.Generator().manual_seed(1)
    motion = torch.randn(1, 150, 18, generator=seeded)
    sounds = [0.1 * torch.randn(1, 150 * SAMPLES_PER_FRAME, generator=seeded) for _ in range(2)]
    reference = torch.zeros(1, 18)
    stream = MotionStream(avatar, sampler, reference)
    state, made = stream.start(seed=4), []
    for piece in range(2):
        now = slice(75 * piece, 75 * (piece + 1))
        sound = slice(75 * piece * SAMPLES_PER_FRAME, 75 * (piece + 1) * SAMPLES_PER_FRAME)
        result, state = stream.step(state, motion[:, now], *(s[:, sound] for s in sounds), Meter(keep=1))
        made.append(result.motion)
        assert (result.evaluations, result.cache_passes) == (
            3,
            0,
        )  # nothing is cached, so no pass is spent on it

    noise, context = torch.Generator().manual_seed(4), torch.zeros(1, 0, 18)
    with torch.inference_mode():
        features = [avatar.audio_encoder(sound)[0] for sound in sounds]
        condition, _ = model.condition(motion, *features)
        for piece, streamed in enumerate(made):
            noisy, known = torch.randn(1, 75, 18, generator=noise), context.shape[1]
            seen = condition[:, max(0, 75 * piece - known - 2) : 75 * (piece + 1)]
            for upper, lower in zip(sigma_grid(3)[:-1], sigma_grid(3)[1:], strict=True):
                levels = torch.cat([torch.zeros(1, known), upper.expand(1, 75)], dim=1)
                whole = model(torch.cat([context, noisy], 1), levels, seen, reference, start=-known).velocity
                noisy = noisy + (lower - upper) * whole[:, known:]
            torch.testing.assert_close(streamed, noisy, atol=1e-4, rtol=0)
            context = noisy[:, -10:]
    assert state.memory.offset.shape[1] == 10


@pytest.mark.parametrize(("name", "sees"), [("window", True), (BASE, False)])
def test_the_window_sees_its_future_and_the_method_does_not(name: str, sees: bool) -> None:
    avatar = awake(VARIANTS[name].config("tiny"))
    rng = np.random.default_rng(0)
    user = simulate(6, seed=1).user
    face, sound = user.face[None], 0.1 * rng.standard_normal((1, 150 * SAMPLES_PER_FRAME)).astype(np.float32)
    later = face.copy()
    later[:, 70:] += 1
    first = [stream_faces(avatar, f, sound, sound, seed=0)[0, :60] for f in (face, later)]
    assert np.array_equal(*first) != sees


def test_a_talking_head_without_a_user_cannot_notice_one() -> None:
    avatar = awake(VARIANTS["audio-only"].config("tiny"))
    one, other = (simulate(6, seed=seed).user for seed in (1, 2))
    said = one.audio[None]
    made = [stream_faces(avatar, u.face[None], u.audio[None], said, seed=0) for u in (one, other)]
    np.testing.assert_array_equal(*made)


def test_a_variant_is_trained_once_with_what_it_builds_on(tmp_path: Path) -> None:
    budget: dict[str, Any] = {"steps": 3, "hours": 0.04, "size": "tiny"}
    trained, report = train_variant("ours", tmp_path, **budget, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audio-only-seed0",
        "no-preference-seed0",
        "ours-seed0",
    ]
    assert (report.steps, trained.config) == (1, VARIANTS["ours"].config("tiny"))
    written = (tmp_path / "ours-seed0" / "generator.safetensors").stat().st_mtime_ns
    again, _ = train_variant("ours", tmp_path, **budget, progress=False)
    assert (tmp_path / "ours-seed0" / "generator.safetensors").stat().st_mtime_ns == written
    assert torch.equal(trained.generator.embed.weight, again.generator.embed.weight)

    borrowed, _ = read_variant("guidance-sum", tmp_path, **budget)
    assert folder_of("guidance-sum", 0, tmp_path) == folder_of(BASE, 0, tmp_path)
    assert borrowed.config.sampler.guidance_form == "sum"
    with pytest.raises(CheckpointError, match="another folder"):
        train_variant("ours", tmp_path, **{**budget, "steps": 4}, progress=False)
    with pytest.raises(CheckpointError, match="no finished training of 'window'"):
        read_variant("window", tmp_path, **budget)


def test_unknown_names_are_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'infp'; choose one of audio-only, window"):
        variant_of("infp")
    with pytest.raises(ConfigError, match="sizes tiny, lab"):
        train_variant("ours", tmp_path, size="paper")
