"""A notebook whose kernel does not answer is run again; one that fails is not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SLOW_ONCE = """
from pathlib import Path
import time
if not Path("been_here").exists():
    Path("been_here").touch()
    time.sleep(600)
"""


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = Path(__file__).parents[2] / "bench"
    spec = importlib.util.spec_from_file_location("bench_run_notebook", folder / "run_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, found)  # dataclasses look their module up
    spec.loader.exec_module(found)
    return found


def write(folder: Path, *code: str) -> Path:
    cells = [new_markdown_cell("Words."), *map(new_code_cell, code)]
    path = folder / "some.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_lost_answer_starts_again(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = runner.run(write(tmp_path, SLOW_ONCE, "1 + 1"), cell_limit_s=5)
    assert made.attempts == 2
    assert made.notebook.cells[2].outputs[0].data["text/plain"] == "2"
    assert len(made.cell_seconds) == 2
    assert sum(made.cell_seconds) <= made.seconds
    assert "some.ipynb: no answer within 5 s, attempt 1 of 3" in capsys.readouterr().out


def test_an_error_is_an_error_at_once(runner: ModuleType, tmp_path: Path) -> None:
    counting = "with open('runs', 'a') as f: f.write('x')"
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        runner.run(write(tmp_path, counting, "1 / 0"), cell_limit_s=60)
    assert (tmp_path / "runs").read_text() == "x"
