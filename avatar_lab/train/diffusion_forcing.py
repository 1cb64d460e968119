"""Stage 1: teach the generator by causal diffusion forcing.

    sigma    ~ uniform, one per block                     m_sigma = (1 - sigma) m + sigma eps
    loss     = | v_theta(m_sigma, sigma, c) - (eps - m) |       (L1 in the paper; `lab` uses the square)

What is peculiar: every condition is dropped to zeros now and then, so that guidance can compare "with" and
"without"; the user's two signals are also dropped *together*, because that is the branch guidance asks for.
`lab` trains on squared error: the L1 optimum is a median, and a median never smiles at something that happens
one time in three. A step first draws all that is random for the whole batch (`draw`), then computes without
chance (`errors`): between the two, processes that train together take their own rows (`train.parallel`).

Notebook: 05 (diffusion forcing). Source: Avatar Forcing, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from avatar_lab.flow.path import LEVELS, clean_past_sigma, interpolate, velocity_target
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.augment import Augmenter, UserAugmentation
from avatar_lab.train.loop import LoopConfig, LoopReport, fit
from avatar_lab.train.parallel import Team, alone
from avatar_lab.train.self_forcing import check_share, draw_past_sigma, own_past
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
    levels: str = "blocks"  # one of `flow.path.LEVELS`: how noisy which frames are
    clean_past: float = 0.0  # share of examples with a stream's noise levels; 0 is the paper
    self_forced: float = 0.0  # share of *those* whose past the network makes itself (`self_forcing`)
    fresh_start: float = 0.15  # share of batches without history, as at the start of a session
    augment: UserAugmentation = field(default_factory=UserAugmentation)

    def __post_init__(self) -> None:
        check_share(self.self_forced, self.clean_past)
        if self.levels not in LEVELS:
            raise ConfigError(f"levels must be one of {', '.join(LEVELS)}; got {self.levels!r}.")


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


@dataclass(frozen=True)
class Drawn:
    """One batch with everything random decided: what the user is seen to do, what is dropped, how noisy it is."""

    user_motion: Float[Tensor, "b h k"]  # augmented; zeros where dropped
    user_mel: Float[Tensor, "b h f"]  # augmented
    avatar_mel: Float[Tensor, "b h f"]  # augmented
    keep_user_audio: Float[Tensor, "b 1 1"]  # 0 or 1, for the features of the sound
    keep_avatar_audio: Float[Tensor, "b 1 1"]
    reference: Float[Tensor, "b k"]  # zeros where dropped
    clean: Float[Tensor, "b n k"]
    noise: Float[Tensor, "b n k"]
    sigma: Float[Tensor, "b n"]
    past_sigma: Float[Tensor, "b n"]  # from which level the network makes the past itself; 0: it stays true
    past_noise: Float[Tensor, "b n k"]  # for that; zeros where nobody is self-forced

    @property
    def counts(self) -> Float[Tensor, "b n"]:
        """1 for a noisy frame; 0 for a clean one, which says nothing about its noise: no target to learn."""
        return (self.sigma > 0).float()

    def rows(self, rows: slice) -> Drawn:
        """Return some of the examples."""
        return Drawn(**{name: value[rows] for name, value in vars(self).items()})


class ForcingModule(nn.Module):
    """Audio encoder and generator as one trainable module, with the diffusion-forcing loss."""

    def __init__(self, avatar: Avatar, config: ForcingConfig) -> None:
        super().__init__()
        if not isinstance(avatar.audio_encoder, MelEncoder):
            raise ConfigError("Training here starts from log-mel features; wav2vec2 avatars are not trained.")
        self.audio_encoder, self.generator = avatar.audio_encoder, avatar.generator
        self.config = config
        self.augment = Augmenter(config.augment, avatar.face_space)

    def draw(self, batch: Batch, generator: torch.Generator) -> Drawn:
        """Decide everything random of one step: dropped conditions, augmentation, noise and its levels."""
        clean, drop, count = batch.avatar_motion, self.config.dropout, len(batch.avatar_motion)
        user = keep_mask(count, drop["user"], generator)
        keep = {n: keep_mask(count, p, generator) for n, p in drop.items() if n != "user"}
        user_motion = self.augment.motion(batch.user_motion, generator)
        user_mel = self.augment.record(batch.user_mel, generator)
        avatar_mel = self.augment.room(batch.avatar_mel, generator)  # its voice is made, not recorded
        block = self.generator.config.block
        sigma = LEVELS[self.config.levels](count, clean.shape[1], block, generator)
        sigma = clean_past_sigma(sigma, self.config.clean_past, block, generator)
        noise = torch.randn(clean.shape, generator=generator)
        forced = self.config.self_forced  # drawn last: without it, all the rest is as it ever was
        past_sigma = draw_past_sigma(sigma, forced, generator)
        past_noise = torch.randn(clean.shape, generator=generator) if forced else torch.zeros_like(clean)
        return Drawn(
            user_motion=user_motion * user * keep["user_motion"],
            user_mel=user_mel,
            avatar_mel=avatar_mel,
            keep_user_audio=user * keep["user_audio"],
            keep_avatar_audio=keep["avatar_audio"],
            reference=batch.reference * keep["reference"][:, 0],
            clean=clean,
            noise=noise,
            sigma=sigma,
            past_sigma=past_sigma,
            past_noise=past_noise,
        )

    def condition(self, drawn: Drawn) -> Float[Tensor, "b h d"]:
        """Return the condition of every frame of history and window."""
        user_audio, _ = self.audio_encoder.encode_mel(drawn.user_mel)
        avatar_audio, _ = self.audio_encoder.encode_mel(drawn.avatar_mel)
        condition, _ = self.generator.condition(
            drawn.user_motion, user_audio * drawn.keep_user_audio, avatar_audio * drawn.keep_avatar_audio
        )
        return condition

    def errors(self, drawn: Drawn) -> Float[Tensor, "b n"]:
        """Return the error of the predicted velocity per frame; 0 for clean frames."""
        condition, clean, reference = self.condition(drawn), drawn.clean, drawn.reference
        lead = min(condition.shape[1], clean.shape[1] + self.generator.config.cross_window)
        seen = condition[:, -lead:]
        target = velocity_target(clean, drawn.noise)  # of the truth, whatever past is shown
        shown = own_past(self.generator, clean, drawn.past_noise, drawn.past_sigma, seen, reference)
        noisy = interpolate(shown, drawn.noise, drawn.sigma)
        predicted = self.generator(noisy, drawn.sigma, seen, reference).velocity
        return velocity_error(predicted, target, self.config.loss) * drawn.counts

    def loss(self, batch: Batch, generator: torch.Generator, team: Team | None = None) -> Float[Tensor, ""]:
        """Return the diffusion-forcing loss of one batch: its mean error over noisy frames.

        In a team, return this process's share of it. The errors of a share are its rows', but they are divided by
        the noisy frames of the whole batch, which every process knows because it drew it.
        """
        drawn = self.draw(batch, generator)
        own = drawn.rows(team.rows(len(drawn.clean))) if team else drawn
        return self.errors(own).sum() / drawn.counts.sum()


def start_frames(forcing: ForcingConfig, config: AvatarConfig, generator: torch.Generator) -> int:
    """Draw how many frames a session has had at the end of its first window.

    Where the past is always clean (`last_block`), a whole window never begins with noise: then shorter ones, down to
    one block, teach the network how a session begins.
    """
    block, window = config.generator.block, config.generator.window
    if forcing.levels == "blocks":
        return window
    lengths = sorted({*range(block, window + 1, block), window})
    return lengths[int(torch.randint(len(lengths), (1,), generator=generator))]


def without_history(batch: Batch, frames: int) -> Batch:
    """Return the batch as a session's first `frames`: nothing before them."""
    return Batch(
        batch.user_motion[:, -frames:],
        batch.user_mel[:, -frames:],
        batch.avatar_mel[:, -frames:],
        batch.avatar_motion[:, -frames:],
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
    on_save: Callable[[Avatar], None] | None = None,
    team: Team | None = None,
) -> tuple[Avatar, LoopReport]:
    """Train a generator and its audio encoder from scratch, from `initial`, or go on from `out`.

    Parameters
    ----------
    on_save : called with the averaged weights so far, ready to stream, at every checkpoint and at the end; in a
        team, in the first process only.
    team : the processes that train together, as `train.parallel.join` returns them; by default this one alone.

    Returns
    -------
    The avatar with EMA weights, in inference mode, also written to `out/generator.safetensors`; and the
    report.

    Notes
    -----
    Randomness: weights from `loop.seed`, every step from (`loop.seed`, step). On one device the result is a
    function of seed, data and number of steps, in any number of processes up to rounding.
    """
    forcing, team = forcing or ForcingConfig(), team or alone()
    team.rows(forcing.batch)  # complain now, not at the first step
    avatar = build(config, space, loop.seed)
    module = ForcingModule(avatar, forcing)
    if initial is not None:
        module.load_state_dict(ForcingModule(initial, forcing).state_dict())
    window, report = config.generator.window, LoopReport()

    def compute_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        share = cue_share(forcing, report.share)
        batch = draw_batch(conversations, forcing.batch, window, forcing.history, share, generator)
        if float(torch.rand(1, generator=generator)) < forcing.fresh_start:
            batch = without_history(batch, start_frames(forcing, config, generator))
        return module.loss(batch, generator, team), {"cue_share": share}

    def export(step: int, averaged: dict[str, Tensor]) -> None:
        partial = build(config, space)
        ForcingModule(partial, forcing).load_state_dict(averaged)
        write(partial, step)

    def write(averaged: Avatar, step: int) -> None:
        averaged.eval().save(out / "generator.safetensors", {"steps": step, "seed": loop.seed})
        if on_save:
            on_save(averaged)

    fit(
        module,
        compute_loss,
        loop,
        out,
        report=report,
        on_save=export,
        progress=progress,
        clock=clock,
        team=team,
    )
    if team.leads:
        write(avatar, report.steps)
    return avatar.eval(), report


def cue_share(forcing: ForcingConfig, used: float) -> float:
    """Return the share of windows around a reaction at `used` of the budget: falls linearly to zero."""
    return forcing.cue_share * max(0.0, 1 - used / forcing.cue_until)
