"""The straight path between motion and noise, in four lines of algebra.

One convention in the whole package: **sigma in [0, 1], 1 = pure noise, 0 = clean**.

    noisy    = (1 - sigma) * clean + sigma * noise
    velocity = d noisy / d sigma = noise - clean
    clean    = noisy - sigma * velocity

What is peculiar: in diffusion forcing every *frame* has its own sigma, so sigma always has shape (b, t). The
paper writes t = 1 - sigma and velocity clean - noise; the curves are the same, walked in the other direction.

Notebook: 03 (flow matching). Source: Lipman et al. 2023; Avatar Forcing, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ShapeError


def check_sigma(sigma: Tensor, like: Tensor) -> None:
    """Raise ShapeError unless `sigma` holds one level per frame of `like` (b, t, d)."""
    if sigma.shape != like.shape[:2]:
        raise ShapeError(
            f"sigma must have shape (b, t) = {tuple(like.shape[:2])}, got {tuple(sigma.shape)}. "
            "For one level for all frames use torch.full((b, t), level)."
        )


def interpolate(
    clean: Float[Tensor, "b t d"], noise: Float[Tensor, "b t d"], sigma: Float[Tensor, "b t"]
) -> Float[Tensor, "b t d"]:
    """Return the noisy motion at level `sigma`: `(1 - sigma) clean + sigma noise`."""
    check_sigma(sigma, clean)
    level = sigma[..., None]
    return (1 - level) * clean + level * noise


def velocity_target(clean: Float[Tensor, "b t d"], noise: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
    """Return what the network must predict: `noise - clean`, the same at every sigma."""
    return noise - clean


def clean_estimate(
    noisy: Float[Tensor, "b t d"], velocity: Float[Tensor, "b t d"], sigma: Float[Tensor, "b t"]
) -> Float[Tensor, "b t d"]:
    """Return the clean motion that a velocity implies: `noisy - sigma velocity`."""
    check_sigma(sigma, noisy)
    return noisy - sigma[..., None] * velocity


def block_sigma(batch: int, frames: int, block: int, generator: torch.Generator) -> Float[Tensor, "b t"]:
    """Draw training noise levels: one uniform sigma per block, independent across blocks (diffusion forcing).

    Notes
    -----
    Drawn on the CPU so that a seed means the same on every device. *Source*: Avatar Forcing, section 3.3.
    """
    blocks = -(-frames // block)
    levels = torch.rand(batch, blocks, generator=generator)
    return levels.repeat_interleave(block, dim=1)[:, :frames]


def clean_past_sigma(
    sigma: Float[Tensor, "b t"], share: float, block: int, generator: torch.Generator
) -> Float[Tensor, "b t"]:
    """Turn a share of the examples into what a stream sees: clean past, one noisy block, nothing yet after it.

    In these examples a random block keeps its level; the blocks before it get sigma 0 and those after it sigma 1.
    Independent levels alone show a network an all-clean past so rarely that it never learns to continue one.
    """
    if share == 0:
        return sigma
    batch, frames = sigma.shape
    blocks = -(-frames // block)
    current = torch.randint(blocks, (batch, 1), generator=generator).to(sigma.device)
    chosen = (torch.rand(batch, 1, generator=generator) < share).to(sigma.device)
    index = torch.arange(frames, device=sigma.device)[None] // block
    stream = torch.where(index < current, torch.zeros_like(sigma), torch.ones_like(sigma))
    stream = torch.where(index == current, sigma, stream)
    return torch.where(chosen, stream, sigma)


def last_block_sigma(batch: int, frames: int, block: int, generator: torch.Generator) -> Float[Tensor, "b t"]:
    """Draw the noise levels of teacher forcing: a clean past, and one uniform sigma for the last block.

    With N = 50 and B = 10 these are four clean blocks and a noisy one. A window model that continues from a few clean
    context frames is trained in the same way, with a block as long as its window.
    """
    level = torch.rand(batch, 1, generator=generator)
    return level * (torch.arange(frames) >= frames - block)


LEVELS: Final[dict[str, Callable[[int, int, int, torch.Generator], Tensor]]] = {
    "blocks": block_sigma,
    "last_block": last_block_sigma,
}
