"""Honest numbers for a generator: free streaming on held-out conversations, with controls.

Every conversation is streamed three times with the same voice and the same seed: with its own user, with
somebody else's user, and with nobody. What the avatar does *because of* its user is the difference.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm.auto import tqdm

from avatar_lab.config import SAMPLES_PER_FRAME, SamplerConfig
from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.controls import bootstrap, derangement
from avatar_lab.metrics.reaction import column, event_recall, event_rise, onsets, rpcc
from avatar_lab.metrics.richness import jitter, seam_ratio, temporal_variance
from avatar_lab.metrics.sync import correlation, speaking
from avatar_lab.model.avatar import Avatar
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.motion_stream import MotionStream

SMILES = ("smile", "laugh")
EXPRESSION = slice(FACE_INDEX["jaw_open"], FACE_INDEX["squint"] + 1)
POSE = slice(0, 3)


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
) -> dict[str, Any]:
    """Measure lips, reactions, their controls and the look of the motion on held-out dyads of equal length.

    Returns
    -------
    A JSON-ready dictionary; the keys of `controls` are the three users.
    """
    users, heard, said, truth = stack_dyads(dyads)
    other = derangement(len(dyads))
    absent = np.broadcast_to(neutral(users.shape[1]), users.shape).copy()
    seen = {
        "true_user": (users, heard),
        "shuffled_user": (users[other], heard[other]),
        "no_user": (absent, np.zeros_like(heard)),
    }
    made = {
        name: stream_faces(avatar, face, sound, said, seed=seed, sampler=sampler, progress=progress)
        for name, (face, sound) in seen.items()
    }
    rises = {name: smile_rises(tracks, dyads) for name, tracks in {**made, "truth": truth}.items()}
    difference = rises["true_user"] - rises["shuffled_user"]
    truth_rise = bootstrap(rises["truth"])
    contingency = bootstrap(difference)
    generated = made["true_user"]
    return {
        "dyads": len(dyads),
        "seconds": users.shape[1] / 25 * len(dyads),
        "lip_correlation": lip_correlation(generated, truth, said),
        "mouth_in_silence": mouth_in_silence(generated, said),
        "smile_rise": {name: asdict(bootstrap(values)) for name, values in rises.items()},
        "smile_contingency": asdict(contingency) | {"excludes_zero": contingency.excludes_zero},
        "smile_share_of_truth": contingency.mean / truth_rise.mean,
        "smile_recall": {name: recall_of(tracks, dyads) for name, tracks in {**made, "truth": truth}.items()},
        "rpcc_expression": {
            name: rpcc(users[:, :, EXPRESSION], truth[:, :, EXPRESSION], tracks[:, :, EXPRESSION])
            for name, tracks in made.items()
        },
        "rpcc_pose": {
            name: rpcc(users[:, :, POSE], truth[:, :, POSE], tracks[:, :, POSE])
            for name, tracks in made.items()
        },
        "variance": {
            name: float(np.mean([temporal_variance(avatar.face_space.encode(t)) for t in tracks]))
            for name, tracks in {"generated": generated, "truth": truth}.items()
        },
        "jitter": {
            name: float(np.mean([jitter(avatar.face_space.encode(t)) for t in tracks]))
            for name, tracks in {"generated": generated, "truth": truth}.items()
        },
        "seam_ratio": float(
            np.mean(
                [seam_ratio(avatar.face_space.encode(t), avatar.config.generator.block) for t in generated]
            )
        ),
    }


def stack_dyads(dyads: Sequence[Dyad]) -> tuple[np.ndarray, ...]:
    """Return user faces, user audio, avatar audio and true avatar faces, stacked; ShapeError if unequal."""
    if len({len(d.user.face) for d in dyads}) != 1:
        raise ShapeError("Dyads to be evaluated together must have equal length.")
    return (
        np.stack([d.user.face for d in dyads]),
        np.stack([d.user.audio for d in dyads]),
        np.stack([d.avatar.audio for d in dyads]),
        np.stack([d.avatar.face for d in dyads]),
    )


def smile_rises(tracks: Float[np.ndarray, "n t p"], dyads: Sequence[Dyad]) -> Float[np.ndarray, "n"]:
    """Return the mean smile rise after the user's smiles, per conversation (NaN without smiles)."""
    per_dyad = [
        event_rise(column(track, "smile"), onsets(d.events, SMILES))
        for track, d in zip(tracks, dyads, strict=True)
    ]
    return np.array([rises.mean() if rises.size else np.nan for rises in per_dyad])


def recall_of(tracks: Float[np.ndarray, "n t p"], dyads: Sequence[Dyad]) -> dict[str, float]:
    """Return the share of user smiles that were answered, over all conversations, and the median delay."""
    found = [
        event_recall(column(track, "smile"), onsets(d.events, SMILES))
        for track, d in zip(tracks, dyads, strict=True)
    ]
    counted = [r for r in found if r.count]
    delays = [r.delay_ms for r in counted if np.isfinite(r.delay_ms)]
    total = sum(r.count for r in counted)
    return {
        "share": sum(r.share * r.count for r in counted) / total if total else float("nan"),
        "delay_ms": float(np.median(delays)) if delays else float("nan"),
        "events": float(total),
    }


def lip_correlation(made: np.ndarray, truth: np.ndarray, said: np.ndarray) -> float:
    """Return the mean correlation of generated and true jaw opening while the avatar speaks."""
    scores = []
    for face, real, audio in zip(made, truth, said, strict=True):
        talking = speaking(audio)
        scores.append(correlation(column(face, "jaw_open")[talking], column(real, "jaw_open")[talking]))
    known = [score for score in scores if np.isfinite(score)]
    return float(np.mean(known)) if known else float("nan")


def mouth_in_silence(made: np.ndarray, said: np.ndarray) -> float:
    """Return the mean jaw opening while the avatar is silent (NaN when it never is)."""
    still = [column(face, "jaw_open")[~speaking(audio)] for face, audio in zip(made, said, strict=True)]
    frames = np.concatenate(still)
    return float(frames.mean()) if frames.size else float("nan")
