"""The key/value cache: what the transformer remembers of frames that are finished.

A `KVCache` is immutable: `append` returns a new cache, so a state can be kept, compared and restored by
simply holding on to it. It never holds more than `context` frames, whatever the length of the session.

Notebook: 07 (streaming equals offline). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LayerKV = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class KVCache:
    """Unrotated keys and values of the last finished frames, one pair (b, h, n, d) per layer."""

    layers: tuple[LayerKV, ...]
    context: int

    @classmethod
    def empty(cls, depth: int, batch: int, heads: int, head_dim: int, context: int, like: Tensor) -> KVCache:
        """Return a cache that remembers nothing yet, with device and type of `like`."""
        nothing = like.new_zeros(batch, heads, 0, head_dim)
        return cls(((nothing, nothing),) * depth, context)

    @property
    def frames(self) -> int:
        """Number of frames held."""
        return self.layers[0][0].shape[2]

    def append(self, fresh: tuple[LayerKV, ...], frames: int) -> KVCache:
        """Return a cache with the first `frames` frames of `fresh` added and the oldest forgotten."""

        def roll(old: Tensor, new: Tensor) -> Tensor:
            joined = torch.cat([old, new[:, :, :frames]], dim=2)
            return joined[:, :, max(0, joined.shape[2] - self.context) :].clone()

        return KVCache(
            tuple((roll(k, nk), roll(v, nv)) for (k, v), (nk, nv) in zip(self.layers, fresh, strict=True)),
            self.context,
        )
