"""Checks of notebook 12, "From lab to paper": weights of a block, arithmetic of a block of motion, the roofline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import preset
from avatar_lab.model.generator import Generator


def _open(function: Callable[..., Any], *arguments: Any) -> bool:
    try:
        return is_stub(function(*arguments))
    except Exception:
        return False


def _close(given: Any, value: float) -> bool:
    return abs(float(given) - value) <= 1e-6 * max(1.0, abs(value))


def _number(given: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Wrong(f"Return one number; got {type(given).__name__}.")


def weights(function: Callable[..., Any]) -> Verdict:
    """Check `block_weights(width, mlp_ratio)` against real blocks."""
    if _open(function, 64, 4.0):
        return not_yet()
    return verdict_of(partial(_weights, function))


def _weights(function: Callable[..., Any]) -> str:
    sizes = {name: preset(name).generator for name in ("tiny", "lab", "paper")}
    sizes["tiny, mlp_ratio 2"] = replace(sizes["tiny"], mlp_ratio=2.0)
    for name, config in sizes.items():
        with torch.device("meta"):
            block: Any = Generator(config).blocks[0]
        right = sum(p.numel() for p in block.parameters())
        w, m = config.width, config.mlp_ratio
        given = function(w, m)
        _number(given)
        if _close(given, right):
            continue
        biases = (9 + m) * w
        likely = {
            "the biases are missing: b of them for a layer from a to b.": right - biases,
            "the cross-attention is missing.": right - (4 * w * w + 4 * w),
            "the MLP is missing.": right - (2 * m * w * w + (m + 1) * w),
            "the MLP has a way back, too: two matrices.": right - (m * w * w + w),
            "one layer w -> w is missing: a query, a key, a value or an output.": right - (w * w + w),
            "two layers w -> w are missing: the outputs? the values beside the keys?": right
            - 2 * (w * w + w),
            "the scales come from the noise level, for all blocks at once: not counted here.": (
                right + 6 * (w * w + w)
            ),
            "mlp_ratio is not 4 everywhere.": right + (4 - m) * (2 * w * w + w),
            "that is in millions; count every one.": right / 1e6,
            "that is all the blocks together; one of them, please.": right * config.depth,
        }
        for hint, value in likely.items():
            if _close(given, value):
                raise Wrong(f"{name}: {hint}")
        if abs(given - right) < w * w / 4:
            raise Wrong(
                f"{name}: the matrices are right, the biases are not: b of them for a layer from a to b. "
                "LayerNorms have no weights here."
            )
        raise Wrong(f"{name}: {given:,.0f}, but the block has {right:,} weights.")
    return "Right, in all three sizes and one more, to the last weight."


def arithmetic(function: Callable[..., Any]) -> Verdict:
    """Check `gflop(width, depth, mlp_ratio, tokens, passes, branches)`."""
    if _open(function, 64, 2, 4.0, 7, 9, 3):
        return not_yet()
    return verdict_of(partial(_arithmetic, function))


def _arithmetic(function: Callable[..., Any]) -> str:
    for w, depth, m, tokens, passes, g in (
        (1024, 8, 4.0, 12, 9, 3),
        (160, 4, 4.0, 7, 9, 3),
        (64, 2, 3.0, 5, 3, 1),
    ):
        right = 2 * (6 + 2 * m) * w * w * depth * tokens * passes * g / 1e9
        given = function(w, depth, m, tokens, passes, g)
        _number(given)
        if _close(given, right):
            continue
        likely = {
            "an addition goes with each multiplication: times two.": right / 2,
            "that is in single operations: divide by 1e9.": right * 1e9,
            "the branches of guidance are missing.": right / g,
            "each pass runs the network anew.": right / passes,
            "the pass that fills the cache is one of the passes already.": right * (passes + 1) / passes,
            "each token uses every weight once.": right / tokens,
            "self-attention has four matrices of w^2: queries, keys, values, output.": (
                right * (3 + 2 * m) / (6 + 2 * m)
            ),
            "that is one layer only.": right / depth,
            "keys and values of the condition are computed once, not here: cross-attention has 2 w^2.": (
                right * (8 + 2 * m) / (6 + 2 * m)
            ),
            "the MLP has two matrices of m w^2.": right * (6 + m) / (6 + 2 * m),
        }
        case = f"width {w}, depth {depth}"
        for hint, value in likely.items():
            if _close(given, value):
                raise Wrong(f"{case}: {hint}")
        raise Wrong(f"{case}: expected another number than {given:g}. Go through the factors one by one.")
    return "Right: 76 GFLOP for the published size, every 400 ms."


def roofline(function: Callable[..., Any]) -> Verdict:
    """Check `bound_ms(gflop, gbytes, peak_gflops, bandwidth_gbs)`."""
    if _open(function, 76.0, 1.0, 400.0, 30.0):
        return not_yet()
    return verdict_of(partial(_roofline, function))


def _roofline(function: Callable[..., Any]) -> str:
    for work, size, peak, speed in (
        (76.0, 1.0, 400.0, 30.0),
        (1.0, 6.0, 60_000.0, 3000.0),
        (10.0, 2.0, 500.0, 50.0),
    ):
        by_work, by_size = 1000 * work / peak, 1000 * size / speed
        given = function(work, size, peak, speed)
        _number(given)
        if _close(given, max(by_work, by_size)):
            continue
        likely = {
            "that is their sum: both happen at the same time, so the slower one bounds.": by_work + by_size,
            "that is the faster one; the slower one bounds.": min(by_work, by_size),
            "operations go over the peak, bytes over the bandwidth.": 1000 * max(work / speed, size / peak),
            "that is in seconds.": max(by_work, by_size) / 1000,
            "memory was left out.": by_work,
            "the arithmetic was left out.": by_size,
            "upside down: work over peak, bytes over bandwidth.": 1000 * max(peak / work, speed / size),
        }
        for hint, value in likely.items():
            if _close(given, value):
                raise Wrong(hint[0].upper() + hint[1:])
        raise Wrong(f"For {work:g} GFLOP and {size:g} GB the bound is not {given:g} ms.")
    return "Right: whatever is slower, waits for nobody."
