"""The main job, offline: a user's video and an avatar's voice in, the avatar's answer out.

`react` is the engine in a loop, nothing else: what a live session would have shown is what the file shows.

Notebook: 00 (meet the avatar).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.errors import ConfigError, MediaError, ShapeError
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.engine import AvatarBlock, AvatarEngine
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.side_by_side import user_frames, write_side_by_side

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Reaction:
    """The avatar's answer to one performance.

    Attributes
    ----------
    frames : (T, H, W, 3) uint8 pictures; None when made with `picture=None`.
    face : (T, P) face parameters, columns `FACE_NAMES`, 25 fps; None where motion has no names (`paper`).
    motion : (T, K) coefficients.
    audio : (T * 640,) the avatar's voice.
    timing : where the time went (see `summarise`).
    user : what the avatar reacted to.
    """

    frames: UInt8[np.ndarray, "t h w 3"] | None
    face: Float32[np.ndarray, "t p"] | None
    motion: Float32[np.ndarray, "t k"]
    audio: Float32[np.ndarray, "n"]
    timing: dict[str, Any]
    user: Performance
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what a user of the result should know

    def save(self, path: str | Path, progress: Progress | None = None) -> Path:
        """Write an mp4, user left and avatar right, with both voices; returns the path.

        Raises MediaError when it cannot be written, or when there are no frames to write.
        """
        if self.frames is None:
            raise MediaError("This reaction was made with picture=None; there is nothing to film.")
        return write_side_by_side(self, Path(path), progress)


def react(
    avatar: Avatar,
    user: Performance | str | Path,
    speech: str | Path | np.ndarray | None = None,
    *,
    character: int = 0,
    picture: str | None = "puppet",
    size: int = 128,
    seed: int = 0,
    nfe: int | None = None,
    guidance: Mapping[str, float] | None = None,
    guidance_form: str | None = None,
    schedule: str | None = None,
    portrait: str | Path | np.ndarray | None = None,
    user_every: int = 1,
    compile: bool = False,
    progress: Progress | None = None,
    meter: Meter | None = None,
) -> Reaction:
    """Let the avatar answer a user.

    Parameters
    ----------
    user : a `Performance`, or a video file that is ingested first.
    speech : what the avatar says: a sound file, 16 kHz samples, or None for a silent listener. It is cut, or padded
        with silence, to the user's length.
    character, picture, size : who is drawn, how, and how large.
    seed : seed of the motion; everything else being equal, the same seed gives the same film.
    nfe, guidance, guidance_form, schedule : override the preset's sampler.
    portrait : whose face the avatar has, a picture file or RGB pixels; instead of a character (extra `live`), or, for
        avatars that see pictures (`paper`), necessary. Those see the user's video, or a simulated user's drawn twin.
    user_every, compile : see `AvatarEngine`.
    progress : called with (frames done, frames in all).

    Notes
    -----
    Costs `nfe + 1` network passes per block and guidance branch. *Source*: Algorithm 2.
    """
    user = load_user(user)
    total = len(user.face)
    spoken = load_speech(speech)
    voice = fit_audio(spoken, total)
    engine = AvatarEngine(
        avatar,
        character,
        seed,
        picture=picture,
        size=size,
        nfe=nfe,
        guidance=guidance,
        guidance_form=guidance_form,
        schedule=schedule,
        portrait=load_portrait(avatar, portrait),
        user_every=user_every,
        compile=compile,
        meter=meter,
    )
    looks = user_frames(user, avatar.config.autoencoder.size) if avatar.sees_pictures else None
    blocks: list[AvatarBlock] = []
    for start in range(0, total, engine.block):
        face, heard, said = block_inputs(user, voice, start, engine.block)
        if looks is None:
            blocks.append(engine.step(face, heard, said))
        else:
            seen = np.stack(list(islice(looks, engine.block)))
            blocks.append(engine.step(None, heard, said, user_frames=seen))
        if progress:
            progress(min(start + engine.block, total), total)
    return Reaction(
        _joined([b.frames for b in blocks], total),
        _joined([b.face for b in blocks], total),
        np.concatenate([b.motion for b in blocks])[:total],
        voice,
        summarise(engine, blocks[-1].timing),
        user,
        {"seed": seed, **looks_of(avatar, character, picture, size, portrait is not None)},
        length_notes(len(spoken), total),
    )


def looks_of(
    avatar: Avatar, character: int, picture: str | None, size: int, portrait: bool
) -> dict[str, Any]:
    """Say how the avatar was shown: a portrait has no character, the published one a size of its own."""
    if avatar.sees_pictures and picture is not None:
        return {"picture": "portrait", "size": avatar.config.autoencoder.size}
    if portrait and picture is not None:
        return {"picture": "portrait", "size": size}
    return {"character": character, "picture": picture, "size": size}


def _joined(parts: list[np.ndarray | None], total: int) -> np.ndarray | None:
    """Join what every block has; None when there is nothing of this kind."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there)[:total] if there else None


