"""Put trained weights into the package, with where they come from.

    avatar-lab train lab --out runs/lab
    python bench/ship_weights.py runs/lab/generator.safetensors
    python bench/first.py --json bench/results/first.json
    python bench/ship_weights.py runs/lab/generator.safetensors --scores bench/results/first.json

    avatar-lab train lab --part one-branch --out runs/fast
    python bench/ship_weights.py runs/fast/generator.safetensors
    python bench/lab_prices.py --json bench/results/lab_prices.json
    python bench/ship_weights.py runs/fast/generator.safetensors --scores bench/results/lab_prices.json

The file is copied to `avatar_lab/weights/PRESET/`, a distilled one beside the other; its manifest entry holds sha256,
command, data, metrics and hardware.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from avatar_lab.cli.hardware import hardware
from avatar_lab.model.avatar import FAST_FILE, GENERATOR_FILE
from avatar_lab.model.weights import WEIGHTS_DIR, load_tensors, record_in_manifest
from avatar_lab.train.recipes import CLIP_SECONDS, LIVELY, ONE_BRANCH_HOURS, RECIPES

KEPT = ("lip_correlation", "smile_rise", "smile_contingency", "smile_share_of_truth", "smile_recall", "dyads")


def entry(meta: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest entry of a generator."""
    name = meta["config"]["name"]
    recipe = RECIPES[name]
    fast = meta.get("one_branch", False)
    part = "--part one-branch " if fast else ""
    hours = ONE_BRANCH_HOURS if fast else recipe.hours
    source = "guidance of the shipped generator distilled on " if fast else ""
    return {
        "command": f"avatar-lab train {name} {part}--steps {meta['steps']} --seed {meta['seed']}",
        "data": f"{source}{hours:g} h of simulated conversation in clips of {CLIP_SECONDS} s, "
        f"avatars of reactivity {LIVELY[0]}-{LIVELY[1]}, data_samples/speech, split train",
        "metrics": {key: scores[key] for key in KEPT if key in scores},
        "hardware": hardware() | {"minutes": meta["minutes"]},
    }


def scores_of(path: Path | None, fast: bool) -> dict[str, Any]:
    """Read the scores of a generator from first.json, or of a distilled one from lab_prices.json."""
    if path is None:
        return {}
    found = json.loads(path.read_text("utf-8"))
    if not fast:
        return found["details"]["reaction"]
    row = next(r for name, r in found["variants"].items() if "--fast" in name)
    return row | {"lip_correlation": row["lips"], "dyads": found["conversations"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="generator.safetensors of a training")
    parser.add_argument("--scores", type=Path, help="what bench/first.py or bench/lab_prices.py wrote")
    chosen = parser.parse_args()
    _, meta = load_tensors(chosen.weights)
    fast = meta.get("one_branch", False)
    target = WEIGHTS_DIR / meta["config"]["name"] / (FAST_FILE if fast else GENERATOR_FILE)
    shutil.copyfile(chosen.weights, target)
    record_in_manifest(target, entry(meta, scores_of(chosen.scores, fast)))
    print(f"shipped {target}")


if __name__ == "__main__":
    main()
