"""Checks of notebook 04, "Who may look at whom": the block-wise look-ahead mask, reachable sets, and leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.model.generator import Generator
from avatar_lab.model.masks import SELF_MASKS, self_attention_mask

SIZES = ((15, 5, 2), (12, 4, 0), (50, 10, 2), (9, 3, 3), (7, 5, 1))


def _open(call: Callable[[], Any]) -> bool:
    try:
        return is_stub(call())
    except Exception:
        return False


def mask_of(kind: str, frames: int, block: int, lookahead: int) -> Tensor:
    """Return a mask of the library for one window."""
    n = torch.arange(frames)
    return self_attention_mask(kind, n, n, block, lookahead)


def mask(function: Callable[..., Any]) -> Verdict:
    """Check `block_lookahead_frames(frames, block, lookahead)`."""
    if _open(lambda: function(10, 5, 2)):
        return not_yet()
    return verdict_of(lambda: _mask(function))


def _mask(function: Callable[..., Any]) -> str:
    for frames, block, lookahead in SIZES:
        given = function(frames, block, lookahead)
        right = mask_of("block_lookahead_frames", frames, block, lookahead)
        case = f"{frames} frames, block {block}, look-ahead {lookahead}"
        if not isinstance(given, Tensor):
            raise Wrong(f"Return a tensor; got {type(given).__name__}.")
        if given.shape != right.shape:
            raise Wrong(f"{case}: shape {tuple(given.shape)}, expected {tuple(right.shape)}.")
        if given.dtype != torch.bool:
            raise Wrong(f"{case}: expected True and False, got {given.dtype}.")
        if torch.equal(given, right):
            continue
        if torch.equal(given, right.T):
            raise Wrong(f"{case}: rows and columns are exchanged: the row looks, the column is looked at.")
        if torch.equal(given, ~right):
            raise Wrong(f"{case}: True and False are exchanged: True means *may look*.")
        for kind in SELF_MASKS:
            if kind != "block_lookahead_frames" and torch.equal(
                given, mask_of(kind, frames, block, lookahead)
            ):
                raise Wrong(f"{case}: that is the mask `{kind}`.")
        if torch.equal(given, mask_of("block_lookahead_frames", frames, block, lookahead + 1)):
            raise Wrong(f"{case}: one frame too many: j must be *smaller*, not equal.")
        if torch.equal(given, mask_of("block_lookahead_frames", frames, block, max(0, lookahead - 1))):
            raise Wrong(f"{case}: one frame too few.")
        n = torch.arange(frames)
        if torch.equal(given, n[None] < (n[:, None] / block + 1) * block + lookahead):
            raise Wrong(f"{case}: the block number is a whole number: divide with //.")
        if torch.equal(given, right & (n[None] // block >= n[:, None] // block)):
            raise Wrong(f"{case}: the past is missing: a frame may look at all blocks before its own.")
        raise Wrong(
            f"{case}: {int((given != right).sum())} pairs are wrong. Where does the block of frame i end?"
        )
    return "Right: 1580 pairs for 50 frames, as the paper's prose says."


def reachable(function: Callable[..., Any]) -> Verdict:
    """Check `reachable(mask, depth)`."""
    if _open(lambda: function(mask_of("released", 8, 4, 1), 2)):
        return not_yet()
    return verdict_of(lambda: _reachable(function))


def paths(mask: Tensor, depth: int) -> Tensor:
    """Return what each frame can know after `depth` layers."""
    found = mask
    for _ in range(depth - 1):
        found = (mask.double() @ found.double()) > 0
    return found


def _reached(function: Callable[..., Any], mask: Tensor, depth: int) -> Any:
    """Return the learner's matrix; that booleans cannot be multiplied gets a word of its own."""
    try:
        return function(mask.clone(), depth)
    except RuntimeError as error:
        if "Bool" not in str(error):
            raise
        raise Wrong("PyTorch multiplies no matrices of True and False: take mask.float().") from error


def _reachable(function: Callable[..., Any]) -> str:
    for kind in ("released", "block_lookahead_frames", "frame_causal"):
        for depth in (1, 2, 3, 5):
            m = mask_of(kind, 15, 5, 1)
            given, right = _reached(function, m, depth), paths(m, depth)
            if not isinstance(given, Tensor) or given.shape != right.shape:
                raise Wrong(f"Return a matrix of the mask's shape, {tuple(right.shape)}.")
            if given.dtype != torch.bool:
                raise Wrong("Return True and False: a product counts paths; is there at least one?")
            if torch.equal(given, right):
                continue
            if depth > 2 and torch.equal(given, paths(m, 2 ** (depth - 1))):
                raise Wrong(f"{kind}, {depth} layers: squaring doubles the depth; each layer adds one look.")
            if torch.equal(given, paths(m, depth + 1)):
                raise Wrong(f"{kind}, {depth} layers: one layer too many. One layer is the mask itself.")
            if depth > 1 and torch.equal(given, m):
                raise Wrong(
                    f"{kind}, {depth} layers: that is one layer; a frame also knows what others have seen."
                )
            if torch.equal(given, right.T):
                raise Wrong(f"{kind}, {depth} layers: rows and columns are exchanged: the row looks.")
            raise Wrong(f"{kind}, {depth} layers: {int((given != right).sum())} pairs are wrong.")
    return "Right: each layer adds one look."


def leaks(function: Callable[..., Any]) -> Verdict:
    """Check `leaks(mask, depth, block, lookahead)`."""
    if _open(lambda: function(mask_of("released", 8, 4, 1), 2, 4, 1)):
        return not_yet()
    return verdict_of(lambda: _leaks(function))


def _leaks(function: Callable[..., Any]) -> str:
    for kind in SELF_MASKS:
        for depth in (1, 2, 4):
            for block, lookahead in ((5, 2), (5, 0)):
                m = mask_of(kind, 20, block, lookahead)
                allowed = mask_of("block_lookahead_frames", 20, block, lookahead)
                right = bool((paths(m, depth) & ~allowed).any())
                given = function(m.clone(), depth, block, lookahead)
                case = f"{kind}, {depth} layers, look-ahead {lookahead}"
                if not isinstance(given, bool):
                    raise Wrong(
                        f"Return True or False; got {type(given).__name__}. bool(....any()) makes one of a tensor."
                    )
                if given == right:
                    continue
                if given == bool((m & ~allowed).any()):
                    raise Wrong(f"{case}: that looks at one layer only. Depth stretches a look.")
                if given == bool((paths(m, depth) & ~mask_of("frame_causal", 20, block, 0)).any()):
                    raise Wrong(f"{case}: a stream has its whole block, and the look-ahead: that is no leak.")
                raise Wrong(f"{case}: {'it leaks' if right else 'nothing leaks'}.")
    return "Right. Only the causal masks are tight at any depth."


def velocity_of(
    net: Generator, noisy: Tensor, sigma: Tensor, signals: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Run a generator on one window: noisy motion (b, t, k), levels (b, t), user motion, user and avatar audio."""
    condition, _ = net.condition(*signals)
    reference = torch.zeros(len(noisy), noisy.shape[-1])
    return net(noisy, sigma, condition, reference).velocity
