"""Distil guidance: teach a copy to predict in one pass what guidance needs three for.

    target   = v(0,0) + w_a [v(a,0) - v(0,0)] + w_u [v(a,u) - v(a,0)]      the teacher, frozen
    loss     = | v_student(m_sigma, sigma, a, u) - target |^2

The student begins as the teacher. It sees the noise levels of a stream and of diffusion forcing alike, and never a
dropped condition: it has one guidance, the one it was taught, and a block costs it a third.

Notebook: 12 (from lab to paper). Source: guidance distillation (Meng et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.audio.encoder import MelEncoder
from avatar_lab.config import SamplerConfig
from avatar_lab.errors import ConfigError
from avatar_lab.flow.guidance import Branch, branches, combine
from avatar_lab.flow.path import block_sigma, clean_past_sigma, interpolate
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.generator import Generator
from avatar_lab.train.loop import LoopConfig, LoopReport, fit
from avatar_lab.train.windows import Batch, Conversation, draw_batch

ALONE = {"audio": 1.0, "user": 1.0}  # the guidance at which the full condition is the only branch


@dataclass(frozen=True)
class DistilConfig:
    """What one distillation step sees."""

    batch: int = 12
    history: int = 75
    clean_past: float = 0.6  # share of examples with a stream's noise levels
    cue_share: float = 0.3


class Student(nn.Module):
    """A copy of the teacher's ears and generator, and its loss against the guided teacher."""

    def __init__(self, teacher: Avatar, config: DistilConfig) -> None:
        super().__init__()
        if not isinstance(teacher.audio_encoder, MelEncoder):
            raise ConfigError("Distillation starts from an avatar with log-mel features (tiny, lab).")
        self.audio_encoder = deepcopy(teacher.audio_encoder).requires_grad_(True)
        self.generator = deepcopy(teacher.generator).requires_grad_(True)
        self.config = config
        sampler = teacher.config.sampler
        self._branches = branches(sampler.guidance, sampler.guidance_form)
        self._teacher = (teacher.audio_encoder, teacher.generator)  # in a tuple: not a part of this module

    def loss(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, ""]:
        """Return the mean squared gap to the guided teacher, over frames that are still noisy."""
        clean, block = batch.avatar_motion, self.generator.config.block
        sigma = block_sigma(len(clean), clean.shape[1], block, generator)
        sigma = clean_past_sigma(sigma, self.config.clean_past, block, generator)
        noisy = interpolate(clean, torch.randn(clean.shape, generator=generator), sigma)
        with torch.no_grad():
            taught = [_velocity(*self._teacher, batch, noisy, sigma, branch) for branch in self._branches]
            weights = torch.tensor([branch.weight for branch in self._branches])
            target = combine(torch.cat(taught), weights)
        full = Branch(avatar_audio=True, user=True, weight=1.0)
        predicted = _velocity(self.audio_encoder, self.generator, batch, noisy, sigma, full)
        counts = (sigma > 0).float()
        return ((predicted - target).square().mean(-1) * counts).sum() / counts.sum()


def _velocity(
    ears: MelEncoder, generator: Generator, batch: Batch, noisy: Tensor, sigma: Tensor, branch: Branch
) -> Float[Tensor, "b t k"]:
    """Predict with the conditions that one guidance branch may see."""
    user_audio, _ = ears.encode_mel(batch.user_mel)
    avatar_audio, _ = ears.encode_mel(batch.avatar_mel)
    condition, _ = generator.condition(
        batch.user_motion * branch.user, user_audio * branch.user, avatar_audio * branch.avatar_audio
    )
    lead = min(condition.shape[1], noisy.shape[1] + generator.config.cross_window)
    return generator(noisy, sigma, condition[:, -lead:], batch.reference).velocity


def distil(
    teacher: Avatar,
    conversations: Sequence[Conversation],
    loop: LoopConfig,
    out: Path,
    config: DistilConfig | None = None,
    *,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Distil (or go on distilling) in `out`; the student is also written to `out/generator.safetensors`.

    Notes
    -----
    A step costs one pass of each guidance branch and one training step of the student. Randomness comes from
    (`loop.seed`, step).
    """
    config = config or DistilConfig()
    student, window = Student(teacher, config), teacher.config.generator.window

    def compute_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        batch = draw_batch(conversations, config.batch, window, config.history, config.cue_share, generator)
        return student.loss(batch, generator), {}

    report = fit(student, compute_loss, loop, out, progress=progress)
    alone = SamplerConfig(
        nfe=teacher.config.sampler.nfe, guidance=ALONE, guidance_form="nested", distilled=True
    )
    made = Avatar(
        replace(teacher.config, sampler=alone),
        teacher.space,
        student.audio_encoder,
        student.generator,
        teacher.autoencoder,
        teacher.device,
    ).eval()
    meta = {"steps": report.steps, "minutes": round(report.minutes, 1), "seed": loop.seed, "one_branch": True}
    made.save(out / "generator.safetensors", meta)
    return made, report
