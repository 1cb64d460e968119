"""Film the learned latent space: a user's pictures go in, an avatar's pictures come out, and nothing else.

    python bench/latent_film.py          # writes book/images/latent.webp and book/images/latent_strip.png
    python bench/latent_film.py --weights runs/latent/generator.safetensors --out out

    user's picture -> encoder -> coefficients -> `lab-latent` -> coefficients -> decoder -> avatar's picture

Left the user's pictures, as small as the encoder sees them; right the avatar's, as large as the decoder draws them;
both enlarged. Neither person was seen in training. The strip adds what the true avatar of this conversation did, drawn
by the renderer. The conversation is the first whose user smiles; nothing is chosen by how the avatar answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from hello import write_film
from preference_strip import IMAGES, moments, shown

import avatar_lab as al
from avatar_lab.config import FPS
from avatar_lab.motion.neural_picture import NeuralPicture, lab_autoencoder, read_track
from avatar_lab.render.picture import make_picture
from avatar_lab.stream.evaluate import stream_faces
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE
from avatar_lab.viz.frames import strip

USER, AVATAR, EDGE, SECONDS = HELD_OUT_PEOPLE + 3, HELD_OUT_PEOPLE + 10, 256, 6.0


def enlarged(frames: np.ndarray) -> np.ndarray:
    """Return pictures at the size of the film, interpolated: nothing is invented."""
    return np.stack([cv2.resize(frame, (EDGE, EDGE), interpolation=cv2.INTER_CUBIC) for frame in frames])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="by default the shipped ones")
    parser.add_argument("--out", type=Path, default=IMAGES)
    a = parser.parse_args()
    autoencoder, space = lab_autoencoder()
    edge = autoencoder.config.size
    _, dyad, smile = shown()
    user = make_picture("puppet", USER, edge).draw_track(dyad.user.face)
    seen = read_track(autoencoder, space, user)
    avatar = al.load("lab" if a.weights else "lab-latent", device="cpu", checkpoint=a.weights)
    face = stream_faces(avatar, seen[None], dyad.user.audio[None], dyad.avatar.audio[None], seed=0)[0]
    answer = NeuralPicture(autoencoder, space, character=AVATAR).draw_track(face)
    truth = make_picture("puppet", AVATAR, edge).draw_track(dyad.avatar.face)
    start = max(0, round((smile - 1.5) * FPS))
    span = slice(start, start + round(SECONDS * FPS))
    a.out.mkdir(parents=True, exist_ok=True)
    write_film(a.out / "latent.webp", enlarged(user[span]), enlarged(answer[span]))
    rows = {"user, as encoded": user, "avatar, decoded": answer, "true avatar": truth}
    figure = strip({name: enlarged(frames) for name, frames in rows.items()}, at=moments(smile), inch=1.3)
    figure.savefig(a.out / "latent_strip.png", dpi=110)


if __name__ == "__main__":
    main()
