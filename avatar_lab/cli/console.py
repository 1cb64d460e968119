"""Progress bars and endings, in one place, so that all commands look alike.

Bars go to stderr: stdout stays clean for tables and JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

Stage = Callable[[str, int, int], None]

out = Console()
err = Console(stderr=True)


@contextmanager
def stages() -> Iterator[Stage]:
    """Yield `report(stage, done, total)`: a new name opens a new bar, a full one is ticked off.

    A total of 0 means "unknown". When something fails the bars vanish, so that the error is the only line left; where
    stderr is no terminal there are no bars, but one line for each stage at the end.
    """
    bars = Bars() if err.is_terminal else Lines()
    try:
        yield bars.report
    except BaseException:
        bars.close(failed=True)
        raise
    bars.close(failed=False)


class Bars:
    """Live progress bars."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
        )

    def report(self, stage: str, done: int, total: int) -> None:
        """Move the bar of `stage`."""
        if not self._tasks:
            self._progress.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)

    def close(self, failed: bool) -> None:
        """Leave the full bars on the screen, or nothing."""
        self._progress.live.transient = failed
        if self._tasks:
            self._progress.stop()


class Lines:
    """The same for logs: nothing until the end, then one line a stage."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def report(self, stage: str, done: int, total: int) -> None:
        """Remember how far `stage` has come."""
        self._counts[stage] = done

    def close(self, failed: bool) -> None:
        """Print what was done, unless it failed."""
        if not failed:
            for stage, done in self._counts.items():
                err.print(f"✓ {stage:<20} {done}", highlight=False)


def name_files(files: dict[str, Path]) -> None:
    """End a command by naming what it wrote."""
    for what, path in files.items():
        out.print(f"  {what:<9} [bold]{escape(str(path))}[/bold]", highlight=False, soft_wrap=True)
