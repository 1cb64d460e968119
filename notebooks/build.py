"""Generate the learner's notebooks and their solutions from notebooks/source/*.py.

One source (py:percent, valid Python) makes two notebooks, both without outputs:

- in a code cell, the lines between `# solution >>>` and `# learner >>>` go to the solution, the lines between
  `# learner >>>` and `# <<<` (each behind `# ~ `, so that the source stays runnable) go to the learner;
- in a Markdown cell, `{{solution}}` becomes a folded box with the solution of the exercise before it in the learner's
  notebook; the solution keeps only what comes after it, for hints are of no use there;
- `{{timing}}` becomes a line with the minutes of reading, running and exercises, from book/timings.json (written by
  bench/notebooks.py). A source without that mark gets the line at the end of its first Markdown cell. Without the
  file, or without the notebook in it, there is no line: nothing is guessed;
- a picture of book/images is packed into the cell that shows it, so that a notebook needs no file beside it.

`python notebooks/build.py` writes; `--check` writes nothing and fails when a notebook differs from its source.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent
SOLUTION, LEARNER, END = "# solution >>>", "# learner >>>", "# <<<"
PLACEHOLDER, TIMING = "{{solution}}", "{{timing}}"
TIMINGS = HERE.parent / "book" / "timings.json"
PICTURE = re.compile(r"\]\((?:\.\./)+book/images/(\w+\.(\w+))\)")
KERNEL = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}


def split_cell(source: str) -> tuple[str, str, str]:
    """Return one code cell as (learner's text, solution's text, the solution alone)."""
    learner, solved, alone, part = [], [], [], "both"
    for line in source.splitlines():
        mark = line.strip()
        if mark in (SOLUTION, LEARNER, END):
            part = {SOLUTION: "solution", LEARNER: "learner", END: "both"}[mark]
        elif part == "solution":
            solved.append(line)
            alone.append(line)
        elif part == "learner":
            # An empty line has lost the space behind its mark.
            learner.append("" if mark == "# ~" else line.replace("# ~ ", "", 1))
        else:
            learner.append(line)
            solved.append(line)
            alone.append(line)
    if part != "both":
        raise SystemExit(f"A cell has no closing `{END}`:\n{source}")
    has_solution = learner != solved
    return (
        joined(learner),
        joined(solved),
        joined(alone) if has_solution else "",
    )


def joined(lines: list[str]) -> str:
    """Return one text, without empty lines at its ends."""
    return "\n".join(lines).strip("\n")


def folded(solution: str) -> str:
    """Return a Markdown box that opens on a click."""
    return f"<details>\n<summary>Solution</summary>\n\n```python\n{solution}\n```\n\n</details>"


def timings() -> dict[str, Any]:
    """Return what bench/notebooks.py measured; shortened runs do not count."""
    if not TIMINGS.is_file():
        return {}
    report = json.loads(TIMINGS.read_text("utf-8"))
    return {} if report["fast"] else report


def timing_line(stem: str, report: dict[str, Any]) -> str:
    """Return how long a notebook takes, or "" when it was not measured."""
    measured = report.get("notebooks", {}).get(stem)
    if not measured:
        return ""
    running = measured["seconds"] / 60
    parts = [
        f"reading {measured['read_minutes']} min",
        f"running {running:.0f} min" if running >= 1 else "running < 1 min",
    ]
    if measured["exercise_minutes"]:
        parts.append(f"exercises {measured['exercise_minutes']} min")
    machine = report["hardware"]
    return (
        f"*{', '.join(parts).capitalize()} (run on {machine['processor']}, "
        f"{machine['cores']} cores).*"
    )


def with_timing(text: str, line: str, first: bool) -> str:
    """Return a Markdown cell with the line at its mark, or at its end if it is the first one."""
    if TIMING in text:
        return text.replace(TIMING, line).strip("\n")
    return f"{text}\n\n{line}" if first and line else text


def packed(text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Return a Markdown cell whose pictures are its own attachments, and these."""
    pictures = {
        name: {
            f"image/{kind}": base64.b64encode(
                (HERE.parent / "book" / "images" / name).read_bytes()
            ).decode()
        }
        for name, kind in PICTURE.findall(text)
    }
    return PICTURE.sub(r"](attachment:\1)", text), pictures


def made(
    cell: nbformat.NotebookNode, text: str, name: str
) -> nbformat.NotebookNode:
    """Return a cell of a notebook from a cell of its source."""
    tags = {k: v for k, v in cell.metadata.items() if k == "tags"}
    if cell.cell_type == "code":
        return nbformat.v4.new_code_cell(text, metadata=tags, id=name)
    text, pictures = packed(text)
    new = nbformat.v4.new_markdown_cell(text, metadata=tags, id=name)
    if pictures:
        new.attachments = pictures
    return new


def build(
    path: Path, report: dict[str, Any] | None = None
) -> dict[str, nbformat.NotebookNode]:
    """Return the learner's notebook and the solution made from one source file."""
    source: Any = jupytext.read(path)
    line = timing_line(path.stem, timings() if report is None else report)
    marked = any(TIMING in cell.source for cell in source.cells)
    for number, cell in enumerate(source.cells):
        if cell.cell_type == "markdown":
            first = number == 0 and not marked
            cell.source = with_timing(cell.source, line, first)
    cells: dict[str, list[nbformat.NotebookNode]] = {
        "learner": [],
        "solution": [],
    }
    last = ""
    for cell in source.cells:
        texts = {"learner": cell.source, "solution": cell.source}
        if cell.cell_type == "code":
            texts["learner"], texts["solution"], alone = split_cell(cell.source)
            last = alone or last
        elif PLACEHOLDER in cell.source:
            texts = {
                "learner": cell.source.replace(PLACEHOLDER, folded(last)),
                "solution": cell.source.split(PLACEHOLDER)[-1].strip("\n"),
            }
        for kind, text in texts.items():
            if text:
                name = f"{path.stem[:2]}-{kind}-{len(cells[kind]):02d}"
                cells[kind].append(made(cell, text, name))
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return {
        kind: nbformat.v4.new_notebook(cells=body, metadata=metadata)
        for kind, body in cells.items()
    }


def targets(path: Path) -> dict[str, Path]:
    """Return where the two notebooks of one source go."""
    name = f"{path.stem}.ipynb"
    return {"learner": HERE / name, "solution": HERE / "solutions" / name}


def main() -> int:
    """Write all notebooks, or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on drift"
    )
    check = parser.parse_args().check
    stale = []
    for source in sorted((HERE / "source").glob("*.py")):
        for kind, notebook in build(source).items():
            target = targets(source)[kind]
            nbformat.validate(notebook)
            text = nbformat.writes(notebook, indent=1) + "\n"
            if target.is_file() and target.read_text("utf-8") == text:
                continue
            stale.append(target.relative_to(HERE.parent).as_posix())
            if not check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8", newline="\n")
    wanted = {
        t for s in (HERE / "source").glob("*.py") for t in targets(s).values()
    }
    orphans = sorted(
        p
        for p in (*HERE.glob("*.ipynb"), *HERE.glob("solutions/*.ipynb"))
        if p not in wanted
    )
    for orphan in orphans:
        print(
            f"no source for {orphan.relative_to(HERE.parent)}", file=sys.stderr
        )
    for name in stale:
        print(f"{'differs from its source' if check else 'wrote'}: {name}")
    if check and stale:
        print("Run: make notebooks", file=sys.stderr)
    return 1 if orphans or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
