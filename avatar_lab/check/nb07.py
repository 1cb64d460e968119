"""Checks of notebook 07, "KV cache": writing by position, moving turned keys, what a finished block leaves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.model.attention import rotate, rotation

HEADS, SLOTS, DIM = 2, 8, 4
BLOCKS = ((0, 3), (1, 6), (4, 11), (9, 16), (14, 21), (1_000_000_005, 1_000_000_012))
LEVELS = (1.0, 0.6, 0.25, 0.0)


def write(function: Callable[..., Any]) -> Verdict:
    """Check `write(store, positions, keys, values)`: every frame in the slot of its position, the newest wins."""
    try:
        first = function(_empty(), *_block(0, 3, 0))
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _write(function))


def _empty() -> dict[str, Tensor]:
    zeros = torch.zeros(HEADS, SLOTS, DIM)
    return {"keys": zeros, "values": zeros.clone(), "positions": torch.full((SLOTS,), -1)}


def _block(first: int, end: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(HEADS, end - first, DIM, generator=rng) for _ in range(2))
    return torch.arange(first, end), keys, values


def _write(function: Callable[..., Any]) -> str:
    store, truth = _empty(), _empty()
    for seed, (first, end) in enumerate(BLOCKS):
        positions, keys, values = _block(first, end, seed)
        before = {name: part.clone() for name, part in store.items()}
        case = f"frames {first} to {end - 1}"
        try:
            given = function(store, positions, keys, values)
        except IndexError as error:
            raise Wrong(
                f"{case}: {error}. Frame p belongs into slot p % {SLOTS}: a store has a fixed size."
            ) from error
        if any(not torch.equal(store[name], before[name]) for name in store):
            raise Wrong(
                "The store that was passed was changed in place. Clone it: old states must stay valid."
            )
        if not isinstance(given, dict) or set(given) != set(store):
            raise Wrong(f"Return a store with the parts {', '.join(store)}.")
        slots = positions % SLOTS
        truth["keys"][:, slots], truth["values"][:, slots] = keys, values
        truth["positions"][slots] = positions
        _compare(given, truth, positions, case)
        store = given
    return f"Right: {len(BLOCKS)} blocks, some frames twice, and no slot too many."


def _compare(given: dict[str, Any], truth: dict[str, Tensor], positions: Tensor, case: str) -> None:
    for name, part in given.items():
        if not isinstance(part, Tensor) or part.shape != truth[name].shape:
            shape = tuple(getattr(part, "shape", ()))
            grown = "The store grew: write into its slots, do not append. " if shape != () else ""
            raise Wrong(f"{grown}{name}: shape {shape}, expected {tuple(truth[name].shape)}.")
    held = given["positions"]
    if (held == -1).sum() > (truth["positions"] == -1).sum() and torch.equal(given["keys"], truth["keys"]):
        raise Wrong(f"{case}: keys are in place, but positions does not say which frames they belong to.")
    real = held[held >= 0]
    if len(real.unique()) < len(real):
        raise Wrong(f"{case}: a frame is there twice. One that is written again replaces itself: slot p % C.")
    if not torch.equal(held, truth["positions"]):
        if set(positions.tolist()) - set(held.tolist()):
            raise Wrong(f"{case}: new frames are missing from positions.")
        if torch.equal(held[positions % SLOTS], positions):
            raise Wrong(
                f"{case}: older frames are lost that nobody took the slot of. Start from the old store."
            )
        raise Wrong(f"{case}: right frames, wrong slots. Frame p belongs into slot p % {SLOTS}, always.")
    for name in ("keys", "values"):
        if not torch.equal(given[name], truth[name]):
            other = truth["values" if name == "keys" else "keys"]
            mixed = torch.equal(given[name], other)
            raise Wrong(
                f"{case}: {'keys and values are exchanged.' if mixed else f'{name} are in the wrong slots.'}"
            )


def rebase(function: Callable[..., Any]) -> Verdict:
    """Check `rebase(keys, shift)`: turned keys get the angles of positions that are `shift` smaller."""
    try:
        first = function(torch.ones(1, 1, 3, 4), 1)
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _rebase(function))


def _rebase(function: Callable[..., Any]) -> str:
    rng = torch.Generator().manual_seed(0)
    for frames, dim, start, shift in ((6, 8, 20, 5), (4, 16, 3, 0), (9, 8, 100, 100), (5, 32, 7, -12)):
        plain = torch.randn(1, 2, frames, dim, generator=rng)
        query = torch.randn(1, 2, 1, dim, generator=rng)
        positions = torch.arange(start, start + frames)
        turned = rotate(plain, rotation(positions, dim))
        before = turned.clone()
        try:
            given = function(turned, shift)
        except (AttributeError, IndexError, RuntimeError, TypeError) as error:
            raise Wrong(
                f"Your code raised {type(error).__name__}: {error}. rotation(positions, d) wants a tensor of one "
                f"dimension, and the d of these keys: here {dim}, not always the same."
            ) from error
        if not torch.equal(turned, before):
            raise Wrong("The keys that were passed were changed in place. Return new ones.")
        if not isinstance(given, Tensor) or given.shape != turned.shape:
            raise Wrong(f"Return keys of the same shape, {tuple(turned.shape)}: no frame is lost or added.")
        right = rotate(plain, rotation(positions - shift, dim))
        if not torch.allclose(given, right, atol=1e-4):
            raise Wrong(_rebase_hint(given, plain, turned, positions, shift))
        now = torch.tensor([start + frames])
        old = rotate(query, rotation(now, dim)) @ turned.mT
        new = rotate(query, rotation(now - shift, dim)) @ given.mT
        if not torch.allclose(old, new, atol=1e-3):
            raise Wrong(
                f"shift {shift}: the scores of a query changed, though its distance to the keys did not."
            )
    return "Right: every score survives, whatever the shift."


def _rebase_hint(given: Tensor, plain: Tensor, turned: Tensor, positions: Tensor, shift: int) -> str:
    dim, frames = plain.shape[-1], len(positions)
    likely = {
        "turned in the wrong direction: positions become smaller, so turn by -shift.": rotate(
            plain, rotation(positions + shift, dim)
        ),
        "nothing was turned. Moving frames in memory does not change their angles.": turned,
        "frames were moved, not turned. They keep their slots; only angles change.": turned.roll(-shift, 2),
        "each key was turned by a position of its own. They are turned already; all move by the same -shift.": (
            rotate(turned, rotation(torch.arange(frames) - shift, dim))
        ),
        "they were turned by their new positions on top of the old ones: turn by the difference only.": rotate(
            turned, rotation(positions - shift, dim)
        ),
        "channels were paired by halves (k, k + d/2). Here pairs are neighbours (2k, 2k + 1): use rotate.": (
            _by_halves(turned, -shift)
        ),
    }
    for hint, value in likely.items():
        if torch.allclose(given, value, atol=1e-4):
            return f"shift {shift}: {hint}"
    return f"shift {shift}: right shape, wrong angles. A turn by -shift, the same for all frames."


def _by_halves(x: Tensor, by: int) -> Tensor:
    turn = rotation(torch.tensor([by]), x.shape[-1])
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * turn.cos - two * turn.sin, one * turn.sin + two * turn.cos], dim=-1)


class Fresh(NamedTuple):
    """What the pretended network returns for the cache: which frames it was shown, and which level it was told."""

    frames: Tensor
    sigma: float


class Network:
    """A network whose velocity is known, and that notes how it is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, float, Any]] = []

    def __call__(self, frames: Tensor, sigma: Any, cache: Any) -> tuple[Tensor, Fresh]:
        if isinstance(sigma, Tensor) and sigma.numel() != 1:
            raise Wrong(f"sigma is one number for the whole block here; got shape {tuple(sigma.shape)}.")
        level = float(sigma)
        self.calls.append((frames.clone(), level, cache))
        return torch.sin(frames) + level, Fresh(frames.clone(), level)


