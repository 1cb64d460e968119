"""Training of the motion autoencoder, on a stand-in that draws a moving disc with an opening mouth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FACE_INDEX, mirror
from avatar_lab.errors import ConfigError, MediaError, ShapeError
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.saved import load_autoencoder
from avatar_lab.motion.space import MotionSpace
from avatar_lab.train.autoencoder import (
    AutoencoderTraining,
    BatchMaker,
    Objective,
    recolour,
    recolour_matrices,
    standardised_parameters,
    train,
    training_recipe,
    visibility,
)
from avatar_lab.train.drawn_faces import DrawnFaces, draw_faces, mixed_poses, random_poses
from avatar_lab.train.loop import LoopConfig

SIZE = 16


class Disc:
    """A coloured disc that yaw and pitch move about, with a dark mouth that the jaw opens."""

    def __init__(self, character: int, size: int) -> None:
        self.colour = np.random.default_rng(character).integers(80, 255, 3)
        y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
        self.x, self.y = x, y

    def shapes(self, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = self.x - face[FACE_INDEX["yaw"]] / 60
        y = self.y + face[FACE_INDEX["pitch"]] / 60
        mouth = np.abs(x) + np.abs((y - 0.3) / (0.1 + face[FACE_INDEX["jaw_open"]])) < 0.4
        return x**2 + y**2 < 0.5, mouth

    def draw(self, face: np.ndarray) -> np.ndarray:
        disc, mouth = self.shapes(face)
        return (disc[..., None] * self.colour * (1 - 0.8 * mouth[..., None])).astype(np.uint8)

    def masks(self, face: np.ndarray) -> dict[str, np.ndarray]:
        disc, mouth = self.shapes(face)
        return {name: m.astype(np.float32) for name, m in (("eyes", mouth), ("mouth", mouth), ("face", disc))}


@pytest.fixture(scope="module")
def faces() -> DrawnFaces:
    return draw_faces(range(8), 6, SIZE, seed=0, renderer=Disc, progress=False)


@pytest.fixture(scope="module")
def space() -> MotionSpace:
    return MotionSpace.fit(random_poses(500, np.random.default_rng(0)))


def settings(steps: int, **changes: object) -> AutoencoderTraining:
    base = AutoencoderTraining(
        autoencoder=AutoencoderConfig(size=SIZE, latent_dim=24, channels=8, max_channels=16, reader=(8, 8)),
        loop=LoopConfig(steps=steps, learning_rate=5e-3, warmup=5, ema=0.9, log_every=5, save_every=1000),
        pairs=2,
        poses=2,
        more_to_read=3,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_pairs_share_poses_and_start_neutral(faces: DrawnFaces) -> None:
    assert faces.pictures.shape == (8, 7, SIZE, SIZE, 3)
    assert (faces.faces[0::2] == faces.faces[1::2]).all()
    assert (faces.faces[:, 0] == faces.faces[0, 0]).all()
    assert not (faces.faces[0, 1:] == faces.faces[2, 1:]).all()


def test_drawn_faces_survive_the_disk(faces: DrawnFaces, tmp_path: Path) -> None:
    faces.save(tmp_path)
    again = DrawnFaces.load(tmp_path)
    assert (again.pictures == faces.pictures).all()
    assert (again.faces == faces.faces).all()
    with pytest.raises(MediaError, match="draw_faces"):
        DrawnFaces.load(tmp_path / "elsewhere")
    with pytest.raises(ShapeError, match="even number"):
        DrawnFaces(faces.pictures[:3], faces.masks[:3], faces.faces[:3], faces.characters[:3])


def test_every_other_pose_comes_from_the_tracks() -> None:
    tracks = np.full((5, 18), 0.125, np.float32)
    poses = mixed_poses(10, np.random.default_rng(0), tracks)
    assert (poses[::2] == 0.125).all()
    assert not (poses[1::2] == 0.125).all(1).any()


def test_batch_shows_what_it_says(faces: DrawnFaces, space: MotionSpace) -> None:
    config = settings(10, recolour=0.0, jitter=0.0, late_neutral_source=1.0)
    batch = BatchMaker(faces, space, config).make(0.0, torch.Generator().manual_seed(3))
    assert batch.source.shape == (4, 3, SIZE, SIZE)
    assert batch.target.shape == batch.masks.shape == (8, 3, SIZE, SIZE)
    assert batch.driving.shape == (11, 3, SIZE, SIZE)
    assert torch.equal(batch.target, batch.driving[:8])
    by_person = batch.coefficients[:8].view(2, 2, 2, 18)
    assert torch.equal(by_person[:, 0], by_person[:, 1])  # the two of a pair share their poses
    face = space.decode(batch.coefficients.numpy())
    disc = batch.driving.gt(-0.99).any(1).float()
    centre = (disc * torch.linspace(-1, 1, SIZE)).sum((1, 2)) / disc.sum((1, 2))
    expected = face[:, FACE_INDEX["yaw"]] / 60
    assert np.abs(centre.numpy() - expected).max() < 0.08  # mirrored pictures have mirrored coefficients


def test_recolouring_is_identity_when_nobody_is_chosen_and_differs_otherwise() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(4, 3, 8, 8) * 2 - 1
    same = recolour(pictures, recolour_matrices(4, 0.0, 1.0, generator))
    torch.testing.assert_close(same, pictures)
    other = recolour(pictures, recolour_matrices(4, 1.0, 1.0, generator))
    assert (other - pictures).abs().mean() > 0.05
    assert other.abs().max() <= 1


def test_gaze_behind_closed_lids_hardly_counts() -> None:
    pose = torch.zeros(2, 18)
    pose[1, [FACE_INDEX["blink_left"], FACE_INDEX["blink_right"]]] = 1
    visible = visibility(pose)
    assert visible[0].eq(1).all()
    assert visible[1, FACE_INDEX["gaze_yaw"]] == pytest.approx(0.05)
    assert mirror(pose.numpy()).shape == (2, 18)


def test_parameters_that_never_move_keep_a_bounded_weight(faces: DrawnFaces, space: MotionSpace) -> None:
    still = DrawnFaces(faces.pictures, faces.masks, np.zeros_like(faces.faces), faces.characters)
    assert standardised_parameters(space, still).abs().max() < 100


def test_a_short_training_lowers_the_loss(faces: DrawnFaces, space: MotionSpace, tmp_path: Path) -> None:
    config = settings(60)
    torch.manual_seed(0)
    untrained = MotionAutoencoder(config.autoencoder)
    model, report = train(faces, space, config, out=tmp_path, progress=False)
    assert report.steps == 60

    def loss(network: MotionAutoencoder) -> float:
        objective = Objective(network, faces, space, config)
        with torch.no_grad():
            values = [objective(0, torch.Generator().manual_seed(i))[0].item() for i in range(5)]
        return float(np.mean(values))

    assert loss(model) < 0.7 * loss(untrained)
    again, _ = load_autoencoder(tmp_path / "autoencoder.safetensors")
    assert again.config == config.autoencoder


def test_an_interrupted_training_ends_with_the_same_bits(
    faces: DrawnFaces, space: MotionSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(8, loop=replace(settings(8).loop, save_every=4))
    whole, _ = train(faces, space, config, out=tmp_path / "whole", progress=False)
    original = Objective.__call__

    def fail_late(self: Objective, step: int, generator: torch.Generator) -> object:
        if step == 6:
            raise KeyboardInterrupt
        return original(self, step, generator)

    monkeypatch.setattr(Objective, "__call__", fail_late)
    with pytest.raises(KeyboardInterrupt):
        train(faces, space, config, out=tmp_path / "parts", progress=False)
    monkeypatch.undo()
    resumed, report = train(faces, space, config, out=tmp_path / "parts", progress=False)
    assert report.steps == 8
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_plain_recipe_switches_everything_off(faces: DrawnFaces, space: MotionSpace, tmp_path: Path) -> None:
    plain = training_recipe("plain", autoencoder=settings(2).autoencoder, loop=settings(2).loop)
    assert not plain.supervised
    assert plain.teacher == plain.cross == plain.neutral_source == plain.jitter == 0
    assert not plain.autoencoder.warp_picture
    assert not plain.autoencoder.normalise_latent
    assert not plain.autoencoder.reader
    _, report = train(faces, space, plain, out=tmp_path, progress=False)
    assert "motion" not in report.metrics


def test_bad_settings(faces: DrawnFaces, space: MotionSpace) -> None:
    with pytest.raises(ConfigError, match="taught or plain"):
        training_recipe("fancy")
    with pytest.raises(ConfigError, match="steps"):
        AutoencoderTraining(loop=LoopConfig(minutes=1))
    with pytest.raises(ConfigError, match="16 px"):
        BatchMaker(faces, space, AutoencoderTraining())
