"""Draw the reenactment grid: held-out people move like another held-out person's picture.

    python bench/reenactment_grid.py --out book/images/reenactment_grid.png

Top row: the driving pictures. Then three rows for every person, all from one neutral source picture: what the
autoencoder draws from the motion it reads in the driving *pixels*, what it draws from the true *numbers* (as the neural
picture of the live avatar does), and what the renderer draws for the same pose, the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from avatar_lab.data.face import FaceParams
from avatar_lab.motion.autoencoder import to_frames, to_tensor
from avatar_lab.motion.neural_picture import LAB_FILE
from avatar_lab.motion.saved import load_autoencoder
from avatar_lab.render.puppet import Puppet
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE

POSES = {
    "neutral": FaceParams(),
    "smile": FaceParams(smile=0.9, squint=0.3),
    "laugh": FaceParams(smile=0.9, jaw_open=0.6, squint=0.5),
    "o": FaceParams(pucker=0.8, jaw_open=0.4),
    "talking": FaceParams(jaw_open=0.5, stretch=0.3),
    "eyes closed": FaceParams(blink_left=1, blink_right=1),
    "brows up": FaceParams(brow_raise=0.9),
    "frown": FaceParams(frown=0.8, brow_furrow=0.8),
    "yaw": FaceParams(yaw=20),
    "nod": FaceParams(pitch=-12),
    "tilt": FaceParams(roll=12),
    "gaze": FaceParams(gaze_yaw=22),
}
DRIVER, SOURCES = HELD_OUT_PEOPLE + 101, [HELD_OUT_PEOPLE + 100 + i for i in (0, 5, 11, 14)]
CELL = 88
LABEL = 20


def draw_people(character: int, size: int) -> np.ndarray:
    """The poses of one person, drawn by the renderer, (poses, size, size, 3)."""
    puppet = Puppet(character, size)
    return np.stack([puppet.draw(pose.array()) for pose in POSES.values()])


def row_of(pictures: np.ndarray) -> np.ndarray:
    """Pictures side by side, enlarged without inventing detail."""
    cells = [cv2.resize(p, (CELL, CELL), interpolation=cv2.INTER_CUBIC) for p in pictures]
    return np.concatenate(cells, 1)


@torch.no_grad()
def reenactment_grid(weights: Path) -> np.ndarray:
    """The whole grid as RGB."""
    model, space = load_autoencoder(weights)
    size = model.config.size
    true = torch.from_numpy(space.encode(np.stack([pose.array() for pose in POSES.values()])))
    driving = draw_people(DRIVER, size)
    rows = [row_of(driving)]
    for character in SOURCES:
        truth = draw_people(character, size)
        source = to_tensor(torch.from_numpy(truth[:1]))
        swapped = model.swap(source, to_tensor(torch.from_numpy(driving)))
        drawn = model.draw(model.encode(source), true)
        rows += [row_of(to_frames(swapped).numpy()), row_of(to_frames(drawn).numpy()), row_of(truth)]
    labels = np.full((LABEL, rows[0].shape[1], 3), 255, np.uint8)
    for i, name in enumerate(POSES):
        cv2.putText(
            labels, name, (i * CELL + 6, LABEL - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (40,) * 3, 1, cv2.LINE_AA
        )
    return np.concatenate([labels, *rows], 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=LAB_FILE)
    parser.add_argument("--out", type=Path, default=Path("book/images/reenactment_grid.png"))
    arguments = parser.parse_args()
    grid = reenactment_grid(arguments.weights)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out), cv2.cvtColor(grid, cv2.COLOR_RGB2BGR))
    print(f"{arguments.out}: {grid.shape[1]} x {grid.shape[0]}")


if __name__ == "__main__":
    main()
