"""The whole house in one walk: simulate, train for seconds, load, react, film."""

from pathlib import Path

import numpy as np

import avatar_lab as al
from avatar_lab.train.recipes import train_generator


def test_train_tiny_and_let_it_answer(tmp_path: Path) -> None:
    trained, report = train_generator("tiny", tmp_path, steps=150, hours=0.05, seed=1, progress=False)
    assert report.steps == 150
    assert report.metrics["loss"] < 1.8  # an untrained generator predicts 0: about 2.5

    avatar = al.load("tiny", device="cpu", checkpoint=tmp_path / "generator.safetensors")
    assert avatar.parameters_total == trained.parameters_total
    dyad = al.simulate(seconds=2.0, seed=8, split="test")
    one = al.react(avatar, dyad.user, dyad.avatar.audio, character=5, size=64, seed=1)
    two = al.react(avatar, dyad.user, dyad.avatar.audio, character=9, size=64, seed=1)
    assert one.frames is not None
    assert two.frames is not None
    assert one.frames.shape == (50, 64, 64, 3)
    assert np.array_equal(one.face, two.face)
    assert not np.array_equal(one.frames, two.frames)
    film = one.save(tmp_path / "film.mp4")
    assert film.stat().st_size > 5000
