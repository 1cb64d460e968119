"""Draw the cast: rows are characters, columns are poses; write one PNG for the book.

python bench/contact_sheet.py [--out book/images/contact_sheet.png] [--size 128] [--characters 0 1 2 ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render.puppet import Puppet

CAST = (10, 7, 4, 19, 12, 17, 8, 5, 16, 22)
POSES = {
    "neutral": FaceParams(),
    "smile": FaceParams(smile=0.9),
    "laugh": FaceParams(smile=1, jaw_open=0.75, squint=0.3, pitch=4),
    "o": FaceParams(jaw_open=0.45, pucker=0.9),
    "ee": FaceParams(stretch=1, jaw_open=0.08),
    "talking": FaceParams(jaw_open=0.5, stretch=0.15),
    "closed eyes": FaceParams(blink_left=1, blink_right=1),
    "brows up": FaceParams(brow_raise=1, jaw_open=0.2),
    "frown": FaceParams(frown=1, brow_furrow=1),
    "yaw +30": FaceParams(yaw=30),
    "yaw -30": FaceParams(yaw=-30, smile=0.4),
    "pitch +20": FaceParams(pitch=20),
    "pitch -20": FaceParams(pitch=-20),
    "roll": FaceParams(roll=18, smile=0.5),
    "gaze left": FaceParams(gaze_yaw=28),
    "gaze up": FaceParams(gaze_yaw=-15, gaze_pitch=22, brow_raise=0.3),
    "wink": FaceParams(blink_left=1, smile=0.8, roll=-6),
}


def contact_sheet(characters: tuple[int, ...], size: int) -> np.ndarray:
    """Return the sheet (rows * size, columns * size, 3), RGB."""
    rows = []
    for character in characters:
        puppet = Puppet(character, size)
        rows.append(np.concatenate([puppet.draw(pose.array()) for pose in POSES.values()], axis=1))
    return np.concatenate(rows, axis=0)


def write_png(path: Path, picture: np.ndarray, most_bytes: int) -> None:
    """Write a PNG; shrink the picture until the file is small enough for the book."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        done, data = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if done and len(data) <= most_bytes:
            path.write_bytes(data.tobytes())
            return
        picture = cv2.resize(picture, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the cast in all poses.")
    parser.add_argument("--out", type=Path, default=Path("book/images/contact_sheet.png"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--characters", type=int, nargs="+", default=CAST)
    parser.add_argument("--most-bytes", type=int, default=1_500_000)
    wanted = parser.parse_args()
    sheet = contact_sheet(tuple(wanted.characters), wanted.size)
    write_png(wanted.out, sheet, wanted.most_bytes)
    print(f"{wanted.out}: {len(POSES)} poses of {len(wanted.characters)} characters")


if __name__ == "__main__":
    main()
