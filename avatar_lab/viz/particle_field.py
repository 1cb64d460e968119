"""Particles on their way from noise to data, by several solvers side by side.

What is peculiar: every step of an Euler or Heun walk is a straight line over its span of sigma. The states after
each step are all that the page needs; it interpolates between them, exactly. Numbers travel as hundredths.

Notebook: 03 (flow matching).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avatar_lab.errors import ShapeError
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.viz.interactive import Figure, interactive

REACH: Final = 2.8  # half a side of the window, in units of the noise
ARROWS: Final = 13  # a side
FIELDS: Final = 11  # levels of sigma with arrows
TARGETS: Final = 400  # points of the data that are drawn

Velocity = Callable[[Tensor, Tensor], Tensor]


def particle_field(
    walks: Mapping[str, Mapping[int, Float[Tensor, "..."]]],
    exact: Float[Tensor, "n 1 2"],
    velocity: Velocity,
    data: Float[Tensor, "m 1 2"],
    groups: Int[Tensor, "n"] | None = None,
) -> Figure:
    """Return the interactive figure.

    Parameters
    ----------
    walks : {solver: {evaluations: states (steps + 1, n, 1, 2)}}, after every step of equal length, the noise first.
    exact : where the same noise lands without an error of steps.
    velocity : the field, for its arrows; called with (noisy, sigma).
    data : points to aim at.
    groups : colour of each particle, 0..4.

    Raises
    ------
    ShapeError : walks that are not (steps + 1, n, 1, 2), or do not begin at the same noise.
    """
    starts = [states for solver in walks.values() for states in solver.values()]
    if not starts:
        raise ShapeError("There is no walk to show. Pass {solver: {evaluations: states}}.")
    for states in starts:
        if (
            states.ndim != 4
            or len(states) < 2
            or states.shape[1:] != exact.shape
            or exact.shape[1:] != (1, 2)
        ):
            raise ShapeError(
                f"States of a walk must have shape (steps + 1, n, 1, 2), and exact (n, 1, 2); "
                f"got {tuple(states.shape)} and {tuple(exact.shape)}."
            )
        if not torch.equal(states[0].to(exact), starts[0][0].to(exact)):
            raise ShapeError("All walks must begin at the same noise, or they cannot be compared.")
    spread = torch.zeros(len(exact), dtype=torch.int64) if groups is None else groups
    return interactive(
        "particle_field",
        walks={
            solver: {str(count): hundredths(states.flatten(1)) for count, states in by_count.items()}
            for solver, by_count in walks.items()
        },
        miss={
            solver: {str(count): miss(states, exact) for count, states in by_count.items()}
            for solver, by_count in walks.items()
        },
        exact=hundredths(exact.flatten()),
        field=arrows(velocity, exact.dtype),
        data=hundredths(data[:TARGETS].flatten()),
        groups=spread.tolist(),
        reach=REACH,
        side=ARROWS,
    )


def miss(states: Float[Tensor, "r n 1 2"], exact: Float[Tensor, "n 1 2"]) -> float:
    """Return how far from the exact landing a walk ends, on average."""
    return round((states[-1] - exact).norm(dim=-1).mean().item(), 4)


def arrows(velocity: Velocity, dtype: torch.dtype) -> list[list[int]]:
    """Return the way of the walk (minus the velocity) on a grid, for each of some levels from 1 to 0."""
    line = torch.linspace(-REACH, REACH, ARROWS, dtype=dtype)
    grid = torch.cartesian_prod(line, line)[:, None]
    with torch.no_grad():
        return [
            hundredths(-velocity(grid, torch.full(grid.shape[:2], float(level), dtype=dtype)).flatten())
            for level in sigma_grid(FIELDS - 1)
        ]


def hundredths(values: Tensor) -> list[Any]:
    """Return numbers as JSON-ready whole hundredths, nested as they were."""
    return (100 * values).round().to(torch.int64).tolist()
