"""Time the published size: the released loop, written plainly, against the engine. Interleaved, in one run.

    python bench/paper_size.py --json bench/results/paper_size_MACHINE.json [--device cuda] [--repeat 7] [--width 1024]

Weights are random (speed does not depend on them); both sides use the same ones and must produce the same numbers.
The JSON holds

    ledger     GFLOP of a streaming block of 10 frames, term by term: released (as its reference figures state),
               the plain loop of this file's neighbour, ours; checked against torch's own counter
    ceiling    the fastest matrix product that this machine showed, GFLOP/s
    block      milliseconds of a block: plain loop, engine with ordinary matrices, engine packed; speed-ups, fractions
    inexact    what other forms cost and save: fewer steps, one branch, bfloat16, int8; error against the exact path
    pictures   one 512 px picture encoded and decoded
    live       a whole block through `AvatarEngine`, stage by stage: hearing, seeing, moving, drawing
    memory     weights, one session's state, peak of the process

`--device cuda` adds the compiled (graph-replayed) engine, in float32 and bfloat16, and half precision for pictures.
Without such a card they are left out. The run fails if an exact form does not give the plain loop's numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_loop import PlainLoop
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder, wav2vec2_network
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import FPS, SAMPLES_PER_FRAME, GeneratorConfig, preset
from avatar_lab.flow.guidance import branches
from avatar_lab.flow.schedule import released_grid
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.block_sampler import BlockSampler, Grid, Memory, compiled_predict
from avatar_lab.model.generator import Generator
from avatar_lab.model.speed import pack, packed
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.space import LatentSpace
from avatar_lab.stream.engine import AvatarEngine
from avatar_lab.stream.meter import Meter

CLOCK = SystemClock()
RELEASED_GFLOP = 99.0  # one streaming block of the released program, from its reference figures
SAME = 2e-4  # largest gap of an exact form (matrices of a card may round in TF32 only if it was switched on)
GUIDANCE: Mapping[str, float] = {"audio": 2.0, "user": 1.0}
Signals = tuple[Tensor, Tensor, Tensor]


class Engine:
    """The engine's own loop for one session: condition, plan, denoise, remember."""

    def __init__(
        self,
        generator: Generator,
        reference: Tensor,
        *,
        nfe: int = 10,
        guidance: Mapping[str, float] = GUIDANCE,
        form: str = "sum",
        compiled: bool = False,
    ) -> None:
        predict = compiled_predict(generator) if compiled else None
        self.sampler = BlockSampler(
            generator, branches(guidance, form), Grid(*released_grid(nfe)), reference, predict
        )
        self.memory = self.sampler.start()

    def block(self, signals: Signals, noise: Tensor) -> Tensor:
        """Denoise the next frames; `signals` cover the offset and them."""
        generator = self.sampler.generator
        like = generator.embed.weight
        motion, heard, said = (s.to(like) for s in signals)
        condition, _ = self.sampler.conditions(motion, heard, said)
        plan = self.sampler.plan(self.memory, condition, noise.shape[1])
        made, _ = self.sampler.denoise(plan, noise)
        self.memory = self.sampler.remember(plan, made)
        return made


class Stream:
    """The same user and voice for everybody: 50 frames first, then blocks of ten."""

    def __init__(self, config: GeneratorConfig, device: torch.device) -> None:
        seeded = torch.Generator().manual_seed(0)
        self.config, self.device, self.seeded = config, device, seeded
        self.reference = torch.randn(1, config.motion_dim, generator=seeded).to(device)
        self.recent: list[Tensor] | None = None

    def next(self, frames: int) -> tuple[Signals, Tensor]:
        """Return the signals of offset and block, and the block's noise."""
        c = self.config

        def fresh(width: int) -> Tensor:
            return torch.randn(1, frames, width, generator=self.seeded).to(self.device)

        new = [fresh(width) for width in (c.motion_dim, c.audio_dim, c.audio_dim)]
        noise = fresh(c.motion_dim)
        old = self.recent or [part[:, :0] for part in new]
        window = [torch.cat(pair, dim=1) for pair in zip(old, new, strict=True)]
        self.recent = [part[:, part.shape[1] - c.lookahead :] for part in window]
        return (window[0], window[1], window[2]), noise


def wake(generator: Generator) -> Generator:
    """Give the layers that start at zero some weight, so that every part takes part."""
    with torch.no_grad():
        for layer in (generator.modulation[1], generator.head.modulation[1], generator.head.linear):
            layer.weight.normal_(std=0.02, generator=torch.Generator().manual_seed(1))  # pyright: ignore
    return generator.eval().requires_grad_(False)


