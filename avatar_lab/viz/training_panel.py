"""What a training looks like: its loss, and what the avatar does by now on a conversation that it never saw.

Every figure stands on white, so that it reads the same on a dark page. Figures are closed before they are returned, so
a notebook shows them once: as the value of its cell. Notebook: 05.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError
from avatar_lab.viz.tracks import COLOURS

USER, MADE, TRUE = COLOURS[0], COLOURS[1], "0.45"
SMILING = 0.15  # the user's smile from which a moment is shaded
SMOOTH = 0.04  # share of a log's rows that a smoothed point is the mean of


def read_log(path: Path, key: str = "loss") -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return (steps, values) of a `log.jsonl`; after a resumed run the later row of a step counts.

    Raises ConfigError when the file cannot be read, or holds no row with `key`.
    """
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} is not a readable training log ({error}). Pass a log.jsonl.") from error
    values = {int(row["step"]): float(row[key]) for row in rows if key in row}
    if not values:
        names = sorted({name for row in rows for name in row} - {"step", "minutes"})
        raise ConfigError(f"{path} has no {key!r}; it logs: {', '.join(names) or 'nothing yet'}.")
    steps = np.array(sorted(values), float)
    return steps, np.array([values[int(step)] for step in steps])


def smooth(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return the running mean over a fixed share of all values; at the ends, over those that exist."""
    width = 1 + 2 * round(len(values) * SMOOTH / 2)
    total, count = (np.convolve(v, np.ones(width), "same") for v in (values, np.ones(len(values))))
    return total / count


def curves(runs: Mapping[str, Sequence[Path]], key: str = "loss") -> Figure:
    """Draw one number of one or several trainings over their steps: as logged (thin) and smoothed (thick).

    Parameters
    ----------
    runs : {label: log files}, one file a stage, in the order in which the stages ran.
    key : what is drawn; one of the names in the logs.

    Raises ConfigError for no runs, and see `read_log`.
    """
    if not runs:
        raise ConfigError("There is no training to draw; pass at least one log.")
    figure, axis = plt.subplots(figsize=(8, 4.2), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    for number, (label, logs) in enumerate(runs.items()):
        _draw_run(axis, logs, key, COLOURS[number % len(COLOURS)], label, stages=len(runs) == 1)
    if len(runs) > 1:
        axis.legend(frameon=False, fontsize=9)
    else:
        axis.set_title(next(iter(runs)), loc="left", fontsize=10)
    axis.set_xlim(left=0)  # after all runs: it ends the search for limits that hold everything
    axis.set_ylabel("training loss" if key == "loss" else key.replace("_", " "))
    plt.close(figure)
    return figure


def training_panel(
    logs: Sequence[Path],
    user: Float32[np.ndarray, "t p"],
    true: Float32[np.ndarray, "t p"],
    made: Float32[np.ndarray, "t p"],
    title: str = "",
) -> Figure:
    """Show a training at one glance: left its loss, right what the avatar does beside what it should do.

    Parameters
    ----------
    logs : `log.jsonl` of every stage so far; those without a row yet are left out.
    user : face track of the user in a held-out conversation.
    true, made : the avatar's track in it, simulated and generated.
    """
    figure = plt.figure(figsize=(12, 5), facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    grid = figure.add_gridspec(3, 2, width_ratios=(1, 1.5), height_ratios=(0.8, 1, 1))
    loss, rows = figure.add_subplot(grid[:, 0]), [figure.add_subplot(grid[i, 1]) for i in range(3)]
    written = [path for path in logs if path.is_file() and path.stat().st_size]
    if written:
        _draw_run(loss, written, "loss", COLOURS[2], "loss", stages=True)
        loss.set_xlim(left=0)
    else:
        loss.text(0.5, 0.5, "nothing logged yet", ha="center", va="center", color=TRUE)
        loss.set(xticks=[], yticks=[])
        _clean(loss)
    loss.set_title("training loss", loc="left", fontsize=10)
    seconds = np.arange(len(user)) / FPS
    smiling = user[:, FACE_INDEX["smile"]] > SMILING
    shown = (
        ("user: smile", "smile", {"user": (user, USER)}),
        ("avatar: smile", "smile", {"simulated (true)": (true, TRUE), "generated": (made, MADE)}),
        ("avatar: jaw", "jaw_open", {"simulated (true)": (true, TRUE), "generated": (made, MADE)}),
    )
    for axis, (label, name, tracks) in zip(rows, shown, strict=True):
        axis.fill_between(
            seconds,
            0,
            1,
            where=smiling.tolist(),
            color=USER,
            alpha=0.10,
            linewidth=0,
            label="the user smiles",
        )
        for who, (face, colour) in tracks.items():
            axis.plot(seconds, face[:, FACE_INDEX[name]], color=colour, linewidth=1.6, label=who)
        axis.set(ylim=(0, 1), yticks=(0, 0.5, 1), xlim=(0, len(user) / FPS))
        axis.set_ylabel(f"{label}\n(0-1)", fontsize=9)
        axis.tick_params(labelbottom=axis is rows[-1])
        _clean(axis)
    rows[0].set_title("an unseen conversation", loc="left", fontsize=10)
    handles, labels = rows[1].get_legend_handles_labels()
    rows[0].legend(
        handles, labels, frameon=False, ncols=3, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1)
    )
    rows[-1].set_xlabel("seconds")
    figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold")
    plt.close(figure)
    return figure


def _draw_run(axis: Axes, logs: Sequence[Path], key: str, colour: str, label: str, *, stages: bool) -> None:
    """Draw the stages of one training one after the other; `stages` names them at their beginnings."""
    begin = 0.0
    for number, path in enumerate(logs):
        steps, values = read_log(path, key)
        dot = "." if len(steps) == 1 else None  # one row makes no line
        axis.plot(begin + steps, values, color=colour, linewidth=0.8, alpha=0.35)
        axis.plot(
            begin + steps,
            smooth(values),
            color=colour,
            linewidth=2,
            marker=dot,
            label=label if number == 0 else None,
        )
        if stages and len(logs) > 1:
            axis.axvline(begin, color="0.8", linewidth=0.8, zorder=0)
            axis.annotate(
                path.parent.name,
                (begin, 0.98),
                xytext=(8, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                fontsize=9,
            )
        begin += float(steps[-1])
    axis.set_xlabel("steps")
    axis.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}".replace(",", " "))
    _clean(axis)


def _clean(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", color="0.93", linewidth=0.8)
    axis.set_axisbelow(True)
