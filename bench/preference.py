"""Does preference training earn its place? The base model, plain fine-tuning, and preference at several strengths.

    python bench/preference.py --out runs/preference --steps 1000 --seeds 1 --json bench/results/preference.json
    python bench/preference.py --out runs/preference --only dpo-1000 --seeds 1 --steps 1000   # train one, elsewhere

All variants start from the shipped `lab` weights and see the same windows for the same number of steps; `sft` is the
control, with the preference term switched off. Losing samples are the same model's with the user dropped. Everything
is judged as by `avatar-lab evaluate`, on held-out people and sentences, free streaming. Rows of `variants`, one entry a
seed: lips, smile contingency (own user minus stranger) with its 95 % interval, share of the truth, seams; and what was
watched in training: margin, accuracy, winner error, share of saturated frames. Trainings resume.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.model.avatar import read
from avatar_lab.model.weights import load_tensors
from avatar_lab.stream.evaluate import evaluate
from avatar_lab.train.preference import PreferenceConfig
from avatar_lab.train.recipes import CLIP_SECONDS, conversations, prefer

BASE = PreferenceConfig()
VARIANTS = {
    "sft": replace(BASE, weight=0.0),
    "dpo-1000": BASE,
    "dpo-100": replace(BASE, beta=100.0),
    "dpo-30": replace(BASE, beta=30.0),
}
WATCHED = ("margin", "accuracy", "winner_error", "saturated", "forcing")


def trained(name: str, seed: int, steps: int, hours: float, out: Path) -> dict[str, float]:
    """Train a variant unless it is finished, and return what was watched at its end."""
    folder = out / f"{name}-seed{seed}"
    weights, log = folder / "generator.safetensors", folder / "log.jsonl"
    if not weights.exists() or load_tensors(weights)[1]["steps"] < steps:
        prefer("lab", folder, steps=steps, hours=hours, seed=seed, config=VARIANTS[name], progress=False)
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    return {key: last[key] for key in (*WATCHED, "minutes") if key in last}


def judged(weights: Path | None, minutes: int) -> dict[str, Any]:
    """Judge a weights file (None: the shipped ones) on held-out conversations; the scores that count here."""
    torch.set_num_threads(1)
    avatar = read(weights).eval() if weights else al.load("lab", device="cpu")
    dyads = list(conversations(minutes * CLIP_SECONDS / 3600, HELD_OUT_SEED, split="test"))
    scores = evaluate(avatar, dyads)
    kept = ("smile_contingency", "smile_share_of_truth", "smile_recall", "variance")
    return {"lips": scores["lip_correlation"], "seams": scores["seam_ratio"]} | {k: scores[k] for k in kept}


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=1.0, help="of conversation to learn from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--conversations", type=int, default=40, help="held-out minutes to judge by")
    parser.add_argument("--workers", type=int, default=2, help="processes that judge")
    parser.add_argument("--only", choices=sorted(VARIANTS), help="train this one and judge nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = [(name, seed) for name in VARIANTS for seed in range(arguments.seeds)]
    if arguments.only:
        runs = [run for run in runs if run[0] == arguments.only]
    watched = [trained(name, seed, arguments.steps, arguments.hours, arguments.out) for name, seed in runs]
    if arguments.only:
        return
    files = [None, *(arguments.out / f"{name}-seed{seed}" / "generator.safetensors" for name, seed in runs)]
    with ProcessPoolExecutor(arguments.workers) as pool:
        base, *scores = pool.map(partial(judged, minutes=arguments.conversations), files)
    rows: dict[str, list[dict[str, Any]]] = {"base": [base]}
    for (name, _), score, figures in zip(runs, scores, watched, strict=True):
        rows.setdefault(name, []).append(score | {"training": figures})
    report = {
        "hardware": hardware("cpu") | {"threads": 1},
        "conversations": arguments.conversations,
        "steps": arguments.steps,
        "hours": arguments.hours,
        "seeds": arguments.seeds,
        "variants": rows,
    }
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
