"""The inner loop of Algorithm 2: noise becomes one block of motion, seen against a remembered past.

    denoise   noise -> motion, a few Euler steps        (looks at finished frames through the cache)
    remember  one clean pass writes keys and values     (all but the last l frames)

The last l frames of the previous block come along at sigma 0 (the *offset*): only now do they see the
look-ahead that the mask grants them, so only now are they written to the cache. Guidance branches ride in the
batch, and so may several sessions at once: rows are ordered branch first, `(g n)`.

What is peculiar: it knows neither sound nor pictures nor who calls it. The live stream and the published
rollout, which begins with a window of 50 frames, are this one class with other condition frames and noise.

Notebook: 07 (KV cache). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from avatar_lab.flow.guidance import Branch, combine, per_branch
from avatar_lab.flow.solver import OnRound, sample
from avatar_lab.model.attention import KeysValues
from avatar_lab.model.condition import ConditionState
from avatar_lab.model.generator import Generator, Modulation, ModulationTable, Setting
from avatar_lab.model.kv_cache import KVCache

Predict = Callable[[Tensor, Modulation, Setting], tuple[Tensor, tuple[KeysValues, ...]]]


@dataclass(frozen=True)
class Memory:
    """What the motion of one session (or of n at once) remembers."""

    cache: KVCache  # finished frames
    seen: KVCache  # condition keys and values of the frames just before the current ones
    offset: Float[Tensor, "n l k"]  # last clean frames, not yet in the cache


class Plan(NamedTuple):
    """A block about to be made: the memory before it, its condition's keys and values, and its setting."""

    memory: Memory
    fresh: tuple[KeysValues, ...]
    setting: Setting


@dataclass(frozen=True)
class Grid:
    """The noise levels of one block's rounds: those that the Euler step uses and those the network is told.

    They differ in the released program only, which looks the former up in a table of 1000.
    """

    sigma: Float[Tensor, "r"]
    told: Float[Tensor, "r"]


class BlockSampler:
    """Make block after block: `plan`, `denoise`, `remember`. Pure: the next memory is a new value."""

    def __init__(
        self,
        generator: Generator,
        branches: Sequence[Branch],
        grid: Grid,
        reference: Float[Tensor, "n k"],
        predict: Predict | None = None,
    ) -> None:
        like = generator.embed.weight
        self.generator, self.branches = generator, tuple(branches)
        self.sessions = len(reference)
        fine = torch.float32 if like.device.type == "mps" else grid.told.dtype
        told = grid.told.to(fine)
        self.grid = Grid(grid.sigma, told.to(like.device))
        self.reference = repeat(reference.to(like), "n k -> (g n) k", g=len(self.branches))
        self.weights = torch.tensor([b.weight for b in self.branches], device=like.device)
        self.sees_voice = torch.tensor([float(b.avatar_audio) for b in self.branches], device=like.device)
        self.sees_user = torch.tensor([float(b.user) for b in self.branches], device=like.device)
        self.table = ModulationTable(generator, torch.cat([told, told.new_zeros(1)]))
        self._predict: Predict = predict or generator.predict

    def start(self) -> Memory:
        """Return the memory of sessions in which nothing has happened yet."""
        rows, motion_dim = len(self.reference), self.generator.config.motion_dim
        nothing = self.weights.new_zeros(self.sessions, 0, motion_dim)
        return Memory(self.generator.empty_cache(rows), self.generator.empty_seen(rows), nothing)

    def conditions(
        self,
        user_motion: Float[Tensor, "n t k"],
        user_audio: Float[Tensor, "n t a"],
        avatar_audio: Float[Tensor, "n t a"],
        state: ConditionState | None = None,
    ) -> tuple[Float[Tensor, "gn t w"], ConditionState]:
        """Encode what every guidance branch may know, and return the state that continues the stream."""
        return self.generator.condition(
            per_branch(user_motion, self.sees_user),
            per_branch(user_audio, self.sees_user),
            per_branch(avatar_audio, self.sees_voice),
            state,
        )

    def plan(self, memory: Memory, condition: Float[Tensor, "gn c w"], frames: int) -> Plan:
        """Prepare a block of `frames` frames: everything that its denoising steps have in common.

        `condition` ends with the block's last frame; it holds the block's frames, or offset and block.
        """
        offset = memory.offset.shape[1]
        fresh = self.generator.keys_of_condition(condition)
        setting = self.generator.setting(
            fresh, self.reference, offset + frames, -offset, memory.cache, memory.seen
        )
        return Plan(memory, fresh, setting)

    def denoise(
        self, plan: Plan, noise: Float[Tensor, "n b k"], on_round: OnRound | None = None
    ) -> tuple[Float[Tensor, "n b k"], int]:
        """Turn noise into motion; return it and the evaluations that it took."""
        offset, frames = plan.memory.offset, noise.shape[1]

        def velocity(noisy: Tensor, told: Tensor) -> Tensor:
            levels = torch.cat([told.new_zeros(1, offset.shape[1]), told[:1]], dim=1)
            out, _ = self._predict(self._with_offset(offset, noisy), self.table.at(levels), plan.setting)
            return combine(out[:, offset.shape[1] :].to(noisy.dtype), self.weights)

        schedule, told = (grid[:, None].expand(-1, frames) for grid in (self.grid.sigma, self.grid.told))
        result = sample(velocity, noise, schedule, on_round, told=told)
        return result.motion, result.evaluations

    def remember(self, plan: Plan, motion: Float[Tensor, "n b k"]) -> Memory:
        """Run one pass on clean frames and cache all but the last l, which still await their look-ahead.

        Where nothing is cached (a window model, whose past is the offset alone) there is no such pass.
        """
        config, cache = self.generator.config, plan.memory.cache
        if cache.context:
            clean = self._with_offset(plan.memory.offset, motion)
            levels = self.table.levels.new_zeros(1, clean.shape[1])
            written = self.generator.remember(clean, self.table.at(levels), plan.setting)
            cache = cache.append(written, clean.shape[1] - config.lookahead)
        conditions = plan.fresh[0].keys.shape[2]
        return Memory(
            cache,
            plan.memory.seen.append(plan.fresh, conditions - config.final_lag),
            motion[:, motion.shape[1] - config.lookahead :].clone(),
        )

    def _with_offset(self, offset: Tensor, motion: Tensor) -> Float[Tensor, "gn t k"]:
        """Return offset and block side by side, once per branch."""
        tokens = torch.cat([offset, motion], dim=1)
        return repeat(tokens, "n t k -> (g n) t k", g=len(self.branches))


def compiled_predict(generator: Generator) -> Predict:
    """Return `generator.predict`, compiled; on CUDA it is replayed as a graph.

    Notes
    -----
    A block's first pass sees no offset frames and has a shape of its own, so two variants are compiled. What a graph
    returns is overwritten by its next run; it is used up before that, and copied to be safe.
    """
    cuda = generator.embed.weight.is_cuda
    fast = torch.compile(generator.predict, mode="reduce-overhead" if cuda else "default", dynamic=False)

    def predict(
        noisy: Tensor, modulation: Modulation, setting: Setting
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        if cuda:
            torch.compiler.cudagraph_mark_step_begin()
        velocity, _ = fast(noisy, modulation, setting)
        return velocity.clone(), ()

    return predict
