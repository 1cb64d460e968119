"""Checks of notebook 09, "Does it really react?": rPCC two ways, the lag of an answer, an avatar that fools rPCC."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.data.conversation import simulate
from avatar_lab.metrics.reaction import rpcc as library_rpcc
from avatar_lab.metrics.richness import EXPRESSIVE, SID_CLUSTERS, columns, sid
from avatar_lab.metrics.sync import best_lag, correlation

WAYS: Final = ("flattened", "mean_over_clips")
TOLERANCE: Final = 1e-5
COUNT, SECONDS = 12, 24
WELL_RPCC, WELL_VAR, WELL_SID = 0.06, (0.6, 1.6), 0.9  # scores that would look good in a table
E = columns(EXPRESSIVE)


def rpcc(function: Callable[..., Any]) -> Verdict:
    """Check `rpcc(user, truth, made, way)` on clips of shape (n, t, k), both ways."""
    try:
        first = function(*_clips(0), "flattened")
    except Exception:
        first = 0
    return not_yet() if is_stub(first) else verdict_of(lambda: _rpcc(function))


def _clips(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tracks in which truth and made follow the user a little, sometimes the other way round."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0, 1, (1, 1, 3))
    user = rng.normal(0, 1, (4, 30, 3)) + level
    truth, made = (
        sign * user + rng.normal(0, 1, user.shape)
        for sign in rng.choice([-0.6, -0.2, 0.3, 0.9], (2, 4, 1, 1))
    )
    return user, truth, made


def _rpcc(function: Callable[..., Any]) -> str:
    for seed in range(1, 9):
        clips = _clips(seed)
        for way in WAYS:
            _compare_rpcc(function, clips, way)
    user, truth, made = _clips(9)
    for way in WAYS:
        _compare_rpcc(function, (user, truth, np.zeros_like(made)), way)
    return "Right, both ways; a face that does not move counts as correlation 0."


def _compare_rpcc(function: Callable[..., Any], clips: tuple[np.ndarray, ...], way: str) -> None:
    user, truth, made = clips
    given = function(user.copy(), truth.copy(), made.copy(), way)
    if np.ndim(given) != 0:
        raise Wrong(f"{way}: return one number, not shape {np.shape(given)}.")
    right = _by_library(user, truth, made, way)
    if not made.any():
        if not np.isfinite(given):
            raise Wrong(
                f"{way}: a face that does not move gives NaN. Say that it correlates with nothing: 0."
            )
        if abs(given - right) > TOLERANCE:
            raise Wrong(
                f"{way}: a made face that does not move has correlation 0; the truth's stays as it is."
            )
        return
    if not np.isfinite(given):
        raise Wrong(f"{way}: got {given}. Both tracks move here; divide by their deviations, not by zero.")
    if abs(given - right) > TOLERANCE:
        raise Wrong(_rpcc_hint(float(given), user, truth, made, way))


def _by_library(user: np.ndarray, truth: np.ndarray, made: np.ndarray, way: str) -> float:
    if way == "flattened":
        return library_rpcc(user, truth, made)
    return float(np.mean([library_rpcc(*clip) for clip in zip(user, truth, made, strict=True)]))


def _by_columns(user: np.ndarray, truth: np.ndarray, made: np.ndarray, way: str) -> float:
    each = [_by_library(user[..., [k]], truth[..., [k]], made[..., [k]], way) for k in range(user.shape[-1])]
    return float(np.mean(each))


def _rpcc_hint(given: float, user: np.ndarray, truth: np.ndarray, made: np.ndarray, way: str) -> str:
    def pcc(a: np.ndarray, b: np.ndarray) -> float:
        return correlation(a.ravel(), b.ravel())

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([pcc(x, y) for x, y in zip(a, b, strict=True)]))

    def by_column(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([pcc(a[..., k], b[..., k]) for k in range(a.shape[-1])]))

    other = WAYS[1 - WAYS.index(way)]
    likely = {
        f"that is the other way, {other}.": _by_library(user, truth, made, other),
        "the size is missing: |difference|, for too much is as wrong as too little.": pcc(user, truth)
        - pcc(user, made),
        "you averaged the correlations over clips, then took one difference. Errors of opposite sign cancel like "
        "that: take |difference| of every clip, then the mean.": abs(mean(user, truth) - mean(user, made)),
        "you correlated column by column. Flatten frames and columns into one long row.": abs(
            by_column(user, truth) - by_column(user, made)
        ),
        "you took rPCC of every column, then the mean. Frames and columns go into one long row.": _by_columns(
            user, truth, made, way
        ),
        "that is the correlation of made and true avatar. rPCC compares both with the user.": pcc(
            truth, made
        ),
        "the sizes of the correlations were compared; one that answers the wrong way round must not pass.": abs(
            abs(pcc(user, truth)) - abs(pcc(user, made))
        ),
    }
    for hint, value in likely.items():
        if abs(given - value) < TOLERANCE:
            return f"{way}: {hint}"
    return f"{way}: one number, but the wrong one. Pearson's correlation subtracts means and divides by deviations."


def lag(function: Callable[..., Any]) -> Verdict:
    """Check `lag(user, avatar, reach)`: (lag in frames, + means that the avatar follows, correlation there)."""
    try:
        first = function(*_answer(0, 3, 60), 5)
    except Exception:
        first = 0
    return not_yet() if is_stub(first) else verdict_of(lambda: _lag(function))


def _answer(seed: int, by: int, length: int, mirrored: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return a user and an avatar that does the same `by` frames later, both upon a level; slow enough to be faces."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, length + 2 * abs(by) + 12)
    smooth = np.convolve(noise, np.hanning(9), "valid")
    first = abs(by)
    user, avatar = smooth[first : first + length], smooth[first - by : first - by + length]
    return 5.0 + user, 8.0 + (-0.5 if mirrored else 0.5) * avatar + rng.normal(0, 0.1, length)


def _lag(function: Callable[..., Any]) -> str:
    for seed, by in enumerate((12, 0, 7, -9, 20, -3), start=1):
        _compare_lag(function, *_answer(seed, by, 200), 25)
    for seed, by in ((10, 25), (11, -25)):  # the ends of the search belong to it
        _compare_lag(function, *_answer(seed, by, 200), 25)
    _compare_lag(function, *_wrapping(), 15)
    _compare_lag(function, *_answer(8, 6, 120, mirrored=True), 15)
    return "Right: every planted lag was found, whoever followed, and whatever the level."


def _wrapping() -> tuple[np.ndarray, np.ndarray]:
    """Return tracks whose best fit, rolled round the end, is 10 frames, and without rolling another."""
    frames = np.arange(100)

    def bump(at: float) -> np.ndarray:
        return np.exp(-0.5 * ((frames - at) / 2.0) ** 2)

    user = 3.0 * bump(95) + bump(40) + 2.0
    avatar = 3.0 * bump(5) + bump(44) + 2.0  # an answer from before the clip, and one after 4 frames
    return user, avatar


def _compare_lag(function: Callable[..., Any], user: np.ndarray, avatar: np.ndarray, reach: int) -> None:
    given = function(user.copy(), avatar.copy(), reach)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong("Return two numbers: the lag in frames, and the correlation at that lag.")
    found, score = given
    seconds, best = best_lag(user, avatar, reach / 25)
    right = round(seconds * 25)
    if found != right and score == right:
        raise Wrong("The two numbers are exchanged: first the lag in frames, then the correlation there.")
    if found != right:
        raise Wrong(_lag_hint(float(found), right, user, avatar, reach))
    if abs(score - best) > 1e-4:
        raise Wrong(
            f"The lag of {right} frames is right; the correlation there is not: got {score:.3f}. "
            "It is Pearson's, over the frames that both tracks have, between -1 and 1."
        )


def _lag_hint(found: float, right: int, user: np.ndarray, avatar: np.ndarray, reach: int) -> str:
    span = range(-reach, reach + 1)

    def pair(k: int) -> tuple[np.ndarray, np.ndarray]:
        n = len(user)
        return user[max(0, -k) : n - max(0, k)], avatar[max(0, k) : n + min(0, k)]

    scores = {k: correlation(*pair(k)) for k in span}
    likely = {
        "the sign is turned round: + means that the avatar comes later": float(-right),
        "that is the strongest correlation of either sign; one that frowns when the user smiles does not follow": (
            max(span, key=lambda k: abs(scores[k]))
        ),
        "the tracks were rolled: what leaves at the end came in again at the front. Cut both to the frames they "
        "share": max(span, key=lambda k: correlation(user, np.roll(avatar, -k))),
        "products without subtracting the means favour the longest overlap": max(
            span, key=lambda k: float(np.dot(*pair(k)))
        ),
        "the avatar may come first, too: try lags from -reach to +reach": max(
            range(reach + 1), key=lambda k: scores[k]
        ),
        "-reach and +reach are lags, too. Python's range leaves its end out": max(
            span[1:] if right < 0 else span[:-1], key=lambda k: scores[k]
        ),
        "that is the place in a list that begins at -reach": right + reach,
    }
    for hint, value in likely.items():
        if found == value:
            return f"Expected a lag of {right:+d} frames, got {found:+g}: {hint}."
    if right and abs(found) == abs(right) / 25:
        return f"The lag is asked for in frames, not in seconds: expected {right:+d}, got {found:+g}."
    return f"Expected a lag of {right:+d} frames, got {found:+g}. Correlate user[t] with avatar[t + lag]."


def impostor(function: Callable[..., Any]) -> Verdict:
    """Check `impostor(recordings, count, rng)`: scores like a person in rPCC, SID and Var, and never saw a user."""
    small = np.zeros((3, 10, _stage()[2].shape[2]), np.float32)
    try:
        first = function(small, 2, np.random.default_rng(0))
    except Exception:
        first = 0
    return not_yet() if is_stub(first) else verdict_of(lambda: _impostor(function))


@cache
def _stage() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return users and true avatars of held-out conversations, and recorded avatars of others."""
    held = [simulate(SECONDS, 800 + i, split="test", reactivity=1.0) for i in range(COUNT)]
    others = [simulate(SECONDS, 7000 + i, reactivity=1.0) for i in range(2 * COUNT)]
    users, truth = (np.stack([getattr(d, who).face for d in held]) for who in ("user", "avatar"))
    return users, truth, np.stack([d.avatar.face for d in others])


