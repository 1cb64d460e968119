"""Does preference training earn its place? The base model, plain fine-tuning, guidance, and preference in its variants.

    python bench/preference.py --out runs/preference --json bench/results/preference.json
    python bench/preference.py --out runs/preference --only aligned --seeds 3      # train and stream one, elsewhere
    python bench/preference.py --out runs/preference --smoke                       # two minutes: does everything run?

All variants start from the same `lab` weights (`--checkpoint`; by default the shipped ones) and see the same windows
for the same number of steps; `sft` is the control, with the preference term switched off, and `guidance` is the base
with a stronger pull towards the user and no training at all. Losing samples: `dropped` (the same model without its
user), `audio-only` (a model that never had one, the published kind), `aligned` (dropped, from the half noised truth),
`online` (dropped, made anew by the policy on the way). In `pulled` the preferred samples are made as well, by the same
model with a stronger pull towards the user; its own control is `sft on pulled`, plain fine-tuning on those winners.
Everything is streamed freely on held-out people and sentences,
with the own user and with a stranger.

Rows of `variants`: scores of every seed, the mean over seeds with a bootstrap interval over conversations, and how
often a variant beats base and `sft` conversation by conversation, judged by contingency and by the synchrony critic
(as it is, and own user minus stranger: only the second leaves out what an avatar does without looking at its user).
What was watched in training (margin, accuracy, winner_change, saturated) stands beside it. Trainings and streams
resume.
"""

from __future__ import annotations

import json
from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.controls import bootstrap_ratio, derangement
from avatar_lab.metrics.critic import Critic, win_rate
from avatar_lab.metrics.reaction import REACTIONS, all_reactions, judge
from avatar_lab.metrics.report import lip_correlation
from avatar_lab.metrics.richness import jerk_ratio, variance_ratios
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.weights import load_tensors, save_tensors
from avatar_lab.stream.evaluate import stack_dyads, stream_faces
from avatar_lab.train.critic import train_critic
from avatar_lab.train.losers import losing_tracks, winning_tracks, with_tracks
from avatar_lab.train.preference import train_preference
from avatar_lab.train.recipes import (
    CLIP_SECONDS,
    LOSERS,
    PREFERENCE_HOURS,
    PREFERENCE_SEED,
    PREFERENCE_STEPS,
    conversations,
    preference_loop,
    prepare,
    train_audio_only,
)

BASE = LOSERS["dropped"]
VARIANTS = {
    "sft": replace(BASE, weight=0.0),
    "sft on pulled": replace(BASE, weight=0.0),
    "dropped, beta 30, anchor": replace(BASE, beta=30.0, anchor=3.0),
    **LOSERS,
}
WATCHED = ("margin", "accuracy", "winner_error", "winner_change", "saturated", "forcing", "minutes")
SAMPLED = ("dropped", "aligned", "audio-only", "pulled")  # variants with samples of their own
STRONGER = 1.5  # factor on the pull towards the user, for the row `guidance`


def folder_of(name: str, seed: int, out: Path) -> Path:
    """Return where a run of a variant lives."""
    return out / f"{name.replace(', ', '-').replace(' ', '')}-seed{seed}"


@cache
def talks(hours: float, seed: int) -> list[Any]:
    """Simulate the conversations of one seed, once a process."""
    return prepare("lab", hours, seed + PREFERENCE_SEED, progress=False)


def losers(name: str, seed: int, a: Namespace) -> list[torch.Tensor]:
    """Make the losing samples that a variant begins with, or read them if they are there."""
    kind = name if name in ("aligned", "audio-only") else "dropped"
    path = a.out / f"losers-{kind}-seed{seed}.safetensors"
    if not path.exists():
        who = base(a)
        if kind == "audio-only":
            out, budget = a.out / f"audio_only-seed{seed}", {"steps": a.steps, "hours": a.hours}
            who, _ = train_audio_only("lab", out, **budget, seed=seed, initial=who, progress=False)
        tracks = losing_tracks(who, talks(a.hours, seed), seed, level=VARIANTS[name].loser_level)
        save_tensors(path, {f"{index:06d}": track for index, track in enumerate(tracks)}, {"kind": kind})
    return list(load_tensors(path)[0].values())


