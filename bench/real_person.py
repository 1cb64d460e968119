"""Does the avatar answer a real person? A video of a face drives it; the control is the same video, shifted in time.

    python bench/real_person.py --user ME.mp4 --voice SPEECH.wav --json bench/results/real_person.json

Smiles are found in the tracked face. For every seed the avatar is streamed with the person as filmed, and with the
person shifted in time (circularly, by several amounts): same face, same smiles, at other times. What rises after the
smiles with the true clock and not with the shifted one is an answer. Of the voice: how well the jaw follows its
loudness and with what lag (a real voice has no true mouth to compare with), and how still the mouth is in its silence.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.ingest import ingest_speech
from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.metrics.controls import bootstrap
from avatar_lab.metrics.events import VISIBLE, column, onsets_of
from avatar_lab.metrics.reaction import answers, event_rise
from avatar_lab.metrics.sync import best_lag, loudness, speaking
from avatar_lab.stream.evaluate import stream_faces


def smiles_of(face: np.ndarray) -> list[float]:
    """Return when the person begins to smile, in seconds."""
    return [max(0.0, frame / FPS - 0.2) for frame in onsets_of(column(face, "smile"), VISIBLE["smile"])]


def shifted(user: Performance, frames: int) -> Performance:
    """Return the same person `frames` later, the end moved to the beginning."""
    return Performance(np.roll(user.face, frames, axis=0), np.roll(user.audio, frames * SAMPLES_PER_FRAME))


def stream(avatar: al.Avatar, users: list[Performance], voice: np.ndarray, seed: int) -> np.ndarray:
    """Stream all users at once, each with the same voice."""
    faces, heard = np.stack([u.face for u in users]), np.stack([u.audio for u in users])
    return stream_faces(avatar, faces, heard, np.repeat(voice[None], len(users), axis=0), seed=seed)


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--user", type=Path, required=True, help="a video of one face")
    parser.add_argument("--voice", type=Path, required=True, help="what the avatar says")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--shifts", type=int, default=5)
    a = parser.parse_args()
    torch.set_num_threads(1)
    avatar = al.load("lab", device="cpu", checkpoint=a.checkpoint)
    block = avatar.config.generator.block
    user = al.ingest(a.user)
    frames = len(user.face) // block * block
    user, voice = user.cut(0, frames), fit_audio(ingest_speech(a.voice), frames)
    smiles = smiles_of(user.face)
    moved = [round((k + 1) * frames / (a.shifts + 1)) for k in range(a.shifts)]
    crowd = [user, *(shifted(user, by) for by in moved)]

    def rise(face: np.ndarray) -> float:
        found = event_rise(column(face, "smile"), smiles)
        return float(found.mean()) if found.size else float("nan")

    own, others, answered, lips, still, open_ = [], [], [], [], [], []
    talking, loud = speaking(voice), loudness(voice)
    for seed in range(a.seeds):
        made = stream(avatar, crowd, voice, seed)
        own.append(rise(made[0]))
        others.append(float(np.mean([rise(face) for face in made[1:]])))
        answered.append(answers(column(made[0], "smile"), smiles, VISIBLE["smile"]))
        jaw = column(made[0], "jaw_open")
        still.append(float(jaw[~talking].mean()))
        if talking.any():
            open_.append(float(jaw[talking].mean()))
            lips.append(best_lag(loud, jaw, reach_s=0.3))
    difference = bootstrap(np.array(own) - np.array(others))
    delays = [delay for each in answered for delay in each.delays_ms]
    report: dict[str, Any] = {
        "hardware": hardware("cpu") | {"threads": 1},
        "seconds": frames / FPS,
        "seeds": a.seeds,
        "shifts_s": [by / FPS for by in moved],
        "smiles_of_the_user_s": smiles,
        "rise": {
            "as filmed": asdict(bootstrap(np.array(own))),
            "shifted": asdict(bootstrap(np.array(others))),
        },
        "contingency": asdict(difference) | {"excludes_zero": difference.excludes_zero},
        "answered": len(delays) / max(1, sum(each.events for each in answered)),
        "lag_ms": float(np.median(delays)) if delays else None,
        "voice": {
            "silent_share": float(1 - talking.mean()),
            "jaw_in_silence": float(np.mean(still)),
            "jaw_while_speaking": float(np.mean(open_)) if open_ else None,
            "jaw_and_loudness": float(np.mean([r for _, r in lips])) if lips else None,
            "jaw_lag_ms": 1000 * float(np.median([lag for lag, _ in lips])) if lips else None,
        },
    }
    emit(report, a.json)


if __name__ == "__main__":
    main()
