"""wav2vec2 features: what the published model hears.

    16 kHz samples -> convolutions (50 a second) -> linear interpolation to 25 a second
                   -> 12 transformer layers, all of them side by side (9216 numbers)
                   -> Linear, LayerNorm, SiLU -> 512

What is peculiar: the transformer looks at everything it is given, in both directions, so features of a whole file
know the future. `Wav2Vec2Encoder.forward` listens live: it shows the network a rolling window that ends with the
newest sample (no right context; the left one is `AudioConfig.context_frames`). What that costs against the whole
file is measured by `bench/wav2vec2_context.py`.

The network itself is that of `transformers` (extra `published`). Notebook: 12. Source: METHOD section 3; Baevski
et al. 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.config import SAMPLES_PER_FRAME, AudioConfig
from avatar_lab.errors import CheckpointError, ConfigError, ShapeError


class WaveState(NamedTuple):
    """What the encoder remembers: the samples of its left context, and how many at the end were really heard."""

    samples: Float[Tensor, "b n"]
    heard: int


def wav2vec2_network(sizes: Mapping[str, Any] | None = None) -> nn.Module:
    """Return an untrained wav2vec2 with the published sizes, or those given (names as in `Wav2Vec2Config`)."""
    try:
        from transformers import Wav2Vec2Config, Wav2Vec2Model
    except ImportError as error:
        raise ConfigError(
            "wav2vec2 needs the package transformers. Install it: pip install 'avatar-lab[published]'"
        ) from error
    return Wav2Vec2Model(Wav2Vec2Config(**(sizes or {}))).eval()


class Wav2Vec2Encoder(nn.Module):
    """wav2vec2 and its learned projection. `network` is None where only the projection's weights are known."""

    def __init__(self, config: AudioConfig, hidden: int, network: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.projection = nn.Sequential(nn.Linear(hidden, config.dim), nn.LayerNorm(config.dim), nn.SiLU())

    def whole(self, waveform: Float[Tensor, "b n"], frames: int) -> Float[Tensor, "b t d"]:
        """Return features of a whole recording, one row for each of `frames` video frames (not causal).

        The recording is cut to `frames` x 640 samples, or filled up with its last one.
        """
        if waveform.ndim != 2 or waveform.shape[1] == 0 or frames < 1:
            raise ShapeError(
                f"waveform must have shape (b, n) with n >= 1, and frames must be >= 1; got "
                f"{tuple(waveform.shape)} and {frames}."
            )
        return self.projection(self.hidden_layers(_fitted(waveform, frames), frames))

    def hidden_layers(self, waveform: Float[Tensor, "b n"], frames: int) -> Float[Tensor, "b t d"]:
        """Return all hidden layers side by side."""
        network: Any = self.network
        if network is None:
            raise CheckpointError(
                "These weights hold no wav2vec2. Put the folder wav2vec2-base-960h (Hugging Face: "
                "facebook/wav2vec2-base-960h, Apache-2.0) beside the checkpoint files."
            )
        maps = network.feature_extractor(waveform)  # (b, channels, about 50 a second)
        maps = F.interpolate(maps, size=frames, mode="linear", align_corners=True)
        x, _ = network.feature_projection(rearrange(maps, "b c t -> b t c"))
        encoder, layers = network.encoder, []
        x = encoder.layer_norm(x + encoder.pos_conv_embed(x))
        for layer in encoder.layers:
            x = layer(x)
            x = x[0] if isinstance(x, tuple) else x  # transformers 4 wraps it
            layers.append(x)
        return torch.cat(layers, dim=-1)

    def initial_state(self, batch: int) -> WaveState:
        """Return the state of a stream that has heard nothing yet."""
        weight: Tensor = next(self.parameters())
        return WaveState(weight.new_zeros(batch, self.config.context_frames * SAMPLES_PER_FRAME), 0)

    def forward(
        self, audio: Float[Tensor, "b n"], state: WaveState | None = None
    ) -> tuple[Float[Tensor, "b t d"], WaveState]:
        """Return features `(b, n / 640, dim)` of the newest samples, and the state for those that follow."""
        if audio.shape[1] % SAMPLES_PER_FRAME:
            raise ShapeError(
                f"audio must hold whole frames of {SAMPLES_PER_FRAME} samples; got {audio.shape[1]} samples."
            )
        state = state or self.initial_state(len(audio))
        context = state.samples.shape[1]
        window = torch.cat([state.samples, audio.to(state.samples)], dim=1)
        heard = window[:, context - state.heard :]  # what has not been heard is not silence: it is left out
        fresh, seen = (n // SAMPLES_PER_FRAME for n in (audio.shape[1], heard.shape[1]))
        features = self.whole(heard, seen)[:, seen - fresh :]
        known = min(context, heard.shape[1])
        return features, WaveState(window[:, window.shape[1] - context :].clone(), known)


def _fitted(waveform: Float[Tensor, "b n"], frames: int) -> Float[Tensor, "b m"]:
    """Cut to `frames` frames, or repeat the last sample, as the released program does."""
    wanted = frames * SAMPLES_PER_FRAME
    return F.pad(waveform[None], (0, max(0, wanted - waveform.shape[1])), mode="replicate")[0, :, :wanted]
