"""One conversation, three users, one seed: what does the avatar do because of whom it sees?

    tracks["true_user"], ["shuffled_user"], ["no_user"]  ->  films, smile traces, and how much the smile rises

What is peculiar: the moment that is shown is picked because it shows the difference well. It illustrates and proves
nothing; the numbers beside the films, over all conversations, are the evidence. Films are sprites at 5 frames a second.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import derangement
from avatar_lab.metrics.reaction import REACTIONS, event_rise, onsets
from avatar_lab.viz.guidance_pad import AVATAR, USER, sprite
from avatar_lab.viz.interactive import Figure, interactive

EDGE: Final = 96
STEP: Final = 5  # of 25 frames a second
SECONDS: Final = 8.0
EARLIEST_S, LATEST_S = 1.0, 2.5  # a smile this near to the clip's begin or end does not count for choosing it
STRANGER: Final = 4  # characters
VIEWS: Final = {
    "true_user": ("its own user", "own"),
    "shuffled_user": ("a stranger", "stranger"),
    "no_user": ("nobody", "nobody"),
    "truth": ("a person instead", "own"),
}
SMILE: Final = FACE_INDEX["smile"]


def counterfactual(
    tracks: Mapping[str, Float[np.ndarray, "n t p"]],
    dyads: Sequence[Dyad],
    found: Mapping[str, Any],
    seconds: float = SECONDS,
) -> Figure:
    """Return the interactive figure.

    Parameters
    ----------
    tracks : what `stream.evaluate.stream_with_controls` returns for `dyads` (at most 20, streamed together).
    found : what `metrics.reaction.judge` says about smiles on them.
    seconds : length of the moment that is shown; shorter where the conversations are.

    Raises
    ------
    ShapeError : a control is missing, or there is not one track a conversation.
    """
    missing = [name for name in VIEWS if name != "truth" and len(tracks.get(name, ())) != len(dyads)]
    if missing:
        raise ShapeError(
            f"A counterfactual needs one track a conversation under {missing[0]!r}, "
            f"{len(dyads)} in all. Make them with stream_with_controls."
        )
    frames = min(round(seconds * FPS), len(dyads[0].user.face))
    who, first = moment(dyads, tracks["true_user"], tracks["shuffled_user"], frames)
    span, stranger = slice(first, first + frames), int(derangement(len(dyads))[who])
    users = {
        "own": (dyads[who].user.face[span], USER),
        "stranger": (dyads[stranger].user.face[span], STRANGER),
        "nobody": (neutral(1), USER),
    }
    made = {**tracks, "truth": [dyad.avatar.face for dyad in dyads]}
    starts = [start - first / FPS for start in onsets(dyads[who].events, REACTIONS[0].causes)]
    return interactive(
        "counterfactual",
        views=[
            {
                "label": label,
                "sees": sees,
                "rise": interval(found["rise"][name]),
                **shown(made[name][who][span], AVATAR),
            }
            for name, (label, sees) in VIEWS.items()
        ],
        users={name: shown(face, character) for name, (face, character) in users.items()},
        starts=[round(start, 2) for start in starts if 0 <= start < frames / FPS],
        after=list(REACTIONS[0].after),
        contingency=interval(found["contingency"]),
        smiles=int(found["events"]),
        conversations=len(dyads),
        seconds=frames / FPS,
        edge=EDGE,
        fps=FPS / STEP,
    )


def moment(
    dyads: Sequence[Dyad], own: Float[np.ndarray, "n t p"], other: Float[np.ndarray, "n t p"], frames: int
) -> tuple[int, int]:
    """Return (conversation, first frame) of the clip that shows best whom the avatar answers.

    The avatar before its own user (`own`) should gain on the one before a stranger (`other`) at the own user's smiles,
    and lose at the stranger's; the smaller of both sums goes first. It picks a showpiece: never count it as evidence.
    """
    reaction, strangers = REACTIONS[0], derangement(len(dyads))

    def gains(who: int, whose: int) -> list[tuple[float, float]]:
        gained = own[who, :, SMILE] - other[who, :, SMILE]
        found = []
        for start in onsets(dyads[whose].events, reaction.causes, own=False):
            rise = event_rise(gained, [start], reaction.after)
            found += [(start, float(rise[0]) if whose == who else -float(rise[0]))] if rise.size else []
        return found

    pairs = [(gains(who, who), gains(who, int(strangers[who]))) for who in range(len(dyads))]

    def worth(clip: tuple[int, int]) -> tuple[float, float]:
        low, high = clip[1] / FPS + EARLIEST_S, (clip[1] + frames) / FPS - LATEST_S
        sums = [sum(gain for start, gain in part if low <= start <= high) for part in pairs[clip[0]]]
        return min(sums), sum(sums)

    last = own.shape[1] - frames
    return max(((who, first) for who in range(len(dyads)) for first in range(0, last + 1, FPS)), key=worth)


def interval(entry: Mapping[str, float]) -> list[float]:
    """Return low end, mean and high end, rounded."""
    return [round(float(entry[part]), 3) for part in ("low", "mean", "high")]


def shown(face: Float[np.ndarray, "t p"], character: int) -> dict[str, Any]:
    """Return film and smile of one track, as the figure wants them."""
    from avatar_lab.render.picture import make_picture

    frames = make_picture("puppet", character, EDGE).draw_track(
        np.ascontiguousarray(face[::STEP], np.float32)
    )
    return {
        "film": f"data:image/webp;base64,{sprite(frames)}",
        "smile": np.round(face[:, SMILE], 2).tolist(),
    }
