"""Does the avatar answer? Responses locked to what the user did.

    rise         = how much more it shows shortly after a user's event than just before
    contingency  = rise with its own user - rise with a stranger as user        (same voice, same seed)
    recall, lag  = share of the events that an onset follows, and after how long
    precision    = share of the avatar's onsets that follow an event

Truth and controls go through the same functions; the truth's own contingency is that of the real avatar against the
real avatar of another conversation.

rPCC, the field's usual number, is here as well, and its trap with it: it compares average correlations and
hardly moves when the user is exchanged.

Notebook: 09. Source: METHOD sections 8 and 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from avatar_lab.config import FPS
from avatar_lab.data.performance import Dyad, Event
from avatar_lab.metrics.controls import bootstrap_ratio, derangement
from avatar_lab.metrics.events import SHOWS, VISIBLE, onsets_of
from avatar_lab.metrics.sync import correlation

BEFORE_S = (-0.4, 0.1)  # a reaction takes at least 0.3 s: until then nothing can have happened
ANSWER_S: Final = (0.2, 2.2)  # an onset in this time after an event answers it
SMALLEST_RISE: Final = 0.05  # a reaction that the truth hardly shows does not count more than this
RANDOM_TIMES: Final = 20  # a conversation, to see what happens without any event


@dataclass(frozen=True)
class Reaction:
    """What a user does, what should show on the avatar, and when it shows most (seconds after the onset)."""

    name: str
    causes: tuple[str, ...]
    after: tuple[float, float]


REACTIONS: Final = (
    Reaction("smile", ("smile", "laugh"), (0.6, 1.8)),
    Reaction("nod", ("cue",), (0.8, 1.6)),
    Reaction("laugh", ("laugh",), (0.6, 1.8)),
    Reaction("brow", ("surprise",), (0.5, 1.2)),
    Reaction("frown", ("frown",), (0.8, 2.0)),
)


def onsets(events: Sequence[Event], kinds: Sequence[str], who: str = "user", own: bool = True) -> list[float]:
    """Return the start times, in seconds, of the events of these kinds by this person.

    With `own`, events that were themselves an answer to the partner are left out: the avatar smiled before the
    user smiled back, and a fall of its smile would be read as a failure to answer.
    """
    return [e.start for e in events if e.kind in kinds and e.who == who and not (own and e.cause is not None)]


def event_rise(
    track: Float[np.ndarray, "t"], starts_s: Sequence[float], after_s: tuple[float, float] = (0.6, 1.8)
) -> Float[np.ndarray, "n"]:
    """Return, per event, the mean of `track` in `after_s` minus just before; edge events are left out."""
    rises = []
    for start in starts_s:
        windows = [slice(round((start + a) * FPS), round((start + b) * FPS)) for a, b in (BEFORE_S, after_s)]
        if windows[0].start >= 0 and windows[1].stop <= len(track):
            rises.append(track[windows[1]].mean() - track[windows[0]].mean())
    return np.array(rises, np.float64)


@dataclass(frozen=True)
class Answers:
    """Counts of one conversation: events, answered ones, the delays in ms; onsets, and those after an event."""

    events: int
    delays_ms: tuple[float, ...]
    onsets: int
    deserved: int


def answers(track: Float[np.ndarray, "t"], starts_s: Sequence[float], threshold: float) -> Answers:
    """Match the onsets of `track` to the events at `starts_s`; events too close to the end are left out."""
    found, delays = onsets_of(track, threshold) / FPS, []
    events = [start for start in starts_s if (start + ANSWER_S[1]) * FPS <= len(track)]
    for start in events:
        after = found[(found >= start + ANSWER_S[0]) & (found <= start + ANSWER_S[1])]
        if after.size:
            delays.append(1000 * (after[0] - start))
    deserved = sum(any(ANSWER_S[0] <= onset - start <= ANSWER_S[1] for start in starts_s) for onset in found)
    return Answers(len(events), tuple(delays), len(found), deserved)


def judge(
    reaction: Reaction,
    tracks: Mapping[str, Float[np.ndarray, "n t p"]],
    truth: Float[np.ndarray, "n t p"],
    dyads: Sequence[Dyad],
    seed: int = 0,
) -> dict[str, Any] | None:
    """Judge one reaction over conversations; None when no user gave a cause for it.

    Parameters
    ----------
    tracks : the avatar with its "true_user", with the "shuffled_user", and by choice others ("no_user").
    truth : how the real avatar moved.

    Returns
    -------
    JSON-ready; intervals are bootstrapped over conversations. `share_of_truth` is the contingency's, None where the
    truth reacts no more than a stranger.
    """
    show, threshold = SHOWS[reaction.name], VISIBLE[reaction.name]
    starts = [onsets(d.events, reaction.causes) for d in dyads]
    shown = {name: [show(face) for face in faces] for name, faces in {**tracks, "truth": truth}.items()}
    shown["truth_of_another"] = [shown["truth"][i] for i in derangement(len(dyads))]

    def sums(of: str, at: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
        rises = [event_rise(t, times, reaction.after) for t, times in zip(shown[of], at, strict=True)]
        return np.array([r.sum() for r in rises]), np.array([float(r.size) for r in rises])

    totals = {name: sums(name, starts) for name in shown}
    counts = totals["truth"][1]
    if not counts.any():
        return None
    rng, length = np.random.default_rng(seed), len(truth[0]) / FPS
    chance = [rng.uniform(0.4, max(0.5, length - reaction.after[1]), RANDOM_TIMES).tolist() for _ in dyads]
    gained = totals["true_user"][0] - totals["shuffled_user"][0]
    due = totals["truth"][0] - totals["truth_of_another"][0]
    matched = {
        name: [answers(t, times, threshold) for t, times in zip(shown[name], starts, strict=True)]
        for name in shown
    }
    summary = {name: _summary(found) for name, found in matched.items() if name != "truth_of_another"}
    return {
        "events": int(counts.sum()),
        "rise": {
            name: asdict(bootstrap_ratio(totals[name][0], counts))
            for name in shown
            if name != "truth_of_another"
        },
        "rise_at_random": {
            name: asdict(bootstrap_ratio(*sums(name, chance))) for name in ("true_user", "truth")
        },
        "contingency": _with_verdict(gained, counts),
        "contingency_of_truth": _with_verdict(due, counts),
        "share_of_truth": _share(gained, due),
        "rise_share_of_truth": _share(totals["true_user"][0], totals["truth"][0]),
        "answered": summary,
        "lag_error_ms": abs(summary["true_user"]["lag_ms"] - summary["truth"]["lag_ms"]),
    }


def all_reactions(
    tracks: Mapping[str, Float[np.ndarray, "n t p"]], truth: Float[np.ndarray, "n t p"], dyads: Sequence[Dyad]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Add up all reactions of each conversation: rise with the own user minus with a stranger; ours, and the truth's.

    Every reaction is in units of the truth's mean rise, so that a smile counts like a nod.
    """
    strangers, ours, due = derangement(len(dyads)), np.zeros(len(dyads)), np.zeros(len(dyads))
    for reaction in REACTIONS:
        starts = [onsets(d.events, reaction.causes) for d in dyads]
        own, other, real, another = (
            [_rises(reaction, face, times) for face, times in zip(faces, starts, strict=True)]
            for faces in (tracks["true_user"], tracks["shuffled_user"], truth, truth[strangers])
        )
        every = np.concatenate(real)
        if not every.size:
            continue
        unit = max(float(every.mean()), SMALLEST_RISE)
        ours += [(a.sum() - b.sum()) / unit for a, b in zip(own, other, strict=True)]
        due += [(a.sum() - b.sum()) / unit for a, b in zip(real, another, strict=True)]
    return ours, due


