"""Checks of notebook 05, "Diffusion forcing": block-shared levels, the pyramid's table, kinds of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.flow import path, schedule


def _open(call: Callable[[], Any]) -> bool:
    try:
        return is_stub(call())
    except Exception:
        return False


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def block_sigma(function: Callable[..., Any]) -> Verdict:
    """Check `block_sigma(batch, frames, block, rng)`."""
    if _open(lambda: function(2, 10, 5, _rng())):
        return not_yet()
    return verdict_of(lambda: _block_sigma(function))


def _block_sigma(function: Callable[..., Any]) -> str:
    for batch, frames, block in ((4, 50, 5), (3, 52, 10), (2, 7, 7), (400, 20, 5)):
        before = torch.get_rng_state()
        given = function(batch, frames, block, _rng(1))
        if not torch.equal(before, torch.get_rng_state()):
            raise Wrong("Draw from rng, not from torch's global generator: pass generator=rng.")
        case = f"batch {batch}, {frames} frames, block {block}"
        if not isinstance(given, Tensor) or given.shape != (batch, frames):
            got = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise Wrong(f"{case}: expected a tensor ({batch}, {frames}); got {got}.")
        if not given.is_floating_point() or given.min() < 0 or given.max() > 1:
            raise Wrong(f"{case}: levels are floats between 0 and 1.")
        starts = range(0, frames, block)
        parts = [given[:, s : s + block] for s in starts]
        if any(not (p == p[:, :1]).all() for p in parts):
            blocks = -(-frames // block)
            if torch.equal(given[:, :-blocks], given[:, blocks:]):
                raise Wrong(
                    f"{case}: levels are tiled; repeat_interleave repeats each, repeat the whole row."
                )
            if (given[:, :-1] != given[:, 1:]).float().mean() > 0.9:
                raise Wrong(f"{case}: one level a frame; all frames of a block share theirs.")
            raise Wrong(f"{case}: blocks begin at the wrong frames.")
        if len(parts) > 1 and all(torch.equal(parts[0][:, 0], p[:, 0]) for p in parts):
            raise Wrong(f"{case}: all blocks have the same level; they must be independent.")
        if batch > 1 and all(torch.equal(given[0], row) for row in given):
            raise Wrong(f"{case}: all examples have the same levels; they must be independent.")
    mean, spread = given.mean().item(), given.std().item()
    if abs(mean - 0.5) > 0.05 or abs(spread - 0.289) > 0.04:
        raise Wrong(
            f"The levels are not uniform in 0..1: mean {mean:.2f}, spread {spread:.2f} (uniform: 0.50, 0.29)."
        )
    rng = _rng(2)
    if torch.equal(function(4, 50, 5, rng), function(4, 50, 5, rng)):
        raise Wrong(
            "Two calls give the same levels: draw from the rng that is passed, not from one of your own."
        )
    return "Right: one level a block, independent across blocks and examples."


def pyramid(function: Callable[..., Any]) -> Verdict:
    """Check `pyramid(frames, steps)`."""
    if _open(lambda: function(6, 3)):
        return not_yet()
    return verdict_of(lambda: _pyramid(function))


def _pyramid(function: Callable[..., Any]) -> str:
    for frames, steps in ((6, 3), (20, 4), (5, 8), (3, 1)):
        given, right = function(frames, steps), schedule.pyramid(frames, steps)
        case = f"{frames} frames, {steps} steps"
        if not isinstance(given, Tensor):
            raise Wrong(f"Return a tensor; got {type(given).__name__}.")
        if given.shape == right.T.shape and given.shape != right.shape:
            raise Wrong(f"{case}: rounds are rows, frames are columns; yours is turned.")
        if given.shape != right.shape:
            raise Wrong(f"{case}: shape {tuple(given.shape)}, expected {tuple(right.shape)}.")
        if torch.allclose(given.float(), right, atol=1e-5):
            continue
        if torch.allclose(given.float(), 1 - right, atol=1e-5):
            raise Wrong(f"{case}: 1 is noise and 0 is clean; yours rises.")
        if given.min() < -1e-6 or given.max() > 1 + 1e-6:
            raise Wrong(f"{case}: levels leave 0..1: a frame that is clean stays clean (clamp).")
        if not torch.allclose(given[0].float(), right[0], atol=1e-5):
            raise Wrong(f"{case}: row 0 is all noise: in round 0 nothing has fallen yet.")
        if torch.equal((given > 0).sum(0), (right > 0).sum(0)):
            raise Wrong(f"{case}: frames end in the right round, but do not fall in equal parts.")
        row, frame = ((given.float() - right).abs() > 1e-5).nonzero()[0].tolist()
        raise Wrong(
            f"{case}: first wrong in row {row}, frame {frame}, where you have {float(given[row, frame]):.2f}. "
            f"A frame is noise up to row i, then falls {steps} times and stays clean."
        )
    return "Right: one frame becomes clean with every evaluation."


def kind(function: Callable[..., Any]) -> Verdict:
    """Check `kind_of_training(sigma, block)`."""
    if _open(lambda: function(torch.rand(3, 20, generator=_rng()), 5)):
        return not_yet()
    return verdict_of(lambda: _kind(function))


def _kind(function: Callable[..., Any]) -> str:
    rng = _rng(4)
    independent = path.block_sigma(8, 20, 5, rng)
    some_clean = independent.clone()
    some_clean[:4, :15] = 0
    first_clean = independent.clone()
    first_clean[:, :5] = 0
    tables = {
        "teacher": path.last_block_sigma(8, 20, 5, rng),
        "full": torch.rand(8, 1, generator=rng).expand(8, 20).clone(),
        "forcing": independent,
    }
    for right, sigma in [
        *tables.items(),
        ("forcing", some_clean),
        ("forcing", first_clean),
        ("forcing", path.clean_past_sigma(independent, 1.0, 5, rng)),
    ]:
        given = function(sigma.clone(), 5)
        if given not in tables:
            raise Wrong(f'Return "teacher", "full" or "forcing"; got {given!r}.')
        if given == right:
            continue
        if right == "forcing" and given == "teacher":
            raise Wrong(
                "Some pasts are clean there, but not in *every* example, or not all of the past: that is forcing."
            )
        if right == "full":
            raise Wrong("One level for all frames of an example is full-sequence diffusion.")
        raise Wrong(f"That table is {right} training, not {given}.")
    return "Right: the levels in training decide what a network can be used for."
