"""Draw the training curves of one or several runs of `avatar-lab train` into one picture.

    python bench/training_curves.py runs/lab-generator runs/other --out out/curves.png

Thin: the loss as logged every 50 steps; thick: smoothed. The stages of a run follow each other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from avatar_lab.errors import AvatarLabError, ConfigError
from avatar_lab.train.recipes import logs_of
from avatar_lab.viz.training_panel import curves


def main() -> int:
    """Draw and say where; exit code 2 for a folder without a log."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--key", default="loss", help="which number of the logs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    asked = parser.parse_args()
    try:
        logs = {str(run): logs_of(run) for run in asked.runs}
        empty = [run for run, files in logs.items() if not files]
        if empty:
            raise ConfigError(
                f"There is no log.jsonl in {', '.join(empty)}. Pass the --out folder of a training."
            )
        figure = curves(logs, asked.key)
    except AvatarLabError as error:
        print(f"training_curves: {error}", file=sys.stderr)
        return 2
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(asked.out, dpi=150)
    print(asked.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
