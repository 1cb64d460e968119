"""What moves the face in a live session: the avatar in blocks, the avatar as a pyramid, or a mirror.

    moved = mover.move(user_rows, user_sound, voice, nfe)        # a piece of `mover.frames` frames

All give face rows for a piece of time, and the voice that belongs to them. What is peculiar: dials are turned between
two pieces without forgetting the conversation. Steps and weights of guidance change how noise becomes motion, not what
is remembered; only another schedule or another seed begins anew, and then the face is led over from the old pose to the
new one within a third of a second.

Notebook: 05 (schedules), 10 (real time).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from avatar_lab.clock import Clock
from avatar_lab.config import SAMPLES_PER_FRAME, SamplerConfig
from avatar_lab.data.face import neutral
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.stream.pyramid import PyramidStream

LEAD_OVER: Final = 8  # frames from the last pose into a motion that begins anew
PYRAMID_PIECE: Final = 2  # frames: a message every 80 ms is what a page digests
STREAMS: Final = 4
APART: Final = 1e-3  # weights are kept this far from values at which a branch of guidance would vanish


@dataclass(frozen=True)
class Moved:
    """A piece of the avatar: its face, the voice that goes with it, milliseconds by stage.

    `late` counts the frames between the user's newest one and the one that this piece was made for: 0 in blocks, the
    height of its stair in a pyramid.
    """

    face: Float32[np.ndarray, "n P"]
    voice: Float32[np.ndarray, "m"]
    timing: dict[str, float] = field(default_factory=dict)
    late: int = 0


@runtime_checkable
class Mover(Protocol):
    """What a session needs of whatever moves."""

    @property
    def frames(self) -> int:
        """Frames of a piece."""
        ...

    def set(self, settings: LiveSettings) -> None:
        """Learn that dials were turned."""
        ...

    def move(
        self,
        rows: Float32[np.ndarray, "n P"],
        heard: Float32[np.ndarray, "m"],
        voice: Float32[np.ndarray, "m"],
        nfe: int,
    ) -> Moved:
        """Make the next piece in `nfe` steps."""
        ...

    def hold(self, voice: Float32[np.ndarray, "m"]) -> Float32[np.ndarray, "m"]:
        """Return the voice of a piece whose pose is held: nothing is made, and the voice goes on."""
        ...


class MirrorMover:
    """Copies the user's newest face, a frame at a time: the delay of everything but the model."""

    frames = 1

    def set(self, settings: LiveSettings) -> None:
        pass

    def move(self, rows: np.ndarray, heard: np.ndarray, voice: np.ndarray, nfe: int) -> Moved:
        return Moved(rows[-1:].copy(), voice)

    def hold(self, voice: np.ndarray) -> np.ndarray:
        return voice


