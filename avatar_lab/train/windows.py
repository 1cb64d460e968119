"""Training windows: conversations as tensors, and batches cut from them.

A window is `window` frames of motion to be denoised; its conditions reach `history` frames further back,
because that is what a stream remembers. Features are kept in half precision: one hour of conversation is
about 250 MB.

What is peculiar: rare, important moments (the avatar answers the user) are drawn more often than they occur
when `cue_share` > 0; training anneals that share to zero, so that the model ends on natural rates.

Notebook: 05 (train the generator).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float16
from torch import Tensor

from avatar_lab.audio.mel import log_mel
from avatar_lab.config import FPS
from avatar_lab.data.performance import Dyad, Performance
from avatar_lab.motion.space import MotionSpace


@dataclass(frozen=True)
class Conversation:
    """One dyad as training tensors, 25 frames a second."""

    user_motion: Float16[Tensor, "t k"]
    avatar_motion: Float16[Tensor, "t k"]
    user_mel: Float16[Tensor, "t f"]
    avatar_mel: Float16[Tensor, "t f"]
    reference: Float[Tensor, "k"]  # the avatar's resting motion
    cues: tuple[int, ...]  # frames at which the avatar starts to answer the user

    @property
    def frames(self) -> int:
        return len(self.user_motion)


@dataclass(frozen=True)
class Batch:
    """Windows with their history: conditions span (history + window) frames, targets the last `window`."""

    user_motion: Float[Tensor, "b h k"]
    user_mel: Float[Tensor, "b h f"]
    avatar_mel: Float[Tensor, "b h f"]
    avatar_motion: Float[Tensor, "b n k"]
    reference: Float[Tensor, "b k"]


def mel_of(performance: Performance, bands: int) -> Float16[Tensor, "t f"]:
    """Return the log-mel frames of a performance."""
    mel, _ = log_mel(torch.from_numpy(performance.audio)[None], bands=bands)
    return mel[0].half()


def to_conversation(dyad: Dyad, space: MotionSpace, bands: int) -> Conversation:
    """Turn a dyad into training tensors."""
    answers = [e for e in dyad.events if e.who == "avatar" and e.cause is not None and e.kind != "blink"]
    avatar_motion = torch.from_numpy(space.encode(dyad.avatar.face))
    return Conversation(
        torch.from_numpy(space.encode(dyad.user.face)).half(),
        avatar_motion.half(),
        mel_of(dyad.user, bands),
        mel_of(dyad.avatar, bands),
        avatar_motion.median(dim=0).values,
        tuple(int(e.start * FPS) for e in answers),
    )


def draw_batch(
    conversations: Sequence[Conversation],
    batch: int,
    window: int,
    history: int,
    cue_share: float,
    generator: torch.Generator,
) -> Batch:
    """Cut `batch` random windows; a share of them around a reaction of the avatar.

    Notes
    -----
    All randomness comes from `generator`. A window never starts before frame `history`.
    """
    parts = [_draw_one(conversations, window, history, cue_share, generator) for _ in range(batch)]
    names = ("user_motion", "user_mel", "avatar_mel", "avatar_motion", "reference")
    return Batch(**{name: torch.stack([p[name] for p in parts]).float() for name in names})


def _draw_one(
    conversations: Sequence[Conversation],
    window: int,
    history: int,
    cue_share: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    def below(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=generator))

    talk = conversations[below(len(conversations))]
    last = talk.frames - window
    start = history + below(last - history + 1)
    if talk.cues and float(torch.rand(1, generator=generator)) < cue_share:
        cue = talk.cues[below(len(talk.cues))]
        start = min(max(cue - below(window - 10), history), last)
    seen, made = slice(start - history, start + window), slice(start, start + window)
    return {
        "user_motion": talk.user_motion[seen],
        "user_mel": talk.user_mel[seen],
        "avatar_mel": talk.avatar_mel[seen],
        "avatar_motion": talk.avatar_motion[made],
        "reference": talk.reference,
    }
