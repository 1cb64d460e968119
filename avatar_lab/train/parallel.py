"""Several processes that train one model, with the result that one process would have had.

    loss = sum of the errors / N = sum over processes (sum of the errors in its rows / N)       N: of the whole batch

Every process draws the same whole batch and the same noise from (seed, step) and works on its own rows of it. What is
peculiar: because each divides by the N of the *whole* batch, gradients are added up, not averaged. So the batch of a
recipe means the same in any number of processes, and the result differs from the one-process run by rounding only.

`torchrun --nproc-per-node 2 -m avatar_lab train lab` starts the processes; Lightning Fabric lets them talk (gloo, on
CPUs of one machine). Without torchrun nothing of it is imported. Notebook: 05.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.errors import ConfigError


@dataclass(frozen=True)
class Team:
    """The processes of one training, seen from one of them; by itself, a team of one.

    Attributes
    ----------
    rank, size : this process, from 0, and how many there are. The first one writes files and shows the bar.
    fabric : what they talk through; None in a team of one.
    """

    rank: int = 0
    size: int = 1
    fabric: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Return which rows of a batch this process works on; raises ConfigError if they cannot be shared evenly."""
        share, rest = divmod(batch, self.size)
        if rest:
            raise ConfigError(
                f"A batch is shared evenly: expected a multiple of {self.size} processes, got {batch} rows. "
                "Choose --nproc-per-node so that it divides the batch."
            )
        return slice(self.rank * share, (self.rank + 1) * share)

    def total(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the sum of `value` over all processes."""
        return value if self.fabric is None else self.fabric.all_reduce(value, reduce_op="sum")

    def add_gradients(self, module: nn.Module) -> None:
        """Replace every gradient by its sum over all processes: one message for all of them together."""
        if self.fabric is None:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        summed = self.total(torch.cat([g.flatten() for g in gradients]))
        for gradient, part in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def as_first(self, value: float) -> float:
        """Return the first process's `value`: clocks differ, and all must stop at the same step."""
        return value if self.fabric is None else self.fabric.broadcast(value)


def started() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def alone() -> Team:
    """Return a team of one; raises ConfigError where torchrun started several processes."""
    if started() > 1:
        raise ConfigError(
            f"Only the generator trains in several processes; expected one, torchrun started {started()}. "
            "Start this training without torchrun."
        )
    return Team()


def join() -> Team:
    """Return the team that torchrun started, or a team of one.

    Raises ConfigError when Lightning Fabric is not installed, or when the processes are spread over several machines:
    they all resume from the checkpoint in one folder.
    """
    size = started()
    if size == 1:
        return Team()
    if (here := int(os.environ.get("LOCAL_WORLD_SIZE", size))) != size:
        raise ConfigError(
            f"All processes must run on one machine: expected {size} here, got {here}. Use torchrun --nnodes 1."
        )
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise ConfigError(
            f"{size} processes need Lightning Fabric, which is not installed: "
            "pip install 'avatar-lab[distributed]', or start without torchrun."
        ) from error
    fabric = Fabric(accelerator="cpu", strategy="ddp", devices=size)
    fabric.launch()
    return Team(fabric.global_rank, fabric.world_size, fabric)
