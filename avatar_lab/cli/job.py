"""The main job behind `react` and `demo`: check the outputs, read, generate, draw, write.

Imported inside commands only: it needs torch. What is peculiar: whatever can be wrong with an output is found
before the first second of work is spent.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import avatar_lab as al
from avatar_lab.cli.console import Stage
from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_NAMES
from avatar_lab.data.ingest import ingest_speech
from avatar_lab.data.media import check_writable
from avatar_lab.data.performance import Performance
from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.stream.react import Reaction, load_portrait
from avatar_lab.stream.side_by_side import user_frames

STRIP_FRAMES = 8


@dataclass(frozen=True)
class Job:
    """One run of the main job; the fields are the options of the command line."""

    user: Path | Performance
    speech: Path | None
    out: Path | None
    tracks: Path | None
    preset: str = "lab"
    device: str = "auto"
    checkpoint: Path | None = None
    precision: str = "auto"
    fast: bool = False
    character: int = 0
    picture: str | None = "puppet"
    size: int = 256
    seed: int = 0
    nfe: int | None = None
    guidance_audio: float | None = None
    guidance_user: float | None = None
    schedule: str | None = None
    portrait: Path | None = None
    user_every: int = 1
    compile: bool = False

    @property
    def guidance(self) -> dict[str, float] | None:
        """Return the guidance weights that were given."""
        given = {"audio": self.guidance_audio, "user": self.guidance_user}
        return {name: weight for name, weight in given.items() if weight is not None} or None


def check_outputs(job: Job) -> None:
    """Raise before any work when a result could not be written, or would overwrite an input."""
    if job.picture is None and job.tracks is None:
        raise ConfigError(
            "Without a picture there is no film; name a file for the tracks: --tracks tracks.npz"
        )
    outputs = {
        "--out": (job.out if job.picture else None, (".mp4",)),
        "--tracks": (job.tracks, (".npz",)),
    }
    inputs = {path.resolve() for path in (job.user, job.speech) if isinstance(path, Path)}
    for option, (path, suffixes) in outputs.items():
        if path is None:
            continue
        check_writable(path, suffixes)
        if path.resolve() in inputs:
            raise MediaError(
                f"{option} {path} is also an input and would be overwritten. Choose another name."
            )


def read_user(path: Path, report: Stage) -> Performance:
    """Track the user's face and read the voice of a video."""
    user = al.ingest(path, progress=lambda done, total: report("track the user", done, total or 0))
    report("track the user", len(user.face), len(user.face))
    return user


def perform(job: Job, report: Stage) -> tuple[Reaction, dict[str, Path]]:
    """Do the job; return the reaction and the files written."""
    check_outputs(job)
    speech = ingest_speech(job.speech) if job.speech is not None else None
    report("load the avatar", 0, 1)
    avatar = al.load(
        job.preset, device=job.device, checkpoint=job.checkpoint, precision=job.precision, fast=job.fast
    )
    load_portrait(avatar, job.portrait)  # a wrong one is named before the user is tracked
    report("load the avatar", 1, 1)
    user = read_user(job.user, report) if isinstance(job.user, Path) else job.user
    stage = "generate and draw" if job.picture else "generate"
    reaction = al.react(
        avatar,
        user=user,
        speech=speech,
        character=job.character,
        picture=job.picture,
        size=job.size,
        seed=job.seed,
        nfe=job.nfe,
        guidance=job.guidance,
        schedule=job.schedule,
        portrait=job.portrait,
        user_every=job.user_every,
        compile=job.compile,
        progress=lambda done, total: report(stage, done, total),
    )
    return reaction, write(job, reaction, report)


def write(job: Job, reaction: Reaction, report: Stage) -> dict[str, Path]:
    """Write what the job asks for."""
    written: dict[str, Path] = {}
    if job.out is not None and reaction.frames is not None:
        reaction.save(job.out, progress=lambda done, total: report("write the film", done, total))
        written["film"] = job.out
    if job.tracks is not None:
        save_tracks(job.tracks, reaction)
        written["tracks"] = job.tracks
    return written


def save_tracks(path: Path, reaction: Reaction) -> None:
    """Write `user`, `avatar` (T, P), `motion` (T, K), `names` and `fps`, whole or not at all.

    Motion without names (`paper`) has no `avatar` track.
    """
    named = {} if reaction.face is None else {"avatar": reaction.face}
    arrays: dict[str, Any] = named | {
        "user": reaction.user.face,
        "motion": reaction.motion,
        "names": np.array(FACE_NAMES),
        "fps": np.array(FPS),
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def summary(reaction: Reaction) -> str:
    """Say in one line how fast it went."""
    timing = reaction.timing
    return (
        f"{reaction.user.seconds:.1f} s of conversation; a block of {timing['buffer_ms']:.0f} ms took "
        f"{timing['compute_p50_ms']:.0f} ms (p50), {timing['compute_p95_ms']:.0f} ms (p95)"
    )


def quality_lines(user: Performance) -> list[str]:
    """Say how well the user was seen and heard; nothing for tracks that were never filmed."""
    rate = user.quality.get("detection_rate")
    found = [] if rate is None else [f"The face was found in {100 * rate:.0f} % of the frames."]
    return found + list(user.quality.get("warnings", ()))


def write_strip(path: Path, reaction: Reaction) -> Path:
    """Write moments of the film side by side, the user above and the avatar below."""
    import cv2

    if reaction.frames is None:
        raise MediaError("This reaction has no pictures; there is no strip to write.")
    picks = set(np.linspace(0, len(reaction.frames) - 1, STRIP_FRAMES).astype(int).tolist())
    # The user's side may be endless (a last frame held), so it is cut to the reaction's length.
    pairs = zip(user_frames(reaction.user, reaction.frames.shape[1]), reaction.frames, strict=False)
    columns = [np.concatenate(pair, axis=0) for i, pair in enumerate(pairs) if i in picks]
    picture = np.concatenate(columns, axis=1)
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not done:
        raise MediaError(f"OpenCV could not encode {path.name}. Reinstall opencv-python.")
    path.write_bytes(data.tobytes())
    return path
