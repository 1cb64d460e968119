"""The particle field: small, honest about where walks land, and strict about what it is given."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from avatar_lab.errors import ShapeError
from avatar_lab.viz.particle_field import FIELDS, arrows, particle_field

START = torch.randn(30, 1, 2, generator=torch.Generator().manual_seed(0))


def to_origin(noisy: Tensor, sigma: Tensor) -> Tensor:
    return noisy


def straight(steps: int, shrink: float = 0.0) -> Tensor:
    """Return a walk on a straight line that ends at `shrink` times its start."""
    return torch.stack([START * (1 - (1 - shrink) * k / steps) for k in range(steps + 1)])


def test_it_says_how_far_off_each_walk_lands() -> None:
    walks = {"Euler": {1: straight(1), 4: straight(4, 0.5)}, "Heun": {4: straight(2)}}
    figure = particle_field(walks, torch.zeros(30, 1, 2), to_origin, START)
    off = 0.5 * START.norm(dim=-1).mean().item()
    assert figure.data["miss"]["Euler"] == {"1": 0.0, "4": pytest.approx(off, abs=1e-3)}
    assert figure.data["miss"]["Heun"] == {"4": 0.0}
    assert len(figure.data["walks"]["Euler"]["4"]) == 5
    assert figure.data["walks"]["Heun"]["4"][0][:2] == [round(100 * x) for x in START[0, 0].tolist()]
    assert figure.data["groups"] == [0] * 30


def test_arrows_point_the_way_of_the_walk() -> None:
    field = arrows(to_origin, torch.float32)
    assert len(field) == FIELDS
    first = torch.tensor(field[0]).reshape(-1, 2)
    assert (first[0] > 0).all(), "from the lower left corner, up and right to the middle"
    assert (first[-1] < 0).all()


def test_the_figure_of_the_notebook_stays_light() -> None:
    start = torch.randn(150, 1, 2, generator=torch.Generator().manual_seed(1))
    walks = {
        name: {n: start[None].expand(n // price + 1, -1, -1, -1) for n in (2, 4, 8, 16, 32)}
        for name, price in (("Euler", 1), ("Heun", 2))
    }
    assert len(particle_field(walks, start, to_origin, start.repeat(14, 1, 1)).html()) < 300_000


def test_walks_that_cannot_be_compared_are_refused() -> None:
    exact = torch.zeros(30, 1, 2)
    with pytest.raises(ShapeError, match="no walk"):
        particle_field({}, exact, to_origin, START)
    with pytest.raises(ShapeError, match="steps \\+ 1, n, 1, 2"):
        particle_field({"Euler": {1: straight(1)[:, :, 0]}}, exact, to_origin, START)
    with pytest.raises(ShapeError, match="same noise"):
        particle_field({"Euler": {1: straight(1), 2: straight(2) + 1}}, exact, to_origin, START)
