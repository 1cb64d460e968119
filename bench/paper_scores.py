"""From tracks to the numbers of the paper's tables: what `paper_tables.py` measures on each run, and across runs.

Every measure that has an interval is kept as a pair of numbers a conversation, (above, below), and read as
sum(above) / sum(below): a mean where `below` is 1, a share of the truth where it is the truth's. Seeds are averaged
conversation by conversation first; then conversations are drawn again and again (bootstrap), for two variants at once
where they are compared. Numbers of whole clouds of frames (SID, FD, flattened rPCC) have no interval: they are means
over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from paper_figures import BASE

from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.controls import Interval, bootstrap_ratio
from avatar_lab.metrics.events import SHOWS, column
from avatar_lab.metrics.reaction import REACTIONS, all_reactions, event_rise, judge, onsets, rpcc
from avatar_lab.metrics.richness import EXPRESSIVE, FRAMES_KEPT, GROUPS, clouds, columns, frechet, seam_ratio
from avatar_lab.metrics.sync import correlation, speaking
from avatar_lab.motion.space import MotionSpace

PARTS = {"expression": EXPRESSIVE, "pose": GROUPS["pose"]}
USERS = {"true_user": "own user", "shuffled_user": "stranger", "no_user": "nobody"}
COMPARED = ("contingency", "lips", "jerk", "rpcc expression", "rpcc pose")  # besides the gaps of variance
# Whose squared drift, and what share of it, is subtracted from everybody's: half the drift is a quarter of its square.
RIVALS = {"teacher-forced": 0.25, BASE: 1.0}
ROUNDS = 1000

Pair = tuple[np.ndarray, np.ndarray]


def scores(
    tracks: Mapping[str, np.ndarray], truth: np.ndarray, dyads: Sequence[Dyad], space: MotionSpace, block: int
) -> dict[str, Any]:
    """Return one run's `pairs` (measures with an interval) and `numbers` (those without)."""
    users, made = np.stack([d.user.face for d in dyads]), tracks["true_user"]
    unit = np.maximum(truth.reshape(-1, truth.shape[-1]).std(0), 1e-4)
    talking = np.stack([speaking(d.avatar.audio)[: made.shape[1]] for d in dyads])
    one = np.ones(len(dyads))
    pairs: dict[str, Pair] = {
        "contingency": all_reactions(tracks, truth, dyads),
        "lips": _finite(
            [
                correlation(column(m, "jaw_open")[t], column(r, "jaw_open")[t])
                for m, r, t in zip(made, truth, talking, strict=True)
            ]
        ),
        "jerk": (_jerk(made / unit), _jerk(truth / unit)),
        **{f"rise of smiles, {USERS[who]}": smiles(faces, dyads) for who, faces in tracks.items()},
        "rise of smiles, truth": smiles(truth, dyads),
    }
    numbers: dict[str, float] = {"seams": float(np.mean([seam_ratio(space.encode(t), block) for t in made]))}
    everything = np.ones_like(talking)
    for part, names in PARTS.items():
        which = columns(names)
        for turn, when in (("", everything), ("talking ", talking), ("listening ", ~talking)):
            cut = [[faces[i][w][:, which] for i, w in enumerate(when)] for faces in (users, truth, made)]
            scale, joined = unit[which], [np.concatenate(faces) for faces in cut]
            pairs[f"{turn}variance {part}"] = (_variance(cut[2], scale), _variance(cut[1], scale))
            pairs[f"{turn}rpcc {part}"] = _finite([rpcc(*clip) for clip in zip(*cut, strict=True)])
            numbers[f"{turn}rpcc {part}, flattened"] = rpcc(*joined)
            numbers[f"{turn}fd {part}"] = _distance(joined[2] / scale, joined[1] / scale)
        other = tracks["shuffled_user"][..., which]
        ours = [rpcc(*clip) for clip in zip(users[..., which], truth[..., which], other, strict=True)]
        pairs[f"rpcc {part}, stranger"] = (np.array(ours), one)
        pairs[f"rpcc {part}, stranger more"] = (np.array(ours) - pairs[f"rpcc {part}"][0], one)
    cloud, smile = clouds(made, truth, users), judge(REACTIONS[0], tracks, truth, dyads)
    for part in PARTS:
        numbers[f"p-fd {part}"] = cloud["p_fd"][part]
        for whose, value in cloud[f"sid {part}, paper"].items():
            numbers[f"sid {part}, {whose}"] = value
    for who, answered in (smile["answered"] if smile else {}).items():
        numbers |= {f"smiles {key}, {who}": answered[key] for key in ("recall", "lag_ms")}
    return {"pairs": pairs, "numbers": numbers}


def _finite(values: Sequence[float]) -> Pair:
    """Return values to be averaged, those left out that are not finite."""
    found = np.array(values, float)
    known = np.isfinite(found)
    return np.where(known, found, 0.0), known.astype(float)


def _jerk(faces: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(faces, n=3, axis=1)).mean((1, 2))


def _variance(clips: Sequence[np.ndarray], unit: np.ndarray) -> np.ndarray:
    return np.array([(clip / unit).var(axis=0).mean() if len(clip) > 1 else 0.0 for clip in clips])


