"""`avatar-lab verify FILE`: does a film say that it was generated?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def verify(
    film: Annotated[Path, typer.Argument(help="The film to look at.", metavar="FILE")],
    json: Annotated[Path | None, typer.Option(help="Write what was found to this file.")] = None,
) -> None:
    """Say whether a film carries the marks of this package: in its metadata, and in its pictures."""
    from avatar_lab.cli import console
    from avatar_lab.cli.files import check_json, write_json
    from avatar_lab.data import marking

    check_json(json)
    found = marking.verify(film)
    say = console.out.print
    say(f"metadata    {'generated with avatar_lab' if found.metadata else 'say nothing'}", highlight=False)
    if found.watermark is None:
        why = "too small for it" if marking.find_spec("imwatermark") else f"cannot be read: {marking.INSTALL}"
        say(f"watermark   {why}", highlight=False, markup=False)
    else:
        what = "found" if found.watermark else "not found"
        say(f"watermark   {what} ({found.bits} of 32 bits, {found.frames} frames)", highlight=False)
    verdict = (
        "This film was generated with avatar_lab." if found.generated else "No mark of avatar_lab was found."
    )
    say(verdict, highlight=False)
    if json is not None:
        write_json(json, {**asdict(found), "generated": found.generated})
