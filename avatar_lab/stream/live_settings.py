"""What can be turned while an avatar is live, and what a dial does to a face that was generated.

`liveliness` scales what a face does beyond its resting pose, except what belongs to speech (mouth) and to every face
(blinks): 0 is a face that only speaks and blinks, 0.5 what the model made, 1 half as much again. It is an exaggeration
of the answer, not another answer; the weight of the user (`guidance_user`) changes the answer.

Notebook: 10 (real time), 11 (talk to it).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.data.face import FACE_INDEX, clamp, neutral
from avatar_lab.errors import ConfigError, StreamError

SESSIONS: Final = "AVATAR_LAB_SESSIONS"  # environment: how many at once
SCHEDULES: Final = ("block", "pyramid")
LIVELY: Final = (
    "yaw", "pitch", "roll", "x", "y", "scale", "smile", "frown", "brow_raise", "brow_furrow", "squint"
)  # fmt: skip
_SCALED: Final = [FACE_INDEX[name] for name in LIVELY]
_YAW, _PITCH, _GAZE_YAW, _GAZE_PITCH = (
    FACE_INDEX[name] for name in ("yaw", "pitch", "gaze_yaw", "gaze_pitch")
)
RANGES: Final[dict[str, tuple[float, float]]] = {
    "nfe": (1, 16),
    "guidance_audio": (0, 10),
    "guidance_user": (0, 10),
    "liveliness": (0, 1),
    "seed": (0, 2**31 - 1),
    "character": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class LiveSettings:
    """The dials of a live session; `changed` turns one."""

    seed: int = 0
    nfe: int = 8
    schedule: str = "block"
    guidance_audio: float = 2.0
    guidance_user: float = 3.0
    liveliness: float = 0.5
    gaze_to_camera: bool = False
    mute: bool = False
    picture: str = "puppet"
    character: int = 3
    twin: bool = True

    def changed(self, name: str, value: Any) -> LiveSettings:
        """Return the settings with one dial turned; raises ConfigError for no such dial, or no such value."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        if name not in kinds:
            raise ConfigError(f"There is no live setting {name!r}; there are {', '.join(kinds)}.")
        if kinds[name] is bool:
            return replace(self, **{name: bool(value)})
        if kinds[name] is str:
            if name == "schedule" and value not in SCHEDULES:
                raise ConfigError(f"schedule must be one of {', '.join(SCHEDULES)}; got {value!r}.")
            return replace(self, **{name: str(value)})
        number = self._number(name, value, kinds[name])
        if name == "character":  # who chooses a character takes the portrait off
            return replace(self, character=int(number), picture="puppet")
        return replace(self, **{name: number})

    def _number(self, name: str, value: Any, kind: type) -> float | int:
        low, high = RANGES[name]
        try:
            number = kind(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name} must be a number; got {value!r}.") from error
        if not low <= number <= high:
            raise ConfigError(f"{name} must lie in {low:g}..{high:g}; got {value!r}.")
        return number

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> LiveSettings:
        """Return settings from the page's values; what they do not name stays as it is."""
        settings = cls()
        for name, value in values.items():
            settings = settings.changed(name, value)
        return settings


def shaped(face: Float32[np.ndarray, "n P"], settings: LiveSettings) -> Float32[np.ndarray, "n P"]:
    """Return generated faces as the dials `liveliness` and `gaze_to_camera` want them."""
    face = face.copy()
    factor = 2 * settings.liveliness if settings.liveliness <= 0.5 else 0.5 + settings.liveliness
    if factor != 1:
        rest = neutral(1)[0]
        face[:, _SCALED] = rest[_SCALED] + factor * (face[:, _SCALED] - rest[_SCALED])
    if settings.gaze_to_camera:  # eyes turn back by what the head turned
        face[:, _GAZE_YAW], face[:, _GAZE_PITCH] = -face[:, _YAW], -face[:, _PITCH]
    return clamp(face)


def capacity() -> int:
    """Return how many sessions this machine may carry: one a core, or what the environment says."""
    try:
        return max(1, int(os.environ.get(SESSIONS, "") or os.cpu_count() or 1))
    except ValueError as error:
        raise StreamError(f"{SESSIONS} must be a whole number; got {os.environ[SESSIONS]!r}.") from error
