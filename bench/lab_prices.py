"""What the `lab` size pays for speed: fewer steps, one branch, int8, and looking at every n-th picture only.

    python bench/lab_prices.py --json bench/results/lab_prices.json --conversations 8

Every variant streams the same held-out conversations as `avatar-lab evaluate` (own user, a stranger, nobody) and is
timed on one session, one thread. Rows of `variants`: ms of a 200 ms block (median), branches, lips (jaw correlation
with the truth), smile contingency (own user minus stranger) and its 95 % interval, seams (steps across borders over
steps inside). `user_every` reads the pictures of a drawn person through the image encoder, all of them or every n-th
with a line between, and gives the error to the truth, in standard deviations of a coefficient.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.speed import pack
from avatar_lab.motion.autoencoder import to_tensor
from avatar_lab.motion.neural_picture import lab_autoencoder
from avatar_lab.stream.body import read_motion
from avatar_lab.stream.engine import sampler_with
from avatar_lab.stream.evaluate import evaluate
from avatar_lab.stream.react import block_inputs
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE
from avatar_lab.train.recipes import CLIP_SECONDS, conversations

CLOCK = SystemClock()


def block_ms(avatar: Avatar, options: Mapping[str, Any], blocks: int = 60) -> tuple[float, int]:
    """Median time of a block on one session, and its guidance branches."""
    dyad = al.simulate(seconds=15, seed=7)
    engine, times, branches = al.AvatarEngine(avatar, picture=None, **options), [], 0
    for index in range(blocks):
        inputs = block_inputs(dyad.user, dyad.avatar.audio, index * engine.block, engine.block)
        began = CLOCK.now()
        branches = int(engine.step(*inputs).timing["branches"])
        times.append(1e3 * (CLOCK.now() - began))
    return float(np.median(times[5:])), branches


def variants() -> dict[str, tuple[Avatar, dict[str, Any]]]:
    """Every way of running the `lab` weights that is compared."""
    lab, fast = al.load("lab", device="cpu"), al.load("lab", device="cpu", fast=True)
    small = deepcopy(lab)
    pack(small.generator, "int8")
    alone = {"guidance": {"audio": 1.0, "user": 1.0}}
    return {
        "as shipped: 8 steps, 3 branches": (lab, {}),
        "4 steps": (lab, {"nfe": 4}),
        "2 steps": (lab, {"nfe": 2}),
        "1 step": (lab, {"nfe": 1}),
        "one branch, not distilled": (lab, alone),
        "one branch, distilled (--fast)": (fast, {}),
        "one branch, distilled, 4 steps": (fast, {"nfe": 4}),
        "int8": (small, {}),
    }


@torch.inference_mode()
def user_every(seconds: float = 12.0) -> dict[str, Any]:
    """Read a drawn person's film, all pictures or every n-th."""
    model, space = lab_autoencoder()
    track = al.simulate(seconds=seconds, seed=HELD_OUT_SEED).user.face
    film = np.stack([al.Puppet(HELD_OUT_PEOPLE, model.config.size).draw(face) for face in track])
    pictures, truth = to_tensor(torch.from_numpy(film)), torch.from_numpy(space.encode(track))
    block, found = 5, {}
    for every in (1, 2, 3, 5):
        began = CLOCK.now()
        read = [read_motion(model, part, every) for part in pictures.split(block)]
        ms = 1e3 * (CLOCK.now() - began) / len(track)
        coefficients = model.directions.project(torch.cat(read))
        error = float((coefficients - truth).square().mean().sqrt())
        found[str(every)] = {"error": error, "ms_per_frame": ms}
    return found


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--conversations", type=int, default=8)
    parser.add_argument(
        "--retime", type=Path, help="read the scores from this file and measure the times alone"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dyads = list(conversations(arguments.conversations * CLIP_SECONDS / 3600, HELD_OUT_SEED, split="test"))
    rows: dict[str, Any] = {}
    known = json.loads(arguments.retime.read_text("utf-8"))["variants"] if arguments.retime else {}
    for name, (avatar, options) in variants().items():
        ms, branches = block_ms(avatar, options)
        if name in known:
            rows[name] = known[name] | {"ms": ms}
            continue
        scores = evaluate(avatar, dyads, sampler=sampler_with(avatar.config.sampler, options))
        rows[name] = {
            "ms": ms,
            "branches": branches,
            "lips": scores["lips"]["jaw_open"]["mean"],
            "smile_contingency": scores["reactions"]["smile"]["contingency"],
            "smile_share_of_truth": scores["reactions"]["smile"]["share_of_truth"]["mean"],
            "seams": scores["seam_ratio"],
        }
        sys.stderr.write(f"{name}: {json.dumps(rows[name])}\n")
    report = {
        "hardware": hardware("cpu") | {"threads": 1},
        "conversations": len(dyads),
        "variants": rows,
        "user_every": user_every(),
    }
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
