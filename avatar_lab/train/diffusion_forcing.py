"""Stage 1: teach the generator by causal diffusion forcing.

    sigma    ~ uniform, one per block                     m_sigma = (1 - sigma) m + sigma eps
    loss     = | v_theta(m_sigma, sigma, c) - (eps - m) |       (L1 in the paper; `lab` uses the square)

What is peculiar: every condition is dropped to zeros now and then, so that guidance can compare "with" and
"without"; the user's two signals are also dropped *together*, because that is the branch guidance asks for.
`lab` trains on squared error: the L1 optimum is a median, and a median never smiles at something that happens
one time in three.

Notebook: 05 (diffusion forcing). Source: Avatar Forcing, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.audio.encoder import MelEncoder
from avatar_lab.clock import Clock
from avatar_lab.config import AvatarConfig
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ConfigError
from avatar_lab.flow.path import block_sigma, clean_past_sigma, interpolate, velocity_target
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.augment import Augmenter, UserAugmentation
from avatar_lab.train.loop import LoopConfig, LoopReport, fit
from avatar_lab.train.windows import Batch, Conversation, draw_batch, to_conversation


@dataclass(frozen=True)
class ForcingConfig:
    """What one diffusion-forcing step does."""

    batch: int = 16
    history: int = 75
    loss: str = "l2"  # one of LossKind
    cue_share: float = 0.5  # at the start; falls to zero at `cue_until` of the budget
    cue_until: float = 0.7
    dropout: dict[str, float] = field(
        default_factory=lambda: {
            "user": 0.1,
            "user_audio": 0.1,
            "user_motion": 0.1,
            "avatar_audio": 0.1,
            "reference": 0.1,
        }
    )
    clean_past: float = 0.0  # share of examples with a stream's noise levels; 0 is the paper
    fresh_start: float = 0.15  # share of batches without history, as at the start of a session
    augment: UserAugmentation = field(default_factory=UserAugmentation)


def velocity_error(
    predicted: Float[Tensor, "b t k"], target: Float[Tensor, "b t k"], kind: str
) -> Float[Tensor, "b t"]:
    """Return the error per frame, averaged over coefficients; raises ConfigError for an unknown kind."""
    gap = predicted - target
    if kind == "l1":
        return gap.abs().mean(-1)
    if kind == "l2":
        return gap.square().mean(-1)
    if kind == "pseudo_huber":
        return ((gap.square() + 0.25).sqrt() - 0.5).mean(-1)
    raise ConfigError(f"loss must be l1, l2 or pseudo_huber; got {kind!r}.")


def keep_mask(batch: int, drop: float, generator: torch.Generator) -> Float[Tensor, "b 1 1"]:
    """Return 0 for a dropped condition and 1 for a kept one, per example."""
    return (torch.rand(batch, 1, 1, generator=generator) >= drop).float()


class ForcingModule(nn.Module):
    """Audio encoder and generator as one trainable module, with the diffusion-forcing loss."""

    def __init__(self, avatar: Avatar, config: ForcingConfig) -> None:
        super().__init__()
        if not isinstance(avatar.audio_encoder, MelEncoder):
            raise ConfigError("Training here starts from log-mel features; wav2vec2 avatars are not trained.")
        self.audio_encoder, self.generator = avatar.audio_encoder, avatar.generator
        self.config = config
        self.augment = Augmenter(config.augment, avatar.face_space)

    def conditions(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the condition of every frame of history and window, and the reference, after dropout."""
        drop, count = self.config.dropout, len(batch.user_motion)
        user = keep_mask(count, drop["user"], generator)
        keep = {n: keep_mask(count, p, generator) for n, p in drop.items() if n != "user"}
        user_motion = self.augment.motion(batch.user_motion, generator)
        user_audio, _ = self.audio_encoder.encode_mel(self.augment.room(batch.user_mel, generator))
        avatar_audio, _ = self.audio_encoder.encode_mel(self.augment.room(batch.avatar_mel, generator))
        condition, _ = self.generator.condition(
            user_motion * user * keep["user_motion"],
            user_audio * user * keep["user_audio"],
            avatar_audio * keep["avatar_audio"],
        )
        return condition, batch.reference * keep["reference"][:, 0]

    def loss(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, ""]:
        """Return the diffusion-forcing loss of one batch."""
        clean = batch.avatar_motion
        size = self.generator.config
        condition, reference = self.conditions(batch, generator)
        sigma = block_sigma(len(clean), clean.shape[1], size.block, generator)
        sigma = clean_past_sigma(sigma, self.config.clean_past, size.block, generator)
        noise = torch.randn(clean.shape, generator=generator)
        lead = min(condition.shape[1], clean.shape[1] + size.cross_window)
        predicted = self.generator(
            interpolate(clean, noise, sigma), sigma, condition[:, -lead:], reference
        ).velocity
        error = velocity_error(predicted, velocity_target(clean, noise), self.config.loss)
        noisy = (sigma > 0).float()  # a clean frame says nothing about its noise: there is no target to learn
        return (error * noisy).sum() / noisy.sum()


def without_history(batch: Batch, window: int) -> Batch:
    """Return the batch as a session's first seconds: nothing before the window."""
    return Batch(
        batch.user_motion[:, -window:],
        batch.user_mel[:, -window:],
        batch.avatar_mel[:, -window:],
        batch.avatar_motion,
        batch.reference,
    )


def prepare(dyads: Sequence[Dyad], space: MotionSpace, config: AvatarConfig) -> list[Conversation]:
    """Turn dyads into training tensors."""
    return [to_conversation(dyad, space, config.audio.bands) for dyad in dyads]


def train(
    config: AvatarConfig,
    conversations: Sequence[Conversation],
    space: MotionSpace,
    loop: LoopConfig,
    out: Path,
    forcing: ForcingConfig | None = None,
    *,
    initial: Avatar | None = None,
    progress: bool = True,
    clock: Clock | None = None,
) -> tuple[Avatar, LoopReport]:
    """Train a generator and its audio encoder from scratch, from `initial`, or go on from `out`.

    Returns
    -------
    The avatar with EMA weights, in inference mode, also written to `out/generator.safetensors`; and the
    report.

    Notes
    -----
    Randomness: weights from `loop.seed`, every step from (`loop.seed`, step). On one device the result is a
    function of seed, data and number of steps.
    """
    forcing = forcing or ForcingConfig()
    avatar = build(config, space, loop.seed)
    module = ForcingModule(avatar, forcing)
    if initial is not None:
        module.load_state_dict(ForcingModule(initial, forcing).state_dict())
    window, report = config.generator.window, LoopReport()

    def compute_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        share = cue_share(forcing, report.share)
        batch = draw_batch(conversations, forcing.batch, window, forcing.history, share, generator)
        if float(torch.rand(1, generator=generator)) < forcing.fresh_start:
            batch = without_history(batch, window)
        return module.loss(batch, generator), {"cue_share": share}

    def export(step: int, averaged: dict[str, Tensor]) -> None:
        partial = build(config, space)
        ForcingModule(partial, forcing).load_state_dict(averaged)
        partial.save(out / "generator.safetensors", {"steps": step, "seed": loop.seed})

    fit(module, compute_loss, loop, out, report=report, on_save=export, progress=progress, clock=clock)
    avatar.eval().save(out / "generator.safetensors", {"steps": report.steps, "seed": loop.seed})
    return avatar, report


def cue_share(forcing: ForcingConfig, used: float) -> float:
    """Return the share of windows around a reaction at `used` of the budget: falls linearly to zero."""
    return forcing.cue_share * max(0.0, 1 - used / forcing.cue_until)
