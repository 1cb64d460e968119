"""How much does a face move, and how? Closeness to the truth is good, size is not.

Variance by group, jerk, seams between blocks, and two numbers of the field: SID (how many different poses are struck)
and FD, the Frechet distance between clouds of frames (P-FD: of user and avatar side by side).

Notebook: 09. Source: METHOD section 8; Ng et al. 2022 (SID, P-FD), Heusel et al. 2017 (Frechet distance).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

from avatar_lab.data.face import FACE_INDEX, FACE_NAMES
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import Interval, bootstrap_ratio

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "mouth": ("jaw_open", "pucker", "stretch"),
    "expression": ("smile", "frown", "brow_raise", "brow_furrow", "squint"),
    "pose": ("yaw", "pitch", "roll"),
    "place": ("x", "y", "scale"),
    "gaze": ("gaze_yaw", "gaze_pitch"),
    "lids": ("blink_left", "blink_right"),
}
EXPRESSIVE: Final = GROUPS["mouth"] + GROUPS["expression"]
SID_CLUSTERS: Final = {"paper": (15, 9), "public code": (40, 20)}  # for expression and pose
FRAMES_KEPT: Final = 20_000  # of all conversations together, for clustering


def columns(names: tuple[str, ...]) -> list[int]:
    """Return the columns of these face parameters."""
    return [FACE_INDEX[name] for name in names]


def temporal_variance(motion: Float[np.ndarray, "t k"]) -> float:
    """Return the variance over time, averaged over coefficients."""
    return float(motion.var(axis=0).mean())


def jitter(motion: Float[np.ndarray, "t k"]) -> float:
    """Return the mean size of the second difference: what a viewer sees as trembling."""
    return float(np.abs(np.diff(motion, n=2, axis=0)).mean()) if len(motion) > 2 else 0.0


def jerk_ratio(made: Float[np.ndarray, "n t p"], truth: Float[np.ndarray, "n t p"]) -> Interval:
    """Return the mean size of the third difference over the truth's, every parameter in units of its own deviation."""
    unit = _deviation(truth)
    above, below = (np.abs(np.diff(t / unit, n=3, axis=1)).mean((1, 2)) for t in (made, truth))
    return bootstrap_ratio(above, below)


def seam_ratio(motion: Float[np.ndarray, "t k"], block: int) -> float:
    """Return the mean step across block borders over the mean step inside; 1 means no visible seams."""
    steps = np.abs(np.diff(motion, axis=0)).mean(1)
    border = np.arange(1, len(motion)) % block == 0
    return float(steps[border].mean() / steps[~border].mean())


def variance_ratios(
    made: Float[np.ndarray, "n t p"], truth: Float[np.ndarray, "n t p"]
) -> dict[str, Interval]:
    """Return, per group of parameters, the variance over time against the truth's; 1 is as lively as people.

    Groups that never move in the truth are left out.
    """
    unit, ratios = _deviation(truth), {}
    for group, names in GROUPS.items():
        above, below = ((t / unit).var(axis=1)[:, columns(names)].mean(1) for t in (made, truth))
        if below.any():
            ratios[group] = bootstrap_ratio(above, below)
    return ratios


def frechet(made: Float[np.ndarray, "n k"], truth: Float[np.ndarray, "m k"], ridge: float = 1e-6) -> float:
    """Return the Frechet distance between two clouds of rows, taken as Gaussian.

    `|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))`; 0 for equal clouds.
    """
    if len(made) < 2 or len(truth) < 2:
        raise ShapeError(f"Two clouds of at least 2 rows are needed; got {len(made)} and {len(truth)}.")
    a, b = (np.atleast_2d(np.cov(x.T.astype(np.float64))) for x in (made, truth))
    keep = ridge * np.eye(len(a))
    values, vectors = np.linalg.eigh(a + keep)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ (b + keep) @ root), 0)).sum()
    apart = float(np.square(made.mean(0) - truth.mean(0)).sum())
    return max(0.0, apart + float(np.trace(a) + np.trace(b) + 2 * ridge * len(a) - 2 * cross))


def sid(
    made: Float[np.ndarray, "n k"], truth: Float[np.ndarray, "m k"], clusters: int, seed: int = 0
) -> float:
    """Return the Shannon entropy (bits) of how `made` spreads over k-means clusters that were fitted on the truth."""
    from scipy.cluster.vq import kmeans2, vq

    rng = np.random.default_rng(seed)
    fitted = truth[rng.permutation(len(truth))[:FRAMES_KEPT]].astype(np.float64)
    centres = np.unique(fitted, axis=0)  # a truth that hardly moves has fewer poses than clusters
    if len(centres) > clusters:
        centres, _ = kmeans2(fitted, clusters, minit="++", rng=rng)
    share = np.bincount(vq(made.astype(np.float64), centres)[0], minlength=clusters) / len(made)
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def clouds(
    made: Float[np.ndarray, "n t p"], truth: Float[np.ndarray, "n t p"], user: Float[np.ndarray, "n t p"]
) -> dict[str, dict[str, float]]:
    """Return FD, P-FD and SID of expression and pose, every parameter in units of the truth's deviation."""
    unit, every = _deviation(truth), max(1, made[..., 0].size // FRAMES_KEPT)
    flat = [(t / unit).reshape(-1, len(FACE_NAMES))[::every] for t in (made, truth, user)]
    report: dict[str, dict[str, float]] = {"fd": {}, "p_fd": {}}
    for position, (name, names) in enumerate((("expression", EXPRESSIVE), ("pose", GROUPS["pose"]))):
        ours, real, partner = (t[:, columns(names)] for t in flat)
        report["fd"][name] = frechet(ours, real)
        report["p_fd"][name] = frechet(np.hstack([partner, ours]), np.hstack([partner, real]))
        for source, sizes in SID_CLUSTERS.items():
            for whose, rows in (("generated", ours), ("truth", real)):
                report.setdefault(f"sid {name}, {source}", {})[whose] = sid(rows, real, sizes[position])
    return report


def _deviation(truth: Float[np.ndarray, "n t p"]) -> Float[np.ndarray, "p"]:
    """Return every parameter's deviation in the truth; 1 where it never moves."""
    size = truth.reshape(-1, truth.shape[-1]).std(0)
    return np.where(size > 1e-4, size, 1.0)