def _distance(made: np.ndarray, truth: np.ndarray) -> float:
    every = max(1, len(truth) // FRAMES_KEPT)
    return frechet(made[::every], truth[::every]) if len(truth) > 1 else float("nan")


def smiles(faces: np.ndarray, dyads: Sequence[Dyad]) -> Pair:
    """Return per conversation the sum of the rises after the user's smiles, and their number."""
    smile = REACTIONS[0]
    rises = [
        event_rise(SHOWS[smile.name](face), onsets(d.events, smile.causes), smile.after)
        for face, d in zip(faces, dyads, strict=True)
    ]
    return np.array([r.sum() for r in rises]), np.array([float(r.size) for r in rises])


def over_seeds(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average the scores of several seeds: pairs conversation by conversation, numbers as they are."""
    both = {
        name: tuple(np.mean([run["pairs"][name][i] for run in runs], axis=0) for i in (0, 1))
        for name in runs[0]["pairs"]
    }
    numbers = {name: float(np.mean([run["numbers"][name] for run in runs])) for name in runs[0]["numbers"]}
    return {"pairs": both, "numbers": numbers}


def intervals(mean: Mapping[str, Any]) -> dict[str, Any]:
    """Return every measure of one variant with its interval; None where no conversation can tell."""
    return {name: ratio(*pair) for name, pair in mean["pairs"].items()}


def of_seeds(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the plain values of every training: how far they lie apart is in no interval."""
    both = {name: [run["pairs"][name] for run in runs] for name in ("contingency", "lips")}
    return {
        name: [float(a.sum() / b.sum()) if b.sum() > 0 else math.nan for a, b in pairs]
        for name, pairs in both.items()
    } | {name: [run["numbers"][name] for run in runs] for name in runs[0]["numbers"]}


def ratio(above: np.ndarray, below: np.ndarray) -> dict[str, Any] | None:
    """Return a ratio of sums over conversations with its interval; None where nothing is below."""
    return asdict(bootstrap_ratio(above, below)) if below.any() and below.sum() > 0 else None


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first has more than the second in the same conversations, measure by measure."""
    found: dict[str, Any] = {}
    for name in COMPARED:
        (a, below), (b, other) = (run["pairs"][name] for run in (first, second))
        known = (below > 0) & (other > 0) if name == "lips" else below != 0
        found[name] = ratio((a - b)[known], below[known]) if known.any() else None
    for part in PARTS:
        (a, below), (b, _) = (run["pairs"][f"variance {part}"] for run in (first, second))

        def gap(drawn: np.ndarray, a: np.ndarray = a, b: np.ndarray = b, below: np.ndarray = below) -> float:
            shares = [one[drawn].sum() / below[drawn].sum() - 1 for one in (a, b)]
            return float(abs(shares[0]) - abs(shares[1]))

        found[f"gap of variance {part}"] = asdict(resampled(gap, len(below))) if below.all() else None
    return found


def resampled(statistic: Callable[[np.ndarray], float], count: int, seed: int = 0) -> Interval:
    """Return a statistic of `count` conversations with its percentile bootstrap interval.

    `statistic` is called with the indices of those that were drawn.
    """
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, count, count)) for _ in range(ROUNDS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(statistic(np.arange(count)), float(low), float(high), count)


def quarters(faces: np.ndarray) -> np.ndarray:
    """Return mean and variance of the first and of the last quarter of long tracks: (2, 2, n, P)."""
    quarter = faces.shape[1] // 4
    return np.stack([(part.mean(1), part.var(1)) for part in (faces[:, :quarter], faces[:, -quarter:])])


def moved(run: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return how far each conversation's mean pose and place moved from first to last quarter, in deviations."""
    return ((run[1, 0] - run[0, 0]) / unit)[:, columns(GROUPS["pose"] + GROUPS["place"])]


def shared_drift(runs: Sequence[np.ndarray], unit: np.ndarray, drawn: np.ndarray) -> float:
    """Return what all conversations share of that movement, as `metrics.habits.drift` does; mean over runs.

    Of few conversations it is mostly chance: that of the truth stands beside it.
    """
    return float(np.mean([np.abs(moved(run, unit)[drawn].mean(0)) for run in runs]))


def livelier(runs: Sequence[np.ndarray], unit: np.ndarray, drawn: np.ndarray) -> float:
    """Return by what share the variance has changed from first to last quarter; mean over runs."""
    lively = columns(EXPRESSIVE + GROUPS["pose"])
    spread = [[(part[1][drawn] / unit**2)[:, lively].mean() for part in run] for run in runs]
    return float(np.mean([last / first - 1 for first, last in spread]))


def drifts(
    moments: Mapping[str, Sequence[np.ndarray]], truth: np.ndarray, unit: np.ndarray, seconds: float
) -> dict[str, Any]:
    """Return the drift of every variant and of the truth, and how far it exceeds that of its rivals.

    Drift is squared movement, beyond that of the truth: people move, too. It is a mean over conversations, so chance
    adds nothing to it, and it is squared, so half the drift of a rival is a quarter of its figure.

    Parameters
    ----------
    moments : by variant, what `quarters` returned for each seed; `truth` likewise.
    unit : deviation of every face parameter in the truth.
    """
    count, every = truth.shape[2], np.ones(truth.shape[2])

    def squared(runs: Sequence[np.ndarray]) -> np.ndarray:
        return np.mean([np.square(moved(run, unit)).mean(1) for run in runs], axis=0)

    real, rows = squared([truth]), {}
    for name, runs in {**moments, "truth": [truth]}.items():
        own = squared(runs)
        drift = own - real
        rows[name] = {
            "moved": asdict(resampled(lambda drawn, own=own: float(own[drawn].mean() ** 0.5), count)),
            "shared": asdict(resampled(partial(shared_drift, runs, unit), count)),
            "variance": asdict(resampled(partial(livelier, runs, unit), count)),
            "drift": ratio(drift, every),
        }
        for other, share in RIVALS.items():
            if other in moments and name not in (other, "truth"):
                excess = drift - share * (squared(moments[other]) - real)
                rows[name][f"drift minus {share:g} of {other}"] = ratio(excess, every)
    return {"conversations": count, "seconds": seconds, "rows": rows}
