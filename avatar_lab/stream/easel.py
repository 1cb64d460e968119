"""From faces to the JPEGs of a live page: the avatar's picture, and the twin that mirrors the user.

What is peculiar: another picture is put on between two pieces, and one that cannot be had leaves the old one on.

Notebook: 10 (real time).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.stream.jpeg import encode_jpeg
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.meter import Meter

TWIN, TWIN_SIZE = 1, 192
TWIN_EVERY_MS: Final = 95.0  # the twin is a mirror, not a film

Pictures = Callable[[LiveSettings], Picture]


class Easel:
    """Draws for one session.

    Attributes
    ----------
    shown : the last picture of the avatar, as JPEG; empty before the first.
    """

    def __init__(self, pictures: Pictures, settings: LiveSettings) -> None:
        self.shown = b""
        self._twin, self._twin_at = make_picture("puppet", TWIN, TWIN_SIZE), -TWIN_EVERY_MS
        self.use(pictures, settings)

    def use(self, pictures: Pictures, settings: LiveSettings) -> None:
        """Draw with what `pictures` makes."""
        self._picture, self._pictures, self._worn = pictures(settings), pictures, settings

    def wear(self, settings: LiveSettings) -> None:
        """Put on the picture that the settings name; raises AvatarLabError, and leaves the old one on."""
        self.use(self._pictures, settings)

    def worn(self, settings: LiveSettings) -> LiveSettings:
        """Return the settings with the picture that is on."""
        return replace(settings, picture=self._worn.picture, character=self._worn.character)

    def twin(
        self, row: Float32[np.ndarray, "P"], captured_ms: float, *, late: bool = False
    ) -> tuple[bytes, ...]:
        """Return the twin's JPEG, or nothing so shortly after the last one; a machine that is late draws fewer."""
        if captured_ms - self._twin_at < TWIN_EVERY_MS * (1 + late):
            return ()
        self._twin_at = captured_ms
        return (encode_jpeg(self._twin.draw(row)),)

    def draw(
        self, face: Float32[np.ndarray, "n P"], meter: Meter
    ) -> tuple[UInt8[np.ndarray, "n h w 3"], list[bytes]]:
        """Return pictures of the avatar, as they are and as JPEG."""
        with meter.stage("draw"):
            pictures = self._picture.draw_track(face)
        with meter.stage("encode"):
            packed = [encode_jpeg(picture) for picture in pictures]
        self.shown = packed[-1]
        return pictures, packed
