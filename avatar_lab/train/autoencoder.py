"""Training of the motion autoencoder on drawn people.

One step: a few people, a few poses each. The encoder sees recoloured driving pictures and is told their
coefficients; the decoder draws the poses from the neutral source, given true coefficients or those that the
encoder read from *another* person in the same pose.

What is peculiar: `recipe="plain"` is the published recipe in small (random source and driving of one person,
reconstruction only), kept for comparison; it is the same code with six switches off. It blurs eyes and mouth
and lets identity leak into the motion.

Source: METHOD section 2, TRIALS "Autoencoder". Notebook: 02.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FACE_INDEX, FACE_NAMES, FACE_SPECS, mirror
from avatar_lab.errors import ConfigError
from avatar_lab.motion.autoencoder import Encoding, MotionAutoencoder, to_tensor
from avatar_lab.motion.losses import LossWeights, motion_loss, psnr, reconstruction_loss
from avatar_lab.motion.saved import save_autoencoder
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.drawn_faces import DrawnFaces
from avatar_lab.train.loop import LoopConfig, LoopReport, fit

GAZE = [FACE_INDEX["gaze_yaw"], FACE_INDEX["gaze_pitch"]]
BLINK = [FACE_INDEX["blink_left"], FACE_INDEX["blink_right"]]


@dataclass(frozen=True)
class AutoencoderTraining:
    """How the autoencoder is trained. Shares are probabilities per sample."""

    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=5_000, learning_rate=1e-3))
    weights: LossWeights = field(default_factory=LossWeights)
    pairs: int = 3  # pairs of people a step; the two of a pair share their poses
    poses: int = 3  # poses of every person a step
    more_to_read: int = (
        18  # further pictures a step that are read but not drawn: reading is cheap, and learned late
    )
    supervised: bool = True  # tell the encoder the true coefficients
    teacher: float = 0.6  # draw from true coefficients instead of read ones ...
    lesson: float = 0.25  # ... and only from true ones in this first share of the training
    cross: float = 0.5  # read coefficients come from the other person of the pair
    neutral_source: float = 1.0  # sources at rest ...
    late_neutral_source: float = 0.9  # ... and from `late` of the training on
    late: float = 0.6
    recolour: float = 0.3  # recolour a person, source and target alike
    jitter: float = 1.0  # recolour driving pictures, so that colour says nothing about motion

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.poses < 1:
            raise ConfigError(f"pairs and poses must be >= 1; got {self.pairs} and {self.poses}.")
        if self.loop.steps is None:
            raise ConfigError(
                "The autoencoder's budget is given in steps, because its recipe changes on the way."
            )


def training_recipe(recipe: str = "taught", **changes: Any) -> AutoencoderTraining:
    """Return the settings of a recipe; `plain` is the published one in small.

    Raises ConfigError for other names.
    """
    if recipe == "taught":
        return AutoencoderTraining(**changes)
    if recipe != "plain":
        raise ConfigError(f"recipe must be taught or plain; got {recipe!r}.")
    size = changes.pop("autoencoder", AutoencoderConfig())
    plain = AutoencoderTraining(
        autoencoder=replace(
            size,
            reader=(),
            normalise_latent=False,
            normalise_features=False,
            linear_head=True,
            warp_picture=False,
            coarse_flow=False,
        ),
        weights=LossWeights(eyes=0, mouth=0, face=0, square=0, coefficients=0, parameters=0),
        more_to_read=0,
        supervised=False,
        teacher=0.0,
        cross=0.0,
        neutral_source=0.0,
        late_neutral_source=0.0,
        recolour=0.0,
        jitter=0.0,
    )
    return replace(plain, **changes)


@dataclass(frozen=True)
class Batch:
    """One step's pictures, in [-1, 1]: S people, B = S * poses targets, person by person.

    Attributes
    ----------
    source : one picture a person.
    target : what is to be drawn.
    driving : the targets as the encoder sees them, recoloured; behind
        them more pictures, only to be read (E in all).
    masks : eyes, mouth, face of the targets, 0..1.
    coefficients, visible : the truth of `driving`, and how far the picture shows each face parameter.
    """

    source: Float[Tensor, "S 3 H W"]
    target: Float[Tensor, "B 3 H W"]
    driving: Float[Tensor, "E 3 H W"]
    masks: Float[Tensor, "B 3 H W"]
    coefficients: Float[Tensor, "E K"]
    visible: Float[Tensor, "E P"]


def recolour_matrices(count: int, share: float, strength: float, generator: torch.Generator) -> Tensor:
    """Draw `(count, 3, 4)` colour maps: hue turned, channels scaled and shifted; identity in 1 - share of them."""
    angle = strength * torch.pi * (2 * torch.rand(count, generator=generator) - 1)
    grey = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    turn = grey + cos * (torch.eye(3) - grey) + sin * cross  # rotation about the grey axis
    gain = 1 + 0.25 * (2 * torch.rand(count, 3, 1, generator=generator) - 1)
    shift = 0.2 * (2 * torch.rand(count, 3, 1, generator=generator) - 1)
    keep = (torch.rand(count, generator=generator) >= share).float()[:, None, None]
    plain = torch.cat([torch.eye(3), torch.zeros(3, 1)], 1)
    return keep * plain + (1 - keep) * torch.cat([turn * gain, shift], 2)


def recolour(
    pictures: Float[Tensor, "B 3 H W"], matrices: Float[Tensor, "B 3 4"]
) -> Float[Tensor, "B 3 H W"]:
    """Apply one colour map to each picture, clipped to [-1, 1]."""
    turned = torch.einsum("bij,bjhw->bihw", matrices[:, :, :3], pictures)
    return (turned + matrices[:, :, 3, None, None]).clamp(-1, 1)


class BatchMaker:
    """Draws batches from pictures on disk; all chance comes from the generator of the step."""

    def __init__(self, faces: DrawnFaces, space: MotionSpace, config: AutoencoderTraining) -> None:
        if faces.size != config.autoencoder.size:
            raise ConfigError(f"Pictures are {faces.size} px, the autoencoder {config.autoencoder.size} px.")
        self.faces, self.space, self.config = faces, space, config

    def make(self, share: float, generator: torch.Generator) -> Batch:
        """Draw one batch; `share` is how much of the training is done."""
        config, faces = self.config, self.faces
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        people, targets, sources = self._choose(share, rng)
        flip = np.repeat(rng.random(config.pairs) < 0.5, 2)  # both of a pair, or their poses would differ
        target = self._pictures(faces.pictures, people[:, None], targets, flip)
        masks = self._pictures(faces.masks, people[:, None], targets, flip)
        source = self._pictures(faces.pictures, people[:, None], sources, flip)
        target, masks, source = to_tensor(target), (to_tensor(masks) + 1) / 2, to_tensor(source)
        look = recolour_matrices(len(people), config.recolour, 0.4, generator)
        target = recolour(target, look.repeat_interleave(config.poses, 0))
        more, more_pose = self._more(rng)
        driving = torch.cat([target, more])
        jitter = recolour_matrices(len(driving), config.jitter, 0.4, generator)
        pose = faces.faces[people[:, None], targets]  # people, poses, P
        pose = np.where(flip[:, None, None], mirror(pose), pose).reshape(-1, pose.shape[-1])
        pose = np.concatenate([pose, more_pose])
        return Batch(
            recolour(source, look),
            target,
            recolour(driving, jitter),
            masks,
            torch.from_numpy(self.space.encode(pose)),
            visibility(torch.from_numpy(pose)),
        )

    def _choose(self, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Choose people (pairs side by side), target poses (shared in a pair) and source poses."""
        config, (count, poses) = self.config, self.faces.faces.shape[:2]
        pair = rng.choice(count // 2, config.pairs, replace=count // 2 < config.pairs)
        people = (2 * pair[:, None] + np.arange(2)).reshape(-1)
        targets = np.repeat(rng.integers(0, poses, (config.pairs, config.poses)), 2, 0)
        at_rest = config.neutral_source if share < config.late else config.late_neutral_source
        sources = np.where(rng.random(len(people)) < at_rest, 0, rng.integers(0, poses, len(people)))
        return people, targets, sources[:, None]

    def _more(self, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        """Draw pictures of anybody in any pose, and their poses."""
        count, (people, poses) = self.config.more_to_read, self.faces.faces.shape[:2]
        who, pose = rng.integers(0, people, count), rng.integers(0, poses, (count, 1))
        flip = rng.random(count) < 0.5
        pictures = to_tensor(self._pictures(self.faces.pictures, who[:, None], pose, flip))
        face = self.faces.faces[who, pose[:, 0]]
        return pictures, np.where(flip[:, None], mirror(face), face)

    @staticmethod
    def _pictures(store: np.ndarray, people: np.ndarray, poses: np.ndarray, flip: np.ndarray) -> Tensor:
        picked = store[np.broadcast_to(people, poses.shape), poses]
        picked = np.where(flip[:, None, None, None, None], picked[:, :, :, ::-1], picked)
        return torch.from_numpy(picked.reshape(-1, *picked.shape[2:]))


def visibility(pose: Float[Tensor, "B P"]) -> Float[Tensor, "B P"]:
    """Return 1 for what a picture shows; gaze fades as the lids close."""
    visible = torch.ones_like(pose)
    visible[:, GAZE] = (1 - pose[:, BLINK].mean(1, keepdim=True)).clamp(0.05, 1)
    return visible


def parameter_spread(faces: DrawnFaces) -> Float[np.ndarray, "P"]:
    """Return the standard deviation of every face parameter in a set."""
    spans = np.array([spec.high - spec.low for spec in FACE_SPECS], np.float32)
    # A parameter that never moves in a small set must not weigh without limit.
    return np.maximum(faces.faces.reshape(-1, len(FACE_NAMES)).std(0), 0.02 * spans).astype(np.float32)


def standardised_parameters(space: MotionSpace, faces: DrawnFaces) -> Float[Tensor, "K P"]:
    """Return the matrix from coefficient errors to face-parameter errors in standard deviations."""
    return torch.from_numpy((space.inverse / parameter_spread(faces)).astype(np.float32))


class Objective:
    """The loss of one step, as `train.loop.fit` calls it."""

    def __init__(
        self, model: MotionAutoencoder, faces: DrawnFaces, space: MotionSpace, config: AutoencoderTraining
    ) -> None:
        self.model, self.config = model, config
        self.batches = BatchMaker(faces, space, config)
        self.to_parameters = standardised_parameters(space, faces)

    def __call__(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        config, share = self.config, step / (self.config.loop.steps or 1)
        batch = self.batches.make(share, generator)
        source = self.model.encode(batch.source)
        read = self.model.encode(batch.driving).coefficients
        drawn = len(batch.target)
        given = self._mix(read[:drawn], batch.coefficients[:drawn], share, generator)
        picture = self.model.draw(repeat(source, config.poses), given)
        loss = reconstruction_loss(picture, batch.target, batch.masks, config.weights)
        metrics = {"picture": loss.item(), "psnr": psnr(picture.detach(), batch.target).mean().item()}
        if config.supervised:
            motion = motion_loss(read, batch.coefficients, self.to_parameters, batch.visible, config.weights)
            loss, metrics["motion"] = loss + motion, motion.item()
        return loss, metrics

    def _mix(self, read: Tensor, true: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Choose, sample by sample: true coefficients, own read ones, or those read from the other person."""
        config = self.config
        order = torch.arange(len(read)).view(config.pairs, 2, config.poses)
        other = read[order.flip(1).reshape(-1)]
        crossed = torch.rand(len(read), 1, generator=generator) < config.cross
        teacher = 1.0 if config.teacher and share < config.lesson else config.teacher
        taught = torch.rand(len(read), 1, generator=generator) < teacher
        return torch.where(taught, true, torch.where(crossed, other, read))


def repeat(source: Encoding, times: int) -> Encoding:
    """Return every source `times` times, one for each of its targets."""
    return Encoding(
        source.identity.repeat_interleave(times, 0),
        source.coefficients.repeat_interleave(times, 0),
        source.motion.repeat_interleave(times, 0),
        [f.repeat_interleave(times, 0) for f in source.features],
    )


def train(
    faces: DrawnFaces,
    space: MotionSpace,
    config: AutoencoderTraining | None = None,
    *,
    out: Path,
    progress: bool = True,
) -> tuple[MotionAutoencoder, LoopReport]:
    """Train (or go on training) in `out`; returns the averaged model, also written as `autoencoder.safetensors`."""
    config = config or AutoencoderTraining()
    with torch.random.fork_rng(
        devices=[]
    ):  # initial weights; everything later comes from the step's generator
        torch.manual_seed(config.loop.seed)
        model = MotionAutoencoder(config.autoencoder)
    path = out / "autoencoder.safetensors"

    def export(_: int, averaged: dict[str, Tensor]) -> None:
        save_autoencoder(path, averaged, space, config.autoencoder)

    objective = Objective(model, faces, space, config)
    report = fit(model, objective, config.loop, out, progress=progress, on_save=export)
    export(report.steps, model.state_dict())
    return model.eval(), report
