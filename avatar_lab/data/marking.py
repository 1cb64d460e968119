"""The mark of a generated film: words in its metadata, and a pattern in its pictures that survives re-encoding.

    for frame in marked(frames): ...        # before encoding
    verify("film.mp4")                      # reads both

What is peculiar: the pattern (32 bits, `invisible-watermark`'s dwtDctSvd) is put into ten frames in a row out of every
fifty: a codec keeps it there, and the other forty cost nothing (`bench/marking.py` measures both). The same word stands
in every film; it says "generated", not by whom. It is no proof against somebody who wants to remove it.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, UInt8

from avatar_lab.config import FPS

NOTE: Final = "AI-generated with avatar_lab"
WORD: Final = np.array([int(bit) for bit in f"{zlib.crc32(b'avatar_lab'):032b}"], np.float64)
METHOD: Final = "dwtDctSvd"
PERIOD, RUN = 2 * FPS, 10  # frames
SMALLEST: Final = 256 * 256  # pixels; below, the pattern does not fit
WINDOW: Final = 8  # frames that vote together
ENOUGH: Final = 29  # of 32 bits; a film without the mark comes near half
LONGEST: Final = 30 * FPS  # frames that are looked at
INSTALL: Final = "pip install 'avatar-lab[live]'"


@dataclass(frozen=True)
class Verdict:
    """What a film says about itself.

    Attributes
    ----------
    metadata : whether its metadata call it generated.
    watermark : whether its pictures carry the pattern; None where that cannot be said.
    bits : how many of 32 bits were right in the best second.
    frames : how many were looked at.
    """

    metadata: bool
    watermark: bool | None
    bits: int
    frames: int

    @property
    def generated(self) -> bool:
        """Whether either mark was found."""
        return self.metadata or bool(self.watermark)


def can_mark(height: int, width: int) -> bool:
    """Whether pictures of this size can carry the pattern here: large enough, and the library is there."""
    return height * width >= SMALLEST and find_spec("imwatermark") is not None


def marked(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Yield the frames of a film, ten of every fifty with the pattern; all as they are where that is not possible."""
    encoder: Any = None
    for index, frame in enumerate(frames):
        if index % PERIOD >= RUN or not can_mark(*frame.shape[:2]):
            yield frame
            continue
        if encoder is None:
            from imwatermark import WatermarkEncoder

            encoder = WatermarkEncoder()
            encoder.set_watermark("bits", WORD.astype(int).tolist())
        yield np.ascontiguousarray(encoder.encode(np.ascontiguousarray(frame[..., ::-1]), METHOD)[..., ::-1])


def read_bits(frames: Iterable[UInt8[np.ndarray, "H W 3"]]) -> Float[np.ndarray, "T 32"]:
    """Return what each frame seems to say, bit by bit; no rows where pictures are too small."""
    from imwatermark import WatermarkDecoder

    decoder = WatermarkDecoder("bits", len(WORD))
    rows = [
        decoder.decode(np.ascontiguousarray(frame[..., ::-1]), METHOD)
        for frame in frames
        if frame.shape[0] * frame.shape[1] >= SMALLEST
    ]
    return np.array(rows, np.float64).reshape(len(rows), len(WORD))


def agreement(bits: Float[np.ndarray, "T 32"]) -> int:
    """Return how many of the 32 bits are right where it is clearest: frames vote, a third of a second at a time."""
    if len(bits) == 0:
        return 0
    width = min(WINDOW, len(bits))
    sums = np.cumsum(np.concatenate([np.zeros((1, bits.shape[1])), bits]), axis=0)
    votes = (sums[width:] - sums[:-width]) / width > 0.5
    return int((votes == (WORD > 0.5)).sum(axis=1).max())


def verify(path: str | Path) -> Verdict:
    """Look for both marks in a film; raises MediaError when it cannot be read."""
    from itertools import islice

    from avatar_lab.data.container import comment_of
    from avatar_lab.data.media import read_video

    said = NOTE.lower() in comment_of(path).lower()
    with read_video(path) as reader:
        if find_spec("imwatermark") is None:
            return Verdict(said, None, 0, 0)
        bits = read_bits(islice(iter(reader), LONGEST))
    if len(bits) == 0:
        return Verdict(said, None, 0, 0)
    right = agreement(bits)
    return Verdict(said, right >= ENOUGH, right, len(bits))
