"""From log-mel to the feature the generator listens to.

    mel, four hops of 10 ms a frame   ->   what a frame and the two before it hold (120 ms)       -> feature
                                      ->   convolutions over hops, 200 ms, three layers deep      ->

The convolutions hear where in a frame a sound begins, and one detector serves all positions; lips need that. Longer
memory belongs to the condition encoder. The same weights listen to user and avatar.

Like everything that streams, `forward` takes the state that the previous call returned and gives back the
next one; with `state=None` the past is silence, so offline and streaming are one code path.

Notebook: 01 (audio features).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from avatar_lab.audio.mel import HOPS_PER_FRAME, TAIL, log_mel
from avatar_lab.config import AudioConfig

KERNEL, DILATIONS = 5, (1, 1, 2)  # hops; together they reach 16 hops back, which is 4 frames
HOP_PAST = (KERNEL - 1) * sum(DILATIONS) // HOPS_PER_FRAME


class AudioState(NamedTuple):
    """What the encoder remembers: samples for the next mel hop, mel frames for the next feature."""

    samples: Float[Tensor, "b m"]
    mel: Float[Tensor, "b c f"]


class HopNet(nn.Module):
    """Convolutions over 10 ms hops. Every layer eats some of its past, so a stream need only remember mel."""

    def __init__(self, bands: int, width: int, out: int) -> None:
        super().__init__()
        inputs = (bands, *[width] * (len(DILATIONS) - 1))
        self.layers = nn.ModuleList(
            nn.Conv1d(i, width, KERNEL, dilation=d) for i, d in zip(inputs, DILATIONS, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in DILATIONS)
        self.out = nn.Linear(HOPS_PER_FRAME * width, out)
        nn.init.zeros_(self.out.weight)  # training begins as if the convolutions were not there
        nn.init.zeros_(self.out.bias)

    def forward(self, mel: Float[Tensor, "b t f"]) -> Float[Tensor, "b t2 o"]:
        """Return one row per frame but the first `HOP_PAST`."""
        x = rearrange(mel, "b t (h c) -> b c (t h)", h=HOPS_PER_FRAME)
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            heard = functional.silu(norm(layer(x).mT)).mT
            x = heard + x[..., -heard.shape[-1] :] if index else heard
        return self.out(rearrange(x, "b c (t h) -> b t (h c)", h=HOPS_PER_FRAME))


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
        self.hops = HopNet(config.bands, config.hop_width, config.hidden) if config.hop_width else None
        self.past = max(config.context_frames - 1, HOP_PAST if self.hops else 0)  # frames of mel

    def initial_state(self, batch: int) -> AudioState:
        """Return the state of a stream that has heard nothing but silence."""
        weight = next(self.parameters())
        return AudioState(weight.new_zeros(batch, TAIL), weight.new_zeros(batch, self.past, self.mel_dim))

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
        context, frames = self.config.context_frames, mel.shape[1]
        if past is None:
            past = mel.new_zeros(mel.shape[0], self.past, self.mel_dim)
        stream = torch.cat([past, mel], dim=1)
        first = self.past - (context - 1)
        stacked = torch.cat([stream[:, first + i : first + i + frames] for i in range(context)], dim=-1)
        hidden = self.net[0](stacked)
        if self.hops is not None:
            hidden = hidden + self.hops(stream[:, self.past - HOP_PAST :])
        return self.net[1:](hidden), stream[:, frames:]
