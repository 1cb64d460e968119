"""A session's memory as flat, named tensors: what can be saved, sent and restored.

`StreamState` is a tree of tuples; packing walks it once and names every tensor by its path. Unpacking walks
the tree of a fresh session and demands the same names, so a foreign state is refused instead of half loaded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from avatar_lab.model.kv_cache import KVCache
from avatar_lab.stream.motion_stream import StreamState

GROWING = (
    "condition",
    "recent_condition",
    "cache",
    "offset",
)  # their number of frames differs from a fresh state


def pack_state(state: StreamState) -> dict[str, Tensor]:
    """Return every tensor of the state under its path, with `blocks` as a scalar."""
    packed: dict[str, Tensor] = {"blocks": torch.tensor(state.blocks), "noise": state.noise.clone()}
    for name in ("user_audio", "avatar_audio", "condition"):
        for part, value in getattr(state, name)._asdict().items():
            packed[f"{name}.{part}"] = value.contiguous().clone()
    packed["recent_condition"] = state.recent_condition.contiguous().clone()
    packed["offset"] = state.offset.contiguous().clone()
    for layer, (keys, values) in enumerate(state.cache.layers):
        packed[f"cache.{layer}.keys"] = keys.contiguous().clone()
        packed[f"cache.{layer}.values"] = values.contiguous().clone()
    return packed


def unpack_state(packed: dict[str, Tensor], fresh: StreamState) -> StreamState:
    """Rebuild a state; raises ValueError naming what is missing, unexpected or mis-shaped."""
    expected = pack_state(fresh)
    if set(packed) != set(expected):
        raise ValueError(f"it differs in {sorted(set(packed) ^ set(expected))[:6]}")
    for name, value in packed.items():
        if not _fits(name, value, expected[name]):
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, expected like {tuple(expected[name].shape)}"
            )
    placed: dict[str, Any] = {n: v.to(expected[n].device) for n, v in packed.items()}

    def part(name: str, kind: Any) -> Any:
        return kind(**{field: placed[f"{name}.{field}"] for field in kind._fields})

    layers = tuple(
        (placed[f"cache.{i}.keys"], placed[f"cache.{i}.values"]) for i in range(len(fresh.cache.layers))
    )
    return StreamState(
        part("user_audio", type(fresh.user_audio)),
        part("avatar_audio", type(fresh.avatar_audio)),
        part("condition", type(fresh.condition)),
        placed["recent_condition"],
        KVCache(layers, fresh.cache.context),
        placed["offset"],
        placed["noise"],
        int(placed["blocks"]),
    )


def _fits(name: str, value: Tensor, like: Tensor) -> bool:
    """Compare shapes, leaving free the frame axis of what grows until it is full."""
    if value.dtype != like.dtype or value.ndim != like.ndim:
        return False
    free = value.ndim - 2 if name.split(".", 1)[0] in GROWING else None
    return all(
        a == b for axis, (a, b) in enumerate(zip(value.shape, like.shape, strict=True)) if axis != free
    )
