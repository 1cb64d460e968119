import numpy as np
import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.face import clamp, neutral
from avatar_lab.data.performance import Performance
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import default_space


@pytest.fixture
def avatar() -> Avatar:
    """An untrained tiny avatar whose zero-initialised layers have been woken up."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = build(preset("tiny"), default_space(), seed=1)
        for layer in (made.generator.modulation[1], made.generator.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return made.eval()


@pytest.fixture
def user() -> Performance:
    """Fifty frames of somebody moving and humming."""
    rng = np.random.default_rng(0)
    face = clamp(neutral(50) + 0.2 * rng.standard_normal((50, 18)).astype(np.float32))
    return Performance(face, (0.1 * rng.standard_normal(50 * 640)).astype(np.float32))


@pytest.fixture
def voice() -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(50 * 640)).astype(np.float32)
