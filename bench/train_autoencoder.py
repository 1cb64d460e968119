"""Draw training people and train the motion autoencoder of the `lab` size; run again to go on.

    python bench/train_autoencoder.py --out runs/autoencoder --people 1200 --poses 18 --steps 5000

Pictures are drawn once, into OUT/faces; characters start at `TRAIN_PEOPLE`, so that neither the demo's cast nor the
held-out people of `bench/autoencoder.py` are among them. OUT/autoencoder.safetensors is usable at every checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.conversation import simulate
from avatar_lab.motion.space import default_space
from avatar_lab.train.autoencoder import train, training_recipe
from avatar_lab.train.drawn_faces import TRAIN_PEOPLE, DrawnFaces, draw_faces
from avatar_lab.train.loop import LoopConfig

CONVERSATIONS = range(5000, 5060)  # seeds of 30 s each


def faces_for(folder: Path, people: int, poses: int, size: int) -> DrawnFaces:
    """Open the drawn people in `folder`, drawing them first if need be."""
    if not (folder / "characters.npy").exists():
        dyads = [simulate(30.0, seed) for seed in CONVERSATIONS]
        tracks = np.concatenate([p.face for dyad in dyads for p in (dyad.user, dyad.avatar)])
        cast = range(TRAIN_PEOPLE, TRAIN_PEOPLE + people)
        draw_faces(cast, poses, size, seed=1, tracks=tracks).save(folder)
    return DrawnFaces.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=1200)
    parser.add_argument("--poses", type=int, default=18)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, help="stop earlier; the learning rate falls accordingly")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--read", type=int, default=60, help="pictures a step that are read, not drawn")
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--recipe", default="taught", help="taught, or plain for the lesson's comparison")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faces = faces_for(arguments.out / "faces", arguments.people, arguments.poses, arguments.size)
    loop = LoopConfig(
        steps=arguments.steps,
        minutes=arguments.minutes,
        learning_rate=arguments.learning_rate,
        save_every=100,
        seed=arguments.seed,
    )
    changes = {"poses": 2, "more_to_read": arguments.read} if arguments.recipe == "taught" else {}
    config = training_recipe(
        arguments.recipe, autoencoder=AutoencoderConfig(size=arguments.size), loop=loop, **changes
    )
    _, report = train(faces, default_space(), config, out=arguments.out)
    print(f"{report.steps} steps, {report.minutes:.1f} minutes: {report.metrics}")


if __name__ == "__main__":
    main()
