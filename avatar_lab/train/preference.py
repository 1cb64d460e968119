"""Stage 2: prefer the motion that answers the user, without a single label.

    D(m)  = |v* - v_theta(m_sigma, sigma, c)|_1 - |v* - v_ref(m_sigma, sigma, c)|_1      per frame, mean over dims
    L_DPO = mean over frames of  -log sigmoid(-beta [D(m_w) - D(m_l)])
    L     = L_DF + weight * L_DPO

m_w is the true motion, m_l one generated without the user (`losers.py`), v_ref a frozen copy of the stage-1 weights.
With `winner_pull` both are generated, and m_w with a strong pull towards the user; L_DF stays on the true motion.

What is peculiar: four mistakes are easy here and each makes a loss that falls nicely and teaches nothing; a test
guards against each. The mean over frames is taken *outside* the log-sigmoid; both members of a pair get the same noise
and the same sigma; the reference is a copy, not the policy under another name; no condition is dropped inside a pair.
`weight = 0` is the control: plain fine-tuning for the same steps on the same windows, which the preference term has
to beat.

Notebook: 08 (preference without labels). Source: Avatar Forcing, section 3.4; DPO (Rafailov et al. 2023), Diffusion-DPO
(Wallace et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.errors import ConfigError
from avatar_lab.flow.path import block_sigma, clean_past_sigma, interpolate, velocity_target
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.model.weights import load_tensors, save_tensors
from avatar_lab.train.diffusion_forcing import ForcingConfig, ForcingModule, velocity_error
from avatar_lab.train.loop import LoopConfig, LoopReport, fit
from avatar_lab.train.losers import losing_tracks, winning_tracks, with_tracks
from avatar_lab.train.windows import Batch, Conversation, draw_batch

SATURATED = 4.0  # |beta * margin| from which a frame's gradient is below 2 % of the largest


@dataclass(frozen=True)
class PreferenceConfig:
    """How preference is trained. `beta` means something only together with `error`, a mean over dimensions."""

    beta: float = 100.0  # 1000 in the paper, where errors are means over 512 dimensions
    weight: float = 0.1  # of the preference term; 0 is plain fine-tuning on the same windows
    error: str = "l1"  # one of LossKind
    anchor: float = 0.0  # punishes a preferred motion that became less likely; 0 is the paper
    refresh: int = 0  # steps after which the policy makes new losing samples; 0: they stay those of the start
    loser_level: float = (
        1.0  # sigma from which losing samples are made; below 1 they are aligned with the truth
    )
    winner_pull: float = (
        0.0  # guidance weight of the user in generated winners; 0: the winner is the true motion
    )
    cue_share: float = 0.5  # of windows that hold a reaction; both members of a pair are cut alike
    forcing: ForcingConfig = field(default_factory=lambda: ForcingConfig(batch=8, clean_past=0.6))

    def __post_init__(self) -> None:
        if self.beta <= 0 or min(self.weight, self.anchor, self.winner_pull) < 0:
            raise ConfigError(
                "beta must be > 0, weight, anchor and winner_pull >= 0; "
                f"got {self.beta}, {self.weight}, {self.anchor} and {self.winner_pull}."
            )


class Preference(NamedTuple):
    """One batch of pairs, judged: the loss and what must be watched beside it."""

    loss: Float[Tensor, ""]
    margin: Float[Tensor, ""]  # mean of D(losing) - D(preferred); above 0 the policy has moved the right way
    accuracy: Float[Tensor, ""]  # share of frames with a positive margin
    winner_error: Float[Tensor, ""]  # of the policy on preferred motion
    winner_change: Float[Tensor, ""]  # ... minus the reference's: above 0 the winners have become less likely
    saturated: Float[Tensor, ""]  # share of frames at a flat end of the slope: settled, or hopeless


def preference_loss(
    winner: tuple[Float[Tensor, "b t"], Float[Tensor, "b t"]],
    loser: tuple[Float[Tensor, "b t"], Float[Tensor, "b t"]],
    counts: Float[Tensor, "b t"],
    beta: float,
    anchor: float = 0.0,
) -> Preference:
    """Judge pairs by their errors (policy, reference) per frame; frames with `counts` 0 are left out.

    The difference alone can be won by making both members worse, the losing one more. `anchor` adds
    `anchor * max(0, D(m_w))` to it, so that this does not pay (DPO-Positive, Pal et al. 2024).

    >>> good, same, every = torch.full((1, 4), 0.1), torch.full((1, 4), 0.2), torch.ones(1, 4)
    >>> float(preference_loss((good, same), (same, same), every, 10.0).accuracy)
    1.0
    """
    worse = winner[0] - winner[1]  # D(m_w)
    gap = worse - (loser[0] - loser[1])
    held = gap + anchor * worse.clamp_min(0)

    def mean(frames: Tensor) -> Tensor:
        return (frames * counts).sum() / counts.sum().clamp_min(1)

    return Preference(
        mean(
            -F.logsigmoid(-beta * held)
        ),  # the mean is outside: a saturated frame must not silence the others
        mean(-gap.detach()),
        mean((gap.detach() < 0).float()),
        mean(winner[0].detach()),
        mean(worse.detach()),
        mean((beta * held.detach().abs() > SATURATED).float()),
    )


class PreferenceModule(nn.Module):
    """A policy in training beside its frozen reference."""

    def __init__(self, avatar: Avatar, config: PreferenceConfig) -> None:
        super().__init__()
        self.config = config
        self.policy = ForcingModule(avatar, config.forcing)
        # In a tuple: not a part of this module, neither trained nor averaged nor saved with it.
        self._reference = (deepcopy(self.policy).eval().requires_grad_(False),)

    @property
    def reference(self) -> ForcingModule:
        """The frozen copy of the weights that the policy started from."""
        return self._reference[0]

    def errors(
        self, preferred: Batch, losing: Batch, generator: torch.Generator
    ) -> tuple[
        tuple[Float[Tensor, "b t"], Float[Tensor, "b t"]],
        tuple[Float[Tensor, "b t"], Float[Tensor, "b t"]],
        Float[Tensor, "b t"],
    ]:
        """Return the errors (policy, reference) per frame of the preferred and of the losing motion, and what counts.

        Both members of every pair, and both models, see the same noise, the same sigma and the full condition.
        """
        clean, block = preferred.avatar_motion, self.policy.generator.config.block
        sigma = block_sigma(len(clean), clean.shape[1], block, generator)
        sigma = clean_past_sigma(sigma, self.config.forcing.clean_past, block, generator)
        noise = torch.randn(clean.shape, generator=generator)
        both = torch.cat([clean, losing.avatar_motion])  # both members at the same noise and sigma
        noise, sigmas = noise.repeat(2, 1, 1), sigma.repeat(2, 1)
        noisy, target = interpolate(both, noise, sigmas), velocity_target(both, noise)

        def error_of(module: ForcingModule) -> tuple[Tensor, ...]:
            predicted = full_velocity(module, preferred, noisy, sigmas)
            return velocity_error(predicted, target, self.config.error).chunk(2)

        policy = error_of(self.policy)
        with torch.no_grad():
            known = error_of(self.reference)
        winner, loser = zip(policy, known, strict=True)
        return winner, loser, (sigma > 0).float()

    def judge(self, preferred: Batch, losing: Batch, generator: torch.Generator) -> Preference:
        """Compare both members of every pair at the same noise, the same sigma and the full condition."""
        return preference_loss(
            *self.errors(preferred, losing, generator), self.config.beta, self.config.anchor
        )

    def loss(
        self, true: Batch, preferred: Batch, losing: Batch, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Return `L_DF + weight * L_DPO` and everything that is watched; `preferred` is `true` in the paper."""
        forcing = self.policy.loss(true, generator)
        if self.config.weight == 0:
            return forcing, {"forcing": forcing.item()}
        judged = self.judge(preferred, losing, generator)
        watched = {name: getattr(judged, name).item() for name in judged._fields}
        return forcing + self.config.weight * judged.loss, watched | {"forcing": forcing.item()}


