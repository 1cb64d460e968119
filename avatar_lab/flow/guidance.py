"""Classifier-free guidance with two dials: how much the voice and how much the user steer the avatar.

`a` = avatar audio present, `u` = user (audio and motion together) present, 0 = replaced by zeros:

    sum     v = v(0,0) + w_a [v(a,0) - v(0,0)] + w_u [v(0,u) - v(0,0)]      paper, Eq. 14
    nested  v = v(0,0) + w_a [v(a,0) - v(0,0)] + w_u [v(a,u) - v(a,0)]

The sum form never shows the network voice and user together; the nested form does. Both are weighted sums of
at most three branches, so that is what this module returns; a branch whose weight is zero is never evaluated.

Notebook: 06 (two ears and a voice).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.errors import ConfigError


@dataclass(frozen=True)
class Branch:
    """One evaluation of the network: which conditions it sees, and its weight in the sum."""

    avatar_audio: bool
    user: bool
    weight: float


def branches(guidance: Mapping[str, float], form: str) -> tuple[Branch, ...]:
    """Return the branches that `form` needs at these weights; their weights add up to 1.

    >>> [(b.avatar_audio, b.user) for b in branches({"audio": 1.0, "user": 1.0}, "nested")]
    [(True, True)]
    """
    unknown = set(guidance) - {"audio", "user"}
    if unknown:
        raise ConfigError(f"guidance takes the keys audio and user; got {sorted(unknown)}.")
    w_a, w_u = float(guidance.get("audio", 1.0)), float(guidance.get("user", 1.0))
    if form == "sum":
        table = [(False, False, 1 - w_a - w_u), (True, False, w_a), (False, True, w_u)]
    elif form == "nested":
        table = [(False, False, 1 - w_a), (True, False, w_a - w_u), (True, True, w_u)]
    else:
        raise ConfigError(f"guidance form must be sum or nested; got {form!r}.")
    return tuple(Branch(a, u, w) for a, u, w in table if w != 0)


def per_branch(signal: Float[Tensor, "n t f"], seen: Float[Tensor, "g"]) -> Float[Tensor, "gn t f"]:
    """Repeat a signal once for each branch, rows branch first: as zeros where `seen` is 0."""
    return torch.einsum("n t f, g -> g n t f", signal, seen.to(signal.dtype)).flatten(0, 1)


def combine(velocities: Float[Tensor, "gn t d"], weights: Float[Tensor, "g"]) -> Float[Tensor, "n t d"]:
    """Return the weighted sum over branches; rows are ordered branch first."""
    branched = velocities.unflatten(0, (len(weights), -1))
    return torch.einsum("g n t d, g -> n t d", branched, weights.to(velocities.dtype))