def wait(device: torch.device) -> None:
    """Let a card finish before the clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """Time one call."""
    wait(device)
    began = CLOCK.now()
    action()
    wait(device)
    return CLOCK.now() - began


def best_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Return the fastest matrix product in GFLOP/s: square, by the ordinary route and packed."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = [seconds(lambda: a @ b, device) for _ in range(8)]
    found = 2 * size**3 / min(times[1:]) / 1e9
    if device.type == "cpu" and dtype is torch.float32 and torch.backends.mkldnn.is_available():
        layer = torch.nn.Linear(size, size).requires_grad_(False)
        fast = packed(layer)
        times = [seconds(lambda: fast(a), device) for _ in range(8)]
        found = max(found, 2 * size**3 / min(times[1:]) / 1e9)
    return found


def ledger(c: GeneratorConfig) -> dict[str, Any]:
    """Count a streaming block, term by term, in GFLOP (two for each multiply-add)."""
    w, layers, hidden = c.width, c.depth, int(c.width * c.mlp_ratio)
    frames, keys = c.block + c.lookahead, c.context + c.block + c.lookahead
    seen = frames + c.condition_context
    per_token = layers * (4 * w * w + 2 * w * w + 2 * w * hidden)  # self-attention, cross q and out, MLP
    cross_kv = layers * 2 * w * w
    scores = layers * frames * (keys + seen) * 2 * w
    noise_level = c.sigma_frequencies * w + w * w + 6 * w * w + 2 * w * w
    a = c.condition_width
    condition = c.motion_dim * a + a * a + 2 * 4 * a * a + a * w
    condition_scores = 2 * frames * frames * 2 * a
    # The pass that fills the cache ends at the last layer's projection to queries, keys and values.
    last = (w * w + 2 * w * w + 2 * w * hidden) * frames + scores // layers
    passes = {"plain": 10, "ours": 9}

    def term(plain: float, ours: float) -> dict[str, float]:
        return {"plain": 3 * 2 * plain / 1e9, "ours": 3 * 2 * ours / 1e9}

    terms = {
        "transformer blocks": term(passes["plain"] * per_token * frames, passes["ours"] * per_token * frames),
        "attention scores": term(passes["plain"] * scores, passes["ours"] * scores),
        "condition keys and values": term(passes["plain"] * cross_kv * frames, cross_kv * frames),
        "condition encoder": term(
            passes["plain"] * (condition * frames + condition_scores), condition * frames + condition_scores
        ),
        "noise-level network": term(passes["plain"] * noise_level * frames, 0),
        "embedding": term(
            passes["plain"] * 2 * c.motion_dim * w * frames, (passes["ours"] * frames + 1) * c.motion_dim * w
        ),
        "velocity head": term(passes["plain"] * w * c.motion_dim * frames, 8 * w * c.motion_dim * frames),
        "cache pass stops early": term(0, -last),
    }
    total = {side: sum(t[side] for t in terms.values()) for side in ("plain", "ours")}
    return {"terms": terms, "total": total}


def counted(action: Callable[[], object]) -> float:
    """Return GFLOP as torch's own counter sees them."""
    counter = FlopCounterMode(display=False)
    with counter:
        action()
    return counter.get_total_flops() / 1e9


