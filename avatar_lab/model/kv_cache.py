"""The key/value cache: what the transformer remembers of frames that are finished.

Keys are kept unrotated and turned when a block begins, with positions counted from that block: the angles never
grow, so nothing ends a session, and two sessions in the same state go on alike whatever their age.

What is peculiar: the cache has its full size from the start (`filled` says how much of it is real), so every
block has the same shapes and the same cost. It is immutable: `append` returns a new one, so a state is kept,
compared and restored by simply holding on to it.

Notebook: 07 (streaming equals offline). Source: Avatar Forcing, Algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from avatar_lab.model.attention import KeysValues, Rotation, rotate


@dataclass(frozen=True)
class KVCache:
    """Unrotated keys and values of the last finished frames, all layers in one tensor each.

    Attributes
    ----------
    keys, values : (layers, b, h, context, d), newest frame last.
    filled : how many frames at the end are real; the others have not happened yet and are masked.
    """

    keys: Float[Tensor, "L b h c d"]
    values: Float[Tensor, "L b h c d"]
    filled: int

    @classmethod
    def empty(cls, depth: int, batch: int, heads: int, head_dim: int, context: int, like: Tensor) -> KVCache:
        """Return a cache that remembers nothing yet, with device and type of `like`."""
        nothing = like.new_zeros(depth, batch, heads, context, head_dim)
        return cls(nothing, nothing, 0)

    @property
    def context(self) -> int:
        """Number of frames that fit."""
        return self.keys.shape[3]

    def positions(self, before: int) -> Int[Tensor, "c"]:
        """Return the positions of all slots, the newest being `before - 1`."""
        return torch.arange(before - self.context, before, device=self.keys.device)

    def append(self, fresh: Sequence[KeysValues], frames: int) -> KVCache:
        """Return a cache with the first `frames` frames of `fresh` added and the oldest forgotten."""

        def roll(old: Tensor, new: list[Tensor]) -> Tensor:
            joined = torch.cat([old, torch.stack([part[:, :, :frames] for part in new])], dim=3)
            return joined[:, :, :, joined.shape[3] - self.context :].contiguous()

        return KVCache(
            roll(self.keys, [one.keys for one in fresh]),
            roll(self.values, [one.values for one in fresh]),
            min(self.context, self.filled + frames),
        )

    def rotated(self, turn: Rotation) -> tuple[KeysValues, ...]:
        """Return every layer's keys turned to their positions in the block that begins, and its values."""
        keys = rotate(self.keys.flatten(0, 1), turn).unflatten(0, self.keys.shape[:2])
        return tuple(KeysValues(k, v) for k, v in zip(keys, self.values, strict=True))

    def plain(self) -> tuple[KeysValues, ...]:
        """Return every layer's keys as they are, for attention without positions."""
        return tuple(KeysValues(k, v) for k, v in zip(self.keys, self.values, strict=True))
