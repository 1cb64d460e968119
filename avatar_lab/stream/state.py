"""A session's memory as flat, named tensors: what can be saved, sent and restored.

`StreamState` is a tree of tuples and dataclasses; packing walks it once and names every tensor by its path.
Unpacking walks the tree of a fresh session and demands the same names, so a foreign state is refused instead of
half loaded.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from avatar_lab.stream.motion_stream import StreamState

GROWING = ("condition.", "recent.", "memory.offset")  # their number of frames differs from a fresh state


def pack_state(state: StreamState) -> dict[str, Tensor]:
    """Return every tensor and count of the state under its path."""
    return {
        name: torch.tensor(value) if isinstance(value, int) else value.contiguous().clone()
        for name, value in _leaves(state, "")
    }


def unpack_state(packed: dict[str, Tensor], fresh: StreamState) -> StreamState:
    """Rebuild a state; raises ValueError naming what is missing, unexpected, mis-shaped or not finite."""
    expected = pack_state(fresh)
    strange = sorted(name for name, value in packed.items() if not isinstance(value, Tensor))
    if strange:
        raise ValueError(f"these are no tensors: {strange[:6]}")
    if set(packed) != set(expected):
        raise ValueError(f"it differs in {sorted(set(packed) ^ set(expected))[:6]}")
    for name, value in packed.items():
        if not _fits(name, value, expected[name]):
            raise ValueError(
                f"{name} is {value.dtype} {tuple(value.shape)}, expected {expected[name].dtype} like "
                f"{tuple(expected[name].shape)}"
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"{name} holds NaN or infinity")
    return _rebuilt(fresh, "", packed)


def _children(node: Any) -> dict[str, Any] | None:
    """Return the named parts of a tuple or dataclass; None for a leaf."""
    if is_dataclass(node):
        return {part.name: getattr(node, part.name) for part in fields(node)}
    return node._asdict() if hasattr(node, "_asdict") else None


def _leaves(node: Any, path: str) -> list[tuple[str, Any]]:
    parts = _children(node)
    if parts is None:
        return [(path.removesuffix("."), node)]
    return [leaf for name, part in parts.items() for leaf in _leaves(part, f"{path}{name}.")]


def _rebuilt(like: Any, path: str, packed: dict[str, Tensor]) -> Any:
    parts = _children(like)
    if parts is not None:
        return type(like)(**{name: _rebuilt(part, f"{path}{name}.", packed) for name, part in parts.items()})
    value = packed[path.removesuffix(".")]
    return int(value) if isinstance(like, int) else value.to(like.device)


def _fits(name: str, value: Tensor, like: Tensor) -> bool:
    """Compare shapes, leaving free the frame axis of what grows until it is full."""
    if value.dtype != like.dtype or value.ndim != like.ndim:
        return False
    free = value.ndim - 2 if name.startswith(GROWING) else None
    return all(
        a == b for axis, (a, b) in enumerate(zip(value.shape, like.shape, strict=True)) if axis != free
    )