def race(
    sides: dict[str, Any], stream: Stream, repeat: int, device: torch.device
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Run all sides on the same blocks, one after the other; return their times and their gaps to the first."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    gaps = dict.fromkeys(sides, 0.0)
    for index, frames in enumerate([50] + [10] * (repeat + 1)):
        signals, noise = stream.next(frames)
        made: dict[str, Tensor] = {}

        def run(name: str) -> None:
            made[name] = sides[name].block(signals, noise).float()  # noqa: B023

        for name in sides:
            spent = seconds(lambda: run(name), device)  # noqa: B023
            if index > 1:
                times[name].append(spent)
        first = next(iter(made.values()))
        for name, value in made.items():
            gaps[name] = max(gaps[name], float((value - first).abs().max()))
    return times, gaps


def row(times: list[float], gflop: float, ceiling: float) -> dict[str, float]:
    """Median and spread of a block, and the share of the ceiling that it reached."""
    median = float(np.median(times))
    return {
        "ms": 1e3 * median,
        "ms_best": 1e3 * min(times),
        "ms_worst": 1e3 * max(times),
        "gflop": gflop,
        "gflops": gflop / median,
        "of_ceiling": gflop / median / ceiling,
    }


def exact(generator: Generator, device: torch.device, repeat: int, ceiling: float) -> dict[str, Any]:
    """The exact path: same guidance, same useful steps, same numbers."""
    account = ledger(generator.config)
    stream = Stream(generator.config, device)
    sides: dict[str, Any] = {"plain": PlainLoop(generator, stream.reference)}
    sides["engine"] = Engine(generator, stream.reference)
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        sides["engine packed"] = Engine(pack(deepcopy(generator)), stream.reference)
    if device.type == "cuda":
        sides["engine compiled"] = Engine(generator, stream.reference, compiled=True)
    times, gaps = race(sides, stream, repeat, device)
    checks = {}
    for name in ("plain", "engine"):
        signals, noise = stream.next(10)
        checks[name] = counted(lambda: sides[name].block(signals, noise))  # noqa: B023
    total = account["total"]
    rows = {
        name: row(spent, total["plain" if name == "plain" else "ours"], ceiling) | {"gap": gaps[name]}
        for name, spent in times.items()
    }
    fastest = min(rows, key=lambda name: rows[name]["ms"])
    account["counted"] = {"plain": checks["plain"], "ours": checks["engine"]}
    account["released"] = RELEASED_GFLOP if generator.config == preset("paper").generator else None
    if account["released"]:
        account["released_over_ours"] = RELEASED_GFLOP / total["ours"]
    wrong = {name: gap for name, gap in gaps.items() if gap > SAME}
    if wrong:
        raise SystemExit(f"These are not the plain loop's numbers: {wrong}")
    return {
        "ledger": account,
        "block": rows,
        "speedup": {name: rows["plain"]["ms"] / r["ms"] for name, r in rows.items()},
        "fastest": fastest,
    }


def inexact(generator: Generator, device: torch.device, repeat: int) -> dict[str, Any]:
    """Forms that change the numbers: what they save, and how far they are from the exact path."""
    stream = Stream(generator.config, device)
    reference = stream.reference
    base = pack(deepcopy(generator)) if device.type == "cpu" else generator
    sides: dict[str, Any] = {"exact": Engine(base, reference)}
    for nfe in (6, 4):
        sides[f"{nfe - 2} useful steps instead of 8"] = Engine(base, reference, nfe=nfe)
    sides["one branch (not distilled)"] = Engine(
        base, reference, guidance={"audio": 1.0, "user": 1.0}, form="nested"
    )
    sides["bfloat16"] = Engine(deepcopy(generator).to(torch.bfloat16), reference)
    if device.type == "cuda":
        half = deepcopy(generator).to(torch.bfloat16)
        sides["bfloat16, compiled"] = Engine(half, reference, compiled=True)
    if device.type == "cpu":
        sides["int8"] = Engine(pack(deepcopy(generator), "int8"), reference)
    times, gaps = race(sides, stream, repeat, device)
    base_ms = float(np.median(times["exact"])) * 1e3
    return {
        name: {
            "ms": 1e3 * float(np.median(spent)),
            "speedup": base_ms / (1e3 * float(np.median(spent))),
            "largest_gap": gaps[name],
        }
        for name, spent in times.items()
    }


@torch.inference_mode()
def pictures(device: torch.device, repeat: int, ceiling: float) -> dict[str, Any]:
    """Encode and decode one picture of the published size."""
    model = MotionAutoencoder(preset("paper").autoencoder).eval().requires_grad_(False).to(device)
    size = model.config.size
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device) * 2 - 1
    read = model.encode(image)
    latent = read.identity + read.motion
    work: dict[str, Callable[[], object]] = {
        "encode": lambda: model.encode(image),
        "decode": lambda: model.decode(latent, read.features),
    }
    result = {}
    for name, action in work.items():
        flops = counted(action)
        spent = [seconds(action, device) for _ in range(repeat + 1)][1:]
        result[name] = row(spent, flops, ceiling)
    if device.type == "cuda":
        many = latent.expand(10, -1).contiguous()
        with torch.autocast("cuda", torch.float16):
            spent = [seconds(lambda: model.decode(many, read.features), device) for _ in range(repeat + 2)][
                2:
            ]
        result["decode, 10 frames at once, float16"] = {"ms": 1e2 * float(np.median(spent))}
    return result


