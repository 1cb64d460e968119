"""What a live session says to its page: each message is a dictionary, and buffers beside it.

    seen     a picture was read: gives the page its credit back         [twin JPEG?]
    lost     a picture gave way to a newer one: its credit, too
    block    a piece of the avatar, as it was asked for                 [JPEGs of its first frames, int16 sound]
    pictures the rest of its pictures                                   [JPEGs]
    notice   a sentence for the user
    ended    the session is over, and why

What is peculiar: `captured` is the stamp, on the page's own clock, of the newest picture that a piece depends on. It is
not moved on by a piece whose pose is held, so that the page can tell how old what it shows is.

Notebook: 10 (real time).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.stream.degrade import HOLD, HOLDING
from avatar_lab.stream.roles import Message

_SMILE, _PITCH = FACE_INDEX["smile"], FACE_INDEX["pitch"]


def seen(
    tick: Message, row: Float32[np.ndarray, "P"] | None, *, found: bool, timing: dict[str, float]
) -> dict[str, Any]:
    """Say what was seen in a tick's picture."""
    face = {} if row is None else {"smile": float(row[_SMILE]), "nod": float(row[_PITCH])}
    return {
        "type": "seen",
        "seq": tick.get("seq"),
        "captured": stamp(tick),
        "found": found,
        "face": face,
        "timing": timing,
    }


def block(
    want: Message,
    face: Float32[np.ndarray, "n P"],
    samples: int,
    *,
    pictures: int,
    every: int,
    captured: float,
    timing: dict[str, float],
    quality: str,
    nfe: int,
    turn: str,
) -> dict[str, Any]:
    """Announce a piece of the avatar, with its first `pictures`, each of which stands for `every` frames."""
    return {
        "type": "block",
        "seq": want.get("seq"),
        "captured": captured,
        "frames": len(face),
        "pictures": pictures,
        "every": every,
        "samples": samples,
        "timing": timing,
        "face": {"smile": face[:, _SMILE].tolist(), "nod": face[:, _PITCH].tolist()},
        "quality": quality,
        "nfe": nfe,
        "turn": turn,
    }


def held(want: Message, frames: int, *, captured: float, turn: str) -> dict[str, Any]:
    """Announce a piece in which nothing moves, in the place of one that failed."""
    none = np.zeros((0, len(FACE_INDEX)), np.float32)
    samples = frames * SAMPLES_PER_FRAME
    message = block(
        want,
        none,
        samples,
        pictures=1,
        every=frames,
        captured=captured,
        timing={},
        quality=HOLDING,
        nfe=HOLD,
        turn=turn,
    )
    return {**message, "frames": frames, "face": None}


def pictures(want: Message) -> dict[str, Any]:
    """Announce the other pictures of a piece."""
    return {"type": "pictures", "seq": want.get("seq")}


def lost(tick: Message) -> dict[str, Any]:
    """Give back the credit of a picture that nobody looked at."""
    return {"type": "lost", "seq": tick.get("seq")}


def ended(reason: str) -> dict[str, Any]:
    """Say that it is over."""
    return {"type": "ended", "reason": reason}


def notice(text: str, level: str = "warning") -> dict[str, Any]:
    """Tell the user something."""
    return {"type": "notice", "level": level, "text": text}


def stamp(message: Message, name: str = "captured") -> float:
    """Return a stamp of a message; 0 where it has none."""
    return float(message.get(name) or 0.0)


def pcm(voice: Float32[np.ndarray, "n"]) -> bytes:
    """Return sound as a page wants it: int16."""
    return (voice.clip(-1, 1) * 32767).astype(np.int16).tobytes()
