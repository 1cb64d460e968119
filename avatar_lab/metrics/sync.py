"""Do the lips follow the voice? Correlation with the true mouth, and the lag between signals.

Notebook: 09. Source: METHOD section 8 (TLCC).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from avatar_lab.config import FPS, SAMPLES_PER_FRAME


def correlation(a: Float[np.ndarray, "t"], b: Float[np.ndarray, "t"]) -> float:
    """Return Pearson's correlation; NaN when one side does not move."""
    if len(a) < 2 or a.std() < 1e-8 or b.std() < 1e-8:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def loudness(audio: Float[np.ndarray, "n"]) -> Float[np.ndarray, "t"]:
    """Return the RMS of each frame of 640 samples."""
    frames = audio[: len(audio) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME].reshape(-1, SAMPLES_PER_FRAME)
    return np.sqrt((frames.astype(np.float64) ** 2).mean(1))


def speaking(audio: Float[np.ndarray, "n"], threshold: float = 0.01) -> Bool[np.ndarray, "t"]:
    """Return which frames hold voice, widened by 0.2 s so that mouths may open and close."""
    loud = loudness(audio) > threshold
    reach = round(0.2 * FPS)
    return np.convolve(loud, np.ones(2 * reach + 1), "same") > 0.5


def best_lag(
    cause: Float[np.ndarray, "t"], effect: Float[np.ndarray, "t"], reach_s: float = 2.0
) -> tuple[float, float]:
    """Return (lag in seconds, correlation) of the best time-lagged correlation; + means effect follows."""
    reach, n = round(reach_s * FPS), min(len(cause), len(effect))
    scores = {
        lag: correlation(cause[max(0, -lag) : n - max(0, lag)], effect[max(0, lag) : n + min(0, lag)])
        for lag in range(-reach, reach + 1)
    }
    known = {lag: score for lag, score in scores.items() if np.isfinite(score)}
    if not known:
        return float("nan"), float("nan")
    best = max(known, key=lambda lag: known[lag])
    return best / FPS, known[best]
