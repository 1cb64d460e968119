"""Draw the paper's rivals: on one held-out conversation, as pictures and as tracks; and how they trained.

    python bench/paper_tables.py --quick                          # leaves tracks and logs in runs/paper_tables_quick
    python bench/paper_strip.py --out runs/paper_tables_quick     # book/images/paper_{strip,tracks,curves}.png

All have the same user, the same voice and the same noise. The conversation is the first whose user smiles; nothing is
chosen by how the avatars answer. Nothing is streamed here: the pictures show the tracks that the tables were made of.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from paper_figures import BASE
from preference_strip import CHARACTER, IMAGES, SECONDS, SIZE, moments, shown

import avatar_lab as al
from avatar_lab.config import FPS
from avatar_lab.stream.side_by_side import TWIN
from avatar_lab.train.baselines import VARIANTS
from avatar_lab.train.recipes import logs_of
from avatar_lab.viz.frames import strip
from avatar_lab.viz.tracks import tracks
from avatar_lab.viz.training_panel import curves

# The paper's letters: (a) to (f) of its comparison, in this order.
SHOWN = {
    "audio-only": "audio only",
    "window": "window",
    "no-user-motion": "no user motion",
    BASE: "no preference",
    "ours": "ours",
    "teacher-forced": "teacher forced",
}

TRACKED = ("user", "audio only", "window", "ours", "truth")  # more lines than these nobody tells apart


def faces_of(out: Path, seed: int, number: int, frames: int) -> dict[str, np.ndarray]:
    """Return what every variant made of conversation `number`; exits when a run is not there."""
    faces = {}
    for name, label in SHOWN.items():
        kept = sorted((out / f"{name}-seed{seed}").glob("tracks-*x60.npz"))
        if not kept:
            raise SystemExit(
                f"{out} holds no minutes of {name}, seed {seed}. Make them: python bench/paper_tables.py"
            )
        with np.load(kept[-1]) as tracks_of_run:
            faces[label] = tracks_of_run["true_user"][number, :frames].astype(np.float32)
    return faces


def trainings(out: Path, seed: int) -> dict[str, list[Path]]:
    """Return the logs of every variant that trained from scratch, stage after stage."""
    own = {name: label for name, label in SHOWN.items() if not VARIANTS[name].after}
    return {label: logs_of(out / f"{name}-seed{seed}") for name, label in own.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/paper_tables_quick"), help="of paper_tables.py"
    )
    parser.add_argument("--seed", type=int, default=0, help="which of the trainings")
    a = parser.parse_args()
    number, dyad, smile = shown(12)
    frames = round(SECONDS * FPS)
    made = faces_of(a.out, a.seed, number, frames)
    faces = {"user": dyad.user.face[:frames], **made, "truth": dyad.avatar.face[:frames]}
    films = {
        name: al.Puppet(TWIN if name == "user" else CHARACTER, SIZE).draw_track(face)
        for name, face in faces.items()
    }
    strip(films, at=moments(smile), inch=1.1).savefig(IMAGES / "paper_strip.png", dpi=110)
    figure = tracks(
        {name: faces[name] for name in TRACKED}, ("smile", "jaw_open", "pitch"), shade=(smile, smile + 2)
    )
    figure.savefig(IMAGES / "paper_tracks.png", dpi=120)
    curves(trainings(a.out, a.seed)).savefig(IMAGES / "paper_curves.png", dpi=120)


if __name__ == "__main__":
    main()