def live(generator: Generator, device: torch.device, repeat: int) -> dict[str, Any]:
    """Whole blocks through the engine, with hearing and pictures; milliseconds of every stage."""
    config = preset("paper")
    ears = Wav2Vec2Encoder(config.audio, 12 * 768, wav2vec2_network()).eval().requires_grad_(False)
    faces = MotionAutoencoder(config.autoencoder).eval().requires_grad_(False)
    avatar = Avatar(config, LatentSpace(config.generator.motion_dim), ears, deepcopy(generator), faces)
    rng, block, size = np.random.default_rng(0), config.generator.block, config.autoencoder.size
    portrait = rng.integers(0, 256, (size, size, 3), np.uint8)
    engine = AvatarEngine(avatar.to(device), portrait=portrait, meter=Meter(keep=repeat))
    for _ in range(
        repeat + 11
    ):  # hearing has its full window after ten blocks; the meter keeps the last ones
        seen = rng.integers(0, 256, (block, size, size, 3), np.uint8)
        sound = (0.1 * rng.standard_normal((2, block * SAMPLES_PER_FRAME))).astype(np.float32)
        engine.step(None, sound[0], sound[1], user_frames=seen)
    stages = {name: values["p50_ms"] for name, values in engine.meter.summary().items()}
    return {"block_ms": 1e3 * block / FPS, "stages": stages}


def megabytes(tensors: Any) -> float:
    """Size of tensors in MB."""
    return sum(t.numel() * t.element_size() for t in tensors) / 1e6


def memory(generator: Generator, session: Memory, device: torch.device) -> dict[str, float]:
    """Weights, one session, and the most that this process ever held."""
    found = {
        "weights_mb": megabytes(generator.parameters()),
        "session_mb": megabytes(
            [session.cache.keys, session.cache.values, session.seen.keys, session.seen.values, session.offset]
        ),
    }
    if sys.platform != "win32":
        import resource

        scale = 1e6 if sys.platform == "darwin" else 1e3
        found["peak_process_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    if device.type == "cuda":
        found["peak_card_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return found


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    account = report["ledger"]
    table = Table("GFLOP a block", "plain", "ours", title="Ledger", title_justify="left", box=None)
    for name, term in account["terms"].items():
        table.add_row(name, f"{term['plain']:.2f}", f"{term['ours']:.2f}")
    table.add_row("total", f"{account['total']['plain']:.1f}", f"{account['total']['ours']:.1f}")
    table.add_row(
        "as torch counts", f"{account['counted']['plain']:.1f}", f"{account['counted']['ours']:.1f}"
    )
    console.print(table)
    if account["released"]:
        ratio = account["released_over_ours"]
        console.print(f"released: {account['released']} GFLOP, {ratio:.2f} x ours", highlight=False)
    console.print(f"ceiling: {report['ceiling_gflops']:.0f} GFLOP/s", highlight=False)
    table = Table(
        "exact", "ms", "x plain", "of ceiling", "gap", title="Block", title_justify="left", box=None
    )
    for name, r in report["block"].items():
        speed = report["speedup"][name]
        table.add_row(
            name, f"{r['ms']:.0f}", f"{speed:.2f}", f"{100 * r['of_ceiling']:.0f} %", f"{r['gap']:.1e}"
        )
    console.print(table)
    table = Table("inexact", "ms", "x exact", "largest gap", title="Prices", title_justify="left", box=None)
    for name, r in report["inexact"].items():
        table.add_row(name, f"{r['ms']:.0f}", f"{r['speedup']:.2f}", f"{r['largest_gap']:.2g}")
    console.print(table)
    for name, r in report["pictures"].items():
        console.print(f"{name}: {r['ms']:.0f} ms a picture", highlight=False)
    console.print(", ".join(f"{k} {v:.0f}" for k, v in report["memory"].items()), highlight=False)
    if "live" not in report:
        return
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in report["live"]["stages"].items())
    console.print(f"a live block of {report['live']['block_ms']:.0f} ms takes: {stages} ms", highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--width", type=int, default=1024, help="smaller networks for a quick look")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    config = replace(preset("paper").generator, width=arguments.width)
    with torch.inference_mode():
        torch.manual_seed(0)
        generator = wake(Generator(config)).to(device)
        ceiling = best_rate(device, torch.float32, 2048 if device.type == "cpu" else 8192)
        report: dict[str, Any] = {"hardware": hardware(str(device)), "ceiling_gflops": ceiling}
        report |= exact(generator, device, arguments.repeat, ceiling)
        report["inexact"] = inexact(generator, device, arguments.repeat)
        report["pictures"] = pictures(device, arguments.repeat, ceiling)
        if generator.config == preset("paper").generator:
            report["live"] = live(generator, device, 3)
        session = Engine(generator, torch.zeros(1, config.motion_dim, device=device)).memory
        report["memory"] = memory(generator, session, device)
    report["weights"] = "random"
    show(report)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
