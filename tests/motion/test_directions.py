"""Motion directions stay orthonormal, whatever training does to their weights."""

from __future__ import annotations

import pytest
import torch

from avatar_lab.errors import ShapeError
from avatar_lab.motion.directions import MotionDirections


def test_basis_is_orthonormal_also_after_a_step() -> None:
    directions = MotionDirections(32, 18)
    optimizer = torch.optim.SGD(directions.parameters(), lr=0.5)
    directions(torch.randn(4, 18)).square().sum(1).sin().sum().backward()
    directions.weight.grad.add_(torch.randn(32, 18))
    optimizer.step()
    torch.testing.assert_close(directions.basis().T @ directions.basis(), torch.eye(18), atol=1e-5, rtol=0)


def test_projection_reads_back_what_forward_wrote() -> None:
    directions = MotionDirections(32, 18)
    coefficients = torch.randn(5, 7, 18)
    motion = directions(coefficients)
    assert motion.shape == (5, 7, 32)
    torch.testing.assert_close(directions.project(motion), coefficients, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(motion.norm(dim=-1), coefficients.norm(dim=-1))


def test_wrong_number_of_coefficients() -> None:
    with pytest.raises(ShapeError, match="end in 18"):
        MotionDirections(32, 18)(torch.zeros(2, 20))
