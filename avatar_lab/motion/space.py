"""The exact motion space: eighteen face parameters <-> eighteen coefficients.

`MotionSpace` standardises each parameter and rotates into whitened principal components, so that the
generator sees numbers of mean 0 and size about 1 whose noise level means the same in every direction. Nothing
is dropped: as many coefficients as parameters, so tracks from simulator and tracker enter and leave without
loss.

What is peculiar: the whitening is *floored*, twice. Directions that hardly vary in the training data (left
eye against right eye, say) are not blown up to unit size, or tracker noise along them would shout. And the
unit of a pose parameter is never smaller than real people's everyday movement (`EVERYDAY`), which exceeds
that of simulated ones.

Notebook: 01 (tracks), 02 (the learned counterpart).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from jaxtyping import Float32
from safetensors.numpy import load_file

from avatar_lab.data.face import FACE_DIM, FACE_INDEX, check_track, clamp
from avatar_lab.errors import CheckpointError, ConfigError, ShapeError

VARIANCE_FLOOR: Final = 0.3
EVERYDAY: Final = {
    "yaw": 4.0,
    "pitch": 2.5,
    "roll": 2.0,
    "x": 0.03,
    "y": 0.03,
    "scale": 0.03,
    "pucker": 0.12,
    "stretch": 0.12,
    "frown": 0.12,
    "brow_raise": 0.15,
    "brow_furrow": 0.12,
    "squint": 0.15,
    "gaze_yaw": 8.0,
    "gaze_pitch": 6.0,
}
DEFAULT_FILE: Final = Path(__file__).parents[1] / "weights" / "lab" / "motion_space.safetensors"


@dataclass(frozen=True)
class MotionSpace:
    """An affine, invertible map: `coefficients = (face - mean) @ forward`, `face = coefficients @ inverse +
    mean`.

    Attributes
    ----------
    mean : (P,) resting point, in face units.
    forward : (P, K) from centred face parameters to coefficients.
    inverse : (K, P) its exact inverse.
    """

    mean: Float32[np.ndarray, "P"]
    forward: Float32[np.ndarray, "P K"]
    inverse: Float32[np.ndarray, "K P"]

    @property
    def dim(self) -> int:
        """Number of coefficients K."""
        return self.forward.shape[1]

    @classmethod
    def fit(cls, face: Float32[np.ndarray, "T P"], floor: float = VARIANCE_FLOOR) -> MotionSpace:
        """Fit mean, scale and principal axes on tracks.

        Parameters
        ----------
        face : rows of many people; every parameter must vary.
        floor : smallest variance, in standardised units, that is stretched to 1.
        """
        face = check_track(face).astype(np.float64)
        mean, std = face.mean(0), face.std(0)
        if (std < 1e-6).any():
            raise ShapeError("MotionSpace.fit needs tracks in which every face parameter moves.")
        for name, least in EVERYDAY.items():
            std[FACE_INDEX[name]] = max(std[FACE_INDEX[name]], least)
        variance, axes = np.linalg.eigh(np.cov(((face - mean) / std).T))
        order = np.argsort(variance)[::-1]
        axes, spread = axes[:, order], np.sqrt(np.maximum(variance[order], floor))
        return cls(
            mean.astype(np.float32),
            (axes / std[:, None] / spread).astype(np.float32),
            (axes * spread * std[:, None]).T.astype(np.float32),
        )

    def encode(self, face: Float32[np.ndarray, "T P"]) -> Float32[np.ndarray, "T K"]:
        """Turn a face track into coefficients."""
        return (check_track(face) - self.mean) @ self.forward

    def decode(self, coefficients: Float32[np.ndarray, "_T _K"]) -> Float32[np.ndarray, "_T P"]:
        """Turn coefficients into a face track, clamped to the ranges of `FACE_SPECS`."""
        if coefficients.ndim != 2 or coefficients.shape[1] != self.dim:
            raise ShapeError(
                f"coefficients must have shape (T, {self.dim}); got {tuple(coefficients.shape)}."
            )
        return clamp((coefficients @ self.inverse + self.mean).astype(np.float32))

    def tensors(self) -> dict[str, Float32[np.ndarray, "..."]]:
        """Return the three arrays for saving."""
        arrays = {"mean": self.mean, "forward": self.forward, "inverse": self.inverse}
        return {name: np.ascontiguousarray(value) for name, value in arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray]) -> MotionSpace:
        """Rebuild from `tensors`; raises ShapeError when they do not describe 18 face parameters."""
        space = cls(
            **{name: np.asarray(tensors[name], np.float32) for name in ("mean", "forward", "inverse")}
        )
        if space.mean.shape != (FACE_DIM,):
            raise ShapeError(f"This motion space describes {space.mean.shape}, expected ({FACE_DIM},).")
        if not np.allclose(space.forward @ space.inverse, np.eye(FACE_DIM), atol=1e-3):
            raise ShapeError("This motion space is damaged: its two maps are not inverse to each other.")
        return space


@dataclass(frozen=True)
class LatentSpace:
    """The published motion space: directions learned from pixels, with no names. Tracks cannot enter it.

    It answers as `MotionSpace` does, so that whoever hands a face track to such an avatar is told what to do.
    """

    dim: int

    def encode(self, face: object) -> NoReturn:
        """Raise ConfigError: this motion is read from pictures."""
        raise ConfigError(
            "The published motion space is read from pictures, not from face tracks: pass user_frames and a portrait."
        )

    def decode(self, coefficients: object) -> NoReturn:
        """Raise ConfigError: this motion is drawn by the decoder."""
        raise ConfigError(
            "The published motion has no face parameters; draw it with the decoder (portrait=...)."
        )

    def tensors(self) -> dict[str, Float32[np.ndarray, "..."]]:
        """Return nothing: there is nothing to save."""
        return {}


@cache
def default_space() -> MotionSpace:
    """Return the shipped motion space, fitted once on simulated conversations (`avatar_lab.train.recipes`)."""
    if not DEFAULT_FILE.exists():
        raise CheckpointError(
            f"{DEFAULT_FILE.name} is missing in {DEFAULT_FILE.parent}. Reinstall avatar-lab."
        )
    return MotionSpace.from_tensors(load_file(DEFAULT_FILE))
