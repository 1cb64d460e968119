"""Does the avatar behave like a person over minutes? Blinks, nods, where it looks, and whether it drifts.

People: 26 blinks a minute while talking and 17 at rest, a listener looks at the speaker three quarters of the time
(METHOD section 9). Drift compares the last minute of a long stream with the first ones.

Notebook: 09. Source: Bentivoglio 1997; METHOD sections 6, 8 and 9.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.metrics.events import VISIBLE, column, nodding, onsets_of
from avatar_lab.metrics.richness import EXPRESSIVE, GROUPS, columns

LOOKING = 6.0  # degrees beside the partner within which a look still meets them


def closures(lid: Float[np.ndarray, "t"]) -> int:
    """Count how often a lid passes half way down; it must open to a third before the next one counts."""
    count, shut = 0, False
    for value in lid:
        if not shut and value > 0.5:
            count, shut = count + 1, True
        elif shut and value < 0.33:
            shut = False
    return count


def habits(faces: Float[np.ndarray, "n t p"], talking: Bool[np.ndarray, "n t"]) -> dict[str, float]:
    """Return blinks and nods a minute and the share of looks at the partner, while talking and while listening."""
    minutes = faces.shape[0] * faces.shape[1] / FPS / 60
    lids = faces[:, :, FACE_INDEX["blink_left"]]
    sideways = faces[:, :, FACE_INDEX["gaze_yaw"]] + 0.9 * faces[:, :, FACE_INDEX["yaw"]]
    upwards = faces[:, :, FACE_INDEX["gaze_pitch"]] + 0.9 * faces[:, :, FACE_INDEX["pitch"]]
    meets = np.hypot(sideways, upwards) < LOOKING
    return {
        "blinks_a_minute": sum(closures(lid) for lid in lids) / minutes,
        "nods_a_minute": sum(len(onsets_of(nodding(face), VISIBLE["nod"])) for face in faces) / minutes,
        "looks_while_talking": float(meets[talking].mean()) if talking.any() else float("nan"),
        "looks_while_listening": float(meets[~talking].mean()) if (~talking).any() else float("nan"),
        "mean_smile": float(np.mean([column(face, "smile").mean() for face in faces])),
    }


def drift(made: Float[np.ndarray, "n t p"], truth: Float[np.ndarray, "n t p"]) -> dict[str, float]:
    """Compare the last quarter of long streams with their first quarter.

    Returns
    -------
    `variance_*`: change of the variance over time, as a share of the first quarter's, of generated and true tracks;
    `mean_pose_*`: change of the mean pose and place, in deviations of the truth. Averaged over conversations first, so
    that what is left is what all streams share.
    """
    quarter = made.shape[1] // 4
    unit = np.maximum(truth.reshape(-1, truth.shape[-1]).std(0), 1e-4)
    lively, posed = columns(EXPRESSIVE + GROUPS["pose"]), columns(GROUPS["pose"] + GROUPS["place"])
    report = {}
    for name, tracks in (("generated", made), ("truth", truth)):
        first, last = tracks[:, :quarter] / unit, tracks[:, -quarter:] / unit
        spread = [part.var(axis=1)[:, lively].mean() for part in (first, last)]
        moved = (last.mean(1) - first.mean(1)).mean(0)[posed]
        report[f"variance_{name}"] = float(spread[1] / spread[0] - 1)
        report[f"mean_pose_{name}"] = float(np.abs(moved).mean())
    return report
