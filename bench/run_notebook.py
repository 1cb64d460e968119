"""Run one notebook in a kernel of its own, and again where the kernel's answer was lost.

On busy machines a kernel's last reply sometimes never reaches the client: the kernel is idle, the client waits. A cell
that takes too long therefore starts the notebook again, a few times, before it counts as a failure. The book and the
timings run notebooks this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from traitlets.config import Config

from avatar_lab.clock import SystemClock

ATTEMPTS = 3


@dataclass(frozen=True)
class Run:
    """A notebook with its outputs, what its code cells and all of it took, and which attempt ended."""

    notebook: Any
    cell_seconds: list[float]
    seconds: float
    attempts: int


class TimedClient(NotebookClient):
    """Notes how long every code cell takes."""

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


def run(path: Path, cell_limit_s: float) -> Run:
    """Run the notebook; raises CellTimeoutError when a cell is over its limit in every attempt."""
    for attempt in range(1, ATTEMPTS):
        try:
            return _once(path, cell_limit_s, attempt)
        except CellTimeoutError:
            print(
                f"{path.name}: no answer within {cell_limit_s:g} s, attempt {attempt} of {ATTEMPTS}",
                flush=True,
            )
    return _once(path, cell_limit_s, ATTEMPTS)


def _once(path: Path, cell_limit_s: float, attempt: int) -> Run:
    notebook, clock = nbformat.read(path, as_version=4), SystemClock()
    with TemporaryDirectory(ignore_cleanup_errors=True) as sockets:
        client = TimedClient(
            notebook,
            timeout=cell_limit_s,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            coalesce_streams=True,  # a table that is printed slowly stays one table
            # Sockets of its own: two kernels that start at once may pick the same port.
            config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
        )
        began = clock.now()
        client.execute()
    return Run(notebook, client.taken, clock.now() - began, attempt)
