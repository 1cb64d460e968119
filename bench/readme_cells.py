"""How figures of bench/results are written into tables and sentences: rounding, intervals, rows, machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def read(name: str) -> dict[str, Any]:
    """Read one result."""
    return json.loads((RESULTS / name).read_text("utf-8"))


def number(value: float) -> str:
    """Write a number with three significant digits, and no more decimals than a reader wants."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(*cells: object) -> str:
    """Write one row of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def machine_of(result: dict[str, Any]) -> str:
    """Name the machine a result came from."""
    machine = result["hardware"]
    speed = f", yardstick {machine['yardstick_ms']:.1f} ms" if "yardstick_ms" in machine else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores{speed}, "
        f"torch {machine['torch']} on {machine['device']}"
    )


def share(numbers: dict[str, Any]) -> str:
    """Write a mean with its interval, in per cent."""
    return "{:.0f} % ({:.0f} to {:.0f})".format(*(100 * numbers[key] for key in ("mean", "low", "high")))
