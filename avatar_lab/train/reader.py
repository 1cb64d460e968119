"""Training of the reader: drawn pictures in, the face parameters they were drawn from out.

What is peculiar: errors are *squared*. Most expressions rest at zero most of the time, so an absolute error (or a
Huber one that soon turns absolute) is content with the median, which is zero: smiles and brows were still unread
when jaw and blink had long been learned. Squared errors ask for the mean, and the slope towards it is there from
the first step.

Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import mirror
from avatar_lab.errors import ConfigError
from avatar_lab.motion.autoencoder import to_tensor
from avatar_lab.motion.losses import OUTLIER
from avatar_lab.motion.reader import Reader
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.autoencoder import parameter_spread, recolour, recolour_matrices, visibility
from avatar_lab.train.drawn_faces import DrawnFaces
from avatar_lab.train.loop import LoopConfig, LoopReport, fit


@dataclass(frozen=True)
class ReaderTraining:
    """How the reader is trained."""

    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=10_000, learning_rate=2e-3, weight_decay=0.02)
    )
    batch: int = 64
    recolour: float = 0.7  # share of pictures in other colours, so that colour says nothing about motion

    def __post_init__(self) -> None:
        if not self.autoencoder.reader:
            raise ConfigError("This autoencoder has no reader to train; set AutoencoderConfig.reader.")
        if self.batch < 2:
            raise ConfigError(f"batch must be >= 2 for batch normalisation; got {self.batch}.")


class Objective:
    """The loss of one step, as `train.loop.fit` calls it: squared error in standard deviations."""

    def __init__(self, reader: Reader, faces: DrawnFaces, config: ReaderTraining) -> None:
        self.reader, self.config = reader, config
        self.pictures = faces.pictures.reshape(-1, *faces.pictures.shape[2:])
        self.faces = faces.faces.reshape(-1, faces.faces.shape[-1])
        self.mean = torch.from_numpy(self.faces.mean(0))
        self.spread = torch.from_numpy(parameter_spread(faces))

    def batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw pictures (B, 3, S, S), mirrored and recoloured at random, and their face parameters (B, P)."""
        count = self.config.batch
        rows = torch.randint(len(self.faces), (count,), generator=generator).numpy()
        flip = (torch.rand(count, generator=generator) < 0.5).numpy()
        frames, face = self.pictures[rows], self.faces[rows]
        frames = np.where(flip[:, None, None, None], frames[:, :, ::-1], frames)
        face = np.where(flip[:, None], mirror(face), face)
        colours = recolour_matrices(count, self.config.recolour, 0.3, generator)
        return recolour(to_tensor(torch.from_numpy(frames)), colours), torch.from_numpy(face)

    def __call__(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        pictures, face = self.batch(generator)
        read = self.reader(pictures.contiguous(memory_format=torch.channels_last))
        truth = (face - self.mean) / self.spread
        error = F.huber_loss(read, truth, reduction="none", delta=OUTLIER)
        loss = (error * visibility(face)).mean()
        return loss, {"reading": loss.item()}


def train_reader(
    faces: DrawnFaces, space: MotionSpace, config: ReaderTraining, *, out: Path, progress: bool = True
) -> tuple[Reader, LoopReport]:
    """Train (or go on training) in `out`; the reader that returns speaks the coefficients of `space`."""
    sizes = config.autoencoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        reader = Reader(sizes.size, sizes.reader, sizes.coefficients)
    reader.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    objective = Objective(reader, faces, config)
    report = fit(reader, objective, config.loop, out, progress=progress)
    reader.fold(*to_coefficients(space, objective.mean, objective.spread))
    return reader.eval(), report


def to_coefficients(
    space: MotionSpace, mean: Float[Tensor, "P"], spread: Float[Tensor, "P"]
) -> tuple[Float[Tensor, "P K"], Float[Tensor, "K"]]:
    """Return the affine map from standardised face parameters to coefficients of `space`."""
    forward = torch.from_numpy(space.forward)
    return spread[:, None] * forward, (mean - torch.from_numpy(space.mean)) @ forward
