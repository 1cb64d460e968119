"""Who may look at whom: the attention masks of the motion transformer.

Every function takes frame positions of queries and keys (integers, block boundaries at multiples of `block`)
and returns a boolean matrix, True = may attend. Positions may be negative: a stream counts from the start of
its current block.

Three readings of the paper's "blockwise look-ahead" exist, and they differ:

    block_lookahead_frames   its prose       j < (i // B + 1) B + l
    block_lookahead_blocks   its Eq. 5       j // B <= i // B + l      (l counts whole blocks)
    released                 its program     j // B < i // B  or  j <= i + l     (the same as j <= i + l for l >= 0)

What a cache makes of them. A frame's keys are written once, when its block is done. They are final if nothing that
they depend on may look past that moment: so for `frame_causal` and `block_causal`, where cached equals recomputed
up to rounding (a test). `released` looks l frames ahead in *every* layer: the last l frames are kept back and seen
again with the next block (the offset), which makes two layers exact; from the third on, a cached frame has seen its
neighbours as they were before *they* saw their look-ahead. The paper's two readings would show a frame still more of
what came later. `bench/streaming.py` measures all six gaps on the `lab` weights (`bench/results/streaming.json`):
about a thousandth of the velocity for `released`, one to two hundredths for the others.

Notebook: 04 (the motion transformer and its masks), which paints all six.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jaxtyping import Bool, Int
from torch import Tensor

from avatar_lab.errors import ConfigError

Positions = Int[Tensor, "_"]


def released(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow the past and the next `lookahead` frames, as the released program does."""
    return j <= i + lookahead


def block_lookahead_frames(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow everything up to `lookahead` frames beyond the own block, as the paper's prose says."""
    return j < (i // block + 1) * block + lookahead


def block_lookahead_blocks(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow everything up to `lookahead` *blocks* beyond the own one: Eq. 5 taken literally."""
    return j // block <= i // block + lookahead


def frame_causal(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow the own frame and the past."""
    return j <= i


def block_causal(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow the own block, whole, and the past."""
    return j // block <= i // block


def bidirectional(i: Tensor, j: Tensor, block: int, lookahead: int) -> Tensor:
    """Allow everything: an offline model."""
    return (j == j) & (i == i)


SELF_MASKS: Final[dict[str, Callable[[Tensor, Tensor, int, int], Tensor]]] = {
    "released": released,
    "block_lookahead_frames": block_lookahead_frames,
    "block_lookahead_blocks": block_lookahead_blocks,
    "frame_causal": frame_causal,
    "block_causal": block_causal,
    "bidirectional": bidirectional,
}


def self_attention_mask(
    kind: str, queries: Positions, keys: Positions, block: int, lookahead: int
) -> Bool[Tensor, "q k"]:
    """Return the mask called `kind` for these positions; raises ConfigError that lists the names.

    >>> import torch
    >>> n = torch.arange(50)
    >>> int(self_attention_mask("released", n, n, block=10, lookahead=2).sum())
    1372
    """
    if kind not in SELF_MASKS:
        raise ConfigError(f"There is no mask {kind!r}; choose one of {', '.join(SELF_MASKS)}.")
    return SELF_MASKS[kind](queries[:, None], keys[None, :], block, lookahead)


def cross_attention_mask(
    queries: Positions, keys: Positions, window: int, block: int, within_block: bool
) -> Bool[Tensor, "q k"]:
    """Let frame i see conditions |i - j| <= `window`.

    With `within_block` it sees none from a later block: a stream has not received those yet, and a model that
    trained on them would miss them at the end of every block.
    """
    i, j = queries[:, None], keys[None, :]
    near = (i - j).abs() <= window
    return near & (j // block <= i // block) if within_block else near


def history_mask(queries: Positions, keys: Positions, history: int) -> Bool[Tensor, "q k"]:
    """Let condition frame i see itself and the `history` frames before it."""
    i, j = queries[:, None], keys[None, :]
    return (j <= i) & (j >= i - history)
