"""`NeuralPicture`: a face drawn by the motion autoencoder's decoder.

Face parameters become coefficients (`MotionSpace`), coefficients a motion latent, and the decoder warps and
repaints one neutral picture of the person. It obeys the `Picture` interface, so wherever the drawn puppet fits,
this fits.

What is peculiar: the source is encoded once, when the picture is made; drawing a frame runs the decoder only.
Sizes above the network's own are enlarged, not invented.

Source: METHOD section 2. Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8

from avatar_lab.data.face import check_track, clamp, neutral
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.model.weights import WEIGHTS_DIR
from avatar_lab.motion.autoencoder import MotionAutoencoder, to_frames, to_tensor
from avatar_lab.motion.saved import load_autoencoder
from avatar_lab.motion.space import MotionSpace
from avatar_lab.render.picture import make_picture, picture_kinds, register_picture

LAB_FILE: Final = WEIGHTS_DIR / "lab" / "autoencoder.safetensors"
SIZES: Final = (16, 1024)
FRAMES_AT_ONCE: Final = 8
READ_AT_ONCE: Final = 32


class NeuralPicture:
    """One person, drawn by the decoder.

    Parameters
    ----------
    source_image : (S, S, 3) uint8 picture of the person at rest, looking into the camera. S must be the size of
        the autoencoder. Without one, the puppet called `character` sits for it.
    size : edge of the frames that come out; the autoencoder's own if None.
    """

    def __init__(
        self,
        autoencoder: MotionAutoencoder,
        space: MotionSpace,
        source_image: UInt8[np.ndarray, "S S 3"] | None = None,
        *,
        character: int = 0,
        size: int | None = None,
    ) -> None:
        edge = autoencoder.config.size
        if source_image is None:
            source_image = make_picture("puppet", character, edge).draw(neutral(1)[0])
        if source_image.shape != (edge, edge, 3):
            raise ShapeError(
                f"source_image must be uint8 of shape ({edge}, {edge}, 3); got {source_image.shape}. "
                "Crop and resize it first."
            )
        self._size = edge if size is None else size
        if not SIZES[0] <= self._size <= SIZES[1]:
            raise ConfigError(f"size must lie in {SIZES[0]}..{SIZES[1]} pixels; got {size}.")
        if space.dim != autoencoder.config.coefficients:
            raise ConfigError(
                f"The motion space has {space.dim} coefficients, the autoencoder "
                f"{autoencoder.config.coefficients}. Load both from one file."
            )
        self._autoencoder, self._space = autoencoder.eval(), space
        self._device = next(autoencoder.parameters()).device
        source = to_tensor(torch.from_numpy(source_image.copy())[None])
        with torch.no_grad():
            self._source = autoencoder.encode(source.to(self._device))

    @property
    def size(self) -> int:
        """Edge of the square picture in pixels."""
        return self._size

    def draw(self, face: Float32[np.ndarray, "P"]) -> UInt8[np.ndarray, "S S 3"]:
        """Draw one pose, columns FACE_NAMES."""
        return self.draw_track(np.asarray(face, np.float32)[None])[0]

    def draw_track(self, face: Float32[np.ndarray, "T P"]) -> UInt8[np.ndarray, "T S S 3"]:
        """Draw every frame of a track."""
        coefficients = self._space.encode(check_track(face))
        return self.draw_motion(coefficients)

    def draw_motion(self, coefficients: Float32[np.ndarray, "T K"]) -> UInt8[np.ndarray, "T S S 3"]:
        """Draw motion coefficients, the generator's own output, frame by frame."""
        frames = np.empty((len(coefficients), self._size, self._size, 3), np.uint8)
        for start in range(0, len(coefficients), FRAMES_AT_ONCE):
            part = torch.from_numpy(coefficients[start : start + FRAMES_AT_ONCE]).to(self._device)
            with torch.no_grad():
                picture = self._autoencoder.draw(self._source, part)
                if self._size != picture.shape[-1]:
                    picture = F.interpolate(
                        picture, size=(self._size, self._size), mode="bicubic", antialias=True
                    )
            frames[start : start + FRAMES_AT_ONCE] = to_frames(picture).cpu().numpy()
        return frames


def read_track(
    autoencoder: MotionAutoencoder, space: MotionSpace, frames: UInt8[np.ndarray, "T S S 3"]
) -> Float32[np.ndarray, "T P"]:
    """Read a face track from pictures of one person: what the encoder makes of them, in named parameters.

    Raises ShapeError for pictures of another size than the autoencoder's.
    """
    device, parts = next(autoencoder.parameters()).device, []
    for start in range(0, len(frames), READ_AT_ONCE):
        pictures = to_tensor(torch.from_numpy(frames[start : start + READ_AT_ONCE].copy())).to(device)
        with torch.no_grad():
            parts.append(autoencoder.encode(pictures).coefficients.cpu().numpy())
    return clamp(space.decode(np.concatenate(parts)))


@cache
def lab_autoencoder() -> tuple[MotionAutoencoder, MotionSpace]:
    """Return the shipped autoencoder and its motion space, loaded once."""
    return load_autoencoder(LAB_FILE)


def neural_picture(character: int, size: int) -> NeuralPicture:
    """Draw `character` with the shipped autoencoder."""
    return NeuralPicture(*lab_autoencoder(), character=character, size=size)


if "neural" not in picture_kinds():
    register_picture("neural", neural_picture)