def full_velocity(
    module: ForcingModule, batch: Batch, noisy: Float[Tensor, "mb t k"], sigma: Float[Tensor, "mb t"]
) -> Float[Tensor, "mb t k"]:
    """Predict with every condition present, nothing dropped or augmented; `noisy` holds m motions of each example."""
    user_audio, _ = module.audio_encoder.encode_mel(batch.user_mel)
    avatar_audio, _ = module.audio_encoder.encode_mel(batch.avatar_mel)
    condition, _ = module.generator.condition(batch.user_motion, user_audio, avatar_audio)
    lead = min(condition.shape[1], noisy.shape[1] + module.generator.config.cross_window)
    times = len(noisy) // len(condition)
    seen, reference = condition[:, -lead:].repeat(times, 1, 1), batch.reference.repeat(times, 1)
    return module.generator(noisy, sigma, seen, reference).velocity


def draw_alike(
    versions: Sequence[Sequence[Conversation]],
    config: PreferenceConfig,
    window: int,
    generator: torch.Generator,
) -> tuple[Batch, ...]:
    """Cut the same windows out of several versions of the same conversations, by drawing each from one state."""
    state, cut, forcing = generator.get_state(), [], config.forcing
    for talks in versions:
        generator.set_state(state)
        cut.append(draw_batch(talks, forcing.batch, window, forcing.history, config.cue_share, generator))
    return tuple(cut)


