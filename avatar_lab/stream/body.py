"""How an avatar sees its user and shows itself: by face tracks and a drawing, or by pictures and a portrait.

The motion stream speaks coefficients only. `DrawnBody` translates for avatars whose motion has names (`lab`): a face
track in, a face track and its drawing out. `PortraitBody` translates for the published one: the encoder reads the
user's pictures, the decoder draws the portrait.

Notebook: 00 (meet the avatar), 12 (from lab to paper).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from avatar_lab.data.face import FACE_DIM, check_track, neutral
from avatar_lab.data.square import check_picture
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.model.avatar import Avatar
from avatar_lab.motion.autoencoder import MotionAutoencoder, to_frames, to_tensor
from avatar_lab.render.picture import Picture


class Shown(NamedTuple):
    """What a block of motion looks like: face parameters where they exist, frames where they are drawn."""

    face: Float32[np.ndarray, "b p"] | None
    frames: UInt8[np.ndarray, "b h w 3"] | None


class Body(Protocol):
    """What the engine needs of either kind."""

    reference: Float[Tensor, "1 k"]

    def see(self, face: np.ndarray | None, frames: np.ndarray | None, block: int) -> Float[Tensor, "1 b k"]:
        """Return the user's motion, or what stands for nobody."""
        ...

    def show(self, motion: Float[Tensor, "b k"]) -> Shown:
        """Draw a block of the avatar's motion."""
        ...


class DrawnBody:
    """Face tracks in and out; `picture` draws them, or nothing is drawn. Nobody there is a person at rest."""

    def __init__(self, avatar: Avatar, picture: Picture | None) -> None:
        self._space, self._device, self._picture = avatar.face_space, avatar.device, picture
        self.reference = torch.from_numpy(self._space.encode(neutral(1)))

    def see(self, face: np.ndarray | None, frames: np.ndarray | None, block: int) -> Float[Tensor, "1 b k"]:
        if frames is not None:
            raise ShapeError("This avatar knows its user by a face track: pass user_face, not user_frames.")
        track = check_block_face(face, block)
        return torch.from_numpy(self._space.encode(track))[None].to(self._device)

    def show(self, motion: Float[Tensor, "b k"]) -> Shown:
        face = self._space.decode(motion.float().cpu().numpy())
        return Shown(face, self._picture.draw_track(face) if self._picture else None)


class PortraitBody:
    """Pictures in and out: the encoder reads the user, the decoder moves the portrait.

    Parameters
    ----------
    portrait : (S, S, 3) uint8, S the size of the autoencoder; whose face the avatar has.
    draw : False generates motion only.
    every : read every n-th picture of the user and draw a line between them: the encoder is the dearest part of
        listening, and heads move smoothly.

    Notes
    -----
    Where nobody is seen the condition is zeros, which is how training takes a user away.
    """

    def __init__(
        self,
        avatar: Avatar,
        portrait: np.ndarray | None,
        *,
        draw: bool = True,
        every: int = 1,
    ) -> None:
        if avatar.autoencoder is None:
            raise ConfigError("This avatar has no autoencoder weights; it cannot see a portrait.")
        if portrait is None:
            raise ConfigError(
                "The published avatar needs a face to wear: pass portrait, a square picture of one person."
            )
        self._autoencoder, self._draw, self._every = avatar.autoencoder, draw, every
        size = avatar.autoencoder.config.size
        if check_picture(portrait).shape != (size, size, 3):
            raise ShapeError(
                f"portrait must have shape ({size}, {size}, 3); got {portrait.shape}. Cut it with "
                "avatar_lab.data.square.square()."
            )
        self._device, self._dim = avatar.device, avatar.config.generator.motion_dim
        with torch.inference_mode():
            self._source = self._autoencoder.encode(self._tensor(portrait[None]))
        self.reference = self._source.motion

    def see(self, face: np.ndarray | None, frames: np.ndarray | None, block: int) -> Float[Tensor, "1 b k"]:
        if face is not None:
            raise ShapeError("This avatar knows its user by pictures: pass user_frames, not user_face.")
        if frames is None:
            return torch.zeros(1, block, self._dim, device=self._device)
        size = self._autoencoder.config.size
        if not isinstance(frames, np.ndarray):
            raise ShapeError(f"user_frames must be an array; got {type(frames).__name__}.")
        if frames.dtype != np.uint8 or frames.shape != (block, size, size, 3):
            raise ShapeError(
                f"user_frames must be uint8 of shape ({block}, {size}, {size}, 3); got {frames.dtype} "
                f"{frames.shape}. Crop them with avatar_lab.data.square.square()."
            )
        return read_motion(self._autoencoder, self._tensor(frames), self._every)[None]

    @torch.inference_mode()
    def show(self, motion: Float[Tensor, "b k"]) -> Shown:
        if not self._draw:
            return Shown(None, None)
        latent = self._source.identity + motion.to(self._source.identity)
        at_once = pictures_at_once(self._autoencoder.config.size, self._device)
        drawn = [self._autoencoder.decode(part, self._source.features) for part in latent.split(at_once)]
        return Shown(None, to_frames(torch.cat(drawn)).cpu().numpy())

    def _tensor(self, frames: np.ndarray) -> Float[Tensor, "b 3 h w"]:
        return to_tensor(torch.from_numpy(np.ascontiguousarray(frames)).to(self._device))


def pictures_at_once(size: int, device: torch.device) -> int:
    """Return how many pictures to hand over together: all on a card; on a CPU what its caches can hold."""
    return max(1, 512**2 // size**2) if device.type == "cpu" else 1_000


@torch.inference_mode()
def read_motion(
    autoencoder: MotionAutoencoder, pictures: Float[Tensor, "b 3 h w"], every: int = 1
) -> Float[Tensor, "b k"]:
    """Read motion latents; with `every` > 1 of the last picture and each n-th before it, the others on a line."""
    count = len(pictures)
    read = sorted({*range(count - 1, -1, -every), 0})
    at_once = pictures_at_once(pictures.shape[-1], pictures.device)
    known = torch.cat([autoencoder.encode(part).motion for part in pictures[read].split(at_once)])
    if len(read) == count:
        return known
    at = torch.arange(count, device=pictures.device, dtype=known.dtype)
    knots = torch.tensor(read, device=pictures.device, dtype=known.dtype)
    right = torch.searchsorted(knots, at).clamp(1, len(read) - 1)
    share = ((at - knots[right - 1]) / (knots[right] - knots[right - 1]))[:, None]
    return torch.lerp(known[right - 1], known[right], share)


def check_block_face(face: np.ndarray | None, block: int) -> Float32[np.ndarray, "b p"]:
    """Return one block of user face, at rest when nobody is seen; raise ShapeError for anything else."""
    if face is None:
        return neutral(block)
    face = check_track(face, "user_face")
    if len(face) != block:
        raise ShapeError(f"user_face must have shape ({block}, {FACE_DIM}); got {face.shape}.")
    return face