def winners(seed: int, a: Namespace) -> list[torch.Tensor]:
    """Make the winners of `pulled`, or read them if they are there."""
    path = a.out / f"winners-seed{seed}.safetensors"
    if not path.exists():
        pull = VARIANTS["pulled"].winner_pull
        tracks = winning_tracks(base(a), talks(a.hours, seed), seed, user=pull)
        save_tensors(path, {f"{index:06d}": track for index, track in enumerate(tracks)}, {"pull": pull})
    return list(load_tensors(path)[0].values())


def make_samples(job: tuple[str, int], a: Namespace) -> None:
    """Make the samples of one run, before several runs ask for them at once."""
    torch.set_num_threads(1)
    name, seed = job
    winners(seed, a) if name == "pulled" else losers(name, seed, a)


def base(a: Namespace) -> Avatar:
    """Return the weights that everything starts from."""
    return al.load("lab", device="cpu", checkpoint=a.checkpoint)


def train(name: str, seed: int, a: Namespace) -> dict[str, float]:
    """Train a variant unless it is finished, and return what was watched at its end."""
    folder, config = folder_of(name, seed, a.out), VARIANTS[name]
    weights, log = folder / "generator.safetensors", folder / "log.jsonl"
    if not weights.exists() or load_tensors(weights)[1]["steps"] < a.steps:
        tracks = losers(name, seed, a) if config.weight else None
        preferred = winners(seed, a) if "pulled" in name else None
        data = talks(a.hours, seed)
        if preferred and not config.weight:
            data = with_tracks(data, preferred)
        train_preference(
            base(a),
            data,
            preference_loop(a.steps, seed=seed),
            folder,
            config,
            tracks=tracks,
            winners=preferred,
            progress=False,
        )
    if not log.exists():
        return {}
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    return {key: last[key] for key in WATCHED if key in last}


def held_out(count: int) -> list[Dyad]:
    """Return the conversations that nobody was trained on."""
    return list(conversations(count * CLIP_SECONDS / 3600, HELD_OUT_SEED, split="test"))


def stream(name: str, seed: int, a: Namespace) -> None:
    """Stream a variant with its own user and with a stranger, unless that is done; tracks are kept as float16."""
    path = folder_of(name, seed, a.out) / f"tracks-{a.conversations}.npz"
    if path.exists():
        return
    weights = path.parent / "generator.safetensors" if name in VARIANTS else a.checkpoint
    avatar = al.load("lab", device="cpu", checkpoint=weights)
    sampler = avatar.config.sampler
    if name == "guidance":
        pull = {"user": STRONGER * sampler.guidance["user"]}
        sampler = replace(sampler, guidance=dict(sampler.guidance) | pull)
    users, heard, said, _ = stack_dyads(held_out(a.conversations))
    other = derangement(len(users))
    made = [
        stream_faces(avatar, users[who], heard[who], said, seed=seed, sampler=sampler)
        for who in (np.arange(len(users)), other)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, true_user=made[0].astype(np.float16), shuffled_user=made[1].astype(np.float16))


def work(job: tuple[str, int], a: Namespace) -> dict[str, float]:
    """Train and stream one run."""
    torch.set_num_threads(1)
    watched = train(*job, a) if job[0] in VARIANTS else {}
    stream(*job, a)
    return watched


def scores(tracks: dict[str, np.ndarray], truth: np.ndarray, dyads: list[Dyad]) -> dict[str, Any]:
    """Return one run's scores."""
    made, voices = tracks["true_user"], [d.avatar.audio for d in dyads]
    judged = {r.name: judge(r, tracks, truth, dyads) for r in REACTIONS}
    lips = {n: lip_correlation(made, truth, voices, n) for n in ("jaw_open", "pucker")}
    return {
        "lips": {n: score.mean for n, score in lips.items() if score},
        "contingency": {n: j["contingency"] for n, j in judged.items() if j},
        "share_of_truth": {n: j["share_of_truth"] for n, j in judged.items() if j},
        "variance_ratio": {n: r.mean for n, r in variance_ratios(made, truth).items()},
        "jerk_ratio": jerk_ratio(made, truth).mean,
    }


