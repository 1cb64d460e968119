"""The pyramid as a stream: frames on their way from noise to motion like steps of a stair; one leaves each round.

    round r    frame r enters as noise; ONE evaluation; every frame on its way falls one step; frame r - S + 1 is done

    sigma      0  0  0 | 1/S  2/S  ...  1          the clean frames beside it ride along, as in `BlockSampler`

It is the table `flow.schedule.pyramid`, walked while the user's frames arrive. What is peculiar: nothing waits for a
block, so each frame is S frames late (S = `nfe`) and costs one evaluation. There is no pass that fills the cache: a
clean frame rides along until it has seen its look-ahead, and then leaves its keys and values behind.

Notebook: 05 (schedules). Source: Chen et al. 2024 (Diffusion Forcing); Rolling Diffusion (Ruhe et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from avatar_lab.audio.encoder import AudioState
from avatar_lab.audio.wav2vec2 import WaveState
from avatar_lab.config import SAMPLES_PER_FRAME, SamplerConfig
from avatar_lab.data.face import neutral
from avatar_lab.errors import ConfigError
from avatar_lab.flow.guidance import branches, combine
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.attention import KeysValues
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.block_sampler import BlockSampler, Grid
from avatar_lab.model.condition import ConditionState
from avatar_lab.model.kv_cache import KVCache


@dataclass(frozen=True)
class PyramidState:
    """All that sessions remember."""

    ears: AudioState | WaveState
    condition: ConditionState
    seen: tuple[KeysValues, ...]  # condition of the frames below, and of those just before them; per layer
    cache: KVCache  # finished frames that have seen their look-ahead
    clean: Float[Tensor, "n o k"]  # finished ones that have not, or have only just
    rising: Float[Tensor, "n f k"]  # on their way, the cleanest first
    noise: Tensor  # state of the noise generator
    entered: int  # frames
    rounds: int


class PyramidStream:
    """Generates coefficients frame by frame. Pure: `step` and `drain` return the next state."""

    def __init__(self, avatar: Avatar, sampler: SamplerConfig, reference: Float[Tensor, "n k"]) -> None:
        config = avatar.generator.config
        if not config.causal_condition:
            raise ConfigError("A pyramid needs a condition that is final when it is made: causal_condition.")
        self.avatar, self.steps, self.sessions = avatar, sampler.nfe, len(reference)
        self.grid, self.riders = sigma_grid(sampler.nfe), config.lookahead + 1
        with torch.inference_mode():
            self.parts = BlockSampler(
                avatar.generator,
                branches(sampler.guidance, sampler.guidance_form),
                Grid(self.grid, self.grid),
                reference,
            )

    def start(self, seed: int) -> PyramidState:
        """Return the state of sessions in which nothing has happened yet."""
        model, rows = self.avatar.generator, len(self.parts.reference)
        c, like = model.config, model.embed.weight
        context = max(0, c.window - self.riders - self.steps)  # all together are what training has seen
        nothing = like.new_zeros(self.sessions, 0, c.motion_dim)
        none = like.new_zeros(rows, c.heads, 0, c.width // c.heads)
        return PyramidState(
            self.avatar.audio_encoder.initial_state(2 * self.sessions),
            model.condition.initial_state(rows),
            (KeysValues(none, none),) * c.depth,
            KVCache.empty(c.depth, rows, c.heads, c.width // c.heads, context, like),
            nothing,
            nothing,
            torch.Generator().manual_seed(seed).get_state(),
            0,
            0,
        )

    @torch.inference_mode()
    def step(
        self,
        state: PyramidState,
        user_motion: Float[Tensor, "n 1 k"],
        user_audio: Float[Tensor, "n s"],
        avatar_audio: Float[Tensor, "n s"],
    ) -> tuple[Float[Tensor, "n e k"], PyramidState]:
        """Let one frame of the user in and do one round; return the frame that is finished, if one is."""
        both, ears = self.avatar.audio_encoder(torch.cat([user_audio, avatar_audio]), state.ears)
        heard, said = both.chunk(2)
        condition, remembered = self.parts.conditions(user_motion, heard, said, state.condition)
        fresh = self.avatar.generator.keys_of_condition(condition)
        reach = self.steps + self.riders + self.avatar.generator.config.cross_window
        generator = torch.Generator()
        generator.set_state(state.noise)
        noise = torch.randn(self.sessions, 1, user_motion.shape[2], generator=generator)
        return self._round(
            replace(
                state,
                ears=ears,
                condition=remembered,
                seen=tuple(_newest(old, new, reach) for old, new in zip(state.seen, fresh, strict=True)),
                rising=torch.cat([state.rising, noise.to(user_motion)], dim=1),
                noise=generator.get_state(),
                entered=state.entered + 1,
            )
        )

    @torch.inference_mode()
    def drain(self, state: PyramidState) -> tuple[Float[Tensor, "n e k"], PyramidState]:
        """Do one round without a new frame, after the last one."""
        return self._round(state)

    def _round(self, state: PyramidState) -> tuple[Float[Tensor, "n e k"], PyramidState]:
        """Let every frame on its way fall by one step: one evaluation."""
        model, riders, rising = self.avatar.generator, state.clean.shape[1], state.rising
        fallen = state.rounds - torch.arange(state.entered - rising.shape[1], state.entered)
        sigma, lower = self.grid[fallen], self.grid[fallen + 1]

        tokens = torch.cat([state.clean, rising], dim=1)
        end = (state.entered - 1) % model.config.block + 1  # positions count from a block boundary
        setting = model.setting(
            state.seen, self.parts.reference, tokens.shape[1], end - tokens.shape[1], state.cache
        )
        levels = torch.cat([sigma.new_zeros(riders), sigma])[None].to(tokens)
        rows = repeat(tokens, "n t k -> (g n) t k", g=len(self.parts.branches))
        out, fresh = model.predict(rows, self.parts.table.at(levels), setting)
        velocity = combine(out[:, riders:], self.parts.weights)
        rising = rising + (lower - sigma)[:, None].to(tokens) * velocity

        cache, clean, done = state.cache, state.clean, int(lower[0] == 0)
        if (
            done and riders == self.riders
        ):  # the oldest one has seen its look-ahead, clean, in this very round
            cache, clean = cache.append(fresh, 1), clean[:, 1:]
        following = replace(
            state,
            cache=cache,
            clean=torch.cat([clean, rising[:, :done]], dim=1),
            rising=rising[:, done:],
            rounds=state.rounds + 1,
        )
        return rising[:, :done], following


def pyramid_faces(
    avatar: Avatar,
    users: Float[np.ndarray, "n t p"],
    user_audio: Float[np.ndarray, "n s"],
    avatar_audio: Float[np.ndarray, "n s"],
    *,
    seed: int = 0,
    sampler: SamplerConfig | None = None,
) -> Float[np.ndarray, "n t p"]:
    """Stream many sessions at once, as `stream.evaluate.stream_faces` does, through a pyramid."""
    space, frames = avatar.face_space, users.shape[1]
    reference = torch.from_numpy(np.repeat(space.encode(neutral(1)), len(users), axis=0))
    stream = PyramidStream(avatar, sampler or avatar.config.sampler, reference)
    motion = torch.from_numpy(np.stack([space.encode(face) for face in users]))
    heard, said = torch.from_numpy(user_audio), torch.from_numpy(avatar_audio)
    state, made = stream.start(seed), []
    for frame in range(frames):
        sound = slice(frame * SAMPLES_PER_FRAME, (frame + 1) * SAMPLES_PER_FRAME)
        done, state = stream.step(state, motion[:, frame : frame + 1], heard[:, sound], said[:, sound])
        made.append(done)
    while state.rising.shape[1]:
        done, state = stream.drain(state)
        made.append(done)
    return np.stack([space.decode(track) for track in torch.cat(made, dim=1).numpy()])


def _newest(old: KeysValues, new: KeysValues, frames: int) -> KeysValues:
    """Join keys and values and keep the newest `frames`."""
    return KeysValues(*(torch.cat(pair, dim=2)[:, :, -frames:] for pair in zip(old, new, strict=True)))
