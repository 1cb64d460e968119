"""Put trained weights into the package, with where they come from.

    avatar-lab train lab --out runs/lab
    python bench/ship_weights.py runs/lab/generator.safetensors
    python bench/first.py --json bench/results/first.json
    python bench/ship_weights.py runs/lab/generator.safetensors --scores bench/results/first.json

The file is copied to `avatar_lab/weights/PRESET/`; its manifest entry holds sha256, command, data, metrics and
hardware.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from avatar_lab.cli.hardware import hardware
from avatar_lab.model.weights import WEIGHTS_DIR, load_tensors, record_in_manifest
from avatar_lab.train.recipes import CLIP_SECONDS, LIVELY, RECIPES

KEPT = ("lip_correlation", "smile_rise", "smile_contingency", "smile_share_of_truth", "smile_recall", "dyads")


def entry(meta: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest entry of a generator."""
    name = meta["config"]["name"]
    recipe = RECIPES[name]
    return {
        "command": f"avatar-lab train {name} --steps {meta['steps']} --seed {meta['seed']}",
        "data": f"{recipe.hours:g} h of simulated conversation in clips of {CLIP_SECONDS} s, "
        f"avatars of reactivity {LIVELY[0]}-{LIVELY[1]}, data_samples/speech, split train",
        "metrics": {key: scores[key] for key in KEPT if key in scores},
        "hardware": hardware() | {"minutes": meta["minutes"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="generator.safetensors of a training")
    parser.add_argument(
        "--scores", type=Path, help="what bench/first.py wrote; left out before it is measured"
    )
    chosen = parser.parse_args()
    scores: dict[str, Any] = {}
    if chosen.scores:
        scores = json.loads(chosen.scores.read_text("utf-8"))["details"]["reaction"]
    _, meta = load_tensors(chosen.weights)
    target = WEIGHTS_DIR / meta["config"]["name"] / "generator.safetensors"
    shutil.copyfile(chosen.weights, target)
    record_in_manifest(target, entry(meta, scores))
    print(f"shipped {target}")


if __name__ == "__main__":
    main()