def load_portrait(avatar: Avatar, portrait: str | Path | np.ndarray | None) -> np.ndarray | None:
    """Return the portrait, for avatars that see pictures in the size of their autoencoder.

    Raises ConfigError where one is needed and lacks, MediaError for a file that is no picture.
    """
    if portrait is None:
        if avatar.sees_pictures:
            raise ConfigError(
                "The published avatar needs a face to wear: pass portrait (--portrait), a picture of one person."
            )
        return None
    from avatar_lab.data.square import check_picture, read_picture, square

    picture = read_picture(Path(portrait)) if isinstance(portrait, str | Path) else check_picture(portrait)
    return square(picture, avatar.config.autoencoder.size) if avatar.sees_pictures else picture


def length_notes(samples: int, frames: int) -> tuple[str, ...]:
    """Say when the avatar's voice is longer than the user's recording, because the rest is not used."""
    voice_s, user_s = samples / SAMPLE_RATE, frames / FPS
    if voice_s <= user_s + 0.1:
        return ()
    return (f"The voice lasts {voice_s:.1f} s and the user {user_s:.1f} s; the voice was cut to the user.",)


def block_inputs(
    user: Performance, voice: np.ndarray, start: int, block: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut one block of face, user sound and avatar voice; the last block is filled up by holding the face."""
    face = user.face[start : start + block]
    face = np.concatenate([face, np.repeat(face[-1:], block - len(face), axis=0)])
    span = slice(start * SAMPLES_PER_FRAME, (start + block) * SAMPLES_PER_FRAME)
    return face, fit_audio(user.audio[span], block), fit_audio(voice[span], block)


def load_user(user: Performance | str | Path) -> Performance:
    """Return a performance with at least one frame, ingesting a file when given one."""
    if not isinstance(user, Performance):
        from avatar_lab.data.ingest import ingest

        user = ingest(user)
    if len(user.face) == 0:
        raise ShapeError("user must hold at least one frame; got 0.")
    return user


def load_speech(speech: str | Path | np.ndarray | None) -> Float32[np.ndarray, "n"]:
    """Return 16 kHz samples of what the avatar says."""
    if speech is None:
        return np.zeros(0, np.float32)
    if isinstance(speech, (str, Path)):
        from avatar_lab.data.media import read_audio

        return read_audio(Path(speech))
    samples = np.asarray(speech, np.float32)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise ShapeError(f"speech must be finite mono samples of shape (n,); got shape {samples.shape}.")
    return samples


def silent_user(seconds: float) -> Performance:
    """Return a user who sits still and says nothing: the control for every reaction."""
    frames = max(1, round(seconds * FPS))
    return Performance(neutral(frames), np.zeros(frames * SAMPLES_PER_FRAME, np.float32))


def summarise(engine: AvatarEngine, last: Mapping[str, float]) -> dict[str, Any]:
    """Return stage times, counts and the real-time factor of a finished run."""
    stages = engine.meter.summary()
    block_ms = 1000 * engine.block / FPS
    return {
        "stages": stages,
        "block_frames": engine.block,
        "buffer_ms": block_ms,
        "compute_p50_ms": stages["total"]["p50_ms"],
        "compute_p95_ms": stages["total"]["p95_ms"],
        "rtf": stages["total"]["p50_ms"] / block_ms,
        "nfe": int(last["nfe"]),
        "guidance_branches": int(last["branches"]),
        "cache_passes": int(last["cache_passes"]),
    }
