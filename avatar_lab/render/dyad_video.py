"""Write a simulated conversation to disk: a video to watch, the events to read, the tracks to load.

The video shows user and avatar side by side as drawn characters, with both voices mixed. Beside it lie a
json file (events, people, where the tracks are) and an npz file (both face tracks and sounds).

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from avatar_lab.data.face import FACE_NAMES
from avatar_lab.data.people import Person
from avatar_lab.data.performance import Dyad, mix
from avatar_lab.errors import ConfigError


def save_dyad(
    dyad: Dyad,
    stem: str | Path,
    *,
    size: int = 128,
    characters: tuple[int, int] = (1, 0),
    people: tuple[Person, Person] | None = None,
) -> Path:
    """Write `stem`.mp4, `stem`.json and `stem`.npz; return the video's path.

    Parameters
    ----------
    stem : path without ending; its folder must exist.
    size : height and width of each picture in pixels.
    characters : who is drawn, user and avatar.
    people : traits to note in the json file, from `conversation.cast`.

    Raises ConfigError if `stem` has an ending of its own, MediaError if the files cannot be written.
    """
    from avatar_lab.data.media import check_writable, write_video

    stem = Path(stem)
    if stem.suffix in (".mp4", ".json", ".npz"):
        raise ConfigError(
            f"stem must be a path without ending; got {stem.name!r}. Leave out {stem.suffix!r}."
        )
    video = check_writable(stem.with_name(stem.name + ".mp4"))
    tracks = stem.with_name(stem.name + ".npz")
    write_video(
        video,
        pair_frames(dyad, size, characters),
        mix(dyad.user.audio, dyad.avatar.audio),
        title=f"Simulated conversation, seed {dyad.seed}",
        comment="Synthetic: simulated people and voices made by avatar_lab.",
    )
    np.savez_compressed(
        tracks,
        user=dyad.user.face,
        avatar=dyad.avatar.face,
        user_audio=np.round(dyad.user.audio * 32767).astype(np.int16),
        avatar_audio=np.round(dyad.avatar.audio * 32767).astype(np.int16),
        names=np.array(FACE_NAMES),
        fps=dyad.fps,
        sample_rate=dyad.sample_rate,
    )
    about = {
        "seed": dyad.seed,
        "seconds": dyad.seconds,
        "fps": dyad.fps,
        "sample_rate": dyad.sample_rate,
        "tracks": tracks.name,
        "people": None if people is None else {"user": asdict(people[0]), "avatar": asdict(people[1])},
        "events": [asdict(event) for event in dyad.events],
    }
    stem.with_name(stem.name + ".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return video


def pair_frames(
    dyad: Dyad, size: int = 128, characters: tuple[int, int] = (1, 0)
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Yield user and avatar side by side, one picture a frame."""
    from avatar_lab.render.puppet import Puppet

    left, right = (Puppet(character, size) for character in characters)
    for user_face, avatar_face in zip(dyad.user.face, dyad.avatar.face, strict=True):
        yield np.concatenate([left.draw(user_face), right.draw(avatar_face)], axis=1)
