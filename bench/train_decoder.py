"""Teach the shipped autoencoder's decoder to show what it is told, and put it into the weights file.

    python bench/train_decoder.py --out runs/decoder --people 300
    python bench/train_decoder.py --out runs/decoder --install avatar_lab/weights/lab/autoencoder.safetensors
    python bench/autoencoder.py --record COMMANDS --json bench/results/autoencoder.json     # measure, note in manifest

People are drawn once, into OUT/faces; run again to go on. They are neither in the other trainings nor held out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from avatar_lab.model.weights import WEIGHTS_DIR
from avatar_lab.motion.saved import load_autoencoder, save_autoencoder
from avatar_lab.train.decoder import DecoderTraining, train_decoder
from avatar_lab.train.drawn_faces import TRAIN_PEOPLE, DrawnFaces, draw_faces
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.recipes import conversations

DECODERS = TRAIN_PEOPLE + 40_000  # first of the people that are drawn here
SHIPPED = WEIGHTS_DIR / "lab" / "autoencoder.safetensors"


def people(folder: Path, count: int, poses: int, size: int) -> DrawnFaces:
    """Open the drawn people in `folder`, drawing them first if need be; half of their poses are from conversations."""
    if not (folder / "characters.npy").exists():
        tracks = np.concatenate([d.avatar.face for d in conversations(0.2, 5252)])
        draw_faces(range(DECODERS, DECODERS + count), poses, size, seed=5, tracks=tracks).save(folder)
    return DrawnFaces.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--poses", type=int, default=18)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--read-back", type=float, default=0.3, help="weight of what the reader sees")
    parser.add_argument("--start", type=Path, default=SHIPPED, help="the autoencoder whose decoder goes on")
    parser.add_argument(
        "--install", type=Path, metavar="FILE", help="only put OUT's trained decoder into FILE"
    )
    a = parser.parse_args()
    torch.set_num_threads(1)
    if a.install:
        trained, _ = load_autoencoder(a.out / "autoencoder.safetensors")
        model, space = load_autoencoder(a.install)
        model.decoder.load_state_dict(trained.decoder.state_dict())
        save_autoencoder(a.install, model.state_dict(), space, model.config)
        return
    model, space = load_autoencoder(a.start)
    faces = people(a.out / "faces", a.people, a.poses, model.config.size)
    loop = LoopConfig(steps=a.steps, learning_rate=1e-3, save_every=100)
    report = train_decoder(model, faces, space, DecoderTraining(loop, read_back=a.read_back), out=a.out)
    save_autoencoder(a.out / "autoencoder.safetensors", model.state_dict(), space, model.config)
    print(f"{report.steps} steps, {report.minutes:.1f} minutes: {report.metrics}")


if __name__ == "__main__":
    main()
