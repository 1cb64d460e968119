"""The reader: motion from pixels, learned with squared errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FACE_DIM, FACE_INDEX
from avatar_lab.errors import ConfigError
from avatar_lab.motion.autoencoder import to_tensor
from avatar_lab.motion.neural_picture import lab_autoencoder
from avatar_lab.motion.reader import Reader
from avatar_lab.motion.space import default_space
from avatar_lab.render.puppet import Puppet
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE, DrawnFaces, draw_faces
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.reader import Objective, ReaderTraining, to_coefficients, train_reader

SIZES = AutoencoderConfig(size=32, latent_dim=24, channels=8, max_channels=16, reader=(8, 16, 16))


@pytest.fixture(scope="module")
def faces() -> DrawnFaces:
    return draw_faces(range(500, 510), 6, 32, seed=1, masks=False, progress=False)


def settings(steps: int, **changes: object) -> ReaderTraining:
    loop = LoopConfig(steps=steps, learning_rate=5e-3, warmup=5, save_every=5, ema=0.9, **changes)  # type: ignore[arg-type]
    return ReaderTraining(SIZES, loop, batch=16)


def test_faces_may_be_drawn_without_masks(faces: DrawnFaces) -> None:
    assert faces.masks.shape == faces.pictures.shape
    assert not faces.masks.any()


def test_a_short_training_learns_to_read(faces: DrawnFaces, tmp_path: Path) -> None:
    reader, report = train_reader(faces, default_space(), settings(250), out=tmp_path, progress=False)
    assert report.steps == 250
    pictures = to_tensor(torch.from_numpy(faces.pictures.reshape(-1, 32, 32, 3)))
    with torch.inference_mode():
        read = default_space().decode(reader(pictures).numpy())
    truth = faces.faces.reshape(-1, FACE_DIM)
    yaw = FACE_INDEX["yaw"]
    error = np.square(read[:, yaw] - truth[:, yaw]).sum()
    assert 1 - error / np.square(truth[:, yaw] - truth[:, yaw].mean()).sum() > 0.3


def test_an_interrupted_training_ends_with_the_same_bits(
    faces: DrawnFaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = train_reader(faces, default_space(), settings(10), out=tmp_path / "whole", progress=False)
    step_of, limit = Objective.__call__, [7]

    def step(self: Objective, step: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        if step == limit[0]:
            raise KeyboardInterrupt
        return step_of(self, step, generator)

    monkeypatch.setattr(Objective, "__call__", step)
    with pytest.raises(KeyboardInterrupt):
        train_reader(faces, default_space(), settings(10), out=tmp_path / "parts", progress=False)
    limit[0] = -1
    again, _ = train_reader(faces, default_space(), settings(10), out=tmp_path / "parts", progress=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_folding_changes_the_language_only() -> None:
    reader = Reader(32, (8, 8), FACE_DIM).eval()
    space, picture = default_space(), torch.rand(3, 3, 32, 32)
    mean, spread = torch.randn(FACE_DIM) * 0.1, torch.rand(FACE_DIM) + 0.5
    with torch.inference_mode():
        face = reader(picture) * spread + mean
    reader.fold(*to_coefficients(space, mean, spread))
    with torch.inference_mode():
        coefficients = reader(picture)
    expected = (face - torch.from_numpy(space.mean)) @ torch.from_numpy(space.forward)
    torch.testing.assert_close(coefficients, expected, atol=1e-4, rtol=1e-4)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="no reader to train"):
        ReaderTraining(AutoencoderConfig(reader=()))
    with pytest.raises(ConfigError, match="batch must be >= 2"):
        ReaderTraining(SIZES, batch=1)
    with pytest.raises(ConfigError, match="fewer than"):
        AutoencoderConfig(size=16, reader=(8, 8, 8, 8))


@pytest.mark.parametrize(
    ("name", "far"), [("smile", 0.9), ("brow_raise", 0.9), ("gaze_yaw", 15.0), ("yaw", 18.0)]
)
def test_the_shipped_reader_sees_what_it_once_missed(name: str, far: float) -> None:
    """Smiles, brows and gaze of people it never saw, at 64 pixels."""
    model, space = lab_autoencoder()
    column, gaps = FACE_INDEX[name], []
    for person in range(HELD_OUT_PEOPLE, HELD_OUT_PEOPLE + 6):
        puppet, read = Puppet(person, 64), []
        for value in (0.0, far):
            face = np.zeros(FACE_DIM, np.float32)
            face[FACE_INDEX["scale"]], face[column] = 1, value
            picture = to_tensor(torch.from_numpy(puppet.draw(face).copy())[None])
            read.append(space.decode(model.encode(picture).coefficients.numpy())[0, column])
        gaps.append(read[1] - read[0])
    assert np.mean(gaps) > 0.5 * far