def finish_block(function: Callable[..., Any]) -> Verdict:
    """Check `finish_block(network, cache, noise, levels)`: denoise, then cache what a pass on clean frames leaves."""
    noise = torch.zeros(1, 2, 3)
    try:
        first = function(Network(), (), noise, torch.tensor([1.0, 0.0]))
    except Exception:
        first = 0
    if is_stub(first) or (isinstance(first, tuple) and any(is_stub(part) for part in first)):
        return not_yet()
    return verdict_of(lambda: _finish_block(function))


def _finish_block(function: Callable[..., Any]) -> str:
    rng = torch.Generator().manual_seed(0)
    cache: tuple[Fresh, ...] = ()
    for _ in range(3):
        noise, network = torch.randn(1, 5, 3, generator=rng), Network()
        given = function(network, cache, noise.clone(), torch.tensor(LEVELS))
        if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], Tensor):
            raise Wrong("Return two things: the block's motion, and the cache with one entry more.")
        motion, following = given
        _check_motion(motion, noise)
        if not isinstance(following, tuple):
            raise Wrong("The cache is a tuple: return cache + (fresh,).")
        _check_calls(network, motion, cache, following)
        cache = following
    return f"Right: {len(LEVELS) - 1} steps and one pass on clean frames, whose keys alone are kept."


