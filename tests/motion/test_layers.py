"""Layers of the autoencoder against the plain formulas they abbreviate."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from avatar_lab.motion.layers import (
    ActivatedConv,
    Blur,
    EqualLinear,
    FlowMask,
    NormalisedDown,
    ResidualDown,
    StyledConv,
    Upsample,
    hasten,
    identity_grid,
)


def grouped(layer: StyledConv, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """Modulated convolution as StyleGAN2 writes it: one kernel for every picture, in one grouped convolution."""
    batch, inputs = x.shape[:2]
    scale = layer.modulation(style)
    kernels = layer.weight[None] / math.sqrt(inputs * 9) * scale[:, None, :, None, None]
    kernels = kernels * torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    outputs = kernels.shape[1]
    stacked = x.reshape(1, batch * inputs, *x.shape[2:])
    if layer.blur is None:
        y = F.conv2d(stacked, kernels.flatten(0, 1), padding=1, groups=batch)
    else:
        y = F.conv_transpose2d(stacked, kernels.transpose(1, 2).flatten(0, 1), stride=2, groups=batch)
    y = y.view(batch, outputs, *y.shape[2:])
    if layer.blur is not None:
        y = layer.blur(y)
    return F.leaky_relu(y + layer.bias[:, None, None], 0.2) * math.sqrt(2)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_by_scaling_equals_a_kernel_per_picture(up: bool) -> None:
    layer = StyledConv(6, 10, 16, up=up)
    torch.nn.init.normal_(layer.bias)
    x, style = torch.randn(3, 6, 8, 8), torch.randn(3, 16)
    torch.testing.assert_close(layer(x, style), grouped(layer, x, style), rtol=1e-4, atol=1e-5)


def test_flow_head_equals_a_modulated_convolution() -> None:
    head = FlowMask(6, 16, coarser=False, released=False)
    torch.nn.init.normal_(head.weight)
    x, style = torch.randn(2, 6, 8, 8), torch.randn(2, 16)
    kernels = head.weight * head.gain * head.modulation(style)[:, None, :]
    expected = torch.einsum("boc,bchw->bohw", kernels, x) + head.bias[:, None, None]
    flow, mask, raw = head(x, style, None)
    torch.testing.assert_close(raw, expected)
    torch.testing.assert_close(mask, torch.sigmoid(expected[:, 2:]))
    grid = identity_grid(8, 8, corners=False, like=x)
    torch.testing.assert_close(flow - grid, torch.tanh(expected[:, :2]).permute(0, 2, 3, 1))


def test_folded_activation_equals_the_formula() -> None:
    layer = ActivatedConv(3, 5, 3, padding=1)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 8, 8)
    plain = F.conv2d(x, layer.weight / math.sqrt(27), padding=1) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x), F.leaky_relu(plain, 0.2) * math.sqrt(2))


def test_blur_and_upsampling_keep_constants() -> None:
    flat = torch.full((1, 2, 12, 12), 3.0)
    torch.testing.assert_close(Blur(padding=2)(flat)[..., 3:-3, 3:-3], torch.full((1, 2, 7, 7), 3.0))
    torch.testing.assert_close(Upsample()(flat)[..., 2:-2, 2:-2], torch.full((1, 2, 20, 20), 3.0))


def test_blurring_where_the_stride_looks_is_the_same() -> None:
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(Blur(padding=1, stride=2)(x), Blur(padding=1)(x)[..., ::2, ::2])


def test_identity_grid_moves_nothing_and_the_released_one_does() -> None:
    x = torch.rand(1, 3, 16, 16)
    exact = F.grid_sample(x, identity_grid(16, 16, corners=False, like=x), align_corners=False)
    torch.testing.assert_close(exact, x)
    corners = F.grid_sample(x, identity_grid(16, 16, corners=True, like=x), align_corners=False)
    assert (corners - x).abs().max() > 0.05


@pytest.mark.parametrize("block", [ResidualDown, NormalisedDown])
def test_blocks_halve_and_keep_the_scale(block: type[torch.nn.Module]) -> None:
    y = block(8, 16)(torch.randn(4, 8, 32, 32))
    assert y.shape == (4, 16, 16, 16)
    assert 0.3 < y.std() < 3


def test_hastened_layers_compute_the_same_and_learn_faster() -> None:
    layer, x = EqualLinear(4, 2), torch.randn(3, 4)
    before = layer(x)
    gradient = torch.autograd.grad(before.sum(), layer.weight)[0]
    hasten(layer, 8.0)
    after = layer(x)
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(torch.autograd.grad(after.sum(), layer.weight)[0], 8 * gradient)


def test_equalised_weights_are_scaled_when_used() -> None:
    layer = EqualLinear(400, 300)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.05)
    assert layer(torch.randn(64, 400)).std().item() == pytest.approx(1, rel=0.1)
