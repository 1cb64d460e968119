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
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from emit import arguments_of, emit
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from traitlets.config import Config

from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock

ROOT = Path(__file__).parents[1]
SOLUTIONS = ROOT / "notebooks" / "solutions"
CELL_LINES, CELL_SECONDS = 15, 240
ATTEMPTS = 3
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 10
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
CARD = re.compile(r"\*(?:Easy|Medium|Hard), (\d+) minutes?\.\*")


class TimedClient(NotebookClient):
    """Notes how long every cell takes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.taken: list[float] = []

    async def async_execute_cell(self, cell: Any, *arguments: Any, **options: Any) -> Any:
        clock = SystemClock()
        began = clock.now()
        done = await super().async_execute_cell(cell, *arguments, **options)
        if cell.cell_type == "code":
            self.taken.append(clock.now() - began)
        return done


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


def executed(path: Path) -> tuple[Any, list[float], float]:
    """Run one notebook and return it, what each cell took and what all took, in seconds."""
    notebook, clock = nbformat.read(path, as_version=4), SystemClock()
    with TemporaryDirectory() as sockets:  # of its own: a port may be somebody else's
        client = TimedClient(
            notebook,
            timeout=2 * CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
        )
        began = clock.now()
        client.execute()
    return notebook, client.taken, clock.now() - began


def patiently(path: Path) -> tuple[int, tuple[Any, list[float], float]]:
    """Run one notebook, again where no answer came; return the attempts and what `executed` returned."""
    for attempt in range(1, ATTEMPTS):
        try:
            return attempt, executed(path)
        except CellTimeoutError:
            print(f"{path.name}: no answer within {2 * CELL_SECONDS} s, attempt {attempt} of {ATTEMPTS}")
    return ATTEMPTS, executed(path)


def run(path: Path) -> dict[str, Any]:
    """Run one notebook and return its times and its faults."""
    attempts, (notebook, taken, seconds) = patiently(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    noise = [
        output.text.strip()[:200]
        for cell in code
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    return {
        "seconds": round(seconds, 1),
        "longest": round(max(taken), 1),
        "attempts": attempts,
        **minutes_of(notebook.cells),
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
    found = {path.stem: run(path) for path in paths}
    total = round(sum(one["seconds"] for one in found.values()), 1)
    report = {"hardware": hardware("cpu"), "fast": a.fast, "seconds": total, "notebooks": found}
    emit(report, a.json)


if __name__ == "__main__":
    main()
