"""The losses: zero for equals, attentive to eyes, sensitive to blur."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from avatar_lab.errors import ConfigError
from avatar_lab.motion.losses import (
    LossWeights,
    gradient_l1,
    motion_loss,
    psnr,
    pyramid_l1,
    reconstruction_loss,
    weight_map,
    weighted_l1,
)


def test_weights_average_one_and_stand_out_in_the_eyes() -> None:
    masks = torch.zeros(1, 3, 8, 8)
    masks[:, 0, 2:4, 2:4] = 1
    weight = weight_map(masks, LossWeights(eyes=9))
    assert weight.mean().item() == pytest.approx(1)
    assert (weight[0, 0, 2, 2] / weight[0, 0, 7, 7]).item() == pytest.approx(10)


def test_equal_pictures_cost_nothing() -> None:
    picture, masks = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    assert reconstruction_loss(picture, picture, masks, LossWeights()).item() == 0


def test_parts_by_hand() -> None:
    zero, half = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5)
    one = torch.ones(1, 1, 8, 8)
    assert weighted_l1(zero, half, one).item() == pytest.approx(0.5)
    assert pyramid_l1(zero, half).item() == pytest.approx(1.0)
    assert gradient_l1(zero, half, one).item() == 0


def test_gradient_term_punishes_blur_more_than_a_shift_of_level() -> None:
    target = torch.randint(0, 2, (1, 3, 16, 16)).float()
    one = torch.ones(1, 1, 16, 16)
    blurred = F.avg_pool2d(target, 3, 1, 1)
    assert gradient_l1(blurred, target, one) > 5 * gradient_l1(target + 0.3, target, one)


def test_hidden_parameters_do_not_count() -> None:
    truth = torch.zeros(1, 2)
    seen = torch.tensor([[1.0, 0.0]])
    weights = LossWeights(coefficients=0, parameters=1)
    assert motion_loss(torch.tensor([[0.0, 5.0]]), truth, torch.eye(2), seen, weights).item() == 0
    assert motion_loss(torch.tensor([[5.0, 0.0]]), truth, torch.eye(2), seen, weights).item() > 1


def test_psnr_by_hand_and_inside_a_mask() -> None:
    zero = torch.zeros(1, 3, 4, 4)
    off = zero.clone()
    off[..., :2] = 0.2
    assert psnr(off, zero).item() == pytest.approx(20 + 10 * torch.log10(torch.tensor(2.0)).item(), abs=1e-3)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    assert psnr(off, zero, mask).item() == pytest.approx(20, abs=1e-3)


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="eyes"):
        LossWeights(eyes=-1)
