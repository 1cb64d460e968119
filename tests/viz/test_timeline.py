"""The timeline shows every event once, and an arrow for every answer."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Dyad, Event, Performance
from avatar_lab.errors import ConfigError
from avatar_lab.viz.timeline import timeline

EVENTS = (
    Event("turn", "user", 0.0, 3.0),
    Event("smile", "user", 1.0, 2.0),
    Event("blink", "user", 1.2, 1.4),
    Event("smile", "avatar", 1.7, 3.0, cause=1),
    Event("cue", "user", 2.0, 2.1),
    Event("nod", "avatar", 2.8, 3.5, cause=4),
    Event("turn", "avatar", 3.2, 5.5, cause=0),
    Event("nod", "user", 7.0, 8.0),
)


def dyad() -> Dyad:
    still = Performance(neutral(200), np.zeros(200 * 640, np.float32))
    return Dyad(still, still, EVENTS, seed=0)


def arrows(axis: Axes) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of every arrow."""
    return [(t.xyann[0], t.xy[0]) for t in axis.texts if isinstance(t, Annotation)]


def test_events_are_bars_and_answers_have_arrows() -> None:
    axis = timeline(dyad()).axes[0]
    assert len(axis.collections) == 6, "all but the blink and the cue"
    assert arrows(axis) == [(1.0, 1.7), (2.1, 2.8), (3.0, 3.2)]
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["turn", "smile", "nod"]


def test_only_the_asked_seconds_are_drawn() -> None:
    axis = timeline(dyad(), 6.0, 8.0).axes[0]
    assert len(axis.collections) == 1
    assert arrows(axis) == []
    assert axis.get_xlim() == (6.0, 8.0)
    assert arrows(timeline(dyad(), 2.5, 8.0).axes[0]) == [(3.0, 3.2)], (
        "causes before the picture have no arrow"
    )
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("first", "last"), [(-1.0, 4.0), (4.0, 4.0), (2.0, 9.0)])
def test_impossible_seconds_are_refused(first: float, last: float) -> None:
    with pytest.raises(ConfigError, match=r"within 0\.\.8 s"):
        timeline(dyad(), first, last)
