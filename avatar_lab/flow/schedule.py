"""Sampling schedules: which frame is how noisy, in which round.

A schedule is a table `sigma[round, frame]`. Row 0 is pure noise, the last row is clean, and one Euler step
leads from each row to the next. Because the network takes one sigma per frame, *any* table that never rises
is a valid sampler; the three below are three pictures of the same idea.

    full_sequence   every frame falls together: one long window, nothing to see before the end
    block           the paper: a block falls to zero, then the next one starts
    pyramid         each frame one step cleaner than the next: one frame comes out each round

Notebook: 05 (diffusion forcing). Source: Avatar Forcing, Algorithm 2; Chen et al. 2024 (Diffusion Forcing).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ConfigError


def sigma_grid(steps: int) -> Float[Tensor, "r"]:
    """Return `steps + 1` equally spaced levels from 1 to 0, so that `steps` evaluations change the sample."""
    if steps < 1:
        raise ConfigError(f"steps must be >= 1; got {steps}.")
    return torch.linspace(1.0, 0.0, steps + 1)


def released_grid(nfe: int) -> tuple[Float[Tensor, "r"], Float[Tensor, "r"]]:
    """Return the released program's levels for its `nfe`: what the Euler step uses, what the network is told.

    It counts the pass that fills the cache and a last step that changes nothing: `nfe = 10` are nine points from
    timestep 1000 to 0, eight steps that matter. The network is told timestep / 1000 (double precision: its
    sinusoids are sensitive); the step uses the nearest of 1000 tabulated levels.

    >>> sigma, told = released_grid(10)
    >>> len(sigma), round(float(sigma[1]), 5), float(told[1])
    (9, 0.87487, 0.875)
    """
    if nfe < 3:
        raise ConfigError(
            f"The released schedule needs nfe >= 3 (two points and the pass that fills the cache); got {nfe}."
        )
    timesteps = torch.linspace(1000, 0, nfe - 1)
    table = torch.linspace(1000, 0, 1000)
    nearest = (table[None] - timesteps[:, None]).abs().argmin(1)
    return torch.linspace(1, 0, 1000)[nearest], timesteps.double() / 1000


def full_sequence(frames: int, steps: int) -> Float[Tensor, "r t"]:
    """Return the table in which all frames share one level: `steps` evaluations for the whole window."""
    return sigma_grid(steps)[:, None].expand(-1, frames).clone()


def block_autoregressive(frames: int, steps: int, block: int) -> Float[Tensor, "r t"]:
    """Return the paper's table: blocks become clean one after another, `steps` evaluations each."""
    grid = sigma_grid(steps)
    first = torch.arange(frames) // block * steps  # round in which this frame's block starts to fall
    rounds = torch.arange(int(first[-1]) + steps + 1)
    return grid[(rounds[:, None] - first).clamp(0, steps)]


def pyramid(frames: int, steps: int) -> Float[Tensor, "r t"]:
    """Return the table in which frame i starts to fall in round i: one clean frame per evaluation."""
    grid = sigma_grid(steps)
    rounds = torch.arange(frames + steps)
    return grid[(rounds[:, None] - torch.arange(frames)).clamp(0, steps)]


SCHEDULES: Final = ("full", "block", "pyramid")


def make_schedule(name: str, frames: int, steps: int, block: int) -> Float[Tensor, "r t"]:
    """Return the table called `name` (one of `SCHEDULES`); raises ConfigError that lists the names."""
    if name == "full":
        return full_sequence(frames, steps)
    if name == "block":
        return block_autoregressive(frames, steps, block)
    if name == "pyramid":
        return pyramid(frames, steps)
    raise ConfigError(f"There is no schedule {name!r}; choose one of {', '.join(SCHEDULES)}.")
