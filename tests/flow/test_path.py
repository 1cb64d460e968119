import pytest
import torch

from avatar_lab.errors import ShapeError
from avatar_lab.flow.path import (
    block_sigma,
    check_sigma,
    clean_estimate,
    clean_past_sigma,
    interpolate,
    velocity_target,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_path_starts_clean_and_ends_in_noise() -> None:
    clean, noise = draw(2, 6, 3), draw(2, 6, 3, seed=1)
    assert torch.equal(interpolate(clean, noise, torch.zeros(2, 6)), clean)
    assert torch.equal(interpolate(clean, noise, torch.ones(2, 6)), noise)


def test_velocity_is_the_derivative_of_the_path() -> None:
    clean, noise, sigma = draw(2, 6, 3), draw(2, 6, 3, seed=1), torch.full((2, 6), 0.4)
    step = 1e-3
    slope = (interpolate(clean, noise, sigma + step) - interpolate(clean, noise, sigma)) / step
    torch.testing.assert_close(slope, velocity_target(clean, noise), atol=1e-3, rtol=1e-3)


def test_the_true_velocity_gives_back_the_clean_motion() -> None:
    clean, noise = draw(2, 6, 3), draw(2, 6, 3, seed=1)
    sigma = torch.rand(2, 6, generator=torch.Generator().manual_seed(2))
    noisy = interpolate(clean, noise, sigma)
    torch.testing.assert_close(clean_estimate(noisy, velocity_target(clean, noise), sigma), clean)


def test_one_level_for_all_frames_is_refused_with_advice() -> None:
    clean = draw(2, 50, 3)
    with pytest.raises(ShapeError, match=r"\(2, 50\), got \(2, 1\).*torch.full"):
        check_sigma(torch.zeros(2, 1), clean)


def test_block_sigma_is_shared_in_a_block_and_free_between_blocks() -> None:
    sigma = block_sigma(64, 23, 5, torch.Generator().manual_seed(0))
    assert sigma.shape == (64, 23)
    for block in sigma.split(5, dim=1):
        assert (block == block[:, :1]).all()
    first, second = sigma[:, 0], sigma[:, 5]
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.3
    assert 0 <= sigma.min() < 0.05 < 0.95 < sigma.max() <= 1


def test_a_clean_past_looks_like_a_stream() -> None:
    sigma = block_sigma(200, 20, 5, torch.Generator().manual_seed(0))
    same = clean_past_sigma(sigma, 0.0, 5, torch.Generator().manual_seed(1))
    assert torch.equal(same, sigma)
    stream = clean_past_sigma(sigma, 1.0, 5, torch.Generator().manual_seed(1))
    for row, free in zip(stream, sigma, strict=True):
        levels = row[::5]
        current = int((levels == 0).sum())
        assert (levels[:current] == 0).all()
        assert levels[current] == free[5 * current]
        assert (levels[current + 1 :] == 1).all()
    half = clean_past_sigma(sigma, 0.5, 5, torch.Generator().manual_seed(1))
    changed = (half != sigma).any(dim=1).float().mean()
    assert 0.35 < float(changed) < 0.6
