"""`avatar-lab notebooks`: the course travels with the package, and nobody's work is overwritten."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from avatar_lab.cli.app import run

ROOT = Path(__file__).parents[1]
LEARNER = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_it_copies_and_keeps_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goal = tmp_path / "course"
    assert run(["notebooks", str(goal)]) == 0
    assert sorted(p.name for p in goal.iterdir()) == LEARNER
    json.loads((goal / LEARNER[0]).read_text("utf-8"))
    (goal / LEARNER[0]).write_text("my work", "utf-8")
    capsys.readouterr()
    assert run(["notebooks", str(goal), "--solutions"]) == 0
    assert (goal / LEARNER[0]).read_text("utf-8") == "my work"
    assert sorted(p.name for p in (goal / "solutions").iterdir()) == LEARNER
    assert f"{len(LEARNER)} were there already" in " ".join(capsys.readouterr().out.split())


def test_a_file_in_the_way_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "course").write_text("", "utf-8")
    assert run(["notebooks", str(tmp_path / "course")]) == 2
    assert "Choose another one" in capsys.readouterr().err


def test_the_wheel_takes_every_notebook_along() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    taken = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for name in LEARNER:
        assert taken.get(f"notebooks/{name}") == f"avatar_lab/_notebooks/{name}"
    assert taken.get("notebooks/solutions") == "avatar_lab/_notebooks/solutions"
