"""The motion generator: a causal transformer that predicts the velocity of noisy motion.

    tokens    = Linear[noisy ; reference]
    per block = adaLN self-attention (gated) -> cross-attention to the condition -> adaLN MLP (gated)
    velocity  = Linear(adaLN(tokens)),  zero-initialised

What is peculiar: every frame has its own noise level, so scale, shift and gate differ from frame to frame;
ONE adaLN network is shared by all blocks; cross-attention has neither gate nor time modulation.

The work is cut where its inputs change, so that nothing is computed twice while a block is denoised:

    setting(condition, reference, cache)     once a block: condition keys and values, rotated past, masks
    ModulationTable(levels)                  once a session: what each noise level does to each layer
    predict(noisy, modulation, setting)      once a step: the velocity
    remember(clean, modulation, setting)     once a block: keys and values for the cache

`forward` is all of these in a row, for training and for whole windows.

Notebook: 04. Source: Avatar Forcing, section 3.2 and Fig. 3; DiT (Peebles & Xie 2023).
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from avatar_lab.config import GeneratorConfig
from avatar_lab.flow.path import check_sigma
from avatar_lab.model.attention import CrossAttention, KeysValues, Rotation, SelfAttention, rotation
from avatar_lab.model.condition import DualMotionEncoder
from avatar_lab.model.kv_cache import KVCache
from avatar_lab.model.masks import cross_attention_mask, self_attention_mask


class GeneratorOutput(NamedTuple):
    """The predicted velocity, and this call's keys and values per layer for the cache."""

    velocity: Float[Tensor, "b t k"]
    keys_values: tuple[KeysValues, ...]


class Modulation(NamedTuple):
    """What the noise levels do: shift, scale, gate (twice) in every block, shift and scale in the head."""

    blocks: tuple[Tensor, ...]  # 6 x (b, t, w)
    head: tuple[Tensor, ...]  # 2 x (b, t, w)


class Setting(NamedTuple):
    """All that stays the same while one block is denoised."""

    reference: Float[Tensor, "b 1 w"]  # the portrait's part of every token
    seen: tuple[KeysValues, ...]  # condition, per layer, earlier frames included
    past: tuple[KeysValues, ...] | None  # finished frames, per layer, rotated
    turn: Rotation  # of the frames that are generated
    self_mask: Bool[Tensor, "t k"]
    cross_mask: Bool[Tensor, "t c"]


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift normalised tokens: `x (1 + scale) + shift`."""
    return x * (1 + scale) + shift


class SigmaEmbedder(nn.Module):
    """Noise level -> width: sinusoids of 1000 sigma, then two linear layers.

    Levels may come in double precision: 1000 sigma then equals the published integer timestep to the last bit.
    """

    def __init__(self, frequencies: int, width: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, sigma: Float[Tensor, "*b"]) -> Float[Tensor, "*b w"]:
        half = self.frequencies // 2
        steps = torch.arange(half, device=sigma.device, dtype=torch.float32) / half
        angle = (1000 * sigma[..., None]).float() * 1e4**-steps
        like = next(self.mlp.parameters())
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=-1).to(like.dtype))


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
        self, x: Float[Tensor, "b t w"], modulation: tuple[Tensor, ...], setting: Setting, layer: int
    ) -> tuple[Float[Tensor, "b t w"], KeysValues]:
        """Return tokens and this layer's fresh keys and values."""
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation
        past = setting.past[layer] if setting.past else None
        tokens = modulate(self.norm1(x), shift1, scale1)
        attended, fresh = self.attention(tokens, setting.turn, setting.self_mask, past)
        x = x + gate1 * attended  # (b, t, w)
        x = x + self.cross_attention(self.norm2(x), setting.seen[layer], setting.cross_mask)  # (b, t, w)
        x = x + gate2 * self.mlp(modulate(self.norm3(x), shift2, scale2))  # (b, t, w)
        return x, fresh

    def keys_values(self, x: Float[Tensor, "b t w"], modulation: tuple[Tensor, ...]) -> KeysValues:
        """Return the keys and values that `forward` would, and stop there."""
        shift, scale = modulation[:2]
        return self.attention.keys_values(modulate(self.norm1(x), shift, scale))


class VelocityHead(nn.Module):
    """Time-modulated LayerNorm and a linear layer that starts at zero."""

    def __init__(self, width: int, motion_dim: int) -> None:
        super().__init__()
        self.norm = _plain_norm(width)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.linear = nn.Linear(width, motion_dim)

    def forward(self, x: Float[Tensor, "b t w"], modulation: tuple[Tensor, ...]) -> Float[Tensor, "b t k"]:
        shift, scale = modulation
        return self.linear(modulate(self.norm(x), shift, scale))


