"""Rotary positions and the three attentions of the model.

`rotate` turns queries and keys by an angle that grows with their position, so that a score depends on the
*distance* of two frames only. Keys are cached before rotation and rotated when used, with positions counted
from the current block: a session may last for ever without the angles growing.

Notebook: 04. Source: RoPE (Su et al. 2021), theta 1e4; METHOD section 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def rotate(
    x: Float[Tensor, "b h t d"], positions: Int[Tensor, "t"], theta: float = 1e4
) -> Float[Tensor, "b h t d"]:
    """Rotate pairs of channels (2k, 2k + 1) by `position * theta^(-2k/d)`."""
    pairs = x.shape[-1] // 2
    frequency = theta ** (-torch.arange(pairs, device=x.device, dtype=torch.float32) / pairs)
    angle = positions[:, None].to(torch.float32) * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x.unflatten(-1, (pairs, 2)).unbind(-1)
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


class SelfAttention(nn.Module):
    """Self-attention with rotary positions that can look into a cache of earlier frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b t w"],
        query_positions: Int[Tensor, "t"],
        key_positions: Int[Tensor, "k"],
        mask: Bool[Tensor, "t k"],
        past: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "b t w"], tuple[Tensor, Tensor]]:
        """Return the output and this call's own (unrotated) keys and values, for the cache."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        own = (k, v)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        out = attend(rotate(q, query_positions), rotate(k, key_positions), v, mask)
        return self.proj(out), own


class CrossAttention(nn.Module):
    """Attention of motion frames to condition frames; no positions, the mask is a narrow band."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b t w"], condition: Float[Tensor, "b c w"], mask: Bool[Tensor, "t c"]
    ) -> Float[Tensor, "b t w"]:
        k, v = (split_heads(part, self.heads) for part in self.kv(condition).chunk(2, dim=-1))
        return self.proj(attend(split_heads(self.q(x), self.heads), k, v, mask))


class HistoryAttention(nn.Module):
    """Attention of one signal to another's recent past, in the condition encoder.

    Holds one joint projection for query, key and value, laid out as in `nn.MultiheadAttention`, so published
    weights fit by name.
    """

    def __init__(self, width: int, heads: int, rope: bool) -> None:
        super().__init__()
        self.heads, self.rope = heads, rope
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def keys_values(self, source: Float[Tensor, "b t w"]) -> tuple[Tensor, Tensor]:
        """Return unrotated keys and values (b, h, t, d) of the signal that is looked at."""
        width = source.shape[-1]
        projected = F.linear(source, self.in_proj.weight[width:], self.in_proj.bias[width:])
        k, v = projected.chunk(2, dim=-1)
        return split_heads(k, self.heads), split_heads(v, self.heads)

    def forward(
        self,
        query: Float[Tensor, "b t w"],
        keys: Float[Tensor, "b h k d"],
        values: Float[Tensor, "b h k d"],
        query_positions: Int[Tensor, "t"],
        key_positions: Int[Tensor, "k"],
        mask: Bool[Tensor, "t k"] | None,
    ) -> Float[Tensor, "b t w"]:
        width = query.shape[-1]
        q = split_heads(F.linear(query, self.in_proj.weight[:width], self.in_proj.bias[:width]), self.heads)
        if self.rope:
            q, keys = rotate(q, query_positions), rotate(keys, key_positions)
        return self.out_proj(attend(q, keys, values, mask))
