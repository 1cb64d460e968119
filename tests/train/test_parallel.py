"""Two processes train what one process trains: the same losses, the same weights, the same last step."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from avatar_lab.clock import FakeClock
from avatar_lab.config import preset
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.weights import load_tensors
from avatar_lab.motion.space import default_space
from avatar_lab.train import parallel
from avatar_lab.train.diffusion_forcing import ForcingConfig, train
from avatar_lab.train.loop import LoopConfig, fit
from avatar_lab.train.parallel import Team
from avatar_lab.train.recipes import conversations, train_generator
from avatar_lab.train.windows import Conversation, to_conversation

needs_fabric = pytest.mark.skipif(
    importlib.util.find_spec("lightning_fabric") is None,
    reason="Lightning Fabric is not installed (pip install 'avatar-lab[distributed]')",
)
MINUTES = LoopConfig(minutes=0.2, learning_rate=3e-3, warmup=2, log_every=1, save_every=2)
TICK = 3.0  # seconds a look at the clock: 0.2 minutes are four steps
FORCING = ForcingConfig(
    batch=4, history=20, clean_past=0.5
)  # noisy frames differ between the halves of a batch


class Stop(Exception):
    """Somebody pulls the plug."""


def talks() -> list[Conversation]:
    return [to_conversation(d, default_space(), 80) for d in conversations(0.02, 3, seconds=24)]


def run(out: Path, team: Team | None = None, tick: float = TICK, cut: bool = False) -> Avatar:
    def stop(_: Avatar) -> None:
        raise Stop

    return train(
        preset("tiny"),
        talks(),
        default_space(),
        MINUTES,
        out,
        FORCING,
        progress=False,
        clock=FakeClock(tick=tick),
        on_save=stop if cut else None,
        team=team,
    )[0]


def member(folder: Path) -> None:
    """What each of the processes does; the second one's clock runs much faster than the first one's."""
    torch.set_num_threads(1)
    team = parallel.join()
    run(folder / "fresh", team, TICK * (1 + 4 * team.rank))
    run(folder / "resumed", team, TICK * (1 + 4 * team.rank))


@needs_fabric
def test_two_processes_equal_one(tmp_path: Path) -> None:
    run(tmp_path / "one")
    with pytest.raises(Stop):
        run(tmp_path / "resumed", cut=True)
    shutil.copytree(tmp_path / "resumed", tmp_path / "before")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    alone, rows = checkpoint(tmp_path / "one"), log(tmp_path / "one")
    assert len(rows) == 4
    assert log(tmp_path / "fresh") == pytest.approx(rows, abs=1e-5)
    assert len(log(tmp_path / "resumed")) == 2 + 2, "one writer, two rows before the cut and two after"
    for folder in ("fresh", "resumed"):
        together = checkpoint(tmp_path / folder)
        assert set(together) == set(alone)
        for name, value in alone.items():
            torch.testing.assert_close(together[name], value, atol=1e-5, rtol=1e-4, msg=f"{folder} {name}")
    before = checkpoint(tmp_path / "before")
    moved = max(float((alone[n] - before[n]).abs().max()) for n in alone if n.startswith("model."))
    assert moved > 1e-3, "training moved the weights far more than the tolerance"


def checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    """Weights, averaged weights and both moments of the optimizer."""
    return load_tensors(folder / "checkpoint.safetensors")[0]


def log(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


def test_rows_cover_the_batch_once() -> None:
    rows = [list(range(12))[Team(rank, 3).rows(12)] for rank in range(3)]
    assert rows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    with pytest.raises(ConfigError, match="multiple of 3 processes, got 16"):
        Team(0, 3).rows(16)


def test_a_batch_that_cannot_be_shared_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of 3"):
        train_generator("tiny", tmp_path, steps=2, team=Team(0, 3))
    assert list(tmp_path.iterdir()) == []


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert parallel.join() == parallel.alone() == Team()
    code = "import sys, avatar_lab.train.recipes, avatar_lab.train.parallel as p; p.join()"
    code += "; print('lightning_fabric' in sys.modules or 'torch.distributed.run' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_does_not_go_together_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    net = torch.nn.Linear(2, 1)
    with pytest.raises(ConfigError, match="Only the generator"):
        fit(net, lambda *_: (net.weight.sum(), {}), LoopConfig(steps=1), tmp_path, progress=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    with pytest.raises(ConfigError, match="one machine"):
        parallel.join()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ConfigError, match="distributed"):
        parallel.join()


if __name__ == "__main__":
    member(Path(sys.argv[1]))
