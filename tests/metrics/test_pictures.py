"""FID and CSIM: their arithmetic and care on small networks, and one clear line where something is missing."""

from __future__ import annotations

import builtins
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avatar_lab.errors import CheckpointError, ConfigError, ShapeError
from avatar_lab.metrics import pictures
from avatar_lab.metrics.pictures import FrechetDistance, SameFace, Weights, picture_scores
from avatar_lab.metrics.richness import frechet


class MeanColour(nn.Module):
    """Three features a picture, in place of Inception's 2048."""

    num_features = 3

    def forward(self, x: Tensor) -> Tensor:
        return x.double().mean((2, 3))


def some(seed: int, shift: int = 0) -> np.ndarray:
    """Pictures of one colour each."""
    colours = np.random.default_rng(seed).integers(50, 150, (40, 1, 1, 3)) + shift
    return np.broadcast_to(colours, (40, 8, 8, 3)).astype(np.uint8)


def test_fid_is_the_frechet_distance_of_features() -> None:
    pytest.importorskip("torchmetrics")
    judge = FrechetDistance(features=MeanColour())
    made, true = some(0, 30), some(1)
    for half in (slice(0, 15), slice(15, 40)):  # batches add up
        judge.add(made[half], true[half])
    by_hand = frechet(made[:, 0, 0].astype(float), true[:, 0, 0].astype(float))
    assert judge.value() == pytest.approx(by_hand, rel=0.01)


def test_fid_of_the_same_is_nothing_and_of_one_picture_unknown() -> None:
    pytest.importorskip("torchmetrics")
    judge = FrechetDistance(features=MeanColour())
    judge.add(some(0)[:1], some(0)[:1])
    with pytest.raises(ShapeError, match="two pictures"):
        judge.value()
    judge.add(some(0), some(0))
    assert judge.value() == pytest.approx(0, abs=1e-3)


class FakeEyes:
    """A detector that sees a face in bright pictures only, and a recogniser of mean colours."""

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.size = size

    def detect(self, picture: np.ndarray) -> tuple[int, np.ndarray | None]:
        boxes = np.array([[0, 0, 2, 2, 0.9], [0, 0, 8, 8, 0.8]], np.float32)
        return (1, boxes) if picture.mean() > 40 else (1, None)

    def alignCrop(self, picture: np.ndarray, box: np.ndarray) -> np.ndarray:
        return picture[: int(box[3]), : int(box[2])]

    def feature(self, face: np.ndarray) -> np.ndarray:
        assert face.shape == (8, 8, 3), "the largest face"
        return face.reshape(-1, 3).mean(0, keepdims=True).astype(np.float32)


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    import cv2

    for name in ("FaceDetectorYN", "FaceRecognizerSF"):
        monkeypatch.setattr(getattr(cv2, name), "create", lambda *a: FakeEyes())
    # The small file stands for the published one.
    monkeypatch.setattr(pictures, "YUNET", Weights(pictures.YUNET.file, pictures.YUNET.url))
    for weights in (pictures.YUNET, pictures.SFACE):
        (tmp_path / weights.file).write_bytes(b"network")
    return tmp_path


def test_csim_is_a_cosine_over_pairs_with_faces(eyes: Path) -> None:
    dark, red, grey = (
        np.broadcast_to(np.uint8(c), (1, 8, 8, 3)) for c in ((0, 0, 0), (255, 0, 0), (90, 90, 90))
    )
    judge = SameFace(eyes)
    with pytest.raises(ShapeError, match="no face in any of 0"):
        judge.value()
    judge.add(np.concatenate([red, dark, grey]), np.concatenate([grey, red, grey]))
    assert judge.value() == pytest.approx((1 / np.sqrt(3) + 1) / 2)
    assert judge.weights[pictures.SFACE.file] == hashlib.sha256(b"network").hexdigest()


def test_what_is_missing_is_named_and_nothing_is_drawn(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError("drawn for nobody")
        yield

    for folder in (None, tmp_path):
        scores = picture_scores(never(), folder)
        assert scores["pictures"] == 0
        for name, words in (("fid", "inception"), ("csim", "yunet"), ("lse", "SyncNet")):
            assert scores[name]["value"] is None
            assert words in scores[name]["why"], scores[name]
            assert "https://" in scores[name]["why"]
            assert "\n" not in scores[name]["why"]
    assert str(tmp_path) in scores["csim"]["why"]


def test_the_rest_is_judged(eyes: Path) -> None:
    scores = picture_scores([(some(0), some(0))], eyes)
    assert scores["pictures"] == 40
    assert scores["csim"]["value"] == pytest.approx(1)
    assert scores["fid"]["value"] is None


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("torchmetrics"):
            raise ModuleNotFoundError("No module named 'torchmetrics'", name="torchmetrics")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"needs torchmetrics.*avatar-lab\[pictures\]"):
        FrechetDistance()


def test_other_files_and_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    weights = Weights("w.pth", "https://there", "6726825d")
    (tmp_path / "w.pth").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="should begin with 6726825d"):
        weights.find(tmp_path)
    torch.save({"layer": MeanColour()}, tmp_path / "code.pth")  # a class, which unpickling would call
    with pytest.raises(CheckpointError, match="no file of weights"):
        pictures._tensors_only(tmp_path / "code.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "good.pth")
    again = torch.load(pictures._tensors_only(tmp_path / "good.pth"), weights_only=True)
    assert again["weight"].tolist() == [1, 1]
