"""The decoder as a `Picture`: same interface as the puppet, same results however frames are grouped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FaceParams, neutral
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.neural_picture import NeuralPicture
from avatar_lab.motion.space import MotionSpace
from avatar_lab.render.picture import Picture, picture_kinds


@pytest.fixture(scope="module")
def space() -> MotionSpace:
    rng = np.random.default_rng(0)
    return MotionSpace.fit(neutral(200) + rng.random((200, 18), np.float32))


@pytest.fixture(scope="module")
def autoencoder() -> MotionAutoencoder:
    torch.manual_seed(0)
    model = MotionAutoencoder(
        AutoencoderConfig(size=32, latent_dim=24, channels=8, max_channels=16, reader=(8, 8))
    )
    torch.nn.init.normal_(model.decoder.coarse.weight)  # let motion show without training
    return model


def test_is_a_picture_and_registered(autoencoder: MotionAutoencoder, space: MotionSpace) -> None:
    picture = NeuralPicture(autoencoder, space, character=3, size=48)
    assert isinstance(picture, Picture)
    assert "neural" in picture_kinds()
    frame = picture.draw(FaceParams(yaw=10).array())
    assert frame.shape == (48, 48, 3)
    assert frame.dtype == np.uint8


def test_a_track_is_its_frames(autoencoder: MotionAutoencoder, space: MotionSpace) -> None:
    picture = NeuralPicture(autoencoder, space, character=3)
    track = neutral(11)
    track[:, 0] = np.linspace(-20, 20, 11)
    frames = picture.draw_track(track)
    assert frames.shape == (11, 32, 32, 3)
    assert np.abs(frames[4].astype(int) - picture.draw(track[4]).astype(int)).max() <= 1
    assert (frames[0] != frames[-1]).any()
    assert (picture.draw_motion(space.encode(track)) == frames).all()


def test_characters_and_given_sources_differ(autoencoder: MotionAutoencoder, space: MotionSpace) -> None:
    face = FaceParams().array()
    one, two = (NeuralPicture(autoencoder, space, character=c).draw(face) for c in (1, 2))
    assert (one != two).any()
    grey = NeuralPicture(autoencoder, space, np.full((32, 32, 3), 128, np.uint8)).draw(face)
    assert (grey != one).any()


def test_bad_input(autoencoder: MotionAutoencoder, space: MotionSpace) -> None:
    with pytest.raises(ShapeError, match=r"\(32, 32, 3\)"):
        NeuralPicture(autoencoder, space, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"16\.\.1024"):
        NeuralPicture(autoencoder, space, size=4000)
    other = MotionAutoencoder(
        AutoencoderConfig(size=32, coefficients=20, latent_dim=24, channels=8, max_channels=16, reader=(8, 8))
    )
    with pytest.raises(ConfigError, match="20"):
        NeuralPicture(other, space)
