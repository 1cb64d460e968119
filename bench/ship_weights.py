"""Put trained weights into the package, with where they come from.

    avatar-lab train lab --out runs/first
    avatar-lab train lab --checkpoint runs/first/generator.safetensors --seed 3 --out runs/further
    python bench/ship_weights.py runs/further/generator.safetensors
    avatar-lab evaluate lab --dyads 200 --long 4 --json bench/results/evaluate_lab.json
    python bench/ship_weights.py runs/further/generator.safetensors --scores bench/results/evaluate_lab.json

    avatar-lab train lab --part one-branch --out runs/fast
    python bench/ship_weights.py runs/fast/generator.safetensors
    python bench/lab_prices.py --json bench/results/lab_prices.json
    python bench/ship_weights.py runs/fast/generator.safetensors --scores bench/results/lab_prices.json

    avatar-lab train lab-latent --out runs/latent
    python bench/ship_weights.py runs/latent/generator.safetensors
    python bench/latent.py --probe runs/probe
    python bench/ship_weights.py runs/latent/generator.safetensors --scores bench/results/latent.json

Weights that several commands led to name them all, in order: `--made-by COMMAND --made-by COMMAND`. They are written
to `avatar_lab/weights/PRESET/`, distilled ones beside the others, with the preset's sampler of today (a distilled one
keeps its own); the manifest entry holds sha256, commands, data, metrics and hardware. Weights that lie there already
(`avatar_lab/weights/lab/generator.safetensors`) stay as they are: `--scores` renews the metrics of their entry.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from avatar_lab.cli.hardware import hardware
from avatar_lab.config import preset
from avatar_lab.model.avatar import FAST_FILE, GENERATOR_FILE, LATENT, read
from avatar_lab.model.weights import WEIGHTS_DIR, load_tensors, record_in_manifest, verify
from avatar_lab.train.latent import HOURS as LATENT_HOURS
from avatar_lab.train.recipes import CLIP_SECONDS, FURTHER_RECIPES, LIVELY, ONE_BRANCH_HOURS, RECIPES

KEPT = ("lips", "smile_contingency", "smile_share_of_truth", "seams")


def entry(
    meta: dict[str, Any], commands: list[str], scores: dict[str, Any], data: str | None = None
) -> dict[str, Any]:
    """Return the manifest entry of a generator; `data` says what it learned from, if not as the recipe does."""
    name = LATENT if meta.get("latent") else meta["config"]["name"]
    fast = meta.get("one_branch", False)
    part = "--part one-branch " if fast else ""
    hours = ONE_BRANCH_HOURS if fast else LATENT_HOURS if name == LATENT else RECIPES[name].hours
    source = "guidance of the shipped generator distilled on " if fast else ""
    if name == LATENT:
        source = "the shipped `lab`, trained further on pictures, drawn and read, of "
    own = f"avatar-lab train {name} {part}--steps {meta['steps']} --seed {meta['seed']}"
    return {
        "command": "; ".join(commands) or own,
        "data": data
        or f"{source}{hours:g} h of simulated conversation in clips of {CLIP_SECONDS} s"
        + (f", then {FURTHER_RECIPES[name].hours:g} h of others" if len(commands) > 1 else "")
        + f"; avatars of reactivity {LIVELY[0]}-{LIVELY[1]}, data_samples/speech, split train",
        "metrics": scores,
        "hardware": hardware() | {"minutes": meta["minutes"]},
    }


def scores_of(path: Path | None, meta: dict[str, Any]) -> dict[str, Any]:
    """Read the scores from evaluate_lab.json; of a distilled generator from lab_prices.json, of pixels latent.json."""
    if path is None:
        return {}
    found = json.loads(path.read_text("utf-8"))
    if meta.get("latent"):
        return {key: found[key] for key in ("dyads", "kept")} | {"pixels": found["paths"]["pixels"]}
    if meta.get("one_branch"):
        row = next(r for name, r in found["variants"].items() if "--fast" in name)
        return {key: row[key] for key in KEPT} | {"dyads": found["conversations"]}
    scores = found["scores"]
    return {
        "dyads": scores["dyads"],
        "lips": {name: lips["mean"] for name, lips in scores["lips"].items()},
        "contingency": {name: r["contingency"] for name, r in scores["reactions"].items()},
        "share_of_truth": {name: r["share_of_truth"] for name, r in scores["reactions"].items()},
        "jerk_ratio": scores["jerk_ratio"]["mean"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="generator.safetensors of a training")
    parser.add_argument("--made-by", action="append", default=[], help="a command that led to them, in order")
    parser.add_argument("--minutes", type=float, help="of all trainings together, if there were several")
    parser.add_argument("--data", help="what they learned from, where it was not the recipe's data alone")
    parser.add_argument("--scores", type=Path, help="what avatar-lab evaluate or bench/lab_prices.py wrote")
    chosen = parser.parse_args()
    _, meta = load_tensors(chosen.weights)
    fast, latent = meta.get("one_branch", False), meta.get("latent", False)
    folder = LATENT.replace("-", "_") if latent else meta["config"]["name"]
    target = WEIGHTS_DIR / folder / (FAST_FILE if fast else GENERATOR_FILE)
    if chosen.weights.resolve() == target.resolve():
        if chosen.scores is None:
            parser.error("these weights are shipped already; give --scores FILE to renew their metrics")
        record_in_manifest(target, verify(target) | {"metrics": scores_of(chosen.scores, meta)})
        return
    avatar = read(chosen.weights)
    if not fast:
        avatar = replace(avatar, config=replace(avatar.config, sampler=preset(avatar.config.name).sampler))
    about = {key: meta[key] for key in ("steps", "seed", "minutes", "one_branch", "latent") if key in meta}
    if chosen.minutes is not None:
        about["minutes"] = meta["minutes"] = chosen.minutes
    avatar.save(target, about)
    record_in_manifest(target, entry(meta, chosen.made_by, scores_of(chosen.scores, meta), chosen.data))
    print(f"shipped {target}")


if __name__ == "__main__":
    main()
