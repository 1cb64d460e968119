"""Self-forcing: the network learns to continue its own past instead of the true one.

A stream lives on what it made itself. Training shows the truth before the noisy block, so the small faults of its own
motion are news to the network: it passes them on, and they add up to a slow drift. Here some examples with a stream's
noise levels get a past that the network has just made, from the truth, partly noised:

    past     m --(noise to s0)--> m_s0 --(3 Euler steps, no gradient)--> own past, sigma 0 --+
    block    m --(noise to sigma)-----------------------------------------------------------+--> v_theta
    later    eps, sigma 1 ------------------------------------------------------------------+
    loss     on the block alone: | v_theta - (eps - m) |, m the *true* block

What is peculiar: the target stays the truth. This is scheduled sampling, by blocks: it teaches the way back to the
truth from a past that is a little wrong. It is *not* the published Self Forcing, which rolls a whole video out with
gradients and compares its distribution with that of real ones. The price: the further the past goes astray, the less
can a block continue both it and the truth, and a network that is asked to may learn to jump at the seam (`LEVELS`;
watch `seam_ratio`). All past frames are denoised at once, without guidance, and the frames from the block on are pure
noise meanwhile: through the mask's look-ahead, the past must not learn what comes.

Notebook: 05 (diffusion forcing). Source: own; scheduled sampling (Bengio et al. 2015), the exposure bias that Self
Forcing (Huang et al. 2025) attacks otherwise. Avatar Forcing names it as future work.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ConfigError
from avatar_lab.flow.path import check_sigma, interpolate
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.flow.solver import Velocity
from avatar_lab.model.generator import Generator

LEVELS = (0.3, 0.7)
STEPS = 3  # a stream takes more; coarser steps only make larger faults


def check_share(share: float, clean_past: float) -> None:
    """Raise ConfigError unless `share` lies in [0, 1] and there are clean pasts for it to replace."""
    if not 0 <= share <= 1:
        raise ConfigError(f"The share of self-forced examples must lie between 0 and 1; got {share}.")
    if share > 0 and clean_past == 0:
        raise ConfigError(
            f"Self-forcing (share {share}) replaces clean pasts, and clean_past is 0: there are none. "
            "Go on from trained weights (--checkpoint), or set clean_past."
        )


def draw_past_sigma(
    sigma: Float[Tensor, "b n"], share: float, generator: torch.Generator
) -> Float[Tensor, "b n"]:
    """Draw from which level every frame of the past is made anew: one s0 per example, 0 where the truth stays.

    A frame belongs to the past where `sigma` is 0. For a share of 0 nothing is drawn.
    """
    if share == 0:
        return torch.zeros_like(sigma)
    low, high = LEVELS
    chosen = torch.rand(len(sigma), 1, generator=generator) < share
    level = low + (high - low) * torch.rand(len(sigma), 1, generator=generator)
    return torch.where(chosen & (sigma == 0), level, torch.zeros_like(sigma))


def remade(
    velocity: Velocity,
    clean: Float[Tensor, "b n k"],
    noise: Float[Tensor, "b n k"],
    past_sigma: Float[Tensor, "b n"],
    steps: int = STEPS,
) -> Float[Tensor, "b n k"]:
    """Return `clean` with the frames above level 0 noised to that level and denoised again.

    Notes
    -----
    Cost: `steps` calls of `velocity`, for the whole window. Every example walks down from a level of its own, which
    is why this is not `flow.solver.sample`, whose schedule is one for all.
    """
    check_sigma(past_sigma, clean)
    past, one = past_sigma > 0, torch.ones_like(past_sigma)
    noisy = interpolate(clean, noise, torch.where(past, past_sigma, one))
    for upper, lower in pairwise(sigma_grid(steps).tolist()):
        sigma = torch.where(past, upper * past_sigma, one)
        step = (lower - upper) * past_sigma  # 0 from the block on: pure noise stays pure noise
        noisy = noisy + step[..., None] * velocity(noisy, sigma)
    return torch.where(past[..., None], noisy, clean)


@torch.no_grad()
def own_past(
    generator: Generator,
    clean: Float[Tensor, "b n k"],
    noise: Float[Tensor, "b n k"],
    past_sigma: Float[Tensor, "b n"],
    condition: Float[Tensor, "b c w"],
    reference: Float[Tensor, "b k"],
) -> Float[Tensor, "b n k"]:
    """Return `clean` with the past of the chosen examples as the network itself would have made it.

    Parameters
    ----------
    past_sigma : where each frame starts from, as `draw_past_sigma` drew it.
    condition, reference : those of the training step, dropped parts included; see `Generator.forward`.

    Notes
    -----
    Only examples with a level above 0 are computed. No gradient, no randomness.
    """
    rows = (past_sigma > 0).any(dim=1)
    if not rows.any():
        return clean
    seen = generator.keys_of_condition(condition[rows])
    setting = generator.setting(seen, reference[rows], clean.shape[1])

    def velocity(noisy: Tensor, sigma: Tensor) -> Tensor:
        return generator.predict(noisy, generator.modulation_of(sigma), setting).velocity

    whole = clean.clone()
    whole[rows] = remade(velocity, clean[rows], noise[rows], past_sigma[rows])
    return whole
