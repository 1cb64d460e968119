"""A reaction as a film: the user left, the avatar right, both voices in the sound.

The left half shows the user's own video when there is one, and the drawn twin otherwise: all that the avatar
knows. The film says in words and in its pictures that it was generated (`data.marking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from avatar_lab.data.performance import Performance, mix
from avatar_lab.render.picture import make_picture

if TYPE_CHECKING:
    from avatar_lab.stream.react import Reaction

TWIN = 1  # character seed of the user's drawn twin


def write_side_by_side(reaction: Reaction, path: Path, progress: Callable[[int, int], None] | None) -> Path:
    """Write the film; frames are drawn and encoded one at a time."""
    from avatar_lab.data.marking import NOTE, marked
    from avatar_lab.data.media import check_writable, write_video

    avatar = reaction.frames
    assert avatar is not None
    check_writable(path)
    total, size = len(avatar), avatar.shape[1]

    def frames() -> Iterator[np.ndarray]:
        for done, (left, right) in enumerate(zip(user_frames(reaction.user, size), avatar, strict=False)):
            yield np.concatenate([left, right], axis=1)
            if progress:
                progress(done + 1, total)

    sound = mix(reaction.user.audio, reaction.audio)
    return write_video(path, marked(frames()), sound, title="avatar_lab reaction", comment=NOTE)


def user_frames(user: Performance, size: int) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Yield the user, without end: square crops of the video, or the drawn twin; then the last picture again."""
    if user.source is None:
        twin = make_picture("puppet", TWIN, size)
        pictures: Iterable[np.ndarray] = (twin.draw(face) for face in user.face)
    else:
        from avatar_lab.data.media import read_video
        from avatar_lab.data.square import square

        pictures = (square(frame, size) for frame in read_video(user.source))
    last = np.zeros((size, size, 3), np.uint8)
    for picture in chain(pictures, repeat(None)):
        last = last if picture is None else picture
        yield last
