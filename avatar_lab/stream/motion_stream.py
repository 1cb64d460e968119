"""The streaming loop itself: one block of user and voice in, one block of avatar motion out.

    listen    samples -> audio features                    (remembers a few samples and feature frames)
    condition features -> one condition per frame          (remembers two seconds of keys and values)
    denoise   noise -> motion, `nfe` Euler steps           (looks at finished frames through the cache)
    remember  one clean pass writes keys and values        (both in `BlockSampler`: Algorithm 2)

Between the two, `Steady` takes the trembling out of slow movements, where the sampler's settings ask for it.

Guidance branches ride in the batch, and so may several sessions at once (n; evaluation does that, a live session
has n = 1): rows are ordered branch first, `(g n)`.

What is peculiar: the state is an immutable value. Everything a session remembers is in `StreamState`, its
size does not grow, and positions count from the current block, so nothing ends a session. The published
condition encoder is not causal: it reads the offset frames again together with the block, so their inputs are kept
(`recent`); a causal one has finished with them.

Notebook: 07 (KV cache), 10 (real time). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.audio.encoder import AudioState
from avatar_lab.audio.wav2vec2 import WaveState
from avatar_lab.config import SamplerConfig
from avatar_lab.flow.guidance import branches
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.block_sampler import BlockSampler, Grid, Memory, compiled_predict
from avatar_lab.model.condition import ConditionState
from avatar_lab.motion.steady import Steady
from avatar_lab.stream.meter import Meter

CONDITION_CACHES = ("user_keys", "user_values", "joint_keys", "joint_values")


class Signals(NamedTuple):
    """What the condition encoder is given, one row per frame: user motion, user audio, avatar audio."""

    user_motion: Float[Tensor, "n t k"]
    user_audio: Float[Tensor, "n t a"]
    avatar_audio: Float[Tensor, "n t a"]


@dataclass(frozen=True)
class StreamState:
    """All that one session remembers."""

    ears: AudioState | WaveState  # rows: users, then avatars; one network listens to both
    condition: ConditionState
    recent: Signals  # of the frames whose condition is made anew with the next block; none if it is causal
    memory: Memory
    steady: Float[Tensor, "n 3 s"]  # where slow movements are and whither they go; empty without `Steady`
    noise: Tensor  # state of the noise generator
    blocks: int
    owner: int  # fingerprint of sizes and guidance: whose state this is


class MotionBlock(NamedTuple):
    """One block of motion, and how many network calls it took."""

    motion: Float[Tensor, "n b k"]
    evaluations: int
    cache_passes: int
    branches: int


class MotionStream:
    """Generates coefficients block by block. Pure: `step(state, ...)` returns the next state."""

    def __init__(
        self,
        avatar: Avatar,
        sampler: SamplerConfig,
        reference: Float[Tensor, "n k"],
        *,
        compiled: bool = False,
    ) -> None:
        self.avatar = avatar
        self.branches = branches(sampler.guidance, sampler.guidance_form)
        self.sessions = len(reference)
        grid = sigma_grid(sampler.nfe)
        predict = compiled_predict(avatar.generator) if compiled else None
        with torch.inference_mode():
            self.sampler = BlockSampler(avatar.generator, self.branches, Grid(grid, grid), reference, predict)
        self.reference = reference
        self.steady = (
            Steady(avatar.face_space, avatar.config.generator.block, sampler.steady_hz)
            if sampler.steady_hz
            else None
        )
        parts = (
            avatar.config.generator,
            avatar.config.audio,
            self.branches,
            self.sessions,
            sampler.steady_hz,
        )
        self.owner = zlib.crc32(repr(parts).encode())

    def start(self, seed: int) -> StreamState:
        """Return the state of sessions in which nothing has happened yet."""
        generator, rows = self.avatar.generator, self.sessions * len(self.branches)
        c, nothing = generator.config, generator.embed.weight.new_zeros(self.sessions, 0, 1)
        return StreamState(
            self.avatar.audio_encoder.initial_state(2 * self.sessions),
            generator.condition.initial_state(rows),
            Signals(*(nothing.expand(-1, -1, d) for d in (c.motion_dim, c.audio_dim, c.audio_dim))),
            self.sampler.start(),
            self.steady.start(self.reference)
            if self.steady
            else self.reference.new_zeros(self.sessions, 3, 0),
            torch.Generator().manual_seed(seed).get_state(),
            0,
            self.owner,
        )

    def check(self, state: StreamState) -> None:
        """Raise ValueError for a state that no step of this stream can have left behind."""
        c = self.avatar.generator.config
        if state.owner != self.owner:
            raise ValueError("it was saved by another model, or with other guidance")
        for name, cache in (("cache", state.memory.cache), ("seen", state.memory.seen)):
            if not 0 <= cache.filled <= cache.context:
                raise ValueError(f"memory.{name}.filled must lie in 0..{cache.context}; it is {cache.filled}")
        wanted = c.lookahead if state.blocks > 0 else 0
        if state.memory.offset.shape[1] != wanted:
            raise ValueError(
                f"memory.offset must hold {wanted} frames; it holds {state.memory.offset.shape[1]}"
            )
        if len({part.shape[1] for part in state.recent}) > 1:
            raise ValueError("the parts of recent differ in length")
        lengths = [getattr(state.condition, name).shape[2] for name in CONDITION_CACHES]
        if lengths[0] != lengths[1] or lengths[2] != lengths[3]:
            raise ValueError("keys and values of the condition differ in length")
        torch.Generator().set_state(state.noise)  # raises RuntimeError when it is no generator's state

    @torch.inference_mode()
    def step(
        self,
        state: StreamState,
        user_motion: Float[Tensor, "n b k"],
        user_audio: Float[Tensor, "n s"],
        avatar_audio: Float[Tensor, "n s"],
        meter: Meter,
    ) -> tuple[MotionBlock, StreamState]:
        """Advance the session by one block."""
        config = self.avatar.generator.config
        with meter.stage("listen"):
            both, ears = self.avatar.audio_encoder(torch.cat([user_audio, avatar_audio]), state.ears)
            user_features, avatar_features = both.chunk(2)
        with meter.stage("condition"):
            like = self.avatar.generator.embed.weight  # its number format may be another than the ears'
            fresh = Signals(*(s.to(like) for s in (user_motion, user_features, avatar_features)))
            signals = Signals(*(torch.cat(parts, dim=1) for parts in zip(state.recent, fresh, strict=True)))
            condition, remembered = self.sampler.conditions(*signals, state.condition)
        with meter.stage("denoise"):
            noise, noise_state = self._noise(state, config.block, config.motion_dim)
            plan = self.sampler.plan(state.memory, condition, config.block)
            motion, evaluations = self.sampler.denoise(plan, noise)
            steady = state.steady
            if self.steady:
                motion, steady = self.steady(motion, steady)
        with meter.stage("remember"):
            memory = self.sampler.remember(plan, motion)
        lag = signals.user_motion.shape[1] - config.final_lag
        recent = Signals(*(part[:, lag:].clone() for part in signals))
        following = StreamState(
            ears, remembered, recent, memory, steady, noise_state, state.blocks + 1, self.owner
        )
        passes = int(config.context > 0)
        return MotionBlock(motion, evaluations, passes, len(self.branches)), following

    def _noise(self, state: StreamState, frames: int, dim: int) -> tuple[Float[Tensor, "n b k"], Tensor]:
        """Draw a block of noise on the CPU, so that a seed means the same on every device."""
        generator = torch.Generator()
        generator.set_state(state.noise)
        noise = torch.randn(self.sessions, frames, dim, generator=generator)
        return noise.to(self.avatar.device), generator.get_state()
