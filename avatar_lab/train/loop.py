"""The training loop, once for all models.

    for each step:  loss = compute_loss(step, generator);  backward;  clip;  optimizer;  EMA

What is peculiar: all randomness of a step comes from a generator seeded with (seed, step), so a resumed run
continues exactly as if it had never stopped. A budget is given in steps (reproducible) or minutes (for
people); the learning rate follows the used share of the budget. The lines with `team` do nothing in one
process; in several (`parallel.py`) they add up losses and gradients, and let the first one decide and write.

Notebook: 05 trains the generator with this loop.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from avatar_lab.clock import Clock, SystemClock
from avatar_lab.errors import ConfigError
from avatar_lab.model.weights import load_strict, load_tensors, save_tensors, with_prefix, without_prefix
from avatar_lab.train.checkpoint import flatten_optimizer, restore_optimizer
from avatar_lab.train.parallel import Team, alone

LossFunction = Callable[[int, torch.Generator], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast, how often to save. Give `steps` or `minutes` (the first that ends, ends)."""

    steps: int | None = None
    minutes: float | None = None
    learning_rate: float = 1e-3
    warmup: int = 100
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    log_every: int = 50
    save_every: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ConfigError("Give a training budget: steps, minutes, or both.")
        if (self.steps or 1) < 1 or (self.minutes or 1) <= 0:
            raise ConfigError(f"A budget must be positive; got steps={self.steps}, minutes={self.minutes}.")


@dataclass
class LoopReport:
    """Where a training stands: steps, minutes, share of its budget (0-1), averaged metrics."""

    steps: int = 0
    minutes: float = 0.0
    share: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)


class EMA:
    """Exponential moving average of weights, with a short memory at the start."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {n: p.detach().clone() for n, p in module.state_dict().items()}

    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the current weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value.detach(), 1 - decay)
            else:
                self.shadow[name].copy_(value)


def learning_rate(config: LoopConfig, step: int, share: float) -> float:
    """Return the rate: linear warm-up, then a cosine down to 5 % at the end of the budget."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    return config.learning_rate * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def fit(
    module: nn.Module,
    compute_loss: LossFunction,
    config: LoopConfig,
    out: Path,
    *,
    report: LoopReport | None = None,
    clock: Clock | None = None,
    progress: bool = True,
    on_save: Callable[[int, dict[str, Tensor]], None] | None = None,
    team: Team | None = None,
) -> LoopReport:
    """Train `module` in place and leave it holding its EMA weights.

    Parameters
    ----------
    compute_loss : called with (step, generator); returns the loss and numbers to log. In a team, this process's
        share of the loss: shares add up to the loss of the whole batch.
    out : folder for `checkpoint.safetensors` (resumed from when present) and `log.jsonl`.
    report : kept up to date while training runs, for losses that change along the budget.
    on_save : called with (step, EMA weights) at every checkpoint, for sample panels or partial exports; in a
        team, in the first process only.
    team : the processes that train together; by default this one alone, and ConfigError if torchrun started more.
    """
    clock, team = clock or SystemClock(), team or alone()
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    ema, report = EMA(module, config.ema), report if report is not None else LoopReport()
    path = out / "checkpoint.safetensors"
    if path.exists():
        _resume(path, module, optimizer, ema, report)
    report.share = _share(config, report)
    began = clock.now() - 60 * report.minutes
    bar = tqdm(
        total=config.steps,
        initial=report.steps,
        disable=not (progress and team.leads),
        unit="step",
        dynamic_ncols=True,
    )
    running: dict[str, float] = {}
    while report.share < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, report.steps, report.share)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + report.steps)
        loss, metrics = compute_loss(report.steps, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        team.add_gradients(module)
        norm = nn.utils.clip_grad_norm_(module.parameters(), config.clip)
        optimizer.step()
        ema.update(module, report.steps)
        report.steps += 1
        report.minutes = team.as_first((clock.now() - began) / 60)
        report.share = _share(config, report)
        _average(running, metrics | {"loss": float(team.total(loss.detach())), "gradient_norm": float(norm)})
        bar.update()
        if report.steps % config.log_every == 0:
            report.metrics = dict(running)
            bar.set_postfix({k: f"{v:.4g}" for k, v in list(running.items())[:4]})
            if team.leads:
                _log(out / "log.jsonl", report)
        if team.leads and report.steps % config.save_every == 0:
            _save(path, module, optimizer, ema, report)
            if on_save:
                on_save(report.steps, ema.shadow)
    bar.close()
    report.metrics = dict(running) or report.metrics
    if team.leads:
        _save(path, module, optimizer, ema, report)
    module.load_state_dict(ema.shadow)
    return report


def _share(config: LoopConfig, report: LoopReport) -> float:
    """Return how much of the budget is used, from 0 to 1."""
    by_steps = report.steps / config.steps if config.steps else 0.0
    by_minutes = report.minutes / config.minutes if config.minutes else 0.0
    return max(by_steps, by_minutes)


def _average(running: dict[str, float], fresh: dict[str, float], keep: float = 0.98) -> None:
    for name, value in fresh.items():
        running[name] = keep * running[name] + (1 - keep) * value if name in running else value


def _log(path: Path, report: LoopReport) -> None:
    row = {"step": report.steps, "minutes": round(report.minutes, 3), **report.metrics}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _save(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA, report: LoopReport
) -> None:
    tensors = (
        with_prefix("model", module.state_dict())
        | with_prefix("ema", ema.shadow)
        | with_prefix("optimizer", flatten_optimizer(optimizer))
    )
    save_tensors(path, tensors, {"steps": report.steps, "minutes": report.minutes})


def _resume(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, ema: EMA, report: LoopReport
) -> None:
    tensors, meta = load_tensors(path)
    load_strict(module, without_prefix("model", tensors), str(path))
    ema.shadow = without_prefix("ema", tensors)
    restore_optimizer(optimizer, without_prefix("optimizer", tensors))
    report.steps, report.minutes = meta["steps"], meta["minutes"]
