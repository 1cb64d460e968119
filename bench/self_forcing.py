"""Does self-forcing stop the drift? Ten-minute streams with the weights before and after it, and what it costs.

    avatar-lab train lab --checkpoint BEFORE --self-forcing 0.5 --steps 3000 --seed 5 --out runs/self_forcing
    python bench/self_forcing.py --before BEFORE --after runs/self_forcing/generator.safetensors
    python bench/self_forcing.py --smoke              # shipped weights twice, under a minute: does everything run?

The fair `--before` went through as many further steps without `--self-forcing`: training longer helps by itself.
Both weights stream the same held-out conversations from the same noise; `drift` compares the last quarter of the
streams with the first one (`metrics.habits.drift`), for every noise seed, beside the same number of the true motion.
A difference that is not larger than the one between seeds, or between truth and 0, says nothing. `short` are lips,
reactions, richness and seams of `avatar-lab evaluate` on `--dyads` conversations of a minute: drift may not be bought
with these. `seam_ratio` is the first to look at (see `avatar_lab.train.self_forcing`).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED, LONG_SECONDS
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.data.performance import Dyad
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.evaluate import evaluate, long_drift
from avatar_lab.train.recipes import conversations

RESULTS = Path(__file__).parent / "results" / "self_forcing.json"
DRIFTS = ("variance", "mean_pose")
KEPT = ("lips", "mouth_in_silence", "variance_ratio", "jerk_ratio", "seam_ratio")  # of a short evaluation
SMOKE = {"streams": 2, "seconds": 24.0, "seeds": 1, "dyads": 2, "dyad_seconds": 12.0}


def held_out(count: int, seconds: float, seed: int) -> list[Dyad]:
    """Simulate `count` conversations that no training has seen; those of `avatar-lab evaluate`."""
    return list(conversations(count * seconds / 3600, seed, "test", seconds))


def drifts_of(avatar: Avatar, talks: list[Dyad], seeds: int) -> dict[str, Any]:
    """Return how the streams change over their length: the mean over noise seeds, and each."""
    found = [long_drift(avatar, talks, seed=seed) for seed in range(seeds)]
    each = {name: [one[f"{name}_generated"] for one in found] for name in DRIFTS}
    truth = {name: found[0][f"{name}_truth"] for name in DRIFTS}
    return {**{name: float(np.mean(each[name])) for name in DRIFTS}, "each_seed": each, "truth": truth}


def short_of(avatar: Avatar, dyads: list[Dyad]) -> dict[str, Any]:
    """Return what must not suffer: lips, reactions, liveliness, seams."""
    scores = evaluate(avatar, dyads)
    reactions = {
        name: {key: found[key] for key in ("events", "contingency", "contingency_of_truth", "share_of_truth")}
        for name, found in scores["reactions"].items()
    }
    return {key: scores[key] for key in KEPT} | {"reactions": reactions}


def compare(a: Namespace) -> dict[str, Any]:
    """Stream everything with both weights."""
    talks = held_out(a.streams, a.seconds, HELD_OUT_SEED + 1)
    dyads = held_out(a.dyads, a.dyad_seconds, HELD_OUT_SEED)
    clock = SystemClock()
    began, drift, short = clock.now(), {}, {}
    for name, file in (("before", a.before), ("after", a.after)):
        avatar = al.load("lab", device="cpu", checkpoint=file)
        drift[name] = drifts_of(avatar, talks, a.seeds)
        drift["truth"] = drift[name].pop("truth")  # the same for both
        short[name] = short_of(avatar, dyads)
    return {
        "hardware": hardware("cpu"),
        "settings": {
            "before": str(a.before or "shipped"),
            "after": str(a.after or "shipped"),
            **{name: getattr(a, name) for name in SMOKE},
            "minutes": round((clock.now() - began) / 60, 1),
        },
        "drift": drift,
        "short": short,
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--before", type=Path, metavar="FILE", help="by default the shipped weights")
    parser.add_argument("--after", type=Path, metavar="FILE")
    parser.add_argument("--streams", type=int, default=4, help="long conversations, streamed together")
    parser.add_argument("--seconds", type=float, default=LONG_SECONDS, help="length of each of those")
    parser.add_argument("--seeds", type=int, default=2, help="noise seeds of the long streams")
    parser.add_argument("--dyads", type=int, default=20, help="short conversations, for lips and reactions")
    parser.add_argument("--dyad-seconds", type=float, default=60.0)
    parser.add_argument("--smoke", action="store_true", help="does everything run? Writes no file by itself")
    a = parser.parse_args()
    if a.smoke:
        vars(a).update(SMOKE)
    elif a.after is None:
        parser.error("--after FILE is needed: weights that were trained with --self-forcing.")
    torch.set_num_threads(1)
    emit(compare(a), a.json or (None if a.smoke else RESULTS))


if __name__ == "__main__":
    main()
