"""`lab-latent`: conversations through pixels, a training that resumes, weights that say what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import avatar_lab as al
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError
from avatar_lab.metrics.sync import correlation
from avatar_lab.model.weights import load_tensors
from avatar_lab.motion.neural_picture import lab_autoencoder
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE
from avatar_lab.train.latent import SEED, drawn_conversations, through_pixels, train_latent
from avatar_lab.train.recipes import conversations


def test_a_conversation_through_pixels_is_the_same_conversation() -> None:
    autoencoder, space = lab_autoencoder()
    dyad = al.simulate(seconds=4.0, seed=3)
    read = through_pixels(dyad, autoencoder, space, (HELD_OUT_PEOPLE, HELD_OUT_PEOPLE + 1))
    assert read.user.face.shape == dyad.user.face.shape
    assert (read.user.audio == dyad.user.audio).all()
    assert read.events == dyad.events
    assert not np.allclose(read.avatar.face, dyad.avatar.face)  # it went through pictures
    jaw = FACE_INDEX["jaw_open"]
    for seen, known in ((read.user, dyad.user), (read.avatar, dyad.avatar)):
        if known.face[:, jaw].std() > 0.05:
            assert correlation(seen.face[:, jaw], known.face[:, jaw]) > 0.8


def kept_as_read(folder: Path, shift: float) -> None:
    """Write what `drawn_conversations` would have kept, without drawing it."""
    folder.mkdir(parents=True)
    for index, dyad in enumerate(conversations(1 / 60, SEED)):
        user, avatar = dyad.user.face.copy(), dyad.avatar.face.copy()
        user[:, FACE_INDEX["yaw"]] += shift
        np.savez(folder / f"{SEED}-{index:05d}.npz", user=user, avatar=avatar)


def test_what_was_read_is_not_drawn_again(tmp_path: Path) -> None:
    kept_as_read(tmp_path / "read", shift=5.0)
    plain = next(iter(conversations(1 / 60, SEED)))
    (again,) = drawn_conversations(1 / 60, SEED, tmp_path / "read", progress=False)
    yaw = FACE_INDEX["yaw"]
    np.testing.assert_allclose(again.user.face[:, yaw] - plain.user.face[:, yaw], 5.0, atol=1e-4)


def test_it_goes_on_from_lab_and_its_weights_say_so(tmp_path: Path) -> None:
    kept_as_read(tmp_path / "read", shift=0.0)
    avatar, report = train_latent(tmp_path, steps=2, hours=1 / 60, progress=False)
    assert report.steps == 2
    file = tmp_path / "generator.safetensors"
    tensors, meta = load_tensors(file)
    assert meta["latent"] is True
    shipped = al.load("lab", device="cpu").generator.state_dict()
    moved = [name for name, value in avatar.generator.state_dict().items() if (value != shipped[name]).any()]
    assert moved
    assert len(tensors) > len(moved)
    again = al.load("lab-latent", device="cpu", checkpoint=file)
    saved, made = (a.generator.state_dict()[moved[0]] for a in (again, avatar))
    torch.testing.assert_close(saved, made, atol=1e-3, rtol=1e-3)  # files hold half precision


def test_it_has_no_distilled_form() -> None:
    with pytest.raises(ConfigError, match="shipped lab weights"):
        al.load("lab-latent", fast=True)
