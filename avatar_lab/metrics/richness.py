"""How much does a face move? Closeness to the truth is good, size is not.

Notebook: 09. Source: METHOD section 8.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def temporal_variance(motion: Float[np.ndarray, "t k"]) -> float:
    """Return the variance over time, averaged over coefficients."""
    return float(motion.var(axis=0).mean())


def jitter(motion: Float[np.ndarray, "t k"]) -> float:
    """Return the mean size of the second difference: what a viewer sees as trembling."""
    return float(np.abs(np.diff(motion, n=2, axis=0)).mean()) if len(motion) > 2 else 0.0


def seam_ratio(motion: Float[np.ndarray, "t k"], block: int) -> float:
    """Return the mean step across block borders over the mean step inside; 1 means no visible seams."""
    steps = np.abs(np.diff(motion, axis=0)).mean(1)
    border = np.arange(1, len(motion)) % block == 0
    return float(steps[border].mean() / steps[~border].mean())
