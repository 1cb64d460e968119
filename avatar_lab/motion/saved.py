"""The motion autoencoder on disk: half-precision weights and the motion space they speak.

What is peculiar: the file holds the `MotionSpace` too, because coefficients mean nothing without it; a decoder
never draws from coefficients of another space.

Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from avatar_lab.config import AutoencoderConfig
from avatar_lab.errors import CheckpointError
from avatar_lab.model.weights import load_strict, load_tensors, save_tensors, with_prefix, without_prefix
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.space import MotionSpace


def save_autoencoder(
    path: Path, weights: dict[str, Tensor], space: MotionSpace, config: AutoencoderConfig
) -> None:
    """Write weights in half precision, their motion space in single, the configuration in the header."""
    tensors = with_prefix("model", {name: _small(value) for name, value in weights.items()})
    stored = {name: torch.from_numpy(value) for name, value in space.tensors().items()}
    save_tensors(path, tensors | with_prefix("space", stored), {"autoencoder": asdict(config)})


def _small(value: Tensor) -> Tensor:
    """Halve matrices and kernels; vectors (normalisation statistics among them) are few and stay exact."""
    return value.half() if value.is_floating_point() and value.ndim > 1 else value


def load_autoencoder(path: Path) -> tuple[MotionAutoencoder, MotionSpace]:
    """Open what `save_autoencoder` wrote, in single precision; raises CheckpointError when it is something else."""
    tensors, meta = load_tensors(path)
    if "autoencoder" not in meta:
        raise CheckpointError(
            f"{path} is no motion autoencoder (its header names {sorted(meta) or 'nothing'})."
        )
    model = MotionAutoencoder(AutoencoderConfig.from_dict(meta["autoencoder"]))
    load_strict(model, without_prefix("model", tensors), str(path))
    space = MotionSpace.from_tensors({n: v.numpy() for n, v in without_prefix("space", tensors).items()})
    return model.eval().requires_grad_(False), space
