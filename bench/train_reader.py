"""Train the part of the `lab` autoencoder that reads motion from pixels, and put it into a weights file.

    python bench/train_reader.py --out runs/reader --people 2400 --poses 24 --steps 10000
    python bench/train_reader.py --out runs/reader --install avatar_lab/weights/lab/autoencoder.safetensors

Pictures are drawn into memory at the start (some minutes); run again to go on where it stopped. `--install` replaces
the reader in a file and leaves decoder and identity alone. Characters start at `READERS`, so that neither the demo's
cast, nor the other training people, nor the held-out ones of `bench/autoencoder.py` are among them.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.conversation import simulate
from avatar_lab.model.weights import load_strict, load_tensors, save_tensors
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.saved import load_autoencoder, save_autoencoder
from avatar_lab.motion.space import default_space
from avatar_lab.train.drawn_faces import TRAIN_PEOPLE, DrawnFaces, draw_faces
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.reader import ReaderTraining, train_reader

READERS = TRAIN_PEOPLE + 10_000
GROUP = 50  # people drawn by one process at a time
CONVERSATIONS = range(5000, 5020)  # seeds of 30 s each


def draw_group(first: int, poses: int, size: int) -> DrawnFaces:
    """Draw some people; half of their poses come from conversations."""
    torch.set_num_threads(1)
    dyads = [simulate(30.0, seed) for seed in CONVERSATIONS]
    tracks = np.concatenate([p.face for dyad in dyads for p in (dyad.user, dyad.avatar)])
    cast = range(first, first + GROUP)
    return draw_faces(cast, poses, size, seed=first, tracks=tracks, masks=False, progress=False)


def draw_people(people: int, poses: int, size: int, workers: int) -> DrawnFaces:
    """Draw everybody in parallel processes."""
    firsts = range(READERS, READERS + people, GROUP)
    with ProcessPoolExecutor(workers) as pool:
        groups = list(pool.map(partial(draw_group, poses=poses, size=size), firsts))
    pictures = np.concatenate([g.pictures for g in groups])
    return DrawnFaces(
        pictures,
        np.broadcast_to(np.uint8(0), pictures.shape),
        np.concatenate([g.faces for g in groups]),
        np.concatenate([g.characters for g in groups]),
    )


def install(path: Path, trained: dict[str, torch.Tensor], sizes: AutoencoderConfig) -> None:
    """Replace the reader (or the head that read before there was one) in an autoencoder's file."""
    old, space = load_autoencoder(path)
    new = MotionAutoencoder(sizes)
    kept = {k: v for k, v in old.state_dict().items() if not k.startswith(("encoder.reader", "encoder.head"))}
    weights = kept | {f"encoder.reader.{name}": value for name, value in trained.items()}
    load_strict(new, weights, "the reader and its autoencoder")
    save_autoencoder(path, new.state_dict(), space, sizes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=2400)
    parser.add_argument("--poses", type=int, default=24)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, help="stop earlier; the learning rate falls accordingly")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--install", type=Path, metavar="FILE", help="only put OUT's trained reader into FILE"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes, file = AutoencoderConfig(), arguments.out / "reader.safetensors"
    if arguments.install:
        install(arguments.install, load_tensors(file)[0], sizes)
        return
    faces = draw_people(arguments.people, arguments.poses, sizes.size, arguments.workers)
    loop = LoopConfig(
        steps=arguments.steps,
        minutes=arguments.minutes,
        learning_rate=2e-3,
        weight_decay=0.02,
        save_every=200,
        seed=arguments.seed,
    )
    reader, report = train_reader(
        faces, default_space(), ReaderTraining(sizes, loop), out=arguments.out, progress=False
    )
    save_tensors(file, reader.state_dict(), {"steps": report.steps, "minutes": round(report.minutes, 1)})
    print(f"{report.steps} steps, {report.minutes:.1f} minutes: {report.metrics}")


if __name__ == "__main__":
    main()
