"""The streaming loop itself: one block of user and voice in, one block of avatar motion out.

    listen    samples -> audio features                    (remembers 240 samples and two mel frames)
    condition features -> one condition per frame          (remembers two seconds of keys and values)
    denoise   noise -> motion, `nfe` Euler steps           (looks at finished frames through the cache)
    remember  one clean pass writes keys and values        (Algorithm 2, last lines)

The last l frames of the previous block come along at sigma 0 (the *offset*): only now do they see the
look-ahead that the mask grants them, so only now are they written to the cache. Guidance branches ride in the
batch, and so may several sessions at once (n; evaluation does that, a live session has n = 1): rows are
ordered branch first, `(g n)`.

What is peculiar: the state is an immutable value. Everything a session remembers is in `StreamState`, its
size does not grow, and positions count from the current block, so nothing ends a session.

Notebook: 07 (KV cache), 10 (real time). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from avatar_lab.audio.encoder import AudioState
from avatar_lab.config import SamplerConfig
from avatar_lab.flow.guidance import branches, combine
from avatar_lab.flow.schedule import full_sequence
from avatar_lab.flow.solver import sample
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.condition import ConditionState
from avatar_lab.model.kv_cache import KVCache
from avatar_lab.stream.meter import Meter


@dataclass(frozen=True)
class StreamState:
    """All that one session remembers."""

    user_audio: AudioState
    avatar_audio: AudioState
    condition: ConditionState
    recent_condition: Float[Tensor, "gn c w"]  # conditions of the frames just before the current block
    cache: KVCache
    offset: Float[Tensor, "n l k"]  # last clean frames, not yet in the cache
    noise: Tensor  # state of the noise generator
    blocks: int


class MotionBlock(NamedTuple):
    """One block of motion, and how many network calls it took."""

    motion: Float[Tensor, "n b k"]
    evaluations: int
    cache_passes: int
    branches: int


class MotionStream:
    """Generates coefficients block by block. Pure: `step(state, ...)` returns the next state."""

    def __init__(self, avatar: Avatar, sampler: SamplerConfig, reference: Float[Tensor, "n k"]) -> None:
        self.avatar = avatar
        self.sampler = sampler
        self.branches = branches(sampler.guidance, sampler.guidance_form)
        self.sessions = len(reference)
        device = avatar.device
        self.reference = repeat(reference.to(device), "n k -> (g n) k", g=len(self.branches))
        self.weights = torch.tensor([b.weight for b in self.branches], device=device)
        self.sees_voice = torch.tensor([float(b.avatar_audio) for b in self.branches], device=device)
        self.sees_user = torch.tensor([float(b.user) for b in self.branches], device=device)

    def start(self, seed: int) -> StreamState:
        """Return the state of sessions in which nothing has happened yet."""
        generator, rows = self.avatar.generator, len(self.reference)
        like = self.reference
        return StreamState(
            self.avatar.audio_encoder.initial_state(self.sessions),
            self.avatar.audio_encoder.initial_state(self.sessions),
            generator.condition.initial_state(rows),
            like.new_zeros(rows, 0, generator.config.width),
            generator.empty_cache(rows),
            like.new_zeros(self.sessions, 0, generator.config.motion_dim),
            torch.Generator().manual_seed(seed).get_state(),
            0,
        )

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
            user_features, user_heard = self.avatar.audio_encoder(user_audio, state.user_audio)
            avatar_features, avatar_heard = self.avatar.audio_encoder(avatar_audio, state.avatar_audio)
        with meter.stage("condition"):
            fresh, remembered = self.avatar.generator.condition(
                _per_branch(user_motion, self.sees_user),
                _per_branch(user_features, self.sees_user),
                _per_branch(avatar_features, self.sees_voice),
                state.condition,
            )
            condition = torch.cat([state.recent_condition, fresh], dim=1)
        with meter.stage("denoise"):
            generator = torch.Generator()
            generator.set_state(state.noise)
            noise = torch.randn(self.sessions, config.block, config.motion_dim, generator=generator).to(
                user_motion
            )
            result = sample(
                lambda noisy, sigma: self._velocity(state, condition, noisy, sigma),
                noise,
                full_sequence(config.block, self.sampler.nfe),
            )
        with meter.stage("remember"):
            cache = self._remember(state, condition, result.motion)
        lead = config.lookahead + config.cross_window
        following = StreamState(
            user_heard,
            avatar_heard,
            remembered,
            condition[:, -lead:].clone() if lead else condition[:, :0],
            cache,
            result.motion[:, config.block - config.lookahead :].clone(),
            generator.get_state(),
            state.blocks + 1,
        )
        return MotionBlock(result.motion, result.evaluations, 1, len(self.branches)), following

    def _tokens(self, state: StreamState, motion: Tensor) -> tuple[Tensor, int]:
        """Return offset and block side by side, once per branch, and the number of offset frames."""
        tokens = torch.cat([state.offset, motion], dim=1)
        return repeat(tokens, "n t k -> (g n) t k", g=len(self.branches)), state.offset.shape[1]

    def _velocity(self, state: StreamState, condition: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Evaluate all branches on [clean offset ; noisy block] and combine them on the block."""
        tokens, offset = self._tokens(state, noisy)
        levels = torch.cat([sigma.new_zeros(self.sessions, offset), sigma], dim=1)
        levels = repeat(levels, "n t -> (g n) t", g=len(self.branches))
        out = self.avatar.generator(
            tokens, levels, condition, self.reference, start=-offset, cache=state.cache
        )
        return combine(out.velocity[:, offset:], self.weights)

    def _remember(self, state: StreamState, condition: Tensor, motion: Tensor) -> KVCache:
        """Run one pass on clean frames and cache all but the last l, which still await their look-ahead."""
        tokens, offset = self._tokens(state, motion)
        levels = tokens.new_zeros(tokens.shape[:2])
        out = self.avatar.generator(
            tokens, levels, condition, self.reference, start=-offset, cache=state.cache
        )
        finished = tokens.shape[1] - self.avatar.generator.config.lookahead
        return state.cache.append(out.keys_values, finished)


def _per_branch(signal: Float[Tensor, "n t f"], seen: Float[Tensor, "g"]) -> Float[Tensor, "gn t f"]:
    """Repeat a signal once per branch, as zeros where the branch must not see it."""
    return torch.einsum("n t f, g -> g n t f", signal, seen).flatten(0, 1)
