"""The paper's tables in small: every baseline and ablation trained alike, streamed on the same people, set beside them.

    python bench/paper_tables.py --quick             # a small model; everything in runs/paper_tables_quick
    python bench/paper_tables.py                     # `lab`: bench/results/paper_tables.json, book/paper_tables.md
    python bench/paper_tables.py --variants ours window     # some rows only, and what they build on
    python bench/paper_tables.py --seeds 1 --main-seeds 3   # more trainings for the rows of the main table alone
    python bench/paper_tables.py --smoke             # does everything run? The figures mean nothing

The variants are `avatar_lab.train.baselines`. All train from scratch with one budget and the same seeds; all are then
streamed on the same held-out conversations, with their own user and with a stranger (the main ones also with nobody),
and some for minutes, to see whether they drift. What is finished in `--out` is not done again. Latency is measured
last, in one go, with one session and one thread: buffering (frames that must be waited for) + the time that the
computation of one piece takes. `paper_pages.py` writes the pages from the JSON.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of
from paper_figures import BASE
from paper_pages import DRIFTING, MAIN, write_pages
from paper_scores import difference, drifts, intervals, of_seeds, over_seeds, quarters, scores

from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Dyad
from avatar_lab.flow.guidance import branches
from avatar_lab.metrics.controls import derangement
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.evaluate import stack_dyads, stream_faces
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.stream.pyramid import PyramidStream, pyramid_faces
from avatar_lab.train.baselines import (
    HOURS,
    STEPS,
    VARIANTS,
    Variant,
    buffer_frames,
    folder_of,
    read_variant,
    train_variant,
)
from avatar_lab.train.recipes import conversations

ALSO_COMPARED = [
    ("guidance-nested", "guidance-sum"),
    ("block-10", "teacher-forced"),
    ("block-10", "window"),
    ("block-2", "window"),
]
CLOCK, ROOT = SystemClock(), Path(__file__).parents[1]


@dataclass(frozen=True)
class Mode:
    """How much of everything. Lengths must be multiples of 6 s: whole blocks of 2, 5, 10, 25 and 75 frames."""

    size: str
    steps: int
    hours: float
    seeds: int
    conversations: int
    seconds: float
    long_conversations: int
    long_seconds: float
    pieces: int  # that latency is measured on
    main_seeds: int = 0  # of the main table's rows, if more than of the others

    def seeds_of(self, name: str) -> int:
        """Return how many trainings a variant gets."""
        return max(self.seeds, self.main_seeds) if name in MAIN else self.seeds

    def runs(self, names: Sequence[str], seed: int) -> list[tuple[str, int]]:
        """Return those of `names` that are trained with this seed, too."""
        return [(name, seed) for name in names if seed < self.seeds_of(name)]


FULL = Mode("lab", STEPS, HOURS, 3, 24, 60.0, 8, 600.0, 60)
QUICK = Mode("tiny", 600, 0.5, 1, 12, 60.0, 4, 120.0, 60)
SMOKE = Mode("tiny", 2, 0.04, 1, 2, 6.0, 2, 6.0, 6)


@cache
def held_out(count: int, seconds: float, seed: int = HELD_OUT_SEED) -> list[Dyad]:
    """Return conversations that nobody was trained on, made once a process."""
    return list(conversations(count * seconds / 3600, seed, split="test", seconds=seconds))


def budget(mode: Mode) -> dict[str, Any]:
    """Return what all trainings have in common."""
    return {"steps": mode.steps, "hours": mode.hours, "size": mode.size}


def train(run: tuple[str, int], mode: Mode, out: Path) -> None:
    """Train one variant unless it is finished, and note on which machine."""
    torch.set_num_threads(1)
    name, seed = run
    train_variant(name, out, **budget(mode), seed=seed, progress=False)
    note = folder_of(name, seed, out) / "hardware.json"
    if not note.exists():
        note.write_text(json.dumps(hardware("cpu")), "utf-8")


def seen(variant: Variant, avatar: Avatar, users: np.ndarray) -> np.ndarray:
    """Return the user as a variant may see them: zeros, as in training, for one that never had their motion."""
    if "user_motion" not in variant.never:
        return users
    nothing = avatar.face_space.decode(np.zeros((users.shape[1], avatar.face_space.dim), np.float32))
    return np.broadcast_to(nothing, users.shape).copy()


def tracks_of(
    name: str, seed: int, mode: Mode, out: Path, dyads: Sequence[Dyad], whose: Sequence[str]
) -> Any:
    """Stream a variant with the users that are asked for; all with one noise."""
    avatar, _ = read_variant(name, out, **budget(mode), seed=seed)
    avatar.to(avatar.device)  # laid out for this processor
    pyramid = avatar.config.sampler.schedule == "pyramid"
    stream: Callable[..., np.ndarray] = pyramid_faces if pyramid else stream_faces
    users, heard, said, _ = stack_dyads(dyads)
    other, absent = derangement(len(users)), np.broadcast_to(neutral(users.shape[1]), users.shape).copy()
    given = {
        "true_user": (users, heard),
        "shuffled_user": (users[other], heard[other]),
        "no_user": (absent, np.zeros_like(heard)),
    }
    return {
        who: stream(avatar, seen(VARIANTS[name], avatar, given[who][0]), given[who][1], said, seed=seed)
        for who in whose
    }


def judge(run: tuple[str, int], mode: Mode, out: Path) -> tuple[dict[str, Any], np.ndarray | None]:
    """Stream one run, or read its tracks (kept as float16), and return its scores and its drift's moments."""
    torch.set_num_threads(1)
    name, seed = run
    folder = out / f"{name}-seed{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    dyads = held_out(mode.conversations, mode.seconds)
    path = folder / f"tracks-{mode.conversations}x{mode.seconds:.0f}.npz"
    if not path.exists():
        whose = ("true_user", "shuffled_user", *(("no_user",) if name in MAIN else ()))
        made = tracks_of(name, seed, mode, out, dyads, whose)
        keep(path, {who: track.astype(np.float16) for who, track in made.items()})
    tracks = {who: track.astype(np.float32) for who, track in np.load(path).items()}
    avatar, _ = read_variant(name, out, **budget(mode), seed=seed)
    truth = np.stack([d.avatar.face for d in dyads])
    found = scores(tracks, truth, dyads, avatar.face_space, avatar.config.generator.block)
    drifting = name in DRIFTING and seed < mode.seeds  # all that drift are compared from the same seeds
    return found, drift_of(run, mode, out) if drifting else None


