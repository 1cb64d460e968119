"""Does the avatar answer? Responses locked to what the user did.

`event_rise` looks at one avatar parameter around each user event: how much higher is it shortly after than
just before. `event_recall` counts the events that were answered and how long that took. Truth and controls go
through the same functions.

rPCC, the field's usual number, is here as well, and its trap with it: it compares average correlations and
hardly moves when the user is exchanged.

Notebook: 09. Source: METHOD sections 8 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.performance import Event
from avatar_lab.metrics.sync import correlation

BEFORE_S = (-0.4, 0.1)  # a reaction takes at least 0.3 s: until then nothing can have happened
AFTER_S = (0.6, 1.8)


def onsets(events: Sequence[Event], kinds: Sequence[str], who: str = "user", own: bool = True) -> list[float]:
    """Return the start times, in seconds, of the events of these kinds by this person.

    With `own`, events that were themselves an answer to the partner are left out: the avatar smiled before the
    user smiled back, and a fall of its smile would be read as a failure to answer.
    """
    return [e.start for e in events if e.kind in kinds and e.who == who and not (own and e.cause is not None)]


def event_rise(track: Float[np.ndarray, "t"], starts_s: Sequence[float]) -> Float[np.ndarray, "n"]:
    """Return, per event, the mean of `track` shortly after minus just before; edge events are left out."""
    rises = []
    for start in starts_s:
        windows = [slice(round((start + a) * FPS), round((start + b) * FPS)) for a, b in (BEFORE_S, AFTER_S)]
        if windows[0].start >= 0 and windows[1].stop <= len(track):
            rises.append(track[windows[1]].mean() - track[windows[0]].mean())
    return np.array(rises, np.float64)


@dataclass(frozen=True)
class Recall:
    """Share of events answered, and the median delay of the answers in milliseconds (NaN without answers)."""

    share: float
    delay_ms: float
    count: int


def event_recall(
    track: Float[np.ndarray, "t"], starts_s: Sequence[float], threshold: float = 0.15, within_s: float = 2.0
) -> Recall:
    """Count events after which `track` rises by `threshold` above its level before, and time the crossing."""
    delays, count = [], 0
    for start in starts_s:
        begin, end = round(start * FPS), round((start + within_s) * FPS)
        if begin < 10 or end > len(track):
            continue
        count += 1
        level = track[begin - 10 : begin + 1].mean()
        above = np.flatnonzero(track[begin:end] > level + threshold)
        if above.size:
            delays.append(1000 * above[0] / FPS)
    share = len(delays) / count if count else float("nan")
    return Recall(share, float(np.median(delays)) if delays else float("nan"), count)


def rpcc(
    user: Float[np.ndarray, "*t p"], truth: Float[np.ndarray, "*t p"], generated: Float[np.ndarray, "*t p"]
) -> float:
    """Return |PCC(user, truth) - PCC(user, generated)|, all columns flattened into one correlation.

    A track that does not move correlates with nothing: 0.
    """

    def pcc(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.nan_to_num(correlation(a.ravel(), b.ravel())))

    return abs(pcc(user, truth) - pcc(user, generated))


def column(face: Float[np.ndarray, "t p"], name: str) -> Float[np.ndarray, "t"]:
    """Return one face parameter by name."""
    return face[:, FACE_INDEX[name]]
