"""Write a benchmark's report: to a file when one is named, and always to the screen."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any


def arguments_of(about: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows the module's own text and knows `--json`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    return parser


def plain(value: Any) -> Any:
    """Return the value with null for every number that JSON cannot write: NaN and the infinities."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def keep(report: dict[str, Any], path: Path | None) -> str:
    """Write what has been measured so far as JSON, where a file is named; return it."""
    text = json.dumps(plain(report), indent=2, allow_nan=False) + "\n"
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return text


def emit(report: dict[str, Any], path: Path | None) -> None:
    """Write `report` as JSON, to the file and to the screen."""
    sys.stdout.write(keep(report, path))
