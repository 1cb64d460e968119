"""Weights on disk: safetensors with a JSON header, a manifest beside them, never a pickle.

A file carries its own configuration in its header, so it can be opened without knowing what it is. The
manifest of a folder of shipped weights says, file by file, what the bytes must hash to and where they came
from: command, data, metrics, hardware. Writing is atomic (a temporary file, then a rename).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avatar_lab.errors import CheckpointError

WEIGHTS_DIR = Path(__file__).parents[1] / "weights"
MANIFEST = "manifest.json"


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON-ready `meta` to one safetensors file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    # The header wants text and every tensor its own memory.
    own = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    save_file(own, partial, metadata={"meta": json.dumps(meta)})
    os.replace(partial, path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote; raises CheckpointError when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
            return {name: file.get_tensor(name) for name in sorted(file.keys())}, meta
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors checkpoint ({error}). Train again or pass another file."
        ) from error


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


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_in_manifest(path: Path, entry: dict[str, Any]) -> None:
    """Enter `path`, its hash and `entry` (command, data, metrics, hardware) into its folder's manifest."""
    manifest = path.parent / MANIFEST
    known = json.loads(manifest.read_text("utf-8")) if manifest.exists() else {}
    known[path.name] = {"sha256": sha256(path), "bytes": path.stat().st_size, **entry}
    manifest.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")


def verify(path: Path) -> dict[str, Any]:
    """Return the manifest entry of `path`; raises CheckpointError when it is missing or was changed."""
    manifest = path.parent / MANIFEST
    if not path.exists() or not manifest.exists():
        raise CheckpointError(
            f"{path.name} or its manifest is missing in {path.parent}. Reinstall avatar-lab."
        )
    entry = json.loads(manifest.read_text("utf-8")).get(path.name)
    if entry is None:
        raise CheckpointError(f"{path.name} is not listed in {manifest}. Reinstall avatar-lab.")
    if (found := sha256(path)) != entry["sha256"]:
        raise CheckpointError(
            f"{path} is damaged: expected sha256 {entry['sha256'][:12]}..., got {found[:12]}... "
            "Reinstall avatar-lab."
        )
    return entry