def table(runs: list[tuple[str, int]], watched: list[dict[str, float]], a: Namespace) -> dict[str, Any]:
    """Judge all runs together: seeds are averaged conversation by conversation before anything is compared."""
    dyads = held_out(a.conversations)
    truth = np.stack([d.avatar.face for d in dyads])
    users = np.stack([d.user.face for d in dyads])
    critic, report = critic_of(a)
    per_dyad: dict[str, list[np.ndarray]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for (name, seed), figures in zip(runs, watched, strict=True):
        kept = np.load(folder_of(name, seed, a.out) / f"tracks-{a.conversations}.npz")
        tracks = {key: kept[key].astype(np.float32) for key in ("true_user", "shuffled_user")}
        gained, due = all_reactions(tracks, truth, dyads)
        synchrony, before_stranger = (
            critic.score(users, tracks[who]) for who in ("true_user", "shuffled_user")
        )
        per_dyad.setdefault(name, []).append(np.stack([gained, due, synchrony, synchrony - before_stranger]))
        row = rows.setdefault(name, {"seeds": []})
        row["seeds"].append({"seed": seed, **scores(tracks, truth, dyads), "training": figures})
    means = {name: np.mean(values, axis=0) for name, values in per_dyad.items()}
    for name, row in rows.items():
        gained, due, synchrony, owed_to_user = means[name]
        row["contingency_share_of_truth"] = asdict(bootstrap_ratio(gained, due))
        for rival in ("base", "sft"):
            if name == rival or rival not in means:
                continue
            difference = bootstrap_ratio(gained - means[rival][0], due)
            row[f"against {rival}"] = {
                "share_of_truth_gained": asdict(difference) | {"excludes_zero": difference.excludes_zero},
                "wins by contingency": asdict(win_rate(gained, means[rival][0])),
                "wins by critic": asdict(win_rate(synchrony, means[rival][2])),
                "wins by critic, own user minus stranger": asdict(win_rate(owed_to_user, means[rival][3])),
            }
    real = critic.score(users, truth)
    for name, row in rows.items():
        row["truth wins by critic"] = asdict(win_rate(real, means[name][2]))
    return {"critic": report, "variants": rows}


def critic_of(a: Namespace) -> tuple[Critic, dict[str, Any]]:
    """Train the synchrony critic on other seeds, or read it, and say how often it is right."""
    budget: dict[str, Any] = {"steps": 30, "hours": 0.1} if a.smoke else {}
    return train_critic(a.out / "critic", **budget, progress=False)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--checkpoint", type=Path, help="where all start from; by default the shipped weights"
    )
    parser.add_argument("--steps", type=int, default=PREFERENCE_STEPS)
    parser.add_argument(
        "--hours", type=float, default=PREFERENCE_HOURS, help="of conversation to learn from, a seed"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--conversations", type=int, default=12, help="held-out minutes to judge by")
    parser.add_argument("--workers", type=int, default=2, help="processes that train and stream")
    parser.add_argument(
        "--only", choices=sorted(VARIANTS), help="train and stream this one and judge nothing"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a few steps of everything; the figures mean nothing"
    )
    a = parser.parse_args()
    if a.smoke:
        a.steps, a.hours, a.seeds, a.conversations = 3, 0.05, 1, 2
    names = [a.only] if a.only else list(VARIANTS)
    # Seed by seed: whoever stops early has whole seeds.
    runs = [
        (name, seed)
        for seed in range(a.seeds)
        for name in (names if a.only else ["base", "guidance", *names])
    ]
    needed = [(name, seed) for name, seed in runs if name in SAMPLED]
    with ProcessPoolExecutor(a.workers) as pool:
        list(pool.map(partial(make_samples, a=a), needed))
        watched = list(pool.map(partial(work, a=a), runs))
    if a.only:
        return
    settings = {key: getattr(a, key) for key in ("steps", "hours", "seeds", "conversations")}
    emit({"hardware": hardware("cpu") | {"threads": 1}, **settings, **table(runs, watched, a)}, a.json)


if __name__ == "__main__":
    main()
