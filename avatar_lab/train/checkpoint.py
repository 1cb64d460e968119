"""Training checkpoints: tensors in safetensors, everything else in JSON, never a pickle.

A checkpoint is one file; its JSON part rides in the safetensors header. Writing is atomic (a temporary file, then a
rename), so a training that is killed while saving still resumes from the checkpoint before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avatar_lab.errors import CheckpointError


def save_checkpoint(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON-ready `meta` to one safetensors file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    # The header wants text and every tensor its own memory.
    own = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(own, partial, metadata={"meta": json.dumps(meta)})
    os.replace(partial, path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_checkpoint` wrote; raises CheckpointError when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, meta
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors checkpoint ({error}). Train again or pass another file."
        ) from error


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state as flat, named tensors."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, slots in state.items() for name, v in slots.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    """Load what `flatten_optimizer` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the dictionary with `prefix.` before every key."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries under `prefix.`, the prefix removed."""
    return {n.removeprefix(f"{prefix}."): v for n, v in tensors.items() if n.startswith(f"{prefix}.")}


def load_strict(module: nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    """Fill a module; raises CheckpointError listing missing, unexpected and mis-shaped keys."""
    expected = module.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unexpected = sorted(set(tensors) - set(expected))
    shapes = [
        f"{k}: expected {tuple(expected[k].shape)}, got {tuple(tensors[k].shape)}"
        for k in expected
        if k in tensors and expected[k].shape != tensors[k].shape
    ]
    if missing or unexpected or shapes:
        raise CheckpointError(
            f"{what} does not fit this configuration. Missing: {missing[:8] or 'none'}; "
            f"unexpected: {unexpected[:8] or 'none'}; wrong shape: {shapes[:8] or 'none'}."
        )
    module.load_state_dict({k: v.to(expected[k].dtype) for k, v in tensors.items()})