def _check_motion(motion: Tensor, noise: Tensor) -> None:
    right, fewer, backwards = noise, noise, noise
    for step, (now, then) in enumerate(pairwise(LEVELS)):
        right = right + (then - now) * (torch.sin(right) + now)
        backwards = backwards + (now - then) * (torch.sin(backwards) + now)
        fewer = right if step < len(LEVELS) - 2 else fewer
    if motion.shape != right.shape:
        raise Wrong(f"motion: shape {tuple(motion.shape)}, expected {tuple(right.shape)}.")
    if torch.allclose(motion, right, atol=1e-5):
        return
    if torch.allclose(motion, fewer, atol=1e-5):
        raise Wrong("motion: one step too few; the last one leads to level 0.")
    if torch.allclose(motion, backwards, atol=1e-5):
        raise Wrong("motion: levels fall, so a step is (next - now) * velocity, a negative number times it.")
    raise Wrong("motion: wrong values. A step is x + (next - now) * velocity(x, now).")


def _check_calls(
    network: Network, motion: Tensor, cache: tuple[Any, ...], following: tuple[Any, ...]
) -> None:
    shown = [tuple(seen) for _, _, seen in network.calls]
    if any(len(seen) < len(cache) for seen in shown):
        raise Wrong("A step was not shown the past. Pass it the cache that you were given.")
    if any(len(seen) > len(cache) for seen in shown):
        raise Wrong("A step was shown a cache that holds the block itself. All steps see the old cache.")
    if len(following) == len(cache):
        raise Wrong("Nothing was added to the cache: the next block would not know of this one.")
    if len(following) != len(cache) + 1 or any(a is not b for a, b in zip(cache, following, strict=False)):
        raise Wrong(
            f"{len(following) - len(cache)} entries were added: one for each step? Keep the clean pass's only."
        )
    kept = following[-1]
    if not isinstance(kept, Fresh):
        raise Wrong("Add what the network returned beside the velocity, as it is.")
    clean = torch.allclose(kept.frames, motion)
    if not clean and kept.sigma == 0:
        raise Wrong(
            "The cache holds noisy frames that are called clean: run the last pass on the finished motion."
        )
    if not clean:
        raise Wrong(
            f"The cache holds keys of a noisy block (sigma = {kept.sigma:g}): the last step's. Run the network once "
            "more, on the finished frames at sigma 0."
        )
    if kept.sigma != 0:
        raise Wrong(f"The frames are clean, but the network was told sigma = {kept.sigma:g}. Tell it 0.")
    if len(network.calls) != len(LEVELS):
        raise Wrong(
            f"{len(network.calls)} calls; {len(LEVELS) - 1} steps and one pass for the cache are {len(LEVELS)}."
        )
