"""avatar_lab: learn, rebuild and try real-time interactive head avatars.

    import avatar_lab as al

    avatar = al.load("lab")                                        # the trained model
    dyad = al.simulate(seconds=60, seed=7)                         # two people in conversation
    r = al.react(avatar, user=dyad.user, speech=dyad.avatar.audio) # the avatar answers
    r.save("out.mp4")

Names are loaded when first used: importing the package costs little and pulls in no media or drawing library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "presets": "avatar_lab.config",
    "preset": "avatar_lab.config",
    "FACE_NAMES": "avatar_lab.data.face",
    "FaceParams": "avatar_lab.data.face",
    "Performance": "avatar_lab.data.performance",
    "Dyad": "avatar_lab.data.performance",
    "Event": "avatar_lab.data.performance",
    "simulate": "avatar_lab.data.conversation",
    "ingest": "avatar_lab.data.ingest",
    "Puppet": "avatar_lab.render.puppet",
    "MotionSpace": "avatar_lab.motion.space",
    "Avatar": "avatar_lab.model.avatar",
    "load": "avatar_lab.model.avatar",
    "AvatarEngine": "avatar_lab.stream.engine",
    "AvatarBlock": "avatar_lab.stream.engine",
    "Reaction": "avatar_lab.stream.react",
    "react": "avatar_lab.stream.react",
    "doctor": "avatar_lab.cli.doctor",
    "AvatarLabError": "avatar_lab.errors",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name == "live":  # a room of its own: al.live.LiveAvatar()
        return import_module("avatar_lab.live")
    if name not in _HOME:
        raise AttributeError(f"module 'avatar_lab' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, "live"])


if TYPE_CHECKING:
    from avatar_lab import live as live
    from avatar_lab.cli.doctor import doctor as doctor
    from avatar_lab.config import preset as preset
    from avatar_lab.config import presets as presets
    from avatar_lab.data.conversation import simulate as simulate
    from avatar_lab.data.face import FACE_NAMES as FACE_NAMES
    from avatar_lab.data.face import FaceParams as FaceParams
    from avatar_lab.data.ingest import ingest as ingest
    from avatar_lab.data.performance import Dyad as Dyad
    from avatar_lab.data.performance import Event as Event
    from avatar_lab.data.performance import Performance as Performance
    from avatar_lab.errors import AvatarLabError as AvatarLabError
    from avatar_lab.model.avatar import Avatar as Avatar
    from avatar_lab.model.avatar import load as load
    from avatar_lab.motion.space import MotionSpace as MotionSpace
    from avatar_lab.render.puppet import Puppet as Puppet
    from avatar_lab.stream.engine import AvatarBlock as AvatarBlock
    from avatar_lab.stream.engine import AvatarEngine as AvatarEngine
    from avatar_lab.stream.react import Reaction as Reaction
    from avatar_lab.stream.react import react as react
