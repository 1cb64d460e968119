"""A decoder that shows what it is told: trained further until a frozen reader finds the motion in its pictures.

    loss = |decoder(source, coefficients) - drawn| + |reader(decoder(source, coefficients)) - coefficients|

Pixel losses alone leave a decoder mute: at 64 pixels a smile is two pixels at a mouth corner, less than a shoulder's
shade. So the encoder's own reader, frozen, looks at every drawn picture and says which motion it sees; what it does
not see costs as much as what the encoder itself would misread.

What is peculiar: the reader must not be fooled by patterns that no viewer sees. It looks through other colours, blur
and a little noise, and whether it was fooled is measured by another reader that has no part in the training
(`bench/latent.py`). The encoder does not change: what it reads, `lab-latent` has learned.

Source: METHOD section 2 (perceptual losses on eyes and mouth have this role there). Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ConfigError
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.losses import LossWeights, motion_loss, psnr, reconstruction_loss
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.autoencoder import (
    AutoencoderTraining,
    BatchMaker,
    recolour,
    recolour_matrices,
    repeat,
    standardised_parameters,
)
from avatar_lab.train.drawn_faces import DrawnFaces
from avatar_lab.train.loop import LoopConfig, LoopReport, fit


@dataclass(frozen=True)
class DecoderTraining:
    """How the decoder goes on.

    Attributes
    ----------
    pairs, poses : people a step (two of a pair share their poses), and poses of each.
    read_back : weight of what the reader sees, beside the picture.
    blur, noise : how much a picture is disturbed before it is read: share of a 3 x 3 mean at most; of [-1, 1].
    """

    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=1500, learning_rate=1e-3))
    weights: LossWeights = field(
        default_factory=lambda: LossWeights(eyes=8.0, mouth=10.0, face=3.0, coefficients=0.0, parameters=1.0)
    )
    pairs: int = 4
    poses: int = 2
    read_back: float = 0.3
    blur: float = 0.5
    noise: float = 0.03

    def __post_init__(self) -> None:
        if self.read_back < 0 or self.noise < 0 or not 0 <= self.blur <= 1:
            raise ConfigError("read_back and noise must be >= 0, and blur lie in 0..1.")


def disturbed(
    pictures: Float[Tensor, "B 3 H W"], config: DecoderTraining, generator: torch.Generator
) -> Float[Tensor, "B 3 H W"]:
    """Return pictures in other colours, softer and with a little noise, so that hidden patterns do not survive."""
    colours = recolour_matrices(len(pictures), 0.7, 0.3, generator)
    noise = torch.randn(pictures.shape, generator=generator)
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    soft = config.blur * torch.rand(len(pictures), 1, 1, 1, generator=generator)
    return recolour(torch.lerp(pictures, blurred, soft) + config.noise * noise, colours)


class Objective:
    """The loss of one step, as `train.loop.fit` calls it."""

    def __init__(
        self, model: MotionAutoencoder, faces: DrawnFaces, space: MotionSpace, config: DecoderTraining
    ) -> None:
        self.model, self.config = model, config
        settings = AutoencoderTraining(
            autoencoder=model.config,
            loop=config.loop,
            pairs=config.pairs,
            poses=config.poses,
            more_to_read=0,
            neutral_source=1.0,
            late_neutral_source=0.9,
        )
        self.batches = BatchMaker(faces, space, settings)
        self.to_parameters = standardised_parameters(space, faces)

    def __call__(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        config, model = self.config, self.model
        batch = self.batches.make(step / (config.loop.steps or 1), generator)
        with torch.no_grad():
            source = model.encode(batch.source)
        picture = model.draw(repeat(source, config.poses), batch.coefficients)
        loss = drawn = reconstruction_loss(picture, batch.target, batch.masks, config.weights)
        read = model.encoder(disturbed(picture, config, generator))[1]
        seen = motion_loss(read, batch.coefficients, self.to_parameters, batch.visible, config.weights)
        loss = loss + config.read_back * seen
        quality = psnr(picture.detach(), batch.target).mean().item()
        return loss, {"picture": drawn.item(), "seen": seen.item(), "psnr": quality}


def train_decoder(
    model: MotionAutoencoder,
    faces: DrawnFaces,
    space: MotionSpace,
    config: DecoderTraining | None = None,
    *,
    out: Path,
    progress: bool = True,
) -> LoopReport:
    """Train (or go on training) the decoder of `model` in place, in `out`; everything else of it is frozen."""
    config = config or DecoderTraining()
    if model.encoder.reader is None:
        raise ConfigError(
            "This autoencoder has no reader that could look at pictures: AutoencoderConfig.reader."
        )
    model.eval().requires_grad_(False)
    model.decoder.train().requires_grad_(True)
    report = fit(model.decoder, Objective(model, faces, space, config), config.loop, out, progress=progress)
    model.eval().requires_grad_(False)
    return report