def impostor_scores(made: np.ndarray) -> dict[str, float]:
    """Return what a table would show of (12, t, p) tracks: flattened rPCC, and Var and SID as shares of the truth's."""
    users, truth, _ = _stage()
    clusters = SID_CLUSTERS["paper"][0]
    unit = truth[..., E].std((0, 1))
    ours, real = (t[..., E] / unit for t in (made, truth))
    flat, true = ours.reshape(-1, len(E)), real.reshape(-1, len(E))
    return {
        "rpcc": library_rpcc(users[..., E], truth[..., E], made[..., E]),
        "var": float(ours.var(1).mean() / real.var(1).mean()),
        "sid": sid(flat, true, clusters) / sid(true, true, clusters),
    }


def _impostor(function: Callable[..., Any]) -> str:
    _, truth, recordings = _stage()
    before, made = recordings.copy(), []
    for _ in range(2):  # as if before its own user, and before a stranger: same seed
        made.append(np.asarray(function(recordings, COUNT, np.random.default_rng(5))))
        if not np.array_equal(before, recordings):
            recordings[...] = before
            raise Wrong("The recordings that were passed were changed. Copy what you want to change.")
    if made[0].shape != truth.shape:
        raise Wrong(f"Return one track for each of the {COUNT} users: {truth.shape}; got {made[0].shape}.")
    if not np.isfinite(made[0]).all():
        raise Wrong("The tracks hold NaN or infinity.")
    if not np.array_equal(*made):
        raise Wrong(
            "Two calls with equal generators differ: draw from rng only, or the comparison is not fair."
        )
    found = impostor_scores(made[0])
    shown = f"rPCC {found['rpcc']:.3f}, Var {found['var']:.2f}, SID {found['sid']:.2f} of the truth's"
    low, high = WELL_VAR
    if found["var"] < 0.05:
        raise Wrong(
            f"{shown}. A face that hardly moves: Var and SID see that. Where do people's movements lie about?"
        )
    if not low <= found["var"] <= high:
        raise Wrong(
            f"{shown}. Var should lie between {low} and {high}: move as much as people do, not more or less."
        )
    if found["sid"] < WELL_SID:
        raise Wrong(
            f"{shown}. SID: too few of the poses that people strike. Is the constant part too strong?"
        )
    if found["rpcc"] > WELL_RPCC:
        raise Wrong(
            f"{shown}. rPCC is not fooled yet (at most {WELL_RPCC}). One long row holds all columns: a column that is "
            "high in both faces correlates even if neither moves. What could you add that never moves?"
        )
    return f"Fooled: {shown}. It never saw a user, so its contingency is exactly 0."
