"""The pyramid as a stream is the pyramid as a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.performance import Performance
from avatar_lab.errors import ConfigError
from avatar_lab.flow.schedule import pyramid
from avatar_lab.flow.solver import sample
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import default_space
from avatar_lab.stream.pyramid import PyramidStream, pyramid_faces

FRAMES, STEPS, ONE = 12, 4, {"audio": 1.0, "user": 1.0}


def avatar_with(**changes: object) -> Avatar:
    base = preset("tiny")
    config = replace(base, generator=replace(base.generator, **changes))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = build(config, default_space(), seed=1)
        for layer in (made.generator.modulation[1], made.generator.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return made.eval()


@pytest.fixture
def signals(user: Performance, voice: np.ndarray) -> tuple[torch.Tensor, ...]:
    motion = torch.from_numpy(default_space().encode(user.face))[None, :FRAMES]
    heard, said = (torch.from_numpy(a)[None, : FRAMES * 640] for a in (user.audio, voice))
    return motion, heard, said


def streamed(avatar: Avatar, signals: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, list[int]]:
    motion, heard, said = signals
    sampler = replace(avatar.config.sampler, nfe=STEPS, guidance=ONE)
    stream = PyramidStream(avatar, sampler, torch.zeros(1, 18))
    state, made = stream.start(seed=5), []
    for f in range(FRAMES):
        sound = slice(f * 640, (f + 1) * 640)
        done, state = stream.step(state, motion[:, f : f + 1], heard[:, sound], said[:, sound])
        made.append(done)
    while state.rising.shape[1]:
        done, state = stream.drain(state)
        made.append(done)
    return torch.cat(made, dim=1), [part.shape[1] for part in made]


def test_streaming_a_pyramid_is_walking_its_table(signals: tuple[torch.Tensor, ...]) -> None:
    """Exact for a mask that looks at nothing later: a table's later frames are noise, a stream's are not there."""
    avatar = avatar_with(mask="frame_causal", lookahead=0, cross_window=0)
    made, counts = streamed(avatar, signals)
    motion, heard, said = signals
    with torch.inference_mode():
        (user_audio, _), (avatar_audio, _) = (avatar.audio_encoder(a) for a in (heard, said))
        condition, _ = avatar.generator.condition(motion, user_audio, avatar_audio)
        seeded = torch.Generator().manual_seed(5)
        noise = torch.cat([torch.randn(1, 1, 18, generator=seeded) for _ in range(FRAMES)], dim=1)
        whole = sample(
            lambda noisy, sigma: avatar.generator(noisy, sigma, condition, torch.zeros(1, 18)).velocity,
            noise,
            pyramid(FRAMES, STEPS),
        )
    torch.testing.assert_close(made, whole.motion, atol=1e-4, rtol=0)
    assert counts == [0] * (STEPS - 1) + [1] * FRAMES  # one frame a round, each as late as it takes steps
    assert whole.evaluations == len(counts)


def test_a_pyramid_goes_on_past_its_window_and_never_sees_a_later_user(
    user: Performance, voice: np.ndarray
) -> None:
    avatar = avatar_with(window=16)
    faces, heard, said = user.face[None], user.audio[None], voice[None]
    before = pyramid_faces(avatar, faces, heard, said, seed=1)
    assert before.shape == faces.shape
    assert np.isfinite(before).all()
    changed = faces.copy()
    changed[:, 30:] += 1
    after = pyramid_faces(avatar, changed, heard, said, seed=1)
    late = avatar.config.sampler.nfe - 1  # frames that are still on their way when frame 30 comes
    np.testing.assert_array_equal(before[:, : 30 - late], after[:, : 30 - late])
    assert not np.array_equal(before[:, 30:], after[:, 30:])


def test_a_condition_that_is_made_anew_cannot_feed_a_pyramid() -> None:
    avatar = avatar_with(causal_condition=False)
    with pytest.raises(ConfigError, match="causal_condition"):
        PyramidStream(avatar, avatar.config.sampler, torch.zeros(1, 18))