def drift_of(run: tuple[str, int], mode: Mode, out: Path) -> np.ndarray:
    """Stream long conversations, and keep mean and variance of their first and last quarters."""
    path = out / f"{run[0]}-seed{run[1]}" / f"drift-{mode.long_conversations}x{mode.long_seconds:.0f}.npz"
    if not path.exists():
        dyads = held_out(mode.long_conversations, mode.long_seconds, HELD_OUT_SEED + 1)
        made = tracks_of(*run, mode, out, dyads, ("true_user",))["true_user"]
        keep(path, {"quarters": quarters(made)})
    return np.load(path)["quarters"]


def keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to `path` at once: a run that is cut off leaves no half file."""
    partial_file = path.with_name(f"partial-{path.name}")
    np.savez(partial_file, **arrays)  # pyright: ignore[reportArgumentType]
    partial_file.replace(path)


def latency(name: str, mode: Mode, out: Path) -> dict[str, Any]:
    """Measure what one live session waits for, and how long a piece (a block, a pyramid's frame) takes."""
    avatar, _ = read_variant(name, out, **budget(mode))
    avatar.to(avatar.device)
    space, config, sampler = avatar.face_space, avatar.config.generator, avatar.config.sampler
    reference, rng = torch.from_numpy(space.encode(neutral(1))), np.random.default_rng(0)
    frames = 1 if sampler.schedule == "pyramid" else config.block
    sound = torch.from_numpy(rng.uniform(-0.1, 0.1, (1, frames * SAMPLES_PER_FRAME)).astype(np.float32))
    motion, times = reference[None].expand(1, frames, -1).contiguous(), []
    live: Any = (PyramidStream if frames == 1 else MotionStream)(avatar, sampler, reference)
    state, extra = live.start(0), () if frames == 1 else (Meter(keep=1),)
    for _ in range(mode.pieces):
        began = CLOCK.now()
        _, state = live.step(state, motion, sound, sound, *extra)
        times.append(1e3 * (CLOCK.now() - began))
    steady = times[mode.pieces // 3 :]  # warm by then
    compute, wait = float(np.median(steady)), buffer_frames(avatar.config)
    return {
        "waits_frames": wait,
        "buffer_ms": 1e3 * wait / FPS,
        "compute_ms": compute,
        "compute_p95_ms": float(np.percentile(steady, 95)),
        "total_ms": 1e3 * wait / FPS + compute,
        "piece_frames": frames,
        "nfe": sampler.nfe if frames > 1 else 1,
        "branches": len(branches(sampler.guidance, sampler.guidance_form)),
        "cache_passes": int(frames > 1 and config.context > 0),
        "real_time_factor": compute / (1e3 * frames / FPS),
    }


def trained(name: str, mode: Mode, out: Path) -> list[dict[str, Any]]:
    """Return what each training of a variant took, and where; none where the weights are another's."""
    rows = []
    for seed in range(mode.seeds_of(name)) if not VARIANTS[name].weights else ():
        _, report = read_variant(name, out, **budget(mode), seed=seed)
        machine = json.loads((folder_of(name, seed, out) / "hardware.json").read_text("utf-8"))
        row = {"seed": seed, "steps": report.steps, "minutes": report.minutes, "loss": report.metrics["loss"]}
        rows.append(row | {"hardware": machine})
    return rows


def in_order(names: Sequence[str]) -> list[list[str]]:
    """Return variants and all they build on, in waves: each wave builds on those before it only."""
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += VARIANTS[name].needs
    waves: list[list[str]] = []
    while wanted:
        ready = [name for name in VARIANTS if name in wanted and not wanted & set(VARIANTS[name].needs)]
        waves.append(ready)
        wanted -= set(ready)
    return waves


def compare(
    found: Mapping[str, Sequence[tuple[dict[str, Any], np.ndarray | None]]], mode: Mode
) -> dict[str, Any]:
    """Join the seeds of every variant: its measures, its differences from the method, its drift."""
    names = list(found)
    runs = {name: [scored for scored, _ in of_name] for name, of_name in found.items()}
    means = {name: over_seeds(of_name) for name, of_name in runs.items()}

    def pair(first: str, second: str) -> dict[str, Any]:
        both = min(len(runs[first]), len(runs[second]))  # the seeds that both have
        return difference(*(over_seeds(runs[name][:both]) for name in (first, second)))

    pairs = [(name, BASE) for name in names if name != BASE and BASE in names]
    pairs += [("ours", name) for name in names if name not in ("ours", BASE) and "ours" in names]
    pairs += [pair for pair in ALSO_COMPARED if set(pair) <= set(names)]
    dyads = held_out(mode.long_conversations, mode.long_seconds, HELD_OUT_SEED + 1)
    truth = np.stack([d.avatar.face for d in dyads])
    unit = np.maximum(truth.reshape(-1, truth.shape[-1]).std(0), 1e-4)
    moments = {
        name: [moment for _, moment in of_name if moment is not None]
        for name, of_name in found.items()
        if name in DRIFTING
    }
    return {
        "measures": {
            n: {
                "intervals": intervals(mean),
                "numbers": mean["numbers"],
                "seeds": of_seeds(runs[n]),
            }
            for n, mean in means.items()
        },
        "differences": {f"{a} minus {b}": pair(a, b) for a, b in pairs},
        "drift": drifts(moments, quarters(truth), unit, mode.long_seconds) if moments else None,
    }


def bench(names: Sequence[str], mode: Mode, out: Path, jobs: int, kind: str) -> dict[str, Any]:
    """Train what is missing, stream, judge and time; return the report."""
    began, waves = CLOCK.now(), in_order(names)
    every = [name for name in VARIANTS if any(name in wave for wave in waves)]

    def say(what: str) -> None:
        print(f"{what} ({(CLOCK.now() - began) / 60:.1f} min)", flush=True)

    spawned = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(max(1, jobs), mp_context=spawned) as pool:
        each: Callable[..., Any] = pool.map if jobs > 1 else map
        found: dict[str, list[Any]] = {name: [] for name in every}
        for seed in range(max(mode.seeds, mode.main_seeds)):  # whoever stops early has whole seeds
            for wave in waves:
                runs = mode.runs([name for name in wave if not VARIANTS[name].weights], seed)
                for (name, _), _ in zip(runs, each(partial(train, mode=mode, out=out), runs), strict=True):
                    say(f"trained {name}, seed {seed}")
            runs = mode.runs(every, seed)
            for (name, _), one in zip(runs, each(partial(judge, mode=mode, out=out), runs), strict=True):
                found[name].append(one)
                say(f"judged {name}, seed {seed}")
    torch.set_num_threads(1)
    timed = {name: latency(name, mode, out) for name in every}
    joined = compare(found, mode)
    rows = {
        name: {
            "stands_for": VARIANTS[name].stands_for,
            "weights_of": VARIANTS[name].weights or VARIANTS[name].after or None,
            "trained": trained(name, mode, out),
            "latency": timed[name],
            **joined["measures"][name],
        }
        for name in every
    }
    report = {
        "mode": kind,
        "settings": asdict(mode),
        "hardware": hardware("cpu"),
        "minutes_of_this_run": (CLOCK.now() - began) / 60,
        "variants": rows,
        "differences": joined["differences"],
        "drift": joined["drift"],
    }
    return plain(report)


def plain(value: Any) -> Any:
    """Return JSON-ready values: numbers with six digits, None for what is not finite."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}") if math.isfinite(value) else None
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    parser = arguments_of(__doc__)
    parser.add_argument(
        "--out", type=Path, help="work folder: weights, tracks; by default runs/paper_tables*"
    )
    parser.add_argument("--pages", type=Path, help="folder for the two pages")
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--quick", action="store_true", help="a small model and a small budget")
    parser.add_argument("--smoke", action="store_true", help="a few steps of everything")
    for name in ("steps", "seeds", "main_seeds", "conversations", "long_conversations"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="instead of the mode's")
    parser.add_argument("--hours", type=float, help="of conversation to learn from, instead of the mode's")
    a = parser.parse_args(arguments)
    kind = "smoke" if a.smoke else "quick" if a.quick else "full"
    out, numbers, pages = places(a, kind)
    mode = {"smoke": SMOKE, "quick": QUICK, "full": FULL}[kind]
    mode = Mode(
        **{k: v if (given := getattr(a, k, None)) is None else given for k, v in asdict(mode).items()}
    )
    out.mkdir(parents=True, exist_ok=True)
    report = bench(a.variants, mode, out, a.jobs, kind)
    numbers.parent.mkdir(parents=True, exist_ok=True)
    numbers.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(f"{numbers}\n", *[f"{page}\n" for page in write_pages(report, pages)], sep="")


def places(a: Namespace, kind: str) -> tuple[Path, Path, Path]:
    """Return work folder, JSON file and folder of the pages: only a full run writes into the repository."""
    out = a.out or ROOT / "runs" / ("paper_tables" if kind == "full" else f"paper_tables_{kind}")
    numbers = a.json or (ROOT / "bench" / "results" if kind == "full" else out) / "paper_tables.json"
    return out, numbers, a.pages or (ROOT / "book" if kind == "full" else out)


if __name__ == "__main__":
    main()
