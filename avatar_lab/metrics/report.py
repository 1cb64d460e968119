"""All numbers of one evaluation, from tracks alone: how generated avatars moved, and the real ones.

    tracks["true_user"], ["shuffled_user"], ["no_user"]   generated, same voices and seeds, (n, t, P) each
    truth                                                 the real avatars
    dyads                                                 users, voices and planted events

Nothing here streams or loads a network, so learners may hand in tracks of their own.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.controls import Interval, bootstrap
from avatar_lab.metrics.events import column
from avatar_lab.metrics.habits import habits
from avatar_lab.metrics.influence import predictive_gain, tlcc
from avatar_lab.metrics.reaction import REACTIONS, judge, rpcc
from avatar_lab.metrics.richness import EXPRESSIVE, GROUPS, clouds, columns, jerk_ratio, variance_ratios
from avatar_lab.metrics.sync import best_lag, correlation, speaking

Tracks = Float[np.ndarray, "n t p"]


def report(
    tracks: Mapping[str, Tracks], truth: Tracks, dyads: Sequence[Dyad], seed: int = 0
) -> dict[str, Any]:
    """Return everything that is measured, JSON-ready; every interval is bootstrapped over conversations."""
    made, users = tracks["true_user"], np.stack([d.user.face for d in dyads])
    voices = [d.avatar.audio for d in dyads]
    judged = {reaction.name: judge(reaction, tracks, truth, dyads, seed) for reaction in REACTIONS}
    talking = np.stack([speaking(voice)[: made.shape[1]] for voice in voices])
    smile = FACE_INDEX["smile"]
    everybody = {**tracks, "truth": truth}
    return {
        "dyads": len(dyads),
        "seconds": sum(d.seconds for d in dyads),
        "lips": {
            name: asdict(lips)
            for name in GROUPS["mouth"]
            if (lips := lip_correlation(made, truth, voices, name))
        },
        "lip_offset_ms": lip_offset(made, truth, voices),
        "mouth_in_silence": mouth_in_silence(made, voices),
        "reactions": {name: scores for name, scores in judged.items() if scores is not None},
        "variance_ratio": {name: asdict(ratio) for name, ratio in variance_ratios(made, truth).items()},
        "jerk_ratio": asdict(jerk_ratio(made, truth)),
        "habits": {name: habits(faces, talking) for name, faces in everybody.items() if name != "no_user"},
        "tlcc_smile": {name: tlcc(users[..., smile], faces[..., smile]) for name, faces in everybody.items()},
        "predictive_gain_smile": {
            name: predictive_gain(users[..., smile], faces[..., smile]) for name, faces in everybody.items()
        },
        "rpcc": {
            name: {
                "expression": _both_ways(users, truth, faces, columns(EXPRESSIVE)),
                "pose": _both_ways(users, truth, faces, columns(GROUPS["pose"])),
            }
            for name, faces in tracks.items()
        },
        **clouds(made, truth, users),
    }


def lip_correlation(
    made: Tracks, truth: Tracks, voices: Sequence[Float[np.ndarray, "s"]], name: str = "jaw_open"
) -> Interval | None:
    """Return the correlation of generated and true mouth while the avatar speaks; None if nobody spoke."""
    scores = []
    for face, real, audio in zip(made, truth, voices, strict=True):
        talking = speaking(audio)
        scores.append(correlation(column(face, name)[talking], column(real, name)[talking]))
    return bootstrap(np.array(scores)) if np.isfinite(scores).any() else None


def lip_offset(made: Tracks, truth: Tracks, voices: Sequence[Float[np.ndarray, "s"]]) -> float:
    """Return by how many ms the generated jaw follows the true one at best agreement; median over conversations."""
    lags = [
        best_lag(column(real, "jaw_open"), column(face, "jaw_open"), reach_s=0.4)[0]
        for face, real, audio in zip(made, truth, voices, strict=True)
        if speaking(audio).any()
    ]
    known = [lag for lag in lags if np.isfinite(lag)]
    return 1000 * float(np.median(known)) if known else float("nan")


def mouth_in_silence(made: Tracks, voices: Sequence[Float[np.ndarray, "s"]]) -> float:
    """Return the mean jaw opening while the avatar is silent (NaN when it never is)."""
    still = [column(face, "jaw_open")[~speaking(audio)] for face, audio in zip(made, voices, strict=True)]
    frames = np.concatenate(still)
    return float(frames.mean()) if frames.size else float("nan")


def _both_ways(users: Tracks, truth: Tracks, made: Tracks, which: list[int]) -> dict[str, float]:
    """Return rPCC in both variants in circulation: everything flattened, and the mean over conversations."""
    u, r, m = (faces[:, :, which] for faces in (users, truth, made))
    per_clip = [rpcc(*clip) for clip in zip(u, r, m, strict=True)]
    return {"flattened": rpcc(u, r, m), "mean_over_clips": float(np.mean(per_clip))}
