"""Make simulated users look and sound like people in front of a webcam.

A real person sits off-centre, looks past the camera, moves more than the simulator's people, smiles more or
less, turns away so that the tracker loses them, has another throat and microphone, and a room around them. What is
varied here is how the user is *recorded*; what the avatar answers stays the same.

Notebook: 05 (train the generator).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.audio.mel import HOPS_PER_FRAME
from avatar_lab.data.face import FACE_INDEX, FACE_NAMES
from avatar_lab.motion.space import MotionSpace

_EXPRESSIONS = slice(FACE_INDEX["jaw_open"], FACE_INDEX["squint"] + 1)


@dataclass(frozen=True)
class UserAugmentation:
    """How far recordings may differ from the simulator."""

    offset: dict[str, float] = field(  # standard deviations, in face units, of a slow drift
        default_factory=lambda: {
            "yaw": 7.0,
            "pitch": 5.0,
            "roll": 4.0,
            "x": 0.05,
            "y": 0.05,
            "scale": 0.06,
            "gaze_yaw": 6.0,
            "gaze_pitch": 6.0,
            "brow_raise": 0.08,
            "squint": 0.08,
            "frown": 0.03,
            "smile": 0.06,
        }
    )
    gain: tuple[float, float] = (0.7, 1.3)  # of each expression
    noise: float = 0.05  # tracker noise, in coefficients
    lost: float = 0.15  # share of the users whom the tracker loses once: it holds its last value
    lost_frames: tuple[int, int] = (4, 30)  # for how long
    room: float = 0.3  # highest noise floor, in log-mel units (0.3 is 24 dB above silence)
    tilt: float = (
        0.08  # standard deviation of a microphone's gain from middle to highest band, in log-mel units
    )
    dull: float = 0.25  # share of the microphones that hear nothing above some band
    throat: float = (
        0.05  # standard deviation of the log of formants' places, as between long and short throats
    )


class Augmenter:
    """Applies a `UserAugmentation` to batches; all randomness from the passed generator."""

    def __init__(self, config: UserAugmentation, space: MotionSpace) -> None:
        self.config = config
        self.mean = torch.from_numpy(space.mean.copy())
        self.forward = torch.from_numpy(space.forward.copy())
        self.inverse = torch.from_numpy(space.inverse.copy())
        self.spread = torch.tensor([config.offset.get(name, 0.0) for name in FACE_NAMES])

    def motion(self, motion: Float[Tensor, "b t k"], generator: torch.Generator) -> Float[Tensor, "b t k"]:
        """Return the user's coefficients with another posture, another expressiveness and tracker noise."""
        batch, frames, _ = motion.shape
        low, high = self.config.gain
        face = motion @ self.inverse + self.mean
        many = _EXPRESSIONS.stop - _EXPRESSIONS.start
        gain = low + (high - low) * torch.rand(batch, 1, many, generator=generator)
        face = torch.cat(
            [
                face[..., : _EXPRESSIONS.start],
                (face[..., _EXPRESSIONS] * gain).clamp(0, 1),
                face[..., _EXPRESSIONS.stop :],
            ],
            dim=-1,
        )
        ends = torch.randn(batch, 2, face.shape[-1], generator=generator) * self.spread
        ramp = torch.linspace(0, 1, frames)[:, None]
        drift = ends[:, :1] + 0.3 * ramp * (ends[:, 1:] - ends[:, :1])
        noise = self.config.noise * torch.randn(motion.shape, generator=generator)
        return self.lose((face + drift - self.mean) @ self.forward + noise, generator)

    def lose(self, motion: Float[Tensor, "b t k"], generator: torch.Generator) -> Float[Tensor, "b t k"]:
        """Hold the last value for a while, in a share of the users: what a tracker does that has lost its face."""
        batch, frames, _ = motion.shape
        shortest, longest = self.config.lost_frames
        start = torch.randint(1, max(2, frames), (batch, 1), generator=generator)
        length = torch.randint(shortest, longest + 1, (batch, 1), generator=generator)
        lost = torch.rand(batch, 1, generator=generator) < self.config.lost
        frame = torch.arange(frames)[None]
        held = lost & (frame >= start) & (frame < start + length)
        source = torch.where(held, start - 1, frame)
        return motion.gather(1, source[..., None].expand_as(motion))

    def record(self, mel: Float[Tensor, "b t f"], generator: torch.Generator) -> Float[Tensor, "b t f"]:
        """Let another throat speak into another microphone in some room; silence stays silence but for the room.

        Columns of `mel` are hops times bands, as `log_mel` returns them.
        """
        config, batch = self.config, len(mel)
        bands = mel.unflatten(-1, (HOPS_PER_FRAME, -1))
        count = bands.shape[-1]
        middle = torch.linspace(-1, 1, count)

        stretch = (config.throat * torch.randn(batch, 1, generator=generator)).exp()
        source = (torch.arange(count) * stretch).clamp(0, count - 1)
        low, part = source.floor().long(), source - source.floor()
        high = (low + 1).clamp_max(count - 1)
        low, high = (i[:, None, None].expand_as(bands) for i in (low, high))
        bands = bands.gather(-1, low).lerp(bands.gather(-1, high), part[:, None, None].expand_as(bands))

        gain = config.tilt * torch.randn(batch, 1, generator=generator) * middle
        ends = torch.randint(count // 2, count, (batch, 1), generator=generator)
        dull = torch.rand(batch, 1, generator=generator) < config.dull
        gain = gain - 2.0 * (dull & (torch.arange(count)[None] > ends))
        audible = (bands / 0.1).clamp(0, 1)
        return self.room((bands + gain[:, None, None] * audible).clamp_min(0).flatten(2), generator)

    def room(self, mel: Float[Tensor, "b t f"], generator: torch.Generator) -> Float[Tensor, "b t f"]:
        """Raise the noise floor to a random level, as rooms and microphones do."""
        level = torch.rand(len(mel), 1, 1, generator=generator) * self.config.room
        return torch.maximum(mel, level * (1 + 0.1 * torch.randn(mel.shape, generator=generator)))
