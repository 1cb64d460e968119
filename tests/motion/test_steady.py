"""Slow movements become steady: trembling goes, nods stay, lips are untouched, streams equal themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError
from avatar_lab.motion.space import default_space
from avatar_lab.motion.steady import SLOW, Steady, operators

SPACE = default_space()
PITCH, SMILE, JAW = (FACE_INDEX[name] for name in ("pitch", "smile", "jaw_open"))


def steadied(motion: np.ndarray, cutoff: float = 2.5, block: int = 5) -> np.ndarray:
    steady, clean = Steady(SPACE, block, cutoff), torch.from_numpy(motion)[None]
    state, blocks = steady.start(clean[:, 0]), []
    for part in clean.split(block, dim=1):
        made, state = steady(part, state)
        blocks.append(made)
    return SPACE.decode(torch.cat(blocks, dim=1)[0].numpy())


def test_people_pass_unchanged_and_trembling_does_not() -> None:
    truth = simulate(40, seed=4, reactivity=0.9).avatar.face[:1000]
    rng = np.random.default_rng(0)
    noise = np.zeros_like(truth)
    noise[:, [PITCH, SMILE]] = rng.normal(0, (0.5, 0.02), (1000, 2))
    through, trembling = (
        steadied(SPACE.encode(truth)),
        steadied(SPACE.encode(truth + noise.astype(np.float32))),
    )
    for column in (PITCH, SMILE):
        size = truth[:, column].std()
        assert np.abs(through[:, column] - truth[:, column]).std() < 0.03 * size
        jerk = [np.abs(np.diff(t[:, column], n=3)).mean() for t in (trembling, truth + noise)]
        assert jerk[0] < 0.5 * jerk[1]


def test_fast_parameters_are_left_alone() -> None:
    truth = simulate(8, seed=4).avatar.face[:200]
    fast = [i for name, i in FACE_INDEX.items() if name not in SLOW]
    np.testing.assert_allclose(steadied(SPACE.encode(truth))[:, fast], truth[:, fast], atol=2e-4)


def test_a_straight_line_is_followed_without_delay() -> None:
    """Position, speed and acceleration are in the model, so a parabola comes out as it went in."""
    a, b, c, d = operators(5, 2.5)
    time, state, made = np.arange(400) / 25, np.zeros(3), []
    path = 0.3 * time**2 - time
    for block in path.reshape(-1, 5):
        made.append(a @ state + b @ block)
        state = c @ state + d @ block
    np.testing.assert_allclose(np.concatenate(made)[200:], path[200:], atol=1e-6)


def test_a_cutoff_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="cutoff must be > 0"):
        Steady(SPACE, 5, 0.0)
