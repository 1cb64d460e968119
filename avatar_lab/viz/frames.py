"""Pictures side by side: what a film looks like on paper.

Figures are closed before they are returned, so a notebook shows them once: as the value of its cell. Notebook: 00.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from avatar_lab.config import FPS
from avatar_lab.errors import ShapeError


def strip(
    films: Mapping[str, UInt8[np.ndarray, "t h w 3"]],
    count: int = 8,
    *,
    at: Sequence[int] | None = None,
    inch: float = 1.25,
) -> Figure:
    """Show the same moments of several films, one film a row.

    Parameters
    ----------
    films : {row label: frames}; all of one length.
    count : how many moments, evenly spread.
    at : frame numbers to show instead.
    inch : side of one picture on paper.

    Raises ShapeError when the films differ in length or hold no frames.
    """
    lengths = {len(frames) for frames in films.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(
            f"Films in one strip must have the same number of frames, at least 1; got {sorted(lengths)}."
        )
    moments = (
        list(at) if at is not None else np.linspace(0, lengths.pop() - 1, count).round().astype(int).tolist()
    )
    size = (inch * len(moments) + 0.8, inch * len(films) + 0.3)
    figure, axes = plt.subplots(len(films), len(moments), figsize=size, squeeze=False, layout="constrained")
    for row, (label, frames) in zip(axes, films.items(), strict=True):
        for axis, moment in zip(row, moments, strict=True):
            axis.imshow(frames[moment])
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(label)
    for axis, moment in zip(axes[-1], moments, strict=True):
        axis.set_xlabel(f"{moment / FPS:.1f} s", fontsize=8)
    plt.close(figure)
    return figure
