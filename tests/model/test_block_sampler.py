"""The inner loop of streaming: cached equals recomputed where the mask allows it, at any age and size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avatar_lab.config import GeneratorConfig, preset
from avatar_lab.flow.guidance import Branch
from avatar_lab.flow.schedule import make_schedule, sigma_grid
from avatar_lab.flow.solver import sample
from avatar_lab.model.block_sampler import BlockSampler, Grid, Memory
from avatar_lab.model.generator import Generator
from avatar_lab.model.masks import SELF_MASKS

BLOCK, BLOCKS = 5, 4
ALL = Branch(avatar_audio=True, user=True, weight=1.0)
EXACT = ("frame_causal", "block_causal")


def awake(config: GeneratorConfig) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Generator(config)
        for layer in (model.modulation[1], model.head.modulation[1], model.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.5)
    return model.eval().requires_grad_(False)


def sampler_of(model: Generator, nfe: int = 3) -> BlockSampler:
    grid = sigma_grid(nfe)
    reference = torch.randn(1, model.config.motion_dim, generator=torch.Generator().manual_seed(2))
    return BlockSampler(model, [ALL], Grid(grid, grid), reference)


def tracks(model: Generator, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    seeded = torch.Generator().manual_seed(1)
    motion = torch.randn(1, frames, model.config.motion_dim, generator=seeded)
    return motion, torch.randn(1, frames, model.config.width, generator=seeded)


def cache_gap(mask: str, depth: int = 4) -> float:
    """Largest difference between a velocity seen through the cache and one from the whole window."""
    model = awake(replace(preset("tiny").generator, mask=mask, depth=depth))
    sampler = sampler_of(model)
    motion, condition = tracks(model, BLOCK * BLOCKS)
    memory = sampler.start()
    for b in range(BLOCKS - 1):
        cut = slice(b * BLOCK, (b + 1) * BLOCK)
        memory = sampler.remember(sampler.plan(memory, condition[:, cut], BLOCK), motion[:, cut])
    last = slice((BLOCKS - 1) * BLOCK, None)
    plan = sampler.plan(memory, condition[:, last], BLOCK)
    lead = memory.offset.shape[1]
    tokens = torch.cat([memory.offset, motion[:, last]], dim=1)
    sigma = torch.zeros(1, lead + BLOCK)
    sigma[:, lead:] = 1 / 3
    streamed = model.predict(tokens, sampler.table.at(sigma), plan.setting).velocity[:, lead:]
    levels = torch.zeros(1, BLOCK * BLOCKS)
    levels[:, last] = 1 / 3
    whole = model(motion, levels, condition, sampler.reference).velocity[:, last]
    return float((streamed - whole).abs().max())


@pytest.mark.parametrize("mask", EXACT)
def test_cached_equals_recomputed_where_the_mask_allows_it(mask: str) -> None:
    assert cache_gap(mask) < 1e-5


def test_the_offset_makes_two_layers_of_the_released_mask_exact() -> None:
    assert cache_gap("released", depth=2) < 1e-5


@pytest.mark.parametrize("mask", sorted(set(SELF_MASKS) - set(EXACT)))
def test_masks_that_look_ahead_in_every_layer_cannot_be_cached_exactly(mask: str) -> None:
    """A cached frame was finished before the frames arrived that these masks would show it."""
    assert 1e-4 < cache_gap(mask) < 1.0


def run(sampler: BlockSampler, memory: Memory, blocks: range) -> tuple[list[torch.Tensor], Memory]:
    made = []
    for b in blocks:
        seeded = torch.Generator().manual_seed(b)
        noise = torch.randn(1, BLOCK, sampler.generator.config.motion_dim, generator=seeded)
        condition = torch.randn(1, BLOCK, sampler.generator.config.width, generator=seeded)
        plan = sampler.plan(memory, condition, BLOCK)
        motion, _ = sampler.denoise(plan, noise)
        memory = sampler.remember(plan, motion)
        made.append(motion)
    return made, memory


def test_memory_has_its_full_size_from_the_start(generator: Generator) -> None:
    sampler = sampler_of(generator)
    memory = sampler.start()
    shapes = (memory.cache.keys.shape, memory.seen.values.shape)
    for b in range(10):
        _, memory = run(sampler, memory, range(b, b + 1))
        assert (memory.cache.keys.shape, memory.seen.values.shape) == shapes


def test_a_first_window_of_any_length_leads_into_blocks(generator: Generator) -> None:
    """The released start: one long window, then blocks that see its end."""
    sampler = sampler_of(generator)
    motion, condition = tracks(generator, 30)
    memory = sampler.start()
    plan = sampler.plan(memory, condition, 30)
    first, evaluations = sampler.denoise(plan, motion)
    memory = sampler.remember(plan, first)
    assert evaluations == 3
    assert memory.cache.filled == generator.config.context
    made, _ = run(sampler, memory, range(1))
    assert made[0].shape == (1, BLOCK, 18)


@pytest.mark.parametrize(("name", "evaluations"), [("full", 4), ("block", 12), ("pyramid", 18)])
def test_three_schedules_are_one_sampler(generator: Generator, name: str, evaluations: int) -> None:
    motion, condition = tracks(generator, 15)
    reference = torch.zeros(1, 18)
    table = make_schedule(name, 15, 4, BLOCK)
    with torch.inference_mode():
        result = sample(
            lambda noisy, sigma: generator(noisy, sigma, condition, reference).velocity, motion, table
        )
    assert result.evaluations == evaluations
    assert torch.isfinite(result.motion).all()


def test_the_published_size_runs_on_no_memory() -> None:
    """On the device `meta` shapes and devices are checked without a single number."""
    config = preset("paper").generator
    with torch.device("meta"):
        model = Generator(config).requires_grad_(False)
    grid = Grid(sigma_grid(2), sigma_grid(2))
    sampler = BlockSampler(model, [ALL], grid, torch.zeros(1, 512, device="meta"))
    memory, motion = sampler.start(), torch.zeros(0)
    for frames, new in ((50, 50), (12, 10)):
        plan = sampler.plan(memory, torch.zeros(1, frames, 1024, device="meta"), new)
        motion, _ = sampler.denoise(plan, torch.zeros(1, new, 512, device="meta"))
        memory = sampler.remember(plan, motion)
    assert motion.shape == (1, 10, 512)
    assert memory.cache.keys.shape == (8, 1, 8, 38, 128)
    assert memory.cache.keys.device.type == "meta"
