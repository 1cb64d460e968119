"""`avatar-lab notebooks DIR`: the course's notebooks, for people who installed the package without the repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from avatar_lab.errors import MediaError


def notebooks_dir() -> Path:
    """Return the folder of the learner's notebooks: inside the installed package, or beside it in a checkout.

    Raises MediaError if neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if any(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise MediaError(f"The notebooks were expected in {package / '_notebooks'}. Reinstall avatar-lab.")


def copy_notebooks(source: Path, target: Path, *, solutions: bool = False) -> tuple[list[Path], list[Path]]:
    """Copy notebooks to `target`; return (written, kept): what is there already is the learner's work, and stays."""
    from avatar_lab.cli.files import make_folder

    written, kept = [], []
    wanted = sorted(source.glob("*.ipynb")) + (sorted(source.glob("solutions/*.ipynb")) if solutions else [])
    for path in wanted:
        goal = target / path.relative_to(source)
        if goal.exists():
            kept.append(goal)
            continue
        make_folder(goal.parent)
        shutil.copyfile(path, goal)
        written.append(goal)
    return written, kept


def notebooks(
    folder: Annotated[Path, typer.Argument(help="Where the notebooks shall lie.")] = Path(
        "avatar_lab_notebooks"
    ),
    solutions: Annotated[bool, typer.Option("--solutions", help="Bring the solved ones, too.")] = False,
) -> None:
    """Copy the course's notebooks to a folder; what is there already is kept."""
    from avatar_lab.cli import console

    written, kept = copy_notebooks(notebooks_dir(), folder, solutions=solutions)
    console.out.print(f"{len(written)} notebooks written to {folder}.", highlight=False)
    if kept:
        console.out.print(f"{len(kept)} were there already and were left as they are.", highlight=False)
    console.out.print(f"Next: jupyter lab {folder}", highlight=False)
