"""Rotary positions and the three attentions of the model.

`rotate` turns queries and keys by an angle that grows with their position, so that a score depends on the
*distance* of two frames only. Keys are cached before rotation and rotated when used, with positions counted
from the current block: a session may last for ever without the angles growing.

Notebook: 04. Source: RoPE (Su et al. 2021), theta 1e4; METHOD section 4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class Rotation(NamedTuple):
    """Cosine and sine of every angle, one row per position: computed once, used by all layers."""

    cos: Float[Tensor, "t p"]
    sin: Float[Tensor, "t p"]

    def first(self, frames: int) -> Rotation:
        """Return the rotation of the first `frames` positions."""
        return Rotation(self.cos[:frames], self.sin[:frames])

    def last(self, frames: int) -> Rotation:
        """Return the rotation of the last `frames` positions."""
        return Rotation(self.cos[-frames:], self.sin[-frames:])


def rotation(positions: Int[Tensor, "t"], head_dim: int, theta: float = 1e4) -> Rotation:
    """Return the angles `position * theta^(-2k/d)` of channel pairs (2k, 2k + 1) as cosine and sine."""
    pairs = head_dim // 2
    frequency = theta ** (-torch.arange(pairs, device=positions.device, dtype=torch.float32) / pairs)
    angle = positions[:, None].to(torch.float32) * frequency
    return Rotation(angle.cos(), angle.sin())


def rotate(x: Float[Tensor, "b h t d"], by: Rotation) -> Float[Tensor, "b h t d"]:
    """Rotate each pair of channels (2k, 2k + 1) of each frame."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = by.cos.to(x.dtype), by.sin.to(x.dtype)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def attend(
    q: Float[Tensor, "b h q d"],
    k: Float[Tensor, "b h k d"],
    v: Float[Tensor, "b h k d"],
    mask: Bool[Tensor, "q k"] | None,
) -> Float[Tensor, "b q hd"]:
    """Return softmax attention with heads merged."""
    return rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), "b h q d -> b q (h d)")


def split_heads(x: Float[Tensor, "b t hd"], heads: int) -> Float[Tensor, "b h t d"]:
    """Split channels into heads."""
    return rearrange(x, "b t (h d) -> b h t d", h=heads)


class KeysValues(NamedTuple):
    """What one attention layer can look at: keys and values, one row per frame."""

    keys: Float[Tensor, "b h t d"]
    values: Float[Tensor, "b h t d"]


def _keys_values(projected: Float[Tensor, "b t hd2"], heads: int) -> KeysValues:
    k, v = projected.chunk(2, dim=-1)
    return KeysValues(split_heads(k, heads), split_heads(v, heads))


class SelfAttention(nn.Module):
    """Self-attention with rotary positions that can look into a cache of earlier frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def keys_values(self, x: Float[Tensor, "b t w"]) -> KeysValues:
        """Return unrotated keys and values only: all that a pass which fills the cache needs here."""
        return _keys_values(self.qkv(x)[..., x.shape[-1] :], self.heads)

    def forward(
        self,
        x: Float[Tensor, "b t w"],
        turn: Rotation,
        mask: Bool[Tensor, "t k"],
        past: KeysValues | None = None,
    ) -> tuple[Float[Tensor, "b t w"], KeysValues]:
        """Return the output and this call's own (unrotated) keys and values, for the cache.

        `turn` rotates the frames of `x`; the keys in `past` are rotated already.
        """
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        own = KeysValues(k, v)
        q, k = rotate(q, turn), rotate(k, turn)
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        return self.proj(attend(q, k, v, mask)), own


class CrossAttention(nn.Module):
    """Attention of motion frames to condition frames; no positions, the mask is a narrow band."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def keys_values(self, condition: Float[Tensor, "b c w"]) -> KeysValues:
        """Return keys and values of the condition: the same in every denoising step of a block."""
        return _keys_values(self.kv(condition), self.heads)

    def forward(
        self, x: Float[Tensor, "b t w"], seen: KeysValues, mask: Bool[Tensor, "t c"]
    ) -> Float[Tensor, "b t w"]:
        return self.proj(attend(split_heads(self.q(x), self.heads), seen.keys, seen.values, mask))


class HistoryAttention(nn.Module):
    """Attention of one signal to another's recent past, in the condition encoder.

    Holds one joint projection for query, key and value, laid out as in `nn.MultiheadAttention`, so published
    weights fit by name.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def keys_values(self, source: Float[Tensor, "b t w"]) -> KeysValues:
        """Return unrotated keys and values of the signal that is looked at."""
        width = source.shape[-1]
        projected = F.linear(source, self.in_proj.weight[width:], self.in_proj.bias[width:])
        return _keys_values(projected, self.heads)

    def forward(
        self,
        query: Float[Tensor, "b t w"],
        keys: Float[Tensor, "b h k d"],
        values: Float[Tensor, "b h k d"],
        turn: Rotation | None,
        mask: Bool[Tensor, "t k"] | None,
    ) -> Float[Tensor, "b t w"]:
        width = query.shape[-1]
        q = split_heads(F.linear(query, self.in_proj.weight[:width], self.in_proj.bias[:width]), self.heads)
        if turn is not None:
            q, keys = rotate(q, turn.last(q.shape[2])), rotate(keys, turn)
        return self.out_proj(attend(q, keys, values, mask))
