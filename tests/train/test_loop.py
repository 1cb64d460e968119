from pathlib import Path

import pytest
import torch

from avatar_lab.clock import FakeClock
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.train.loop import LoopConfig, LoopReport, fit, learning_rate


def regression() -> tuple[torch.nn.Module, object]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.SiLU(), torch.nn.Linear(16, 1))

    def compute_loss(step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        x = torch.randn(32, 3, generator=generator)
        return (net(x) - x.sum(1, keepdim=True)).square().mean(), {"step": float(step)}

    return net, compute_loss


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_it_learns(tmp_path: Path) -> None:
    net, loss = regression()
    before = loss(0, torch.Generator().manual_seed(9))[0].item()
    report = fit(net, loss, LoopConfig(steps=200, learning_rate=1e-2, warmup=10), tmp_path, progress=False)
    assert loss(0, torch.Generator().manual_seed(9))[0].item() < 0.1 * before
    assert report.steps == 200
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 4


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, loss = regression()
    fit(whole, loss, LoopConfig(steps=40, warmup=5), tmp_path / "whole", progress=False)

    first, loss = regression()

    class Stop(Exception):
        pass

    def stop(step: int, _: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        fit(
            first,
            loss,
            LoopConfig(steps=40, warmup=5, save_every=17),
            tmp_path / "cut",
            progress=False,
            on_save=stop,
        )
    second, loss = regression()
    fit(second, loss, LoopConfig(steps=40, warmup=5, save_every=17), tmp_path / "cut", progress=False)
    assert torch.equal(weights(whole), weights(second))


def test_the_budget_in_minutes_uses_the_given_clock(tmp_path: Path) -> None:
    net, loss = regression()
    report = LoopReport()
    fit(
        net, loss, LoopConfig(minutes=1.0), tmp_path, progress=False, clock=FakeClock(tick=3.0), report=report
    )
    assert report.steps == 20
    assert report.share >= 1


def test_the_learning_rate_warms_up_and_cools_down() -> None:
    config = LoopConfig(steps=100, learning_rate=1.0, warmup=10)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 10, 0.1) > learning_rate(config, 50, 0.5) > learning_rate(config, 99, 0.99)
    assert learning_rate(config, 100, 1.0) == pytest.approx(0.05)


def test_bad_budgets_and_foreign_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="steps, minutes"):
        LoopConfig()
    with pytest.raises(ConfigError, match="positive"):
        LoopConfig(steps=-1)
    net, loss = regression()
    fit(net, loss, LoopConfig(steps=2), tmp_path, progress=False)
    other = torch.nn.Linear(3, 1)
    with pytest.raises(CheckpointError, match="does not fit"):
        fit(other, loss, LoopConfig(steps=4), tmp_path, progress=False)
