"""From a pose to a picture: the one interface that every way of drawing a face obeys.

`make_picture("puppet", character=3, size=128)` gives the drawn character; other kinds register themselves
with `register_picture`, so that the engine and the command line need not know them.

Notebook: 01 (puppet).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from jaxtyping import Float32, UInt8
from numpy import ndarray

from avatar_lab.errors import ConfigError


@runtime_checkable
class Picture(Protocol):
    """Anything that draws a face from face parameters, columns FACE_NAMES."""

    @property
    def size(self) -> int:
        """Edge of the square picture in pixels."""
        ...

    def draw(self, face: Float32[ndarray, "P"]) -> UInt8[ndarray, "S S 3"]:
        """Draw one pose as an RGB picture."""
        ...

    def draw_track(self, face: Float32[ndarray, "T P"]) -> UInt8[ndarray, "T S S 3"]:
        """Draw every frame of a track."""
        ...


Maker = Callable[[int, int], Picture]


def _make_puppet(character: int, size: int) -> Picture:
    from avatar_lab.render.puppet import Puppet  # OpenCV is needed only when something is drawn

    return Puppet(character, size)


_MAKERS: Final[dict[str, Maker]] = {"puppet": _make_puppet}


def register_picture(kind: str, maker: Maker) -> None:
    """Add a way of drawing; `maker(character, size)` returns a Picture. Raises ConfigError if `kind` is taken."""
    if kind in _MAKERS:
        raise ConfigError(f"picture kind {kind!r} is already registered. Choose another name.")
    _MAKERS[kind] = maker


def picture_kinds() -> tuple[str, ...]:
    """Return the names that `make_picture` knows."""
    return tuple(sorted(_MAKERS))


def make_picture(kind: str = "puppet", character: int = 0, size: int = 128) -> Picture:
    """Return the picture maker `kind` for one character at one size. Raises ConfigError for unknown kinds."""
    if kind not in _MAKERS:
        raise ConfigError(f"picture must be one of {', '.join(picture_kinds())}; got {kind!r}.")
    return _MAKERS[kind](character, size)