def train_preference(
    avatar: Avatar,
    conversations: Sequence[Conversation],
    loop: LoopConfig,
    out: Path,
    config: PreferenceConfig | None = None,
    *,
    loser: Avatar | None = None,
    tracks: Sequence[Float[Tensor, "t k"]] | None = None,
    winners: Sequence[Float[Tensor, "t k"]] | None = None,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Train (or go on training) preference in `out`; the result is also written to `out/generator.safetensors`.

    Parameters
    ----------
    loser : who makes the losing samples with the user dropped; by default `avatar` itself. The published kind is a
        model that was trained on audio alone.
    tracks, winners : what `losing_tracks` and `winning_tracks` have made already, one a conversation; winners only
        where `config.winner_pull` asks for them.

    Notes
    -----
    A step costs three training passes of the policy and two passes of the reference. Randomness comes from
    (`loop.seed`, step). Losing samples that were refreshed on the way lie in `out/losers.safetensors`, for a resumed
    run to go on with.
    """
    config = config or PreferenceConfig()
    policy = build(avatar.config, avatar.face_space)
    policy.generator.load_state_dict(avatar.generator.state_dict())
    policy.audio_encoder.load_state_dict(avatar.audio_encoder.state_dict())
    module, window = PreferenceModule(policy, config), avatar.config.generator.window
    kept = out / "losers.safetensors"

    def made_by(who: Avatar, seed: int) -> list[Tensor]:
        return losing_tracks(who, conversations, seed, level=config.loser_level, progress=progress)

    if config.refresh and kept.exists():
        tracks = list(load_tensors(kept)[0].values())
    elif tracks is None and config.weight > 0:
        tracks = made_by(loser or avatar, loop.seed)
    losing = (
        with_tracks(conversations, tracks) if tracks else list(conversations)
    )  # plain fine-tuning needs none

    if winners is None and config.winner_pull and config.weight > 0:
        winners = winning_tracks(avatar, conversations, loop.seed, user=config.winner_pull, progress=progress)
    preferred = with_tracks(conversations, winners) if winners else conversations

    def compute_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        if config.refresh and step and step % config.refresh == 0:
            fresh = made_by(policy, loop.seed + step)
            losing[:] = with_tracks(conversations, fresh)
            save_tensors(kept, {f"{index:06d}": track for index, track in enumerate(fresh)}, {"step": step})
        true, won, lost = draw_alike((conversations, preferred, losing), config, window, generator)
        return module.loss(true, won, lost, generator)

    report = fit(module, compute_loss, loop, out, progress=progress)
    made = replace(policy, autoencoder=avatar.autoencoder).eval()
    meta = {"steps": report.steps, "minutes": round(report.minutes, 1), "seed": loop.seed}
    made.save(out / "generator.safetensors", meta | {"preference": config.weight > 0})
    return made, report
