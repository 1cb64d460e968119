"""The dual motion encoder: two ears and a voice become one condition per frame.

    user motion  -> 2 x (Linear, LayerNorm, SiLU)
                 -> attention(query = user motion,  key/value = user audio)       -> + residual, LayerNorm,
                 SiLU
    avatar audio -> attention(query = avatar audio, key/value = previous result)  -> + residual, LayerNorm,
    SiLU
                 -> Linear -> condition

What is peculiar, against the published encoder (all switches of `GeneratorConfig`, all off in `paper`):
`causal_condition` forbids a look at the window's future; `condition_history` and `condition_rope` let a frame look
back two seconds and know how long ago something was; `user_lags` and `sound_lags` show what the user did and said in
the last second side by side, and `user_skip` carries that past the softmax. Reactions come 0.3-1.2 s after their
cause: a condition that sees only "now" cannot learn them.

Notebook: 06. Source: Avatar Forcing, section 3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.config import GeneratorConfig
from avatar_lab.model.attention import HistoryAttention, rotation
from avatar_lab.model.masks import history_mask


class ConditionState(NamedTuple):
    """What a stream remembers: recent user motion, and keys and values of both attentions."""

    user_motion: Float[Tensor, "b m k"]
    user_sound: Float[Tensor, "b s a"]
    user_keys: Float[Tensor, "b h n d"]
    user_values: Float[Tensor, "b h n d"]
    joint_keys: Float[Tensor, "b h n d"]
    joint_values: Float[Tensor, "b h n d"]


class DualMotionEncoder(nn.Module):
    """Fuse user motion, user audio and avatar audio into one condition (b, t, width)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.condition_width
        self.motion_embedder = nn.Sequential(
            nn.Linear(config.motion_dim * len(config.user_lags), width),
            nn.LayerNorm(width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.SiLU(),
        )
        self.sound_embedder = None
        if config.sound_lags:
            norm = nn.LayerNorm(width)
            nn.init.zeros_(norm.weight)  # as if it were not there, until it has learned
            self.sound_embedder = nn.Sequential(
                nn.Linear(config.audio_dim * len(config.sound_lags), width), norm
            )
        # Published sizes need no projection: audio features and condition are both 512 wide.
        same = config.audio_dim == width
        self.user_audio_in = nn.Identity() if same else nn.Linear(config.audio_dim, width)
        self.avatar_audio_in = nn.Identity() if same else nn.Linear(config.audio_dim, width)
        self.user_attention = HistoryAttention(width, config.condition_heads)
        self.joint_attention = HistoryAttention(width, config.condition_heads)
        self.norm_user = nn.LayerNorm(width)
        self.norm_joint = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.width)
        self.skip = nn.Linear(width, config.width) if config.user_skip else None

    def initial_state(self, batch: int) -> ConditionState:
        """Return the state of a stream that has seen and heard nothing."""
        c = self.config
        motion = self.out.weight.new_zeros(batch, max(c.user_lags), c.motion_dim)
        sound = self.out.weight.new_zeros(batch, max(c.sound_lags, default=0), c.audio_dim)
        nothing = self.out.weight.new_zeros(
            batch, c.condition_heads, 0, c.condition_width // c.condition_heads
        )
        return ConditionState(motion, sound, nothing, nothing, nothing, nothing)

    def forward(
        self,
        user_motion: Float[Tensor, "b t k"],
        user_audio: Float[Tensor, "b t a"],
        avatar_audio: Float[Tensor, "b t a"],
        state: ConditionState | None = None,
    ) -> tuple[Float[Tensor, "b t w"], ConditionState]:
        """Return one condition per frame and the state that continues the stream.

        Absent signals are zeros (that is also how dropout and guidance take a condition away). With
        `causal_condition` off every call stands alone, as in the released program.
        """
        state = state if state is not None else self.initial_state(user_motion.shape[0])
        lagged, motion_tail = side_by_side(user_motion, state.user_motion, self.config.user_lags)
        motion, sound_tail = self.motion_embedder(lagged), state.user_sound
        if self.sound_embedder is not None:
            lagged, sound_tail = side_by_side(user_audio, state.user_sound, self.config.sound_lags)
            motion = motion + self.sound_embedder(lagged)

        past, met_past = (state.user_keys, state.user_values), (state.joint_keys, state.joint_values)
        seen = self._look_back(self.user_attention, motion, self.user_audio_in(user_audio), past)
        user = nn.functional.silu(self.norm_user(motion + seen[0]))
        voice = self.avatar_audio_in(avatar_audio)
        met = self._look_back(self.joint_attention, voice, user, met_past)
        joint = nn.functional.silu(self.norm_joint(voice + met[0]))

        condition = self.out(joint)
        if self.skip is not None:
            condition = condition + self.skip(user)
        return condition, ConditionState(motion_tail, sound_tail, *seen[1], *met[1])

    def _look_back(
        self, attention: HistoryAttention, query: Tensor, source: Tensor, past: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Attend from `query` to `source` and its remembered past; return the result and the new past."""
        keys, values = attention.keys_values(source)
        config, frames, device = self.config, query.shape[1], query.device
        if not config.causal_condition:
            return attention(query, keys, values, None, None), (past[0], past[1])
        keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        at = torch.arange(frames - keys.shape[2], frames, device=device)
        mask = history_mask(at[-frames:], at, config.condition_history)
        turn = rotation(at, keys.shape[-1]) if config.condition_rope else None
        out = attention(query, keys, values, turn, mask)
        keep = max(0, keys.shape[2] - config.condition_history)
        return out, (keys[:, :, keep:], values[:, :, keep:])


def side_by_side(
    signal: Float[Tensor, "b t d"], past: Float[Tensor, "b m d"], lags: tuple[int, ...]
) -> tuple[Float[Tensor, "b t ld"], Float[Tensor, "b m d"]]:
    """Show each frame of `signal` its own values and those of `lags` frames ago; return also the new past."""
    reach, frames = past.shape[1], signal.shape[1]
    stream = torch.cat([past, signal], dim=1)
    views = [stream[:, reach - lag : reach - lag + frames] for lag in lags]
    return torch.cat(views, dim=-1), stream[:, frames:]