def _rises(reaction: Reaction, face: np.ndarray, starts: Sequence[float]) -> np.ndarray:
    return event_rise(SHOWS[reaction.name](face), starts, reaction.after)


def _share(ours: np.ndarray, truth: np.ndarray) -> dict[str, Any] | None:
    """Return the ratio of two sums over conversations; None where the truth shows no reaction to be compared with."""
    return asdict(bootstrap_ratio(ours, truth)) if truth.sum() > 0 else None


def _with_verdict(sums: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    interval = bootstrap_ratio(sums, counts)
    return asdict(interval) | {"excludes_zero": interval.excludes_zero}


def _summary(found: Sequence[Answers]) -> dict[str, float]:
    """Add up conversations: recall, precision, median lag (NaN where there is nothing to count)."""
    events, onset_count = sum(a.events for a in found), sum(a.onsets for a in found)
    delays = [delay for a in found for delay in a.delays_ms]
    return {
        "recall": len(delays) / events if events else float("nan"),
        "precision": sum(a.deserved for a in found) / onset_count if onset_count else float("nan"),
        "lag_ms": float(np.median(delays)) if delays else float("nan"),
        "onsets_per_conversation": onset_count / len(found),
    }


def rpcc(
    user: Float[np.ndarray, "*t p"], truth: Float[np.ndarray, "*t p"], generated: Float[np.ndarray, "*t p"]
) -> float:
    """Return |PCC(user, truth) - PCC(user, generated)|, all columns flattened into one correlation.

    A track that does not move correlates with nothing: 0. The other variant in circulation is the mean of this over
    clips.
    """

    def pcc(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.nan_to_num(correlation(a.ravel(), b.ravel())))

    return abs(pcc(user, truth) - pcc(user, generated))
