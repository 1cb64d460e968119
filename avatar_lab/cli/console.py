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
    TextColumn,
    TimeElapsedColumn,
)

Stage = Callable[[str, int, int], None]

out = Console()
err = Console(stderr=True)


@contextmanager
def stages() -> Iterator[Stage]:
    """Yield `report(stage, done, total)`: a new name opens a new bar, a full one is ticked off.

    A total of 0 means "unknown": the bar only moves.
    """
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description:<22}"), BarColumn(bar_width=32),
               MofNCompleteColumn(), TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=err) as progress:
        known: dict[str, object] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in known:
                known[stage] = progress.add_task(stage, total=total or None)
            progress.update(known[stage], completed=done, total=total or None)  # type: ignore[arg-type]

        yield report


def name_files(files: dict[str, Path]) -> None:
    """End a command by naming what it wrote."""
    for what, path in files.items():
        out.print(f"  {what:<9} [bold]{escape(str(path))}[/bold]", highlight=False, soft_wrap=True)
