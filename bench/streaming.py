"""Long sessions on a simulated clock: does an hour cost the same as a minute, in time and memory?

    python bench/streaming.py --json bench/results/streaming.json --minutes 60

Blocks are computed one after the other, as fast as this machine can; the session's own clock is the number of
blocks. A simulated conversation of two minutes is played in a loop. The JSON holds, for `tiny` (untrained) and `lab`,

    block_ms     first block, medians of the first and the last minute, last block
    resident_mb  memory of the process after 1, 10 and MINUTES minutes
    state_kb     size of what the session remembers, at the same times

and, for every self-attention mask, `cache_gap`: the largest difference that the cache makes to the velocity of a block
against the whole window, relative to the largest velocity. It is rounding for `frame_causal` and `block_causal`; the
other masks would show a cached frame what came after it was finished (`avatar_lab.model.masks`).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit
from tqdm import tqdm

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import FPS, preset
from avatar_lab.flow.guidance import Branch
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.model.block_sampler import BlockSampler, Grid
from avatar_lab.model.generator import Generator
from avatar_lab.model.masks import SELF_MASKS
from avatar_lab.motion.space import default_space
from avatar_lab.stream.react import block_inputs

CLOCK = SystemClock()


def resident_mb() -> float:
    """Memory that the process holds now (Linux), or the most it ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text("utf-8").splitlines() if row.startswith("VmRSS"))
        return int(line.split()[1]) / 1e3
    import resource

    scale = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def long_session(avatar: Avatar, minutes: float, name: str) -> dict[str, Any]:
    """Stream `minutes` minutes and look at the clock and the memory."""
    dyad = al.simulate(seconds=120, seed=7)
    engine = al.AvatarEngine(avatar, picture=None, seed=0)
    frames, block = len(dyad.user.face), engine.block
    total, a_minute = round(minutes * 60 * FPS / block), 60 * FPS // block
    looks = {a_minute: "1", min(10 * a_minute, total): "10", total: f"{minutes:g}"}
    times, memory, state = np.empty(total), {}, {}
    for index in tqdm(range(total), desc=name, unit="block"):
        start = index * block % (frames - block + 1)
        inputs = block_inputs(dyad.user, dyad.avatar.audio, start, block)
        began = CLOCK.now()
        engine.step(*inputs)
        times[index] = 1e3 * (CLOCK.now() - began)
        if index + 1 in looks:
            at = looks[index + 1]
            memory[at] = resident_mb()
            state[at] = sum(v.numel() * v.element_size() for v in engine.state().values()) / 1e3
    return {
        "minutes": minutes,
        "blocks": total,
        "block_ms": {
            "first": float(times[0]),
            "first minute, median": float(np.median(times[:a_minute])),
            "last minute, median": float(np.median(times[-a_minute:])),
            "last": float(times[-1]),
        },
        "resident_mb": memory,
        "state_kb": state,
    }


@torch.inference_mode()
def cache_gap(trained: Generator, mask: str, blocks: int = 6) -> float:
    """Stream clean motion through the cache; compare the last block's velocity with the whole window's."""
    model = Generator(replace(trained.config, mask=mask)).eval()
    model.load_state_dict(trained.state_dict())
    grid, c = sigma_grid(8), model.config
    seeded = torch.Generator().manual_seed(0)
    frames = blocks * c.block
    motion = torch.randn(1, frames, c.motion_dim, generator=seeded)
    condition = torch.randn(1, frames, c.width, generator=seeded)
    sampler = BlockSampler(model, [Branch(True, True, 1.0)], Grid(grid, grid), torch.zeros(1, c.motion_dim))
    memory = sampler.start()
    for start in range(0, frames - c.block, c.block):
        cut = slice(start, start + c.block)
        memory = sampler.remember(sampler.plan(memory, condition[:, cut], c.block), motion[:, cut])
    last, lead = slice(frames - c.block, None), memory.offset.shape[1]
    plan = sampler.plan(memory, condition[:, last], c.block)
    sigma = torch.cat([torch.zeros(1, lead), torch.full((1, c.block), 0.5)], dim=1)
    tokens = torch.cat([memory.offset, motion[:, last]], dim=1)
    streamed = model.predict(tokens, sampler.table.at(sigma), plan.setting).velocity[:, lead:]
    levels = torch.zeros(1, frames)
    levels[:, last] = 0.5
    whole = model(motion, levels, condition, sampler.reference).velocity[:, last]
    return float((streamed - whole).abs().max() / whole.abs().max())


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lab = al.load("lab", device="cpu")
    avatars = {"tiny": build(preset("tiny"), default_space(), seed=1).eval(), "lab": lab}
    report: dict[str, Any] = {
        "hardware": hardware("cpu"),
        "cache_gap": {mask: cache_gap(lab.generator, mask) for mask in SELF_MASKS},
    }
    for name, avatar in avatars.items():
        report[name] = long_session(avatar, arguments.minutes, name)
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
