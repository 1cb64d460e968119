"""How much of one face is in the other? Lags, and what the partner predicts that one's own past does not.

TLCC finds the lag at which two tracks agree best. The predictive gain (Granger's idea) fits two linear predictions of
the avatar half a second ahead: from its own past, and from its own past and the user's; the second explains more if,
and only if, the user's past carries something new.

Notebook: 09. Source: METHOD section 8; Granger 1969; Boker et al. 2002 (windowed cross-correlation).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from avatar_lab.metrics.sync import best_lag

AHEAD = 10  # frames
LAGS = (0, 5, 10, 15, 20, 25)  # frames of the past that a prediction sees
RIDGE = 1e-3


def tlcc(
    user: Float[np.ndarray, "n t"], avatar: Float[np.ndarray, "n t"], reach_s: float = 2.0
) -> dict[str, float]:
    """Return the median lag (ms, + means that the avatar follows) and mean peak correlation over conversations."""
    found = np.array([best_lag(u, a, reach_s) for u, a in zip(user, avatar, strict=True)])
    known = found[np.isfinite(found).all(1)]
    if not len(known):
        return {"lag_ms": float("nan"), "correlation": float("nan")}
    return {"lag_ms": 1000 * float(np.median(known[:, 0])), "correlation": float(known[:, 1].mean())}


def predictive_gain(
    user: Float[np.ndarray, "n t"], avatar: Float[np.ndarray, "n t"], folds: int = 4
) -> float:
    """Return R2(own past and user's past) - R2(own past), predicted for conversations that were not fitted.

    NaN when there are fewer conversations than two or nothing moves.
    """
    folds = min(folds, len(user))
    if folds < 2:
        return float("nan")
    start, frames = max(LAGS), avatar.shape[1]

    def past(track: np.ndarray) -> np.ndarray:
        return np.stack([track[:, start - lag : frames - AHEAD - lag] for lag in LAGS], -1)

    target = avatar[:, start + AHEAD :]
    own, both = past(avatar), np.concatenate([past(avatar), past(user)], -1)
    return _explained(both, target, folds) - _explained(own, target, folds)


def _explained(seen: np.ndarray, target: np.ndarray, folds: int) -> float:
    """Return R2 of ridge regression on held-out conversations."""
    fold, left, whole = np.arange(len(target)) % folds, 0.0, 0.0
    for held in range(folds):
        x, y = (a[fold != held].reshape(-1, *a.shape[2:]) for a in (seen, target))
        mean_x, mean_y = x.mean(0), y.mean()
        gram = (x - mean_x).T @ (x - mean_x) + RIDGE * len(x) * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, (x - mean_x).T @ (y - mean_y))
        error = target[fold == held] - mean_y - (seen[fold == held] - mean_x) @ weights
        left, whole = (
            left + float(np.square(error).sum()),
            whole + float(np.square(target[fold == held] - mean_y).sum()),
        )
    return 1 - left / whole if whole > 0 else float("nan")
