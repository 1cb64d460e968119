"""From log-mel to the feature the generator listens to.

`MelEncoder` shows each frame its own mel and that of the two frames before (120 ms in all) and maps them
through a small network. Longer memory belongs to the condition encoder's attention. The same weights listen
to user and avatar.

Like everything that streams, `forward` takes the state that the previous call returned and gives back the
next one; with `state=None` the past is silence, so offline and streaming are one code path.

Notebook: 01 (audio features).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.audio.mel import HOPS_PER_FRAME, TAIL, log_mel
from avatar_lab.config import AudioConfig


class AudioState(NamedTuple):
    """What the encoder remembers: samples for the next mel hop, mel frames for the next feature."""

    samples: Float[Tensor, "b m"]
    mel: Float[Tensor, "b c f"]


class MelEncoder(nn.Module):
    """Causal audio encoder: 16 kHz samples -> one feature of size `config.dim` per video frame."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.mel_dim = HOPS_PER_FRAME * config.bands
        self.net = nn.Sequential(
            nn.Linear(self.mel_dim * config.context_frames, config.hidden),
            nn.LayerNorm(config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.dim),
            nn.LayerNorm(config.dim),
            nn.SiLU(),
        )

    def initial_state(self, batch: int) -> AudioState:
        """Return the state of a stream that has heard nothing but silence."""
        weight = next(self.parameters())
        past = self.config.context_frames - 1
        return AudioState(weight.new_zeros(batch, TAIL), weight.new_zeros(batch, past, self.mel_dim))

    def forward(
        self, audio: Float[Tensor, "b n"], state: AudioState | None = None
    ) -> tuple[Float[Tensor, "b t d"], AudioState]:
        """Return features `(b, n / 640, dim)` and the state for the samples that follow."""
        state = state or self.initial_state(len(audio))
        mel, samples = log_mel(audio, state.samples, self.config.bands)
        features, mel_tail = self.encode_mel(mel, state.mel)
        return features, AudioState(samples, mel_tail)

    def encode_mel(
        self, mel: Float[Tensor, "b t f"], past: Float[Tensor, "b c f"] | None = None
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b c2 f"]]:
        """Encode log-mel frames (training caches these); `past` are the frames just before."""
        context = self.config.context_frames
        if past is None:
            past = mel.new_zeros(mel.shape[0], context - 1, self.mel_dim)
        stream = torch.cat([past, mel], dim=1)
        frames = mel.shape[1]
        stacked = torch.cat([stream[:, i : i + frames] for i in range(context)], dim=-1)
        return self.net(stacked), stream[:, frames:]
