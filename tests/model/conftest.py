import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.model.generator import Generator


@pytest.fixture
def generator() -> Generator:
    """A tiny generator whose zero-initialised layers have been woken up."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Generator(preset("tiny").generator)
        for layer in (model.modulation[1], model.head.modulation[1], model.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return model.eval().requires_grad_(False)
