"""A synchrony critic: do these two faces belong to one conversation?

    user (all parameters) + avatar (without mouth and lids)  ->  dilated convolutions  ->  one logit a frame, averaged

It is trained to tell true pairs from pairs with somebody else's avatar (`avatar_lab.train.critic`).

What is peculiar: the critic does not see the avatar's mouth and lids, for whose turn it is shows on the mouth, and the
mouth follows the avatar's own voice. That does not leave reactions alone: users answer avatars too, and heads move with
speech, so an avatar that never reacts can still look matched. So compare an avatar with itself before a stranger, same
voice and seed: `score(user, with_own_user) - score(user, with_stranger)` is 0 for one that does not look at its user.

Notebook: 09. Source: the idea of a contrastive judge of synchrony is SyncNet's (Chung & Zisserman 2016).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.data.face import FACE_DIM, FACE_NAMES
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import Interval, bootstrap
from avatar_lab.model.weights import load_strict, load_tensors, save_tensors

UNSEEN = ("jaw_open", "pucker", "stretch", "blink_left", "blink_right")
SEEN = [index for index, name in enumerate(FACE_NAMES) if name not in UNSEEN]
WIDTH, KERNEL, DILATIONS = 48, 5, (1, 2, 4, 8)  # a frame's logit sees 61 frames: 2.4 s


class Critic(nn.Module):
    """Scores pairs of face tracks; above 0 they look matched."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FACE_DIM))
        self.register_buffer("deviation", torch.ones(FACE_DIM))
        channels = FACE_DIM + len(SEEN)
        self.layers = nn.ModuleList(
            nn.Conv1d(channels if i == 0 else WIDTH, WIDTH, KERNEL, dilation=d, padding=d * (KERNEL // 2))
            for i, d in enumerate(DILATIONS)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, WIDTH) for _ in DILATIONS)
        self.head = nn.Conv1d(WIDTH, 1, 1)

    def fit_scale(self, faces: Float[Tensor, "n t p"]) -> None:
        """Take over mean and deviation of every parameter from tracks."""
        flat = faces.reshape(-1, FACE_DIM)
        self.get_buffer("mean").copy_(flat.mean(0))
        self.get_buffer("deviation").copy_(flat.std(0).clamp_min(1e-3))

    def forward(self, user: Float[Tensor, "b t p"], avatar: Float[Tensor, "b t p"]) -> Float[Tensor, "b"]:
        """Return one logit a pair: above 0 means "these two belong together"."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        both = [(face - mean) / deviation for face in (user, avatar)]
        x = torch.cat([both[0], both[1][..., SEEN]], dim=-1).transpose(1, 2)  # (b, c, t)
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            fresh = nn.functional.silu(norm(layer(x)))
            x = fresh if index == 0 else x + fresh
        return self.head(x).mean((1, 2))

    @torch.inference_mode()
    def score(
        self, user: Float[np.ndarray, "n t p"], avatar: Float[np.ndarray, "_n _t _p"]
    ) -> Float[np.ndarray, "n"]:
        """Return the mean logit of every conversation; raises ShapeError for none, or tracks of unequal shape."""
        if user.shape != avatar.shape:
            raise ShapeError(f"User and avatar must have one shape; got {user.shape} and {avatar.shape}.")
        if user.ndim != 3 or user.shape[2] != FACE_DIM or 0 in user.shape:
            raise ShapeError(f"Tracks must have shape (n, t, {FACE_DIM}), n and t >= 1; got {user.shape}.")
        pairs = zip(user, avatar, strict=True)
        logits = [self(*(torch.from_numpy(f.astype(np.float32))[None] for f in pair)) for pair in pairs]
        return torch.cat(logits).double().numpy()

    def save(self, path: Path, meta: dict[str, object]) -> None:
        """Write weights and what is known about them."""
        save_tensors(path, self.state_dict(), dict(meta))

    @classmethod
    def read(cls, path: Path) -> tuple[Critic, dict[str, object]]:
        """Read what `save` wrote; raises CheckpointError when it is missing, damaged or no critic."""
        tensors, meta = load_tensors(path)
        critic = cls()
        load_strict(critic, tensors, str(path))
        return critic.eval(), meta


def win_rate(ours: Float[np.ndarray, "n"], theirs: Float[np.ndarray, "_n"]) -> Interval:
    """Return the share of conversations that `ours` wins, ties as half, with its bootstrap interval.

    Raises ShapeError unless both hold one finite score a conversation: NaN would count as lost.

    >>> win_rate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0])).mean
    0.5
    """
    if ours.shape != theirs.shape:
        raise ShapeError(
            f"Both sides need a score for every conversation; got {ours.shape} and {theirs.shape}."
        )
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ShapeError("Scores must be finite; leave out conversations that have none on either side.")
    return bootstrap((ours > theirs) + 0.5 * (ours == theirs))
