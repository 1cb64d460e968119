"""The released files on disk: how they are found, read without running code, and converted once.

A folder holds `flow_transformer.pth`, `motion_autoencoder.pth` and, for sound, the folder `wav2vec2-base-960h`.
`import_published` writes all of it as one safetensors file that opens faster and can hold no code; both are read by
`avatar_lab.load("paper", checkpoint=...)`.

What is peculiar: nothing is downloaded. The weights are the authors' and under CC BY-NC 4.0; whoever wants them
fetches them from where the paper's repository says. A `config.json` beside the files, if there is one, names other
sizes (its entry `opt`).

Notebook: 12 (from lab to paper).
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from avatar_lab.errors import CheckpointError
from avatar_lab.model.published import PublishedModel, build
from avatar_lab.model.released_keys import WAVE
from avatar_lab.model.weights import load_tensors, save_tensors, sha256

FILES: Final = ("flow_transformer.pth", "motion_autoencoder.pth")
WAVE_FOLDER: Final = "wav2vec2-base-960h"
FORMAT: Final = "published"
LICENCE: Final = "CC BY-NC 4.0 (weights by the authors of Avatar Forcing, arXiv 2601.00664)"
WHERE: Final = (
    "The published weights are not part of avatar_lab: they are the authors', under CC BY-NC 4.0 (no commercial use). "
    "The README of the paper's repository, github.com/TaekyungKi/AvatarForcing, names the download. Put "
    "flow_transformer.pth and motion_autoencoder.pth into one folder, beside them the folder wav2vec2-base-960h "
    "(Hugging Face: facebook/wav2vec2-base-960h, Apache-2.0)"
)


def open_published(path: Path) -> PublishedModel:
    """Build the published model from a folder of released files, or from a file that `import_published` wrote.

    Raises
    ------
    CheckpointError : files are absent (and where to get them), damaged, hold code, or do not fit.
    """
    if path.is_dir():
        state, options = read_folder(path)
        return build(options, state)
    if not path.exists():
        raise CheckpointError(f"There is nothing at {path}. {WHERE}, and pass that folder.")
    if path.suffix in (".pth", ".bin"):
        raise CheckpointError(
            f"{path} is one of several released files: pass the folder that holds them all."
        )
    state, meta = load_tensors(path)
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was not written by `avatar-lab import-published`. Import the released folder first, or pass it."
        )
    return build(meta["options"], state)


def import_published(folder: Path, out: Path) -> PublishedModel:
    """Read the released files, prove that they fit, and write them as one safetensors file; returns the model."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder. {WHERE}, and pass that folder.")
    state, options = read_folder(folder)
    model = build(options, state)
    origin = {name: sha256(folder / name) for name in FILES}
    save_tensors(out, state, {"format": FORMAT, "options": options, "sha256": origin, "licence": LICENCE})
    return model


def read_folder(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return all tensors of a released folder, and its options where it has a `config.json`."""
    absent = [name for name in FILES if not (folder / name).exists()]
    if absent:
        raise CheckpointError(f"{folder} lacks {' and '.join(absent)}. {WHERE}, and pass that folder.")
    state: dict[str, Tensor] = {}
    for name in FILES:
        state |= read_pickle(folder / name)
    if (folder / WAVE_FOLDER).is_dir():
        state |= read_wave(folder / WAVE_FOLDER)
    return state, _options(folder / "config.json")


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Read a flat dictionary of tensors from a `.pth` file; code inside is refused, never run."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        if re.search(r"nsupported (global|class)|GLOBAL \w|unrecognized function", str(error)):
            raise CheckpointError(
                f"{path} holds more than tensors: opening it would run code. Nothing was run. Get the file again from "
                "its authors, and do not open this one with other programs."
            ) from error
        raise CheckpointError(_damaged(path)) from error
    except Exception as error:  # a damaged pickle fails in whatever way its broken bytes ask for
        raise CheckpointError(_damaged(path)) from error
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise CheckpointError(
            f"{path} must hold a flat dictionary of tensors; it holds {type(found).__name__}. Is it another model's?"
        )
    return dict(found)


def read_wave(folder: Path) -> dict[str, Tensor]:
    """Read wav2vec2 as Hugging Face stores it; what is missing or too much is found when the network is filled."""
    if (folder / "model.safetensors").exists():
        found, _ = load_tensors(folder / "model.safetensors")
    elif (folder / "pytorch_model.bin").exists():
        found = read_pickle(folder / "pytorch_model.bin")
    else:
        raise CheckpointError(
            f"{folder} holds neither model.safetensors nor pytorch_model.bin. Get facebook/wav2vec2-base-960h again."
        )
    # The file also holds a head for speech recognition, which nothing here uses.
    names = {name: name.removeprefix("wav2vec2.") for name in found if not name.startswith("lm_head.")}
    return {WAVE + name: found[full] for full, name in names.items()}


def _options(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        return {"ch_div": found.get("ch_div", 1), **found["opt"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} names no released options (`opt`): {error}.") from error


def _damaged(path: Path) -> str:
    size = path.stat().st_size if path.exists() else 0
    return (
        f"{path} ({size:,} bytes) cannot be read: it is damaged or was cut off in transfer. Get it again and compare "
        "its size with the original."
    )
