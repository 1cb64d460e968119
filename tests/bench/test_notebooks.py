"""What stands in a notebook's head comes from book/timings.json, and the same files give the same notebooks."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = "# %% [markdown]\n# # A title\n#\n# Words.\n\n# %%\n1 + 1\n"
MARKED = SOURCE.replace("# Words.", "# {{timing}}\n#\n# Words.")
REPORT: dict[str, Any] = {
    "hardware": {"processor": "A chip", "cores": 2},
    "fast": False,
    "notebooks": {"07_x": {"seconds": 130.0, "read_minutes": 12, "exercise_minutes": 40}},
}
LINE = "*Reading 12 min, running 2 min, exercises 40 min (run on A chip, 2 cores).*"


def module(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a script that is no part of a package."""
    import importlib.util

    monkeypatch.syspath_prepend(str(ROOT / folder))
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return module("notebooks", "build", monkeypatch)


def first_cells(build: ModuleType, folder: Path, source: str, report: Any) -> dict[str, str]:
    path = folder / "07_x.py"
    path.write_text(source, "utf-8")
    return {kind: made.cells[0].source for kind, made in build.build(path, report).items()}


@pytest.mark.parametrize("kind", ["learner", "solution"])
def test_the_head_says_how_long_it_takes(build: ModuleType, tmp_path: Path, kind: str) -> None:
    found = first_cells(build, tmp_path, SOURCE, REPORT)[kind]
    assert found == f"# A title\n\nWords.\n\n{LINE}"
    assert first_cells(build, tmp_path, MARKED, REPORT)[kind] == f"# A title\n\n{LINE}\n\nWords."


@pytest.mark.parametrize("report", [{}, {**REPORT, "notebooks": {}}])
def test_what_was_not_measured_is_not_guessed(build: ModuleType, tmp_path: Path, report: Any) -> None:
    assert first_cells(build, tmp_path, SOURCE, report)["learner"] == "# A title\n\nWords."
    assert "timing" not in first_cells(build, tmp_path, MARKED, report)["learner"]


def test_a_solution_drops_the_hints_and_keeps_what_follows_them(build: ModuleType, tmp_path: Path) -> None:
    stub = "# %%\n# solution >>>\nx = 1\n# learner >>>\n# ~ x = ...\n# <<<\n"
    path = tmp_path / "07_x.py"
    path.write_text(
        SOURCE + stub + "# %% [markdown]\n# A hint.\n#\n# {{solution}}\n#\n# And so on.\n", "utf-8"
    )
    last = {kind: made.cells[-1].source for kind, made in build.build(path, {}).items()}
    assert last["solution"] == "And so on."
    assert last["learner"].startswith("A hint.")
    assert "x = 1" in last["learner"]
    assert last["learner"].endswith("And so on.")


def test_short_runs_and_notebooks_without_exercises(build: ModuleType) -> None:
    quick = {"seconds": 20.0, "read_minutes": 3, "exercise_minutes": 0}
    line = build.timing_line("07_x", {**REPORT, "notebooks": {"07_x": quick}})
    assert line == "*Reading 3 min, running < 1 min (run on A chip, 2 cores).*"


def test_the_file_decides_and_twice_is_the_same(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timings = tmp_path / "timings.json"
    monkeypatch.setattr(build, "TIMINGS", timings)
    assert build.timings() == {}
    timings.write_text(json.dumps(REPORT), "utf-8")
    path = tmp_path / "07_x.py"
    path.write_text(SOURCE, "utf-8")
    once, twice = (nbformat.writes(build.build(path)["learner"]) for _ in range(2))
    assert once == twice
    assert LINE in once
    timings.write_text(json.dumps({**REPORT, "fast": True}), "utf-8")
    assert build.timings() == {}, "shortened runs do not count"


def test_pictures_are_in_the_notebook(build: ModuleType, tmp_path: Path) -> None:
    shown = SOURCE.replace("# Words.", "# ![The widget](../../book/images/live_light.webp)")
    path = tmp_path / "07_x.py"
    path.write_text(shown, "utf-8")
    for notebook in build.build(path, {}).values():
        nbformat.validate(notebook)
        cell = notebook.cells[0]
        assert "](attachment:live_light.webp)" in cell.source
        packed = base64.b64decode(cell.attachments["live_light.webp"]["image/webp"])
        assert packed == (ROOT / "book" / "images" / "live_light.webp").read_bytes()


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "solutions").glob("*.ipynb")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_notebook_needs_no_file_beside_it(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            links = re.findall(r"!\[[^]]*\]\(([^)]*)\)", cell.source)
            packed = [f"attachment:{name}" for name in cell.get("attachments", {})]
            assert links == packed


def test_reading_and_exercises_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient")
    bench = module("bench", "notebooks", monkeypatch)
    prose = "word " * 600 + "*Easy, 5 minutes.* Do.\n<details>" + "more " * 900 + "</details>"
    cells = [nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell("x = 1\n" * 20)]
    cells.append(nbformat.v4.new_markdown_cell("*Hard, 25 minutes.*"))
    assert bench.minutes_of(cells) == {"read_minutes": 5, "exercise_minutes": 30}


def test_no_cell_of_the_course_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = module("bench", "notebooks", monkeypatch)
    long, exercise = nbformat.v4.new_code_cell("x = 1\n\n" * 16), nbformat.v4.new_code_cell("x = 1\n" * 16)
    exercise.metadata["tags"] = ["exercise"]
    assert bench.is_long(long)
    assert not bench.is_long(exercise)
    assert not bench.is_long(nbformat.v4.new_code_cell("x = 1\n\n" * 15))
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert len(paths) == 14
    for path in paths:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        found = [cell.source.splitlines()[0] for cell in cells if bench.is_long(cell)]
        assert not found, f"{path.name}: more than {bench.CELL_LINES} lines"


def test_every_exercise_card_says_its_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = module("bench", "notebooks", monkeypatch)
    for path in sorted((ROOT / "notebooks" / "solutions").glob("[0-9][0-9]_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        cards = bench.CARD.findall("\n".join(c.source for c in cells if c.cell_type == "markdown"))
        titles = [c for c in cells if c.cell_type == "markdown" and "### Exercise" in c.source]
        assert len(cards) == len(titles), f"{path.stem}: write cards as *Easy, 10 minutes.*"
