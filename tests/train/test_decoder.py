"""The decoder goes on alone: the encoder stays as it was, and what is drawn is read better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import neutral
from avatar_lab.errors import ConfigError
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.decoder import DecoderTraining, disturbed, train_decoder
from avatar_lab.train.drawn_faces import DrawnFaces, draw_faces
from avatar_lab.train.loop import LoopConfig

SIZES = AutoencoderConfig(size=32, latent_dim=24, channels=8, max_channels=16, reader=(8, 8))


@pytest.fixture(scope="module")
def space() -> MotionSpace:
    rng = np.random.default_rng(0)
    return MotionSpace.fit(neutral(200) + rng.random((200, 18), np.float32))


@pytest.fixture(scope="module")
def faces() -> DrawnFaces:
    return draw_faces(range(4), 4, 32, seed=0, progress=False)


def model() -> MotionAutoencoder:
    torch.manual_seed(0)
    return MotionAutoencoder(SIZES)


def settings(steps: int, **changes: float) -> DecoderTraining:
    loop = LoopConfig(steps=steps, learning_rate=3e-3, warmup=1, ema=0.5)
    return replace(DecoderTraining(loop, pairs=2, poses=2), **changes)


def test_only_the_decoder_changes(tmp_path: Path, space: MotionSpace, faces: DrawnFaces) -> None:
    autoencoder = model()
    before = {name: value.clone() for name, value in autoencoder.state_dict().items()}
    train_decoder(autoencoder, faces, space, settings(3), out=tmp_path, progress=False)
    after = autoencoder.state_dict()
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed
    assert all(name.startswith("decoder.") for name in changed)
    assert not any(p.requires_grad for p in autoencoder.parameters())


def test_pictures_come_nearer(tmp_path: Path, space: MotionSpace, faces: DrawnFaces) -> None:
    first = train_decoder(model(), faces, space, settings(2), out=tmp_path / "a", progress=False)
    later = train_decoder(model(), faces, space, settings(60), out=tmp_path / "b", progress=False)
    assert later.metrics["picture"] < 0.8 * first.metrics["picture"]


def test_disturbing_is_reproducible_and_mild() -> None:
    pictures = torch.zeros(3, 3, 16, 16)
    one, two = (disturbed(pictures, DecoderTraining(), torch.Generator().manual_seed(1)) for _ in range(2))
    assert (one == two).all()
    assert one.abs().max() <= 1
    still = DecoderTraining(blur=0.0, noise=0.0)
    plain = disturbed(pictures, still, torch.Generator().manual_seed(1))
    assert (plain - plain.mean((2, 3), keepdim=True)).abs().max() < 1e-6


def test_bad_settings_and_an_autoencoder_without_a_reader(
    tmp_path: Path, space: MotionSpace, faces: DrawnFaces
) -> None:
    with pytest.raises(ConfigError, match="blur"):
        DecoderTraining(blur=2.0)
    blind = MotionAutoencoder(replace(SIZES, reader=()))
    with pytest.raises(ConfigError, match="no reader"):
        train_decoder(blind, faces, space, settings(1), out=tmp_path, progress=False)
