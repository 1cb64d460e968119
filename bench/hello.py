"""Make the moving picture of the README and the reaction strip of the book from the embedded sample.

    python bench/hello.py            # writes book/images/hello.webp and book/images/reaction_strip.png

Everything shown is what the shipped weights do with the sample user; the strip's last row is the same avatar,
voice and seed with nobody in front of it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import avatar_lab as al
from avatar_lab.cli.files import load_sample
from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.stream.react import Reaction, silent_user
from avatar_lab.stream.side_by_side import TWIN
from avatar_lab.viz.frames import strip

IMAGES = Path(__file__).parents[1] / "book" / "images"
CHARACTER, SEED, SECONDS, EVERY = 2, 0, 6.0, 2


def best_start(face: np.ndarray, frames: int) -> int:
    """Return where the user's smile rises most within the next `frames`."""
    smile = face[:, FACE_INDEX["smile"]]
    rises = [smile[i + frames // 3 : i + frames].max() - smile[i] for i in range(len(smile) - frames)]
    return int(np.argmax(rises))


def write_film(path: Path, left: np.ndarray, right: np.ndarray) -> None:
    """Write an animated WebP, every second frame, user left and avatar right."""
    frames = [cv2.cvtColor(np.hstack(pair), cv2.COLOR_RGB2BGR) for pair in zip(left, right, strict=True)]
    animation = cv2.Animation()
    animation.frames = frames[::EVERY]
    animation.durations = [1000 * EVERY // FPS] * len(animation.frames)
    if not cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 82]):
        raise OSError(f"OpenCV could not write {path}")


def write_strip(path: Path, user: np.ndarray, seen: Reaction, alone: Reaction, at: list[int]) -> None:
    """Write the three rows: user, avatar with this user, avatar with nobody."""
    assert seen.frames is not None
    assert alone.frames is not None
    figure = strip({"user": user, "avatar": seen.frames, "nobody there": alone.frames}, at=at, inch=1.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    user, speech = load_sample()
    avatar = al.load("lab", device="cpu")
    seen = al.react(avatar, user, speech, character=CHARACTER, size=256, seed=SEED)
    nobody = silent_user(user.seconds)
    alone = al.react(avatar, nobody, speech, character=CHARACTER, size=256, seed=SEED)
    assert seen.frames is not None
    twin = al.Puppet(TWIN, 256).draw_track(user.face)
    frames = round(SECONDS * FPS)
    start = best_start(user.face, frames)
    span = slice(start, start + frames)
    IMAGES.mkdir(parents=True, exist_ok=True)
    write_film(IMAGES / "hello.webp", twin[span], seen.frames[span])
    at = np.linspace(start, min(start + frames, len(twin)) - 1, 9).astype(int).tolist()
    write_strip(IMAGES / "reaction_strip.png", twin, seen, alone, at)


if __name__ == "__main__":
    main()
