"""`lab-latent`: the generator in the autoencoder's own language, so that pixels go in and pixels come out.

    user's picture -> encoder -> coefficients -> generator -> coefficients -> decoder -> avatar's picture

Simulated people are drawn, their pictures are read again, and the generator goes on training on what was read: it
learns to answer motion as an encoder sees it (noisy, smoothed, sometimes wrong), and to move as a decoder draws.

What is peculiar: the encoder speaks named parameters (it was told them), so nothing but the data differs from `lab`: a
conversation "through pixels" is a conversation. What was drawn and read is kept on disk and resumes.

Source: Avatar Forcing, sections 3.1 and 3.2. Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from avatar_lab.config import preset
from avatar_lab.data.performance import Dyad
from avatar_lab.model.avatar import LATENT, Avatar, load
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.neural_picture import lab_autoencoder, read_track
from avatar_lab.motion.space import MotionSpace, default_space
from avatar_lab.render.picture import make_picture
from avatar_lab.train.diffusion_forcing import train
from avatar_lab.train.drawn_faces import TRAIN_PEOPLE
from avatar_lab.train.loop import LoopConfig, LoopReport
from avatar_lab.train.recipes import FURTHER_RECIPES, conversations
from avatar_lab.train.windows import to_conversation

HOURS, STEPS, SEED = 0.5, 1200, 90


def through_pixels(
    dyad: Dyad, autoencoder: MotionAutoencoder, space: MotionSpace, characters: tuple[int, int]
) -> Dyad:
    """Return a conversation in which both faces were drawn (user, avatar) and read again from the pictures."""
    people = []
    for performance, character in zip((dyad.user, dyad.avatar), characters, strict=True):
        frames = make_picture("puppet", character, autoencoder.config.size).draw_track(performance.face)
        people.append(replace(performance, face=read_track(autoencoder, space, frames)))
    return replace(dyad, user=people[0], avatar=people[1])


def drawn_conversations(hours: float, seed: int, folder: Path, progress: bool = True) -> Iterator[Dyad]:
    """Yield simulated conversations through pixels, every one with two other people; read ones are kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    autoencoder, space = lab_autoencoder()
    clips = list(conversations(hours, seed))
    for index, dyad in enumerate(tqdm(clips, disable=not progress, unit="min", desc="draw and read")):
        path = folder / f"{seed}-{index:05d}.npz"
        if not path.exists():
            cast = (TRAIN_PEOPLE + 2 * index, TRAIN_PEOPLE + 2 * index + 1)
            read = through_pixels(dyad, autoencoder, space, cast)
            partial = path.with_suffix(".part.npz")
            np.savez(partial, user=read.user.face, avatar=read.avatar.face)
            partial.replace(path)
        with np.load(path) as faces:
            yield replace(
                dyad,
                user=replace(dyad.user, face=faces["user"]),
                avatar=replace(dyad.avatar, face=faces["avatar"]),
            )


def train_latent(
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float | None = None,
    seed: int = 0,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Train `lab-latent` from the shipped `lab` generator; resumes when `out` holds pictures or checkpoints."""
    config, space, stage = preset("lab"), default_space(), FURTHER_RECIPES["lab"].stages[-1]
    talks = drawn_conversations(hours or HOURS, seed + SEED, out / "read", progress)
    data = [to_conversation(dyad, space, config.audio.bands) for dyad in talks]
    loop = LoopConfig(
        steps=steps or (None if minutes else STEPS),
        minutes=minutes,
        learning_rate=stage.learning_rate / 2,
        seed=seed,
    )
    start = load("lab", device="cpu", precision="float32")
    avatar, report = train(
        config, data, space, loop, out / LATENT, stage.forcing, initial=start, progress=progress
    )
    meta = {"steps": report.steps, "minutes": round(report.minutes, 1), "seed": seed, "latent": True}
    avatar.save(out / "generator.safetensors", meta)
    return avatar, report
