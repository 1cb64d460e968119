"""The live core: one block of the user in, one block of the avatar out.

    engine = AvatarEngine(avatar, character=3, seed=0)
    block = engine.step(user_face=..., user_audio=..., avatar_audio=...)      # (B, P), (B*640,), (B*640,)

    engine = AvatarEngine(al.load("paper", checkpoint=DIR), portrait=picture)
    block = engine.step(user_frames=..., user_audio=..., avatar_audio=...)    # (B, S, S, 3) instead of a track

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
from avatar_lab.data.square import check_picture
from avatar_lab.errors import ConfigError, ShapeError, StreamError
from avatar_lab.flow.schedule import SCHEDULES
from avatar_lab.model.avatar import Avatar
from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.stream.body import Body, DrawnBody, PortraitBody
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.stream.state import pack_state, unpack_state


@dataclass(frozen=True)
class AvatarBlock:
    """What the avatar does during one block of B frames.

    Attributes
    ----------
    motion : (B, K) coefficients.
    face : (B, P) face parameters, columns `FACE_NAMES`; None where motion has no names (`paper`).
    frames : (B, H, W, 3) uint8 pictures; None when the engine has no picture.
    timing : milliseconds per stage, and the counts `nfe`, `branches`, `cache_passes`.
    """

    motion: Float32[np.ndarray, "b k"]
    face: Float32[np.ndarray, "b p"] | None
    frames: UInt8[np.ndarray, "b h w 3"] | None
    timing: dict[str, float]


class AvatarEngine:
    """Stream one avatar.

    Parameters
    ----------
    avatar : as returned by `avatar_lab.load`.
    character : seed of the drawn identity.
    portrait : (H, W, 3) uint8 picture of one person: whose face the avatar has. Avatars that see pictures (`paper`)
        need one, square and in their size; for the others it is a photograph made to move instead of a character.
    seed : seed of the motion's noise; same seed, same input, same device: same motion.
    picture : "puppet" (drawn), "neural" (decoded), or None for motion only.
    size : side of the pictures in pixels.
    nfe, guidance, guidance_form, schedule : override the preset's sampler.
    compile : let torch compile the network (CUDA: as a graph). It needs a C++ compiler; the first two blocks wait for
        it, and numbers may differ in the last digits.
    user_every : with a portrait, read every n-th picture of the user only (`PortraitBody`).
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
        portrait: np.ndarray | None = None,
        user_every: int = 1,
        compile: bool = False,
        meter: Meter | None = None,
    ) -> None:
        chosen = {"nfe": nfe, "guidance": guidance, "guidance_form": guidance_form, "schedule": schedule}
        self.sampler = sampler_with(avatar.config.sampler, chosen)
        self.avatar = avatar
        self.meter = meter or Meter()
        if user_every < 1:
            raise ConfigError(f"user_every must be >= 1; got {user_every}.")
        if avatar.sees_pictures:
            draw = picture is not None
            self._body: Body = PortraitBody(avatar, portrait, draw=draw, every=user_every)
        else:
            self._body = DrawnBody(avatar, choose_picture(avatar, picture, character, size, portrait))
        self._stream = MotionStream(avatar, self.sampler, self._body.reference, compiled=compile)
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
        *,
        user_frames: np.ndarray | None = None,
    ) -> AvatarBlock:
        """Advance by one block of B frames.

        Parameters
        ----------
        user_face : (B, P) face track; None when nobody is seen (a resting face is assumed).
        user_audio, avatar_audio : (B * 640,) 16 kHz; None is silence.
        user_frames : (B, S, S, 3) uint8 pictures of the user, for avatars that see pictures; None: nobody is there.

        Raises
        ------
        ShapeError : a block of the wrong length, or numbers that are not finite.
        """
        user_sound = self._sound(user_audio, "user_audio")
        avatar_sound = self._sound(avatar_audio, "avatar_audio")
        with self.meter.stage("see"):
            user_motion = self._body.see(user_face, user_frames, self.block)
        result, self._state = self._stream.step(
            self._state, user_motion, user_sound, avatar_sound, self.meter
        )
        with self.meter.stage("draw"):
            face, frames = self._body.show(result.motion[0])
        motion = result.motion[0].float().cpu().numpy()
        counts = {"nfe": result.evaluations, "branches": result.branches, "cache_passes": result.cache_passes}
        return AvatarBlock(motion, face, frames, self.meter.lap() | counts)

    def state(self) -> dict[str, Tensor]:
        """Return all the session remembers as flat named tensors, ready for safetensors."""
        return pack_state(self._state)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state; raises StreamError when it belongs to another model or other guidance."""
        try:
            restored = unpack_state(dict(state), self._stream.start(0))
            self._stream.check(restored)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise StreamError(f"This state does not belong to this engine: {error}.") from error
        self._state = restored

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


def sampler_with(base: SamplerConfig, chosen: Mapping[str, Any]) -> SamplerConfig:
    """Return `base` with the options given; raises ConfigError for a schedule that cannot stream."""
    given = {name: value for name, value in chosen.items() if value is not None}
    if base.distilled and {"guidance", "guidance_form"} & set(given):
        raise ConfigError(
            "The guidance of these weights was distilled into them and cannot be turned. Use the others (without fast)."
        )
    if "guidance" in given:
        given["guidance"] = {**base.guidance, **given["guidance"]}
    sampler = replace(base, **given)
    if sampler.schedule != "block":
        known = "known to the offline sampler only" if sampler.schedule in SCHEDULES else "unknown"
        raise ConfigError(f"schedule {sampler.schedule!r} is {known}; the engine streams 'block'.")
    return sampler


def choose_picture(
    avatar: Avatar, kind: str | None, character: int, size: int, portrait: np.ndarray | None = None
) -> Picture | None:
    """Return the picture called `kind`, or the portrait; `neural` needs the avatar's autoencoder."""
    if kind is None:
        return None
    if portrait is not None:
        from avatar_lab.render.portrait import PhotoPortrait

        return PhotoPortrait(check_picture(portrait), size)
    if kind == "neural":
        if avatar.autoencoder is None:
            raise ConfigError("This avatar has no autoencoder weights; use picture='puppet'.")
        from avatar_lab.motion.neural_picture import NeuralPicture

        return NeuralPicture(avatar.autoencoder, avatar.face_space, character=character, size=size)
    return make_picture(kind, character, size)
