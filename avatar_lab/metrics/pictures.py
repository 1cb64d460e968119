"""Numbers of pictures: FID, CSIM and LSE, from the libraries that know them, where their weights can be had.

    FID    Frechet distance between Inception features of generated and true pictures       torchmetrics, torch-fidelity
    CSIM   cosine between the faces' embeddings, generated and true, at the same time       OpenCV (YuNet, SFace)
    LSE    distance and confidence of SyncNet                                               no library has it

What is peculiar: these networks learned from photographs. On drawn characters an FID says little beyond "the same" or
"not the same", and fewer than 2048 pictures push it up; CSIM asks first whether the detector takes a drawing for a
face. They are here because papers give them. Nothing is downloaded: weights lie in a folder of yours, and what is
missing is named, with where to get it. Notebook: 09. Source: Heusel et al. 2017 (FID); METHOD section 8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from avatar_lab.errors import AvatarLabError, CheckpointError, ConfigError, ShapeError
from avatar_lab.model.weights import sha256

Pictures = UInt8[np.ndarray, "n s s 3"]


@dataclass(frozen=True)
class Weights:
    """A file of weights that others publish; `sha256` is how its hash begins, where that is known."""

    file: str
    url: str
    sha256: str = ""

    def find(self, folder: Path | None) -> Path:
        """Return where it lies; raises CheckpointError that says how to get it."""
        if folder is None or not (folder / self.file).is_file():
            place = "a folder named by --picture-weights" if folder is None else f"{folder}"
            raise CheckpointError(f"{self.file} is missing. Download {self.url} and put it into {place}.")
        path = folder / self.file
        if not (found := sha256(path)).startswith(self.sha256):
            raise CheckpointError(
                f"{path} is not the published file: its SHA-256 should begin with {self.sha256}, it is {found}. "
                f"Download {self.url} again."
            )
        return path


ZOO: Final = "https://github.com/opencv/opencv_zoo/raw/main/models"
INCEPTION = Weights(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
)
YUNET = Weights(
    "face_detection_yunet_2023mar.onnx",
    f"{ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    "8f2383e4",
)
SFACE = Weights(
    "face_recognition_sface_2021dec.onnx",
    f"{ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
)
NO_LSE: Final = (
    "LSE-D and LSE-C come from SyncNet, which no library packages. Run its authors' code "
    "(https://github.com/joonson/syncnet_python) on films of `avatar-lab react`."
)


class Judge(Protocol):
    """Takes pairs of pictures and says one number about them all."""

    weights: dict[str, str]  # file name -> SHA-256

    def add(self, made: Pictures, true: Pictures) -> None:
        """Take generated pictures and the true ones of the same times."""
        ...

    def value(self) -> float:
        """Return the number; raises ShapeError when there was too little to judge."""
        ...


class FrechetDistance:
    """FID, by torchmetrics.

    Parameters
    ----------
    folder : where Inception's weights lie.
    features : another network, uint8 pictures (n, 3, s, s) -> (n, `features.num_features`), instead of Inception.

    Raises
    ------
    ConfigError : the extra `pictures` is not installed, or cannot be used. CheckpointError: the weights are missing.
    """

    def __init__(self, folder: Path | None = None, features: nn.Module | None = None) -> None:
        self.weights: dict[str, str] = {}
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance

            if features is None:
                import torch_fidelity  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ConfigError(
                f"FID needs {error.name}. Install the extra (pip install 'avatar-lab[pictures]'), "
                f"download {INCEPTION.url} and name its folder with --picture-weights."
            ) from error
        except (
            RuntimeError,
            OSError,
        ) as error:  # what torchvision raises beside a torch it was not built for
            raise ConfigError(
                f"FID needs torchvision, which cannot be used here ({error}). Install the build that belongs to "
                f"torch {torch.__version__}."
            ) from error
        if features is not None:
            self._metric = FrechetInceptionDistance(features)
            return
        path = INCEPTION.find(folder)
        self.weights[path.name] = sha256(path)
        self._metric = FrechetInceptionDistance(2048, feature_extractor_weights_path=_tensors_only(path))

    def add(self, made: Pictures, true: Pictures) -> None:
        """Take generated pictures and true ones."""
        with torch.inference_mode():
            for pictures, real in ((made, False), (true, True)):
                channels_first = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
                self._metric.update(torch.from_numpy(channels_first), real=real)

    def value(self) -> float:
        """Return the distance; 0 for the same pictures."""
        try:
            return float(self._metric.compute())
        except RuntimeError as error:
            raise ShapeError(f"FID needs two pictures or more of each kind ({error}).") from error


class SameFace:
    """CSIM, by OpenCV's face detector and recogniser; raises CheckpointError where their weights are missing."""

    def __init__(self, folder: Path | None = None) -> None:
        import cv2

        paths = [weights.find(folder) for weights in (YUNET, SFACE)]
        self.weights = {path.name: sha256(path) for path in paths}
        try:
            self._detector = cv2.FaceDetectorYN.create(str(paths[0]), "", (320, 320))
            self._recogniser = cv2.FaceRecognizerSF.create(str(paths[1]), "")
        except cv2.error as error:
            raise CheckpointError(f"OpenCV cannot read {paths[0]} or {paths[1]}: {error}.") from error
        self._found: list[float] = []
        self._pairs = 0

    def add(self, made: Pictures, true: Pictures) -> None:
        """Compare each generated picture with the true one beside it; pairs without a face found are left out."""
        for pair in zip(made, true, strict=True):
            self._pairs += 1
            ours, theirs = (self._embedding(picture) for picture in pair)
            if ours is not None and theirs is not None:
                self._found.append(float(ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)))

    def value(self) -> float:
        """Return the mean cosine; raises ShapeError when the detector saw a face in none of the pairs."""
        if not self._found:
            raise ShapeError(f"The face detector found no face in any of {self._pairs} pairs of pictures.")
        return float(np.mean(self._found))

    def _embedding(self, picture: UInt8[np.ndarray, "s s 3"]) -> np.ndarray | None:
        """Return the vector of the largest face, or None."""
        bgr = np.ascontiguousarray(picture[..., ::-1])
        self._detector.setInputSize((bgr.shape[1], bgr.shape[0]))
        _, faces = self._detector.detect(bgr)
        if faces is None:
            return None
        largest = max(faces, key=lambda face: face[2] * face[3])
        return self._recogniser.feature(self._recogniser.alignCrop(bgr, largest)).reshape(-1).astype(float)


