"""Face parameters over time, several people or versions in one picture.

Figures are closed before they are returned, so a notebook shows them once: as the value of its cell. Notebook: 00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX, FACE_SPECS
from avatar_lab.errors import ConfigError

# Colours that stay apart for colour-blind readers (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")


def tracks(
    faces: Mapping[str, Float32[np.ndarray, "t p"]],
    names: Sequence[str] = ("smile", "jaw_open", "pitch"),
    *,
    shade: tuple[float, float] | None = None,
) -> Figure:
    """Draw face parameters of several tracks, one parameter a row.

    Parameters
    ----------
    faces : {label: (T, P) track}.
    names : which parameters, out of `avatar_lab.FACE_NAMES`.
    shade : a span in seconds to mark, e.g. while the user smiles.

    Raises ConfigError for a parameter that does not exist.
    """
    unknown = [name for name in names if name not in FACE_INDEX]
    if unknown:
        raise ConfigError(f"There is no face parameter {unknown[0]!r}; choose from {', '.join(FACE_INDEX)}.")
    figure, axes = plt.subplots(
        len(names), 1, figsize=(8, 1.3 * len(names) + 0.5), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[:, 0], names, strict=True):
        for number, (label, face) in enumerate(faces.items()):
            seconds = np.arange(len(face)) / FPS
            colour = COLOURS[number % len(COLOURS)]
            axis.plot(seconds, face[:, FACE_INDEX[name]], label=label, color=colour, linewidth=1.5)
        if shade:
            axis.axvspan(*shade, color="0.9", zorder=0)
        axis.set_ylabel(f"{name}\n({FACE_SPECS[FACE_INDEX[name]].unit})", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, ncols=len(faces), fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))
    axes[-1, 0].set_xlabel("seconds")
    plt.close(figure)
    return figure
