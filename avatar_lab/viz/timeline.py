"""Who did what, when, and because of what: the planted events of a conversation on one line each.

The user's events stand above, the avatar's below, and an arrow leads from a cause to its answer. Figures are closed
before they are returned, so a notebook shows them once: as the value of its cell. Notebook: 01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from avatar_lab.data.performance import Dyad, Event
from avatar_lab.errors import ConfigError

# Colours that stay apart for colour-blind readers (Okabe and Ito, and two of Tol's).
KINDS: Final = {
    "turn": "#9AA0A6",
    "smile": "#E69F00",
    "laugh": "#D55E00",
    "nod": "#0072B2",
    "shake": "#56B4E9",
    "brow_raise": "#009E73",
    "surprise": "#CC79A7",
    "frown": "#882255",
    "backchannel": "#332288",
}
LANES: Final = {  # the middle and the height of every person's stripes
    "user": {"voice": (4.1, 0.5), "brows": (3.45, 0.32), "mouth": (3.05, 0.32), "head": (2.65, 0.32)},
    "avatar": {"brows": (1.45, 0.32), "mouth": (1.05, 0.32), "head": (0.65, 0.32), "voice": (0.0, 0.5)},
}
STRIPES: Final = {  # all others are brows
    "turn": "voice",
    "cue": "voice",
    "backchannel": "voice",
    "smile": "mouth",
    "laugh": "mouth",
    "nod": "head",
    "shake": "head",
}


def timeline(dyad: Dyad, first: float = 0.0, last: float | None = None) -> Figure:
    """Draw the events between two moments (seconds), with arrows from causes to answers.

    Blinks and glances are left out: there are too many, and nobody answers them.

    Raises ConfigError unless 0 <= first < last <= the conversation's length.
    """
    last = dyad.seconds if last is None else last
    if not 0 <= first < last <= dyad.seconds + 1e-6:
        raise ConfigError(
            f"Choose first < last within 0..{dyad.seconds:g} s; got first = {first:g}, last = {last:g}."
        )
    shown = [e for e in dyad.events if e.kind in KINDS and e.start < last and e.end > first]
    figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
    for event in shown:
        _draw(axis, event)
    for event in shown:
        if event.cause is not None and first <= event.start:
            _arrow(axis, dyad.events[event.cause], event, first)
    _dress(axis, shown, first, last)
    plt.close(figure)
    return figure


def _lane(event: Event) -> tuple[float, float]:
    """Return the middle and the height of the stripe on which an event stands."""
    return LANES[event.who][STRIPES.get(event.kind, "brows")]


def _draw(axis: Axes, event: Event) -> None:
    middle, height = _lane(event)
    axis.broken_barh(
        [(event.start, event.end - event.start)],
        (middle - height / 2, height),
        facecolors=KINDS[event.kind],
        alpha=0.35 if event.kind == "turn" else 0.9,
    )


def _arrow(axis: Axes, cause: Event, answer: Event, first: float) -> None:
    """Lead from where the cause was seen to where its answer begins; turns and cues are answered at their ends."""
    seen = cause.end if cause.kind in ("turn", "cue") else cause.start
    if seen < first:
        return
    (begin, below), (end, above) = _lane(cause), _lane(answer)
    towards = 1 if end > begin else -1
    axis.annotate(
        "",
        xy=(answer.start, end - towards * above / 2),
        xytext=(seen, begin + towards * below / 2),
        arrowprops={"arrowstyle": "-|>", "color": "0.25", "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0},
        annotation_clip=True,
    )


def _dress(axis: Axes, shown: Sequence[Event], first: float, last: float) -> None:
    axis.set(xlim=(first, last), ylim=(-0.35, 4.45), xlabel="seconds")
    rows = {
        middle: f"{who}'s {name}" for who, stripes in LANES.items() for name, (middle, _) in stripes.items()
    }
    axis.set_yticks(list(rows), list(rows.values()), fontsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    seen = {event.kind for event in shown}
    patches = [
        Patch(color=colour, label=kind.replace("_", " "), alpha=0.35 if kind == "turn" else 0.9)
        for kind, colour in KINDS.items()
        if kind in seen
    ]
    axis.legend(
        handles=patches,
        frameon=False,
        ncols=len(KINDS),
        fontsize=8,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        columnspacing=1.2,
        handlelength=1.0,
    )
