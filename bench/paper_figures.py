"""The paper's published figures, once, and how figures are written on the pages.

Source of `PAPER`: Avatar Forcing (Ki et al., arXiv 2601.00664 v2, CVPR 2026), tables for RealTalk and of block sizes;
"audio-only" is its FLOAT, "window" its INFP* (re-implemented there), "no-user-motion" is without preference as well.
There, motion is read from real films as coefficients of a 3D face model: SID and Var have other units than ours, and
only the order of rows can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

BASE: Final = "no-preference"  # the variant that the ablations differ from
PAPER: Final[Mapping[str, Mapping[str, float]]] = {
    "truth": {"Var": 1.66},
    "audio-only": {"latency, s": 2.4, "rPCC expression": 0.054, "rPCC pose": 0.182, "SID": 2.79, "Var": 2.78,
                   "FID": 81.3, "FVD": 439, "CSIM": 0.845, "LSE-C": 6.36},
    "window": {"latency, s": 3.4, "rPCC expression": 0.035, "rPCC pose": 0.064, "SID": 2.34, "Var": 1.64,
               "FID": 24.6, "FVD": 159, "CSIM": 0.867, "LSE-C": 6.54},
    "no-user-motion": {"rPCC expression": 0.052, "rPCC pose": 0.175, "SID": 2.17, "Var": 1.59},
    "no-preference": {"rPCC expression": 0.042, "rPCC pose": 0.146, "SID": 2.24, "Var": 1.41},
    "ours": {"latency, s": 0.5, "rPCC expression": 0.003, "rPCC pose": 0.036, "SID": 2.44, "Var": 1.73,
             "FID": 24.3, "FVD": 171, "CSIM": 0.833, "LSE-C": 6.72, "preferred, %": 80.3},
    "block-5": {"latency, s": 0.3, "FVD": 222},
    "block-10": {"latency, s": 0.5, "FVD": 171},
    "block-25": {"latency, s": 1.5, "FVD": 156},
}  # fmt: skip


def interval(found: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Write a mean and its interval: `0.31 [0.12, 0.58]`."""
    if not found or any(found[key] is None for key in ("mean", "low", "high")):
        return "-"
    mean, low, high = (f"{found[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def number(value: float | None, digits: int = 2) -> str:
    """Write a number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def published(name: str, what: str) -> str:
    """Return a figure of the paper as it is printed there, or a dash."""
    value = PAPER.get(name, {}).get(what)
    return "-" if value is None else f"{value:g}"