def picture_scores(pairs: Iterable[tuple[Pictures, Pictures]], folder: Path | None = None) -> dict[str, Any]:
    """Judge batches of (generated, true) pictures of the same times by all that can be had.

    Nothing is taken from `pairs`, so nothing need be drawn, when no judge is there.

    Returns
    -------
    For `fid`, `csim` and `lse`: `value`, None where it cannot be had; `why` that is so, one line; `weights`, the
    SHA-256 of the files used. And `pictures`: how many pairs were judged.
    """
    judges: dict[str, Judge] = {}
    scores: dict[str, Any] = {"lse": {"value": None, "why": NO_LSE}}
    for name, make in (("fid", FrechetDistance), ("csim", SameFace)):
        try:
            judges[name] = make(folder)
        except AvatarLabError as error:
            scores[name] = {"value": None, "why": " ".join(str(error).split())}
    count = 0
    for made, true in pairs if judges else ():
        count += len(made)
        for judge in judges.values():
            judge.add(made, true)
    for name, judge in judges.items():
        try:
            scores[name] = {"value": judge.value(), "weights": judge.weights}
        except ShapeError as error:
            scores[name] = {"value": None, "why": " ".join(str(error).split()), "weights": judge.weights}
    return {"pictures": count, **{name: scores[name] for name in ("fid", "csim", "lse")}}


def _tensors_only(path: Path) -> Any:
    """Return the tensors of a file as a file in memory.

    torch-fidelity unpickles whatever it is given, and a pickle may run code. So the file is read here by the reader
    that takes tensors only, and what torch-fidelity gets is written anew.
    """
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives raise errors of many kinds
        raise CheckpointError(
            f"{path} is no file of weights ({type(error).__name__}). Get it again."
        ) from error
    copy = BytesIO()
    torch.save(tensors, copy)
    copy.seek(0)
    return copy
