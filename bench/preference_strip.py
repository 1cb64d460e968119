"""Draw base, preference and truth on one held-out conversation: half a minute as pictures and as tracks.

    python bench/preference_strip.py --base BASE.safetensors --preferred PREFERRED.safetensors
    # writes book/images/preference_strip.png and book/images/preference_tracks.png

All three have the same user and the same voice, both generated ones the same seed. The conversation is the first one of
`avatar-lab evaluate` whose user smiles by himself, well inside; nothing is chosen by how the avatars answer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.config import FPS
from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.reaction import onsets
from avatar_lab.stream.evaluate import stream_faces
from avatar_lab.stream.side_by_side import TWIN
from avatar_lab.train.recipes import conversations
from avatar_lab.viz.frames import strip
from avatar_lab.viz.tracks import tracks

IMAGES = Path(__file__).parents[1] / "book" / "images"
SECONDS, CHARACTER, SIZE, SEED = 30.0, 2, 192, 0


def shown(count: int = 20) -> tuple[int, Dyad, float]:
    """Return the first of `count` conversations whose user smiles between 6 and 20 s: its number, and when."""
    for number, dyad in enumerate(conversations(count * 60 / 3600, HELD_OUT_SEED, "test", 60)):
        for start in onsets(dyad.events, ("smile", "laugh")):
            if 6 < start < 20:
                return number, dyad, start
    raise SystemExit("No user smiles in these conversations.")


def moments(smile: float) -> list[int]:
    """Return the frames to draw: from shortly before a smile to four seconds after it."""
    return np.round((smile + np.linspace(-0.8, 4.0, 9)) * FPS).astype(int).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--preferred", type=Path, help="by default the shipped weights")
    a = parser.parse_args()
    _, dyad, smile = shown()
    frames = round(SECONDS * FPS)
    user, truth = dyad.user.cut(0, frames), dyad.avatar.cut(0, frames)
    faces = {"user": user.face, "base": user.face, "preference": user.face, "truth": truth.face}
    for name, weights in (("base", a.base), ("preference", a.preferred)):
        avatar = al.load("lab", device="cpu", checkpoint=weights)
        made = stream_faces(avatar, user.face[None], user.audio[None], truth.audio[None], seed=SEED)
        faces[name] = made[0]
    films = {
        name: al.Puppet(TWIN if name == "user" else CHARACTER, SIZE).draw_track(face)
        for name, face in faces.items()
    }
    strip(films, at=moments(smile), inch=1.3).savefig(IMAGES / "preference_strip.png", dpi=110)
    figure = tracks(faces, ("smile", "brow_raise", "jaw_open", "pitch"), shade=(smile, smile + 2))
    figure.savefig(IMAGES / "preference_tracks.png", dpi=120)


if __name__ == "__main__":
    main()
