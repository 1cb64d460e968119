"""How long the notebooks take: every solution run as a learner runs it, cell by cell.

    python bench/notebooks.py --json book/timings.json            # full runs: what a laptop takes
    python bench/notebooks.py --fast                              # as the continuous checks run them
    python bench/notebooks.py --only 05_diffusion_forcing

Each notebook gets a kernel of its own, one after another; should a kernel's reply be lost on its way, the notebook is
run again (`attempts`), and the times are of the run that ended. `seconds` is the whole run, the kernel's start
included, `longest` its longest cell. `read_minutes` counts the words of its Markdown at 200 a minute, folded boxes left
out, and ten lines of code a minute; `exercise_minutes` adds up what the exercise cards say. notebooks/build.py prints
all three in the notebook's head. Cells over the limit, warnings and writing on stderr are listed: there should be none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import run_notebook
from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware

ROOT = Path(__file__).parents[1]
SOLUTIONS = ROOT / "notebooks" / "solutions"
CELL_LINES, CELL_SECONDS = 15, 240
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 10
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
CARD = re.compile(r"\*(?:Easy|Medium|Hard), (\d+) minutes?\.\*")


def minutes_of(cells: list[Any]) -> dict[str, int]:
    """Return how long reading takes at an ordinary pace, and what the exercise cards ask for."""
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    lines = sum(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code")
    words = len(FOLDED.sub("", prose).split())
    return {
        "read_minutes": max(1, round(words / WORDS_A_MINUTE + lines / LINES_A_MINUTE)),
        "exercise_minutes": sum(int(minutes) for minutes in CARD.findall(prose)),
    }


def is_long(cell: Any) -> bool:
    """Whether a cell has too many lines, blank ones and the learner's own solutions left out."""
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return len(lines) > CELL_LINES and "exercise" not in cell.metadata.get("tags", [])


def measured(path: Path) -> dict[str, Any]:
    """Run one notebook and return its times and its faults."""
    made = run_notebook.run(path, cell_limit_s=2 * CELL_SECONDS)
    code = [cell for cell in made.notebook.cells if cell.cell_type == "code"]
    noise = [
        output.text.strip()[:200]
        for cell in code
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    return {
        "seconds": round(made.seconds, 1),
        "longest": round(max(made.cell_seconds), 1),
        "attempts": made.attempts,
        **minutes_of(made.notebook.cells),
        "cells": len(code),
        "lines": sum(len(cell.source.splitlines()) for cell in code),
        "long_cells": [number for number, cell in enumerate(code) if is_long(cell)],
        "exercises": sum("exercise" in cell.metadata.get("tags", []) for cell in code),
        "noise": noise,
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--fast", action="store_true", help="shortened trainings (AVATAR_LAB_FAST=1)")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these notebooks alone, e.g. 05_diffusion_forcing"
    )
    a = parser.parse_args()
    os.environ["AVATAR_LAB_FAST"] = "1" if a.fast else "0"
    os.environ["AVATAR_LAB_STRICT"] = "1"
    paths = [p for p in sorted(SOLUTIONS.glob("*.ipynb")) if not a.only or p.stem in a.only]
    found = {path.stem: measured(path) for path in paths}
    total = round(sum(one["seconds"] for one in found.values()), 1)
    report = {"hardware": hardware("cpu"), "fast": a.fast, "seconds": total, "notebooks": found}
    emit(report, a.json)


if __name__ == "__main__":
    main()
