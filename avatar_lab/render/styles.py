"""Hair styles as numbers: how far hair stands off the skull and where it ends, for every longitude.

`edge(longitude)` is the height at which hair ends. In front it is the hairline or a fringe, which lies on
the skin; further back it may hang freely (`hem`), as in a bob. Longitude 0 is in front, + the person's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Style:
    """One way to wear hair. Heights and lengths in head units, longitudes in radians."""

    volume: float = 0.10  # at the sides
    lift: float = 0.12  # over the crown
    hairline: float = 0.60  # height in the middle of the forehead
    corner: float = 0.85  # longitude where the hairline turns down
    temple: float = 0.45  # height just before it turns down
    tuck: float = 1.28  # longitude where it reaches the hem (in front of the ear)
    burn: float = 0.02  # lower end of the sideburn, or of the hair before the ear
    ear: float = 0.16  # height of the edge over the ear
    nape: float = -0.30  # height at the back
    hem: float | None = None  # height at which long hair ends; None for hair that follows the skull
    flare: float = 0.0  # how much wider the hem is
    fringe: float = 0.0  # depth of the clumps in a fringe
    tufts: float = 0.022  # depth of the small tufts along the hairline
    part: float = 0.0  # side of the parting, in head units along x
    sweep: float = 0.0  # lowers the hairline away from the parting
    peak: float = 0.0  # extra height of a quiff in front
    wave: float = 0.0  # how far waves swing out
    brim: float = 0.0  # height of a hat's folded edge
    curl: float = 0.0  # radius of curls, 0 for straight hair
    knot: str = ""  # "bun" or "tail"
    pole: tuple[float, float, float] = (0.0, 0.92, -0.40)  # strands run away from here


STYLES: Final[dict[str, Style]] = {
    "bob": Style(0.15, 0.15, 0.62, 0.60, 0.52, 1.12, hem=-0.88, flare=0.05, part=-0.22, sweep=0.05,
                 pole=(-0.22, 0.90, 0.35)),
    "long": Style(0.14, 0.14, 0.64, 0.62, 0.54, 1.08, hem=-1.62, flare=0.16, part=0.0, pole=(0.0, 0.95, 0.30)),
    "waves": Style(0.20, 0.18, 0.62, 0.66, 0.50, 1.14, hem=-1.34, flare=0.22, part=0.24, sweep=0.10, wave=0.045,
                   pole=(0.24, 0.90, 0.35)),
    "fringe": Style(0.15, 0.14, 0.33, 0.80, 0.27, 1.16, hem=-1.12, flare=0.06, fringe=0.055),
    "bun": Style(0.05, 0.08, 0.60, 0.80, 0.46, 1.30, burn=-0.02, ear=0.12, knot="bun", pole=(0.0, 0.80, -0.62)),
    "ponytail": Style(0.06, 0.09, 0.56, 0.80, 0.42, 1.28, burn=-0.08, ear=0.12, part=-0.25, sweep=0.14,
                      knot="tail", pole=(0.0, 0.55, -0.85)),
    "curly": Style(0.30, 0.30, 0.56, 0.78, 0.44, 1.18, hem=-0.72, flare=0.04, curl=0.17),
    "afro": Style(0.30, 0.36, 0.56, 0.82, 0.44, 1.30, burn=-0.06, ear=0.02, nape=-0.25, curl=0.14),
    "pixie": Style(0.09, 0.15, 0.50, 0.80, 0.40, 1.26, burn=-0.16, ear=0.06, nape=-0.42, part=0.26, sweep=0.13,
                   pole=(0.28, 0.88, 0.30)),
    "curly_short": Style(0.08, 0.20, 0.56, 0.84, 0.44, 1.32, burn=0.02, ear=0.18, nape=-0.10, curl=0.115),
    "side_part": Style(0.07, 0.15, 0.58, 0.84, 0.46, 1.32, part=-0.30, sweep=0.10, peak=0.07,
                       pole=(-0.34, 0.86, 0.30)),
    "crop": Style(0.055, 0.14, 0.56, 0.86, 0.42, 1.32, fringe=0.035, pole=(0.05, 0.90, -0.35)),
    "quiff": Style(0.03, 0.16, 0.62, 0.84, 0.46, 1.32, peak=0.16, pole=(0.0, 0.25, 1.0)),
    "buzz": Style(0.0, 0.0, 0.58, 0.84, 0.46, 1.32),
    "bald": Style(0.0, 0.0, 2.0, 0.84, 2.0, 1.32),
    "beanie": Style(0.09, 0.20, 0.40, 0.9, 0.38, 1.4, burn=0.30, ear=0.28, nape=0.10, tufts=0.0, brim=0.20),
    "hijab": Style(0.10, 0.14, 0.52, 0.62, 0.40, 1.02, hem=-1.50, flare=0.10, tufts=0.0),
}  # fmt: skip


def edge_height(style: Style, longitude: np.ndarray) -> np.ndarray:
    """Return the height at which hair ends for each longitude."""
    lon = np.asarray(longitude, np.float64)
    side = np.abs(lon)
    away = np.tanh(3 * (np.sin(lon) - style.part)) if style.part else np.zeros_like(lon)
    in_front = style.hairline - style.sweep * away * np.sign(-style.part or 1.0) * (side < 1.5)
    tufts = np.abs(np.sin(7.3 * lon + 0.4)) ** 0.6 + 0.6 * np.abs(np.sin(4.1 * lon + 1.9)) ** 0.6
    in_front = in_front - style.tufts * (tufts - 1.0)  # no swim cap
    if style.hem is None and style.fringe == 0:
        in_front = in_front + 0.05 * np.exp(-(((side - 0.62) / 0.2) ** 2))  # bays at the temples
    clumps = np.abs(np.sin(5.2 * lon + 0.6)) ** 0.7 - 0.5
    in_front = in_front - style.fringe * clumps
    low = style.hem if style.hem is not None else style.burn
    front = in_front + (style.temple - style.hairline) * smoothstep(side, 0.25 * style.corner, style.corner)
    before_ear = front + (low - front) * smoothstep(side, style.corner, style.tuck)
    if style.hem is not None:  # the front corner of the curtain is rounded off
        return before_ear + 0.11 * np.exp(-(((side - style.tuck) / 0.22) ** 2)) * smoothstep(
            -before_ear, 0.0, 0.4
        )
    over_ear = before_ear + (style.ear - low) * smoothstep(side, style.tuck + 0.05, style.tuck + 0.22)
    return over_ear + (style.nape - style.ear) * smoothstep(side, style.tuck + 0.75, style.tuck + 1.10)


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    u = np.clip((value - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)
