"""What makes a redrawn face good: colours at several scales, edges, and above all eyes and mouth.

What is peculiar: no downloaded network judges the picture. Absolute differences over a pyramid and between
gradients stand in for the published perceptual losses, and the renderer's own masks for the published masked
perceptual losses on eyes and mouth.

Source: METHOD section 2 (published: L1, VGG-19 x 10, masked x 100, adversarial x 1). Notebook: 02.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ConfigError

OUTLIER: Final = 4.0  # standard deviations from which an error of the encoder counts no longer squared


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts; eyes, mouth and face are added to the 1 that every pixel has."""

    eyes: float = 6.0
    mouth: float = 4.0
    face: float = 1.0
    pyramid: float = 0.5  # each of the two coarser scales
    gradient: float = 0.5
    square: float = 2.0  # squared error beside the absolute one: it is what PSNR counts
    coefficients: float = 2.0
    parameters: float = 4.0

    def __post_init__(self) -> None:
        negative = [name for name, value in vars(self).items() if value < 0]
        if negative:
            raise ConfigError(f"Loss weights must be >= 0; negative: {', '.join(negative)}.")


def weight_map(masks: Float[Tensor, "B 3 H W"], weights: LossWeights) -> Float[Tensor, "B 1 H W"]:
    """Weights of pixels, mean 1 in every picture, from masks of eyes, mouth and face in [0, 1]."""
    emphasis = torch.tensor([weights.eyes, weights.mouth, weights.face], device=masks.device)
    raw = 1 + (masks * emphasis[:, None, None]).sum(1, keepdim=True)
    return raw / raw.mean((2, 3), keepdim=True)


def weighted_l1(
    picture: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Mean of `weight |picture - target|`."""
    return (weight * (picture - target).abs()).mean()


def gradient_l1(
    picture: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """Weighted difference between neighbouring-pixel steps, across and down: punishes blur."""
    error = picture - target
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return across.mean() + down.mean()


def pyramid_l1(
    picture: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"], levels: int = 2
) -> Float[Tensor, ""]:
    """Sum of mean absolute differences at `levels` halvings: pulls features over distances a pixel cannot see."""
    error, total = picture - target, picture.new_zeros(())
    for _ in range(levels):
        error = F.avg_pool2d(error, 2)
        total = total + error.abs().mean()
    return total


def reconstruction_loss(
    picture: Float[Tensor, "B 3 H W"],
    target: Float[Tensor, "B 3 H W"],
    masks: Float[Tensor, "B 3 H W"],
    weights: LossWeights,
) -> Float[Tensor, ""]:
    """All picture terms, weighted."""
    weight = weight_map(masks, weights)
    loss = weighted_l1(picture, target, weight)
    if weights.square:
        loss = loss + weights.square * (weight * (picture - target).square()).mean()
    if weights.gradient:
        loss = loss + weights.gradient * gradient_l1(picture, target, weight)
    if weights.pyramid:
        loss = loss + weights.pyramid * pyramid_l1(picture, target)
    return loss


def motion_loss(
    coefficients: Float[Tensor, "B K"],
    truth: Float[Tensor, "B K"],
    to_parameters: Float[Tensor, "K P"],
    visible: Float[Tensor, "B P"],
    weights: LossWeights,
) -> Float[Tensor, ""]:
    """Supervise the image encoder: squared errors in coefficients and in standardised face parameters.

    Beyond `OUTLIER` they grow linearly. Sooner would be too soon: most expressions rest at zero most of the time, and
    an absolute error is content with their median.

    `visible` scales down what the picture cannot show, such as the gaze behind closed lids.
    """
    error = coefficients - truth
    parameter_error = error @ to_parameters
    nothing = torch.zeros_like(parameter_error)
    square = F.huber_loss(parameter_error, nothing, reduction="none", delta=OUTLIER)
    plain = F.huber_loss(error, torch.zeros_like(error), delta=OUTLIER)
    return weights.coefficients * plain + weights.parameters * (square * visible).mean()


def psnr(
    picture: Float[Tensor, "B 3 H W"],
    target: Float[Tensor, "B 3 H W"],
    mask: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, "B"]:
    """Peak signal-to-noise ratio in dB of each picture in [-1, 1]; with `mask`, over its pixels only."""
    square = (picture.clamp(-1, 1) - target).square().mean(1, keepdim=True)
    weight = torch.ones_like(square) if mask is None else mask
    mean = (square * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)
    return 10 * torch.log10(4 / mean.clamp_min(1e-10))
