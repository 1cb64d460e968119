"""Honest numbers for a generator: free streaming on held-out conversations, with controls.

Every conversation is streamed three times with the same voice and the same seed: with its own user, with
somebody else's user, and with nobody. What the avatar does *because of* its user is the difference. What is measured
on the tracks lives in `avatar_lab.metrics`; streaming them is all that happens here.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from avatar_lab.config import SAMPLES_PER_FRAME, SamplerConfig
from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import derangement
from avatar_lab.metrics.habits import drift
from avatar_lab.metrics.report import report
from avatar_lab.metrics.richness import seam_ratio
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream
from avatar_lab.stream.processes import each

AT_ONCE = 20  # conversations that are streamed together; strangers are exchanged among them
USERS = ("true_user", "shuffled_user", "no_user")


def stream_faces(
    avatar: Avatar,
    users: Float[np.ndarray, "n t p"],
    user_audio: Float[np.ndarray, "n s"],
    avatar_audio: Float[np.ndarray, "n s"],
    *,
    seed: int = 0,
    sampler: SamplerConfig | None = None,
    progress: bool = False,
) -> Float[np.ndarray, "n t p"]:
    """Stream many sessions at once and return the avatars' face tracks.

    Lengths must be equal and hold whole blocks. One noise generator serves all sessions.
    """
    block, count = avatar.config.generator.block, len(users)
    if users.shape[1] % block:
        raise ShapeError(f"Streams need whole blocks of {block} frames; got {users.shape[1]} frames.")
    space, samples = avatar.face_space, block * SAMPLES_PER_FRAME
    reference = torch.from_numpy(np.repeat(space.encode(neutral(1)), count, axis=0))
    stream = MotionStream(avatar, sampler or avatar.config.sampler, reference)
    motion = torch.from_numpy(np.stack([space.encode(face) for face in users]))
    heard, said = torch.from_numpy(user_audio), torch.from_numpy(avatar_audio)
    state, meter, blocks = stream.start(seed), Meter(keep=1), []
    for index in tqdm(range(users.shape[1] // block), disable=not progress, unit="block"):
        frames = slice(index * block, (index + 1) * block)
        sound = slice(index * samples, (index + 1) * samples)
        result, state = stream.step(
            state,
            motion[:, frames].to(avatar.device),
            heard[:, sound].to(avatar.device),
            said[:, sound].to(avatar.device),
            meter,
        )
        blocks.append(result.motion.cpu())
    made = torch.cat(blocks, dim=1).numpy()
    return np.stack([space.decode(track) for track in made])


def evaluate(
    avatar: Avatar,
    dyads: Sequence[Dyad],
    *,
    seed: int = 0,
    sampler: SamplerConfig | None = None,
    progress: bool = False,
    jobs: int = 1,
) -> dict[str, Any]:
    """Measure lips, reactions, their controls and the look of the motion on held-out dyads of equal length.

    Returns
    -------
    The dictionary of `metrics.report.report`, with the three users as tracks, and `seam_ratio`.
    """
    tracks = stream_with_controls(avatar, dyads, seed=seed, sampler=sampler, progress=progress, jobs=jobs)
    return measure(avatar, tracks, dyads, seed)


def measure(
    avatar: Avatar, tracks: Mapping[str, Float[np.ndarray, "n t p"]], dyads: Sequence[Dyad], seed: int = 0
) -> dict[str, Any]:
    """Return what `evaluate` does, for the tracks of `stream_with_controls`."""
    truth = np.stack([d.avatar.face for d in dyads])
    block, space = avatar.config.generator.block, avatar.face_space
    seams = float(np.mean([seam_ratio(space.encode(t), block) for t in tracks["true_user"]]))
    return report(tracks, truth, dyads, seed) | {"seam_ratio": seams}


def stream_with_controls(
    avatar: Avatar,
    dyads: Sequence[Dyad],
    *,
    seed: int = 0,
    sampler: SamplerConfig | None = None,
    progress: bool = False,
    jobs: int = 1,
) -> dict[str, Float[np.ndarray, "n t p"]]:
    """Stream every conversation with its own user, with a stranger and with nobody: tracks by those names.

    Conversations are streamed some at a time, so that memory does not grow with their sound; batch i draws its noise
    from `seed` + i. In `jobs` processes, each with one torch thread, the result is the same to the last digit.
    """
    check_lengths(dyads)
    groups = [[dyads[i] for i in indices] for indices in _groups(len(dyads))]
    calls = [(group, who, seed + i, sampler) for i, group in enumerate(groups) for who in USERS]
    made: dict[str, list[np.ndarray]] = {who: [] for who in USERS}
    bar = tqdm(total=len(calls), disable=not progress, unit="batch", desc="streams")
    with bar, closing(each(avatar, _stream_group, calls, jobs=jobs)) as streams:
        for (_, who, _, _), faces in zip(calls, streams, strict=True):
            made[who].append(faces)
            bar.update()
    return {name: np.concatenate(parts) for name, parts in made.items()}


def _stream_group(
    avatar: Avatar, dyads: Sequence[Dyad], who: str, seed: int, sampler: SamplerConfig | None
) -> np.ndarray:
    """Stream a group together, before the users called `who`; strangers are exchanged inside the group."""
    users, heard, said, _ = stack_dyads(dyads)
    if who == "shuffled_user":
        other = derangement(len(users))
        users, heard = users[other], heard[other]
    elif who == "no_user":
        users, heard = np.broadcast_to(neutral(users.shape[1]), users.shape).copy(), np.zeros_like(heard)
    return stream_faces(avatar, users, heard, said, seed=seed, sampler=sampler)


def long_drift(
    avatar: Avatar, dyads: Iterable[Dyad], *, seed: int = 0, sampler: SamplerConfig | None = None
) -> dict[str, float]:
    """Stream long conversations and compare their last quarter with their first (see `metrics.habits.drift`)."""
    users, heard, said, truth = stack_dyads(list(dyads))
    made = stream_faces(avatar, users, heard, said, seed=seed, sampler=sampler)
    return drift(made, truth) | {"dyads": float(len(users)), "seconds": users.shape[1] / 25}


def _groups(count: int) -> list[list[int]]:
    """Split conversations into groups of nearly equal size, none of which holds one alone."""
    parts = max(1, -(-count // AT_ONCE))
    return [part.tolist() for part in np.array_split(np.arange(count), parts)]


def stack_dyads(dyads: Sequence[Dyad]) -> tuple[np.ndarray, ...]:
    """Return user faces, user audio, avatar audio and true avatar faces, stacked; ShapeError if unequal."""
    check_lengths(dyads)
    return (
        np.stack([d.user.face for d in dyads]),
        np.stack([d.user.audio for d in dyads]),
        np.stack([d.avatar.audio for d in dyads]),
        np.stack([d.avatar.face for d in dyads]),
    )


def check_lengths(dyads: Sequence[Dyad]) -> None:
    """Raise ShapeError unless all dyads have one length."""
    lengths = {len(d.user.face) for d in dyads}
    if len(lengths) != 1:
        raise ShapeError(
            f"Dyads to be evaluated together must have equal length; got {sorted(lengths)} frames."
        )
