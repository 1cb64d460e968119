"""`avatar-lab doctor`: the report of `al.doctor()` as a table or as JSON."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look at this machine: what will work, and what to install."""
    from rich.markup import escape
    from rich.table import Table

    from avatar_lab.cli import console
    from avatar_lab.cli import doctor as clinic

    report = clinic.doctor()
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        colour = {"ok": "green", "advice": "yellow", "fail": "red"}
        for check in report.checks:
            sign = f"[{colour[check.status]}]{clinic.SIGNS[check.status]}[/]"
            advice = f"\n[dim]{escape(check.advice)}[/]" if check.advice else ""
            table.add_row(sign, f"[bold]{check.name}[/]", escape(check.found) + advice)
        console.out.print(table)
        console.out.print(f"\n[bold]{escape(report.verdict)}[/]", highlight=False)
    if not report.healthy:
        raise typer.Exit(2)
