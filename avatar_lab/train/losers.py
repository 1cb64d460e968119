"""Losing samples for preference training: how the avatar would move if it had no user.

Nobody labels anything. The preferred motion of a conversation is the true one; the losing motion is generated for the
same voice with the user taken away. What the two differ in is, above all, the reaction.

What is peculiar: the published losers come from a separate model that was trained on audio alone. A same-model
loser (`losing_tracks(avatar, ...)` with the avatar that is about to be trained) is the cleaner control: it differs in
the user and in nothing else. Pass another avatar for the published kind. Pairs may also be *aligned*: the loser then
starts from the half noised truth (`level` below 1), so that both heads hold themselves alike and differ in what the
voice alone cannot tell.

`winning_tracks` makes the other half of a pair by the same model: the same noise and voice, but with a strong pull
towards the user. Then winner and loser are equally artificial, and a preference cannot be won by looking real.

Notebook: 08 (preference without labels). Source: Avatar Forcing, section 3.4; DenseDPO (Wu et al. 2025) for alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from avatar_lab.audio.encoder import MelEncoder
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.flow.guidance import branches
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.avatar import Avatar
from avatar_lab.model.block_sampler import BlockSampler, Grid
from avatar_lab.train.windows import Conversation


def losing_tracks(
    avatar: Avatar,
    conversations: Sequence[Conversation],
    seed: int,
    *,
    level: float = 1.0,
    progress: bool = False,
) -> list[Float[Tensor, "t k"]]:
    """Generate the avatar's motion for every conversation, with the user's face and voice dropped.

    Parameters
    ----------
    level : sigma at which denoising starts: 1 from pure noise, less from the true motion noised to that level.

    Raises ConfigError for a level outside ]0, 1], ShapeError for conversations of unequal length.

    Notes
    -----
    All conversations are streamed at once and must have one length, a whole number of blocks. Costs `nfe + 1` passes
    of at most two branches a block.
    """
    return _tracks(avatar, conversations, seed, user=0.0, level=level, progress=progress)


def winning_tracks(
    avatar: Avatar,
    conversations: Sequence[Conversation],
    seed: int,
    *,
    user: float,
    progress: bool = False,
) -> list[Float[Tensor, "t k"]]:
    """Generate the avatar's motion with the guidance weight `user` on its user; otherwise as `losing_tracks`.

    Raises ConfigError for a weight that is not positive.
    """
    if not user > 0:
        raise ConfigError(f"The pull towards the user must be > 0; got {user}.")
    return _tracks(avatar, conversations, seed, user=user, level=1.0, progress=progress)


@torch.inference_mode()
def _tracks(
    avatar: Avatar,
    conversations: Sequence[Conversation],
    seed: int,
    *,
    user: float,
    level: float,
    progress: bool,
) -> list[Tensor]:
    if not 0 < level <= 1:
        raise ConfigError(f"level must lie in ]0, 1]; got {level}.")
    ears, generator = avatar.audio_encoder, avatar.generator
    if not isinstance(ears, MelEncoder):
        raise ConfigError("Losing samples are made from log-mel features (tiny, lab).")
    frames, block = conversations[0].frames, generator.config.block
    if any(talk.frames != frames for talk in conversations) or frames % block:
        raise ShapeError(f"Conversations must share one length, in whole blocks of {block} frames.")
    voice, _ = ears.encode_mel(torch.stack([talk.avatar_mel for talk in conversations]).float())
    heard, _ = ears.encode_mel(torch.stack([talk.user_mel for talk in conversations]).float())
    seen = torch.stack([talk.user_motion for talk in conversations]).float()
    reference = torch.stack([talk.reference for talk in conversations])
    sampler = avatar.config.sampler
    pulls = branches(
        {"audio": sampler.guidance["audio"], "user": user}, "nested"
    )  # user 0: none sees the user
    grid, noise = level * sigma_grid(sampler.nfe), torch.Generator().manual_seed(seed)
    motion = BlockSampler(generator, pulls, Grid(grid, grid), reference)
    truth = torch.stack([talk.avatar_motion for talk in conversations]).float()
    memory, known, made = motion.start(), None, []
    what = "winning samples" if user else "losing samples"
    for start in tqdm(range(0, frames, block), disable=not progress, unit="block", desc=what):
        now = slice(start, start + block)
        condition, known = motion.conditions(seen[:, now], heard[:, now], voice[:, now], known)
        plan = motion.plan(memory, condition, block)
        drawn = torch.randn(len(conversations), block, generator.config.motion_dim, generator=noise)
        moved, _ = motion.denoise(plan, (1 - level) * truth[:, now] + level * drawn)
        memory = motion.remember(plan, moved)
        made.append(moved)
    return list(torch.cat(made, dim=1))


def with_tracks(
    conversations: Sequence[Conversation], tracks: Sequence[Float[Tensor, "t k"]]
) -> list[Conversation]:
    """Return the same conversations in which the avatar moved otherwise."""
    return [
        replace(talk, avatar_motion=track.half()) for talk, track in zip(conversations, tracks, strict=True)
    ]