class AvatarMover:
    """The avatar, in blocks or as a pyramid."""

    def __init__(self, avatar: Avatar, settings: LiveSettings, clock: Clock | None = None) -> None:
        if avatar.sees_pictures:
            raise ConfigError(
                f"Live sessions know their user by face tracks; the preset {avatar.config.name!r} sees pictures. "
                "Use lab, or drive avatar_lab.AvatarEngine yourself."
            )
        self.avatar, self._settings = avatar, settings
        self._reference = torch.from_numpy(avatar.face_space.encode(neutral(1))).to(avatar.device)
        self._last = neutral(1)[0]
        self._lead = 0  # frames that are still led over
        self._meter = Meter(clock, keep=1)
        self._made: dict[tuple[Any, ...], Any] = {}
        self._begin()

    @property
    def frames(self) -> int:
        return PYRAMID_PIECE if self._settings.schedule == "pyramid" else self.avatar.config.generator.block

    def set(self, settings: LiveSettings) -> None:
        old, self._settings = self._settings, settings
        anew = (settings.schedule, settings.seed) != (old.schedule, old.seed)
        anew |= settings.schedule == "pyramid" and settings.nfe != old.nfe  # the height of its stair
        if anew:
            self._begin()

    def _begin(self) -> None:
        """Forget the conversation, not the pose."""
        self._stream = self._stream_of(self._settings.nfe)
        self._state: Any = self._stream.start(self._settings.seed)
        self._late_voice = np.zeros(0, np.float32)
        self._lead = LEAD_OVER

    def _sampler(self, nfe: int) -> SamplerConfig:
        base, s = self.avatar.config.sampler, self._settings
        if base.distilled:
            return replace(base, nfe=nfe)
        audio, user = s.guidance_audio, max(s.guidance_user, APART)
        audio += APART * (abs(audio - 1) < APART) + 2 * APART * (abs(audio - user) < APART)
        return replace(base, nfe=nfe, guidance={"audio": audio, "user": user})

    def _stream_of(self, nfe: int) -> Any:
        """Return the stream for the dials as they stand; the last few are kept, for a machine that is late."""
        s = self._settings
        wanted = (s.schedule, nfe, s.guidance_audio, s.guidance_user)
        if wanted not in self._made:
            while len(self._made) >= STREAMS:
                del self._made[next(iter(self._made))]
            kind = PyramidStream if s.schedule == "pyramid" else MotionStream
            self._made[wanted] = kind(self.avatar, self._sampler(nfe), self._reference)
        return self._made[wanted]

    def move(self, rows: np.ndarray, heard: np.ndarray, voice: np.ndarray, nfe: int) -> Moved:
        motion = torch.from_numpy(self.avatar.face_space.encode(rows))[None].to(self.avatar.device)
        sounds = [torch.from_numpy(sound)[None].to(self.avatar.device) for sound in (heard, voice)]
        pyramid = self._settings.schedule == "pyramid"
        self._stream = self._stream_of(self._settings.nfe if pyramid else nfe)
        if pyramid:
            made, said = self._rounds(motion, sounds, voice)
        else:
            block, self._state = self._stream.step(self._state, motion, *sounds, self._meter)
            made, said = block.motion[0], voice
        face = self.avatar.face_space.decode(made.float().cpu().numpy())
        timing = {name: ms for name, ms in self._meter.lap().items() if name != "total"}
        late = self._settings.nfe - 1 if pyramid else 0
        return Moved(self._led_over(face), said, timing, late)

    def _rounds(
        self, motion: torch.Tensor, sounds: list[torch.Tensor], voice: np.ndarray
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Let a few frames into the pyramid, and return those that left it, with the voice of their time."""
        left = []
        with self._meter.stage("denoise"):
            for frame in range(motion.shape[1]):
                cut = slice(frame * SAMPLES_PER_FRAME, (frame + 1) * SAMPLES_PER_FRAME)
                done, self._state = self._stream.step(
                    self._state, motion[:, frame : frame + 1], *(sound[:, cut] for sound in sounds)
                )
                left.append(done[0])
        made = torch.cat(left)
        missing = motion.shape[1] - len(made)  # while the stair fills: the pose is held, and the voice waits
        if missing:
            held = torch.from_numpy(self.avatar.face_space.encode(self._last[None])).to(made)
            made = torch.cat([held.repeat(missing, 1), made])
        return made, self._voice_of(voice, missing * SAMPLES_PER_FRAME)

    def hold(self, voice: np.ndarray) -> np.ndarray:
        return self._voice_of(voice, 0)

    def _voice_of(self, voice: np.ndarray, wait: int) -> np.ndarray:
        """Let a voice in at the foot of the stair; return what leaves it, after `wait` samples of silence."""
        line = np.concatenate([self._late_voice, voice])
        goes = len(voice) - wait
        self._late_voice = line[goes:]
        return np.concatenate([np.zeros(wait, np.float32), line[:goes]])

    def _led_over(self, face: np.ndarray) -> np.ndarray:
        """Lead from the last pose into a motion that has just begun."""
        if self._lead:
            left = np.arange(self._lead, self._lead - len(face), -1).clip(0)[:, None] / (LEAD_OVER + 1)
            face = (face + left * (self._last - face)).astype(np.float32)
            self._lead = max(0, self._lead - len(face))
        self._last = face[-1].copy()
        return face
