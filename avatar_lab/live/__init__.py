"""The live demo: `al.live.LiveAvatar()` in a notebook.

Names are loaded when first used, so that `import avatar_lab` brings neither widgets nor voices.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "LiveAvatar": "avatar_lab.live.widget",
    "Speaker": "avatar_lab.live.speaker",
    "TurnTaker": "avatar_lab.live.turns",
    "Responder": "avatar_lab.live.responder",
    "SmallTalk": "avatar_lab.live.responder",
    "Echo": "avatar_lab.live.responder",
    "OpenAICompatible": "avatar_lab.live.responder",
    "SampleVoice": "avatar_lab.live.voice",
    "WavVoice": "avatar_lab.live.voice",
    "PiperVoice": "avatar_lab.live.voice",
    "EspeakVoice": "avatar_lab.live.voice",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'avatar_lab.live' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


if TYPE_CHECKING:
    from avatar_lab.live.responder import Echo as Echo
    from avatar_lab.live.responder import OpenAICompatible as OpenAICompatible
    from avatar_lab.live.responder import Responder as Responder
    from avatar_lab.live.responder import SmallTalk as SmallTalk
    from avatar_lab.live.speaker import Speaker as Speaker
    from avatar_lab.live.turns import TurnTaker as TurnTaker
    from avatar_lab.live.voice import EspeakVoice as EspeakVoice
    from avatar_lab.live.voice import PiperVoice as PiperVoice
    from avatar_lab.live.voice import SampleVoice as SampleVoice
    from avatar_lab.live.voice import WavVoice as WavVoice
    from avatar_lab.live.widget import LiveAvatar as LiveAvatar
