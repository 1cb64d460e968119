"""The live core: one block of the user in, one block of the avatar out.

    engine = AvatarEngine(avatar, character=3, seed=0)
    block = engine.step(user_face=..., user_audio=..., avatar_audio=...)      # (B, P), (B*640,), (B*640,)

No thread and no camera: whoever owns the engine decides when to call it. Memory is constant, and work per
block does not depend on how long the session has lasted. `state()` is everything the session remembers, as
plain tensors.

Notebook: 07 (streaming equals offline), 10 (real time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Num, UInt8
from torch import Tensor

from avatar_lab.config import SAMPLES_PER_FRAME, SamplerConfig
from avatar_lab.data.face import FACE_DIM, check_track, neutral
from avatar_lab.errors import ConfigError, ShapeError, StreamError
from avatar_lab.flow.schedule import SCHEDULES
from avatar_lab.model.avatar import Avatar
from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.stream.state import pack_state, unpack_state


@dataclass(frozen=True)
class AvatarBlock:
    """What the avatar does during one block of B frames.

    Attributes
    ----------
    motion : (B, K) coefficients.
    face : (B, P) face parameters, columns `FACE_NAMES`.
    frames : (B, H, W, 3) uint8 pictures; None when the engine has no picture.
    timing : milliseconds per stage, and the counts `nfe`, `branches`, `cache_passes`.
    """

    motion: Float32[np.ndarray, "b k"]
    face: Float32[np.ndarray, "b p"]
    frames: UInt8[np.ndarray, "b h w 3"] | None
    timing: dict[str, float]


class AvatarEngine:
    """Stream one avatar.

    Parameters
    ----------
    avatar : as returned by `avatar_lab.load`.
    character : seed of the drawn identity.
    seed : seed of the motion's noise; same seed, same input, same device: same motion.
    picture : "puppet" (drawn), "neural" (decoded), or None for motion only.
    size : side of the pictures in pixels.
    nfe, guidance, guidance_form, schedule : override the preset's sampler.
    """

    def __init__(
        self,
        avatar: Avatar,
        character: int = 0,
        seed: int = 0,
        *,
        picture: str | None = "puppet",
        size: int = 128,
        nfe: int | None = None,
        guidance: Mapping[str, float] | None = None,
        guidance_form: str | None = None,
        schedule: str | None = None,
        meter: Meter | None = None,
    ) -> None:
        chosen = {"nfe": nfe, "guidance": guidance, "guidance_form": guidance_form, "schedule": schedule}
        self.sampler = sampler_with(avatar.config.sampler, chosen)
        self.avatar = avatar
        self.picture = choose_picture(avatar, picture, character, size)
        self.meter = meter or Meter()
        reference = torch.from_numpy(avatar.space.encode(neutral(1)))
        self._stream = MotionStream(avatar, self.sampler, reference)
        self._state = self._stream.start(seed)

    @property
    def block(self) -> int:
        """Frames per block."""
        return self.avatar.config.generator.block

    def step(
        self,
        user_face: Num[np.ndarray, "*_"] | None = None,
        user_audio: Num[np.ndarray, "*_"] | None = None,
        avatar_audio: Num[np.ndarray, "*_"] | None = None,
    ) -> AvatarBlock:
        """Advance by one block of B frames.

        Parameters
        ----------
        user_face : (B, P) face track; None when nobody is seen (a resting face is assumed).
        user_audio, avatar_audio : (B * 640,) 16 kHz; None is silence.

        Raises
        ------
        ShapeError : a block of the wrong length, or numbers that are not finite.
        """
        face = check_block_face(user_face, self.block)
        user_sound = self._sound(user_audio, "user_audio")
        avatar_sound = self._sound(avatar_audio, "avatar_audio")
        user_motion = torch.from_numpy(self.avatar.space.encode(face))[None].to(self.avatar.device)
        result, self._state = self._stream.step(
            self._state, user_motion, user_sound, avatar_sound, self.meter
        )
        motion = result.motion[0].float().cpu().numpy()
        out = self.avatar.space.decode(motion)
        with self.meter.stage("draw"):
            frames = self.picture.draw_track(out) if self.picture else None
        counts = {"nfe": result.evaluations, "branches": result.branches, "cache_passes": result.cache_passes}
        return AvatarBlock(motion, out, frames, self.meter.lap() | counts)

    def state(self) -> dict[str, Tensor]:
        """Return all the session remembers as flat named tensors, ready for safetensors."""
        return pack_state(self._state)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state; raises StreamError when it belongs to another model or other guidance."""
        fresh = self._stream.start(0)
        try:
            self._state = unpack_state(dict(state), fresh)
        except (KeyError, RuntimeError, ValueError) as error:
            raise StreamError(f"This state does not belong to this engine: {error}.") from error

    def _sound(self, audio: np.ndarray | None, name: str) -> Float32[Tensor, "1 n"]:
        wanted = self.block * SAMPLES_PER_FRAME
        if audio is None:
            audio = np.zeros(wanted, np.float32)
        array = np.asarray(audio, np.float32)
        if array.shape != (wanted,):
            raise ShapeError(
                f"{name} must have shape ({wanted},): {self.block} frames of {SAMPLES_PER_FRAME} samples; "
                f"got {array.shape}."
            )
        if not np.isfinite(array).all():
            raise ShapeError(f"{name} must be finite; it holds NaN or infinity.")
        return torch.from_numpy(array.copy())[None].to(self.avatar.device)


def check_block_face(face: np.ndarray | None, block: int) -> Float32[np.ndarray, "b p"]:
    """Return one block of user face, at rest when nobody is seen; raise ShapeError for anything else."""
    if face is None:
        return neutral(block)
    face = check_track(face, "user_face")
    if len(face) != block:
        raise ShapeError(f"user_face must have shape ({block}, {FACE_DIM}); got {face.shape}.")
    return face


def sampler_with(base: SamplerConfig, chosen: Mapping[str, Any]) -> SamplerConfig:
    """Return `base` with the options given; raises ConfigError for a schedule that cannot stream."""
    given = {name: value for name, value in chosen.items() if value is not None}
    if "guidance" in given:
        given["guidance"] = {**base.guidance, **given["guidance"]}
    sampler = replace(base, **given)
    if sampler.schedule != "block":
        known = "known to the offline sampler only" if sampler.schedule in SCHEDULES else "unknown"
        raise ConfigError(f"schedule {sampler.schedule!r} is {known}; the engine streams 'block'.")
    return sampler


def choose_picture(avatar: Avatar, kind: str | None, character: int, size: int) -> Picture | None:
    """Return the picture called `kind`; `neural` needs the avatar's autoencoder."""
    if kind is None:
        return None
    if kind == "neural":
        if avatar.autoencoder is None:
            raise ConfigError("This avatar has no autoencoder weights; use picture='puppet'.")
        from avatar_lab.motion.neural_picture import NeuralPicture

        return NeuralPicture(avatar.autoencoder, avatar.space, character=character, size=size)
    return make_picture(kind, character, size)
