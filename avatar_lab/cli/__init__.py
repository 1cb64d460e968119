"""Command line, a thin shell over the public functions: `avatar-lab doctor|demo|react|train|evaluate|bench|...`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (entry point of `avatar-lab`)."""
    from avatar_lab.cli.app import run

    return run(arguments)
