import pytest
import torch

from avatar_lab.errors import ShapeError
from avatar_lab.flow.schedule import SCHEDULES, full_sequence, make_schedule
from avatar_lab.flow.solver import sample


def noise(frames: int = 10) -> torch.Tensor:
    return torch.randn(2, frames, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_straight_field_is_solved_exactly_by_any_schedule(name: str) -> None:
    start, goal = noise(), torch.full((2, 10, 3), 0.7)
    result = sample(lambda x, sigma: start - goal, start, make_schedule(name, 10, 4, 5))
    torch.testing.assert_close(result.motion, goal, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "expected"), [("full", 4), ("block", 8), ("pyramid", 13)])
def test_evaluations_are_counted_honestly(name: str, expected: int) -> None:
    calls = []
    result = sample(
        lambda x, sigma: calls.append(1) or torch.zeros_like(x), noise(), make_schedule(name, 10, 4, 5)
    )
    assert result.evaluations == len(calls) == expected


def test_rounds_that_change_nothing_cost_nothing() -> None:
    table = torch.cat([full_sequence(10, 2), torch.zeros(3, 10)])
    assert sample(lambda x, sigma: torch.zeros_like(x), noise(), table).evaluations == 2


def test_euler_converges_with_order_one() -> None:
    start = torch.ones(1, 1, 1)  # d x / d sigma = x, so x(0) = x(1) / e

    def error(steps: int) -> float:
        end = sample(lambda x, sigma: x, start, full_sequence(1, steps)).motion
        return abs(float(end) - float(torch.exp(torch.tensor(-1.0))))

    assert error(32) / error(64) == pytest.approx(2, abs=0.1)


def test_the_watcher_sees_every_round() -> None:
    seen = []
    sample(lambda x, s: x * 0, noise(), full_sequence(10, 4), lambda r, x, s: seen.append((r, float(s[0]))))
    assert seen == [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0)]


def test_a_rising_or_misshapen_schedule_is_refused() -> None:
    with pytest.raises(ShapeError, match="never rise"):
        sample(lambda x, s: x, noise(), full_sequence(10, 4).flip(0))
    with pytest.raises(ShapeError, match="10 frames"):
        sample(lambda x, s: x, noise(), full_sequence(9, 4))
