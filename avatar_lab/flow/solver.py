"""The sampler: walk a schedule table from noise to motion with Euler steps.

What is peculiar: it knows no network. It takes any callable `velocity(noisy, sigma) -> velocity` and a table
of sigmas, and it evaluates only where the table falls, so `Sample.evaluations` is an honest count: no step is
taken that cannot change the sample.

Notebook: 03 (Euler and NFE), 05 (schedules). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ShapeError

Velocity = Callable[[Tensor, Tensor], Tensor]
OnRound = Callable[[int, Tensor, Tensor], None]


@dataclass(frozen=True)
class Sample:
    """A finished sample and what it cost."""

    motion: Float[Tensor, "b t d"]
    evaluations: int


def sample(
    velocity: Velocity,
    noise: Float[Tensor, "b t d"],
    schedule: Float[Tensor, "r _t"],
    on_round: OnRound | None = None,
    *,
    told: Float[Tensor, "r _t"] | None = None,
) -> Sample:
    """Integrate `d noisy / d sigma = velocity` along the rows of `schedule`.

    Parameters
    ----------
    velocity : callable of (noisy (b, t, d), sigma (b, t)) that returns (b, t, d).
    noise : the start, at sigma = 1.
    schedule : sigma per (round, frame); it must not rise. Rows that change nothing are not evaluated.
    on_round : called with (round, noisy, sigma) before the first and after every round, to watch.
    told : the levels that `velocity` is given, where they are not those of `schedule` (the released program steps
        along rounded levels).
    """
    if schedule.ndim != 2 or schedule.shape[1] != noise.shape[1]:
        raise ShapeError(
            f"schedule must have shape (rounds, {noise.shape[1]} frames); got {tuple(schedule.shape)}."
        )
    if (schedule.diff(dim=0) > 0).any():
        raise ShapeError(
            "schedule must never rise: a frame cannot become noisier from one round to the next."
        )
    steps = schedule.diff(dim=0)
    moves = (steps != 0).any(dim=1).tolist()  # asked once: a device need not be waited for in every round
    steps = steps.to(noise)
    told = (schedule.to(noise) if told is None else told.to(noise.device))[:, None]
    noisy = noise
    if on_round:
        on_round(0, noisy, schedule[0])
    for index, moved in enumerate(moves):
        if moved:
            sigma = told[index].expand(noise.shape[0], -1)
            noisy = noisy + steps[index, :, None] * velocity(noisy, sigma)
        if on_round:
            on_round(index + 1, noisy, schedule[index + 1])
    return Sample(noisy, sum(moves))