class Generator(nn.Module):
    """The whole vector field: dual motion encoder and causal transformer."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.packed = 0  # weights that `model.speed.pack` took out of the ordinary parameters
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

    @property
    def layers(self) -> list[TransformerBlock]:
        """The transformer's blocks, from the tokens to the velocity."""
        return cast("list[TransformerBlock]", list(self.blocks))

    def empty_cache(self, batch: int) -> KVCache:
        """Return the key/value cache of a stream that has not begun."""
        return self._empty(batch, self.config.context)

    def empty_seen(self, batch: int) -> KVCache:
        """Return the cache of condition keys and values of a stream that has not begun."""
        return self._empty(batch, self.config.condition_context)

    def _empty(self, batch: int, frames: int) -> KVCache:
        c = self.config
        return KVCache.empty(c.depth, batch, c.heads, c.width // c.heads, frames, self.embed.weight)

    def modulation_of(self, sigma: Float[Tensor, "b t"]) -> Modulation:
        """Turn noise levels into shifts, scales and gates; levels shared by the batch need one row only."""
        level = self.sigma_embedder(sigma)  # (b, t, w)
        blocks = self.modulation(level).chunk(6, dim=-1)
        return Modulation(blocks, self.head.modulation(level).chunk(2, dim=-1))

    def keys_of_condition(self, condition: Float[Tensor, "b c w"]) -> tuple[KeysValues, ...]:
        """Return every layer's cross-attention keys and values of these condition frames."""
        return tuple(block.cross_attention.keys_values(condition) for block in self.layers)

    def setting(
        self,
        fresh: tuple[KeysValues, ...],
        reference: Float[Tensor, "b k"],
        frames: int,
        start: int = 0,
        cache: KVCache | None = None,
        seen: KVCache | None = None,
    ) -> Setting:
        """Prepare what stays the same while `frames` frames from position `start` on are denoised.

        Parameters
        ----------
        fresh : keys and values of the condition frames that end with the last frame; there may be more or
            fewer of them than frames.
        reference : the portrait's own motion, shown to every frame.
        cache : finished frames just before `start`.
        seen : keys and values of the condition frames just before `fresh`.

        Notes
        -----
        Positions count from a block boundary: multiples of the block length are boundaries (a stream counts from
        its current block, so its offset frames are negative).
        """
        c, end = self.config, start + frames
        own = torch.arange(start, end, device=reference.device)
        rows = torch.arange(end - fresh[0].keys.shape[2], end, device=reference.device)
        keys, columns = own, rows
        if cache is not None:
            keys = torch.cat([cache.positions(start), own])
        if seen is not None:
            columns = torch.cat([seen.positions(end - len(rows)), rows])
            fresh = tuple(_joined(old, new) for old, new in zip(seen.plain(), fresh, strict=True))
        self_mask = self_attention_mask(c.mask, own, keys, c.block, c.lookahead)
        cross_mask = cross_attention_mask(own, columns, c.cross_window, c.block, c.cross_within_block)
        if cache is not None:
            self_mask = self_mask & (keys >= start - cache.filled)
        if seen is not None:
            cross_mask = cross_mask & (columns >= end - len(rows) - seen.filled)
        turn = rotation(keys, c.width // c.heads)
        return Setting(
            F.linear(reference, self.embed.weight[:, c.motion_dim :], self.embed.bias)[:, None],
            fresh,
            cache.rotated(turn.first(cache.context)) if cache is not None else None,
            turn.last(frames),
            self_mask,
            cross_mask,
        )

    def predict(
        self, noisy: Float[Tensor, "b t k"], modulation: Modulation, setting: Setting
    ) -> GeneratorOutput:
        """Predict the velocity of every frame, and return fresh keys and values beside it."""
        x, fresh = self._tokens(noisy, setting), []
        for layer, block in enumerate(self.layers):
            x, own = block(x, modulation.blocks, setting, layer)  # (b, t, w)
            fresh.append(own)
        return GeneratorOutput(self.head(x, modulation.head), tuple(fresh))

    def remember(
        self, clean: Float[Tensor, "b t k"], modulation: Modulation, setting: Setting
    ) -> tuple[KeysValues, ...]:
        """Return the keys and values of finished frames: `predict` without what only the velocity needs.

        Notes
        -----
        This pass cannot be fused with the last denoising step: that one still sees noise (sigma = 1 / nfe), the
        cache wants the keys of clean frames. It ends at the last layer's keys.
        """
        x, fresh = self._tokens(clean, setting), []
        for layer, block in enumerate(self.layers[:-1]):
            x, own = block(x, modulation.blocks, setting, layer)  # (b, t, w)
            fresh.append(own)
        return (*fresh, self.layers[-1].keys_values(x, modulation.blocks))

    def forward(
        self,
        noisy: Float[Tensor, "b t k"],
        sigma: Float[Tensor, "_b _t"],
        condition: Float[Tensor, "b c w"],
        reference: Float[Tensor, "b k"],
        start: int = 0,
        cache: KVCache | None = None,
    ) -> GeneratorOutput:
        """Predict the velocity of every frame of a window; parameters as in `setting`.

        `condition` holds one row per frame, aligned to end with the last frame; earlier ones may precede.
        """
        check_sigma(sigma, noisy)
        fresh = self.keys_of_condition(condition)
        setting = self.setting(fresh, reference, noisy.shape[1], start, cache)
        return self.predict(noisy, self.modulation_of(sigma), setting)

    def _tokens(self, motion: Float[Tensor, "b t k"], setting: Setting) -> Float[Tensor, "b t w"]:
        """Embed motion beside the reference: a product with [W_motion W_reference], its second part known."""
        weight = self.embed.weight[:, : self.config.motion_dim]
        return F.linear(motion.to(weight.dtype), weight) + setting.reference


class ModulationTable:
    """The modulations of the few noise levels that a sampler visits, computed once: a stream visits `nfe + 1`."""

    def __init__(self, generator: Generator, levels: Float[Tensor, "n"]) -> None:
        self.levels = levels.cpu().unique().to(generator.embed.weight.device)  # sorted
        self._rows = generator.modulation_of(self.levels[None])

    def at(self, sigma: Float[Tensor, "b t"]) -> Modulation:
        """Look up the modulations of `sigma`; a value between two levels gets those of the next one up."""
        index = torch.searchsorted(self.levels, sigma.contiguous())
        blocks, head = (tuple(part[0][index] for part in parts) for parts in self._rows)
        return Modulation(blocks, head)


def _joined(old: KeysValues, new: KeysValues) -> KeysValues:
    return KeysValues(torch.cat([old.keys, new.keys], dim=2), torch.cat([old.values, new.values], dim=2))


def _plain_norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
