"""The motion generator: a causal transformer that predicts the velocity of noisy motion.

    tokens    = Linear[noisy ; reference]
    per block = adaLN self-attention (gated) -> cross-attention to the condition -> adaLN MLP (gated)
    velocity  = Linear(adaLN(tokens)),  zero-initialised

What is peculiar: every frame has its own noise level, so scale, shift and gate differ from frame to frame;
ONE adaLN network is shared by all blocks; cross-attention has neither gate nor time modulation. The same
`forward` trains on whole windows and streams: with a cache it sees finished frames through their keys and
values.

Notebook: 04. Source: Avatar Forcing, section 3.2 and Fig. 3; DiT (Peebles & Xie 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.config import GeneratorConfig
from avatar_lab.flow.path import check_sigma
from avatar_lab.model.attention import CrossAttention, Rotation, SelfAttention, rotation
from avatar_lab.model.condition import DualMotionEncoder
from avatar_lab.model.kv_cache import KVCache, LayerKV
from avatar_lab.model.masks import cross_attention_mask, self_attention_mask


class GeneratorOutput(NamedTuple):
    """The predicted velocity, and this call's keys and values per layer for the cache."""

    velocity: Float[Tensor, "b t k"]
    keys_values: tuple[LayerKV, ...]


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift normalised tokens: `x (1 + scale) + shift`."""
    return x * (1 + scale) + shift


class SigmaEmbedder(nn.Module):
    """Noise level -> width: sinusoids of 1000 sigma, then two linear layers."""

    def __init__(self, frequencies: int, width: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, sigma: Float[Tensor, "b t"]) -> Float[Tensor, "b t w"]:
        half = self.frequencies // 2
        steps = torch.arange(half, device=sigma.device, dtype=torch.float32) / half
        angle = 1000 * sigma[..., None].float() * 1e4**-steps
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=-1).to(sigma.dtype))


class TransformerBlock(nn.Module):
    """One layer: self-attention, cross-attention, MLP."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (_plain_norm(width) for _ in range(3))
        self.attention = SelfAttention(width, heads)
        self.cross_attention = CrossAttention(width, heads)
        hidden = int(width * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width)
        )

    def forward(
        self,
        x: Float[Tensor, "b t w"],
        modulation: tuple[Tensor, ...],
        condition: Float[Tensor, "b c w"],
        turn: Rotation,
        masks: tuple[Tensor, Tensor],
        past: LayerKV | None,
    ) -> tuple[Float[Tensor, "b t w"], LayerKV]:
        """Return tokens and this layer's fresh keys and values; shapes as in `Generator.forward`."""
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation
        attended, fresh = self.attention(modulate(self.norm1(x), shift1, scale1), turn, masks[0], past)
        x = x + gate1 * attended  # (b, t, w)
        x = x + self.cross_attention(self.norm2(x), condition, masks[1])  # (b, t, w)
        x = x + gate2 * self.mlp(modulate(self.norm3(x), shift2, scale2))  # (b, t, w)
        return x, fresh


class VelocityHead(nn.Module):
    """Time-modulated LayerNorm and a linear layer that starts at zero."""

    def __init__(self, width: int, motion_dim: int) -> None:
        super().__init__()
        self.norm = _plain_norm(width)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.linear = nn.Linear(width, motion_dim)

    def forward(self, x: Float[Tensor, "b t w"], level: Float[Tensor, "b t w"]) -> Float[Tensor, "b t k"]:
        shift, scale = self.modulation(level).chunk(2, dim=-1)
        return self.linear(modulate(self.norm(x), shift, scale))


class Generator(nn.Module):
    """The whole vector field: dual motion encoder and causal transformer."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.condition = DualMotionEncoder(config)
        self.embed = nn.Linear(2 * config.motion_dim, width)
        self.sigma_embedder = SigmaEmbedder(config.sigma_frequencies, width)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.head = VelocityHead(width, config.motion_dim)
        self._initialise()

    def _initialise(self) -> None:
        """Start as the identity: gates, modulations and the last layer at zero (adaLN-zero)."""
        for layer in (self.modulation[1], self.head.modulation[1], self.head.linear):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def empty_cache(self, batch: int) -> KVCache:
        """Return the key/value cache of a stream that has not begun."""
        c = self.config
        return KVCache.empty(c.depth, batch, c.heads, c.width // c.heads, c.context, self.embed.weight)

    def forward(
        self,
        noisy: Float[Tensor, "b t k"],
        sigma: Float[Tensor, "_b _t"],
        condition: Float[Tensor, "b c w"],
        reference: Float[Tensor, "b k"],
        start: int = 0,
        cache: KVCache | None = None,
    ) -> GeneratorOutput:
        """Predict the velocity of every frame.

        Parameters
        ----------
        noisy : motion at level `sigma`; frame positions are `start, start + 1, ...`, where multiples of the
            block
            length are block boundaries (a stream counts from its current block, so its offset frames are
            negative).
        condition : one per frame, aligned to end with the last frame; earlier ones may precede (c >= t).
        reference : the portrait's own motion, shown to every frame.
        cache : finished frames just before `start`.
        """
        check_sigma(sigma, noisy)
        c, frames, device = self.config, noisy.shape[1], noisy.device
        past = cache.frames if cache else 0
        positions = torch.arange(start - past, start + frames, device=device)
        queries = positions[past:]
        condition_at = torch.arange(start + frames - condition.shape[1], start + frames, device=device)
        masks = (
            self_attention_mask(c.mask, queries, positions, c.block, c.lookahead),
            cross_attention_mask(queries, condition_at, c.cross_window, c.block, c.cross_within_block),
        )
        x = self.embed(torch.cat([noisy, repeat(reference, "b k -> b t k", t=frames)], dim=-1))  # (b, t, w)
        level = self.sigma_embedder(sigma)  # (b, t, w)
        modulation = self.modulation(level).chunk(6, dim=-1)
        turn = rotation(positions, c.width // c.heads)
        fresh = []
        for i, block in enumerate(self.blocks):
            x, own = block(
                x, modulation, condition, turn, masks, cache.layers[i] if cache else None
            )  # (b, t, w)
            fresh.append(own)
        return GeneratorOutput(self.head(x, level), tuple(fresh))


def _plain_norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
