"""Is the mouth still when nobody speaks? Motion of the avatar's mouth in silence and in noise, as a share of speech.

    python bench/still_mouth.py --json bench/results/still_mouth.json

The live session's own mover, block by block and as a pyramid, with the `lab` weights and the recorded user. Energy is
the mean of the squared change from frame to frame (25 a second) of jaw_open, pucker and stretch, after a warm-up. The
avatar's own voice is

    speech          phrases of `data_samples`, one after the other: the measure of the others
    silence         nothing, while the user goes on talking
    room            nothing, while a fan and a keyboard are heard from the user's room
    noise in voice  the same noise, 20 dB below speech, where its own voice should be: a wav file with a poor recording

Target: at most 5 % of speech, in silence and in a room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from barge_in import SPEECH_DB, at_level, noises
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.speech import load_corpus
from avatar_lab.live.users import sample_user
from avatar_lab.stream.live_settings import LiveSettings
from avatar_lab.stream.mover import AvatarMover

MOUTH, WARM_UP_S = [FACE_INDEX[name] for name in ("jaw_open", "pucker", "stretch")], 3.0


def energy(avatar: Any, settings: LiveSettings, voice: np.ndarray, heard: np.ndarray) -> float:
    """Return the energy of the mouth's motion with this voice and this sound of the user."""
    mover, user = AvatarMover(avatar, settings), sample_user()
    face = []
    piece = mover.frames * SAMPLES_PER_FRAME
    for begin in range(0, len(voice) - piece + 1, piece):
        frames = begin // SAMPLES_PER_FRAME + np.arange(mover.frames)
        rows = user.face[frames % len(user.face)]
        part = slice(begin, begin + piece)
        face.append(mover.move(rows, heard[part], voice[part], settings.nfe).face)
    mouth = np.concatenate(face)[round(WARM_UP_S * FPS) :, MOUTH]
    return float((np.diff(mouth, axis=0) ** 2).sum(axis=1).mean())


def measure(avatar: Any, seconds: float) -> dict[str, Any]:
    """Measure both schedules."""
    rng, samples = np.random.default_rng(0), round(seconds * FPS) * SAMPLES_PER_FRAME
    clips = [clip.audio for clip in load_corpus("all").clips if clip.voice == 3 and clip.seconds > 2]
    spoken = np.resize(at_level(np.concatenate(clips[:60]), SPEECH_DB), samples)
    user = np.resize(sample_user().audio, samples)
    made = noises(seconds, rng)
    room = (0.1 * np.resize(made["fan"] + made["keyboard"], samples)).astype(np.float32)
    nothing = np.zeros(samples, np.float32)
    cases = {
        "speech": (spoken, user),
        "silence": (nothing, user),
        "room": (nothing, room),
        "noise in voice": (room, user),
    }
    report: dict[str, Any] = {}
    guidance = avatar.config.sampler.guidance
    for schedule, nfe in (("block", avatar.config.sampler.nfe), ("pyramid", 4)):
        settings = LiveSettings(
            schedule=schedule,
            nfe=nfe,
            guidance_audio=float(guidance.get("audio", 1.0)),
            guidance_user=float(guidance.get("user", 1.0)),
        )
        made_of = {name: energy(avatar, settings, *sounds) for name, sounds in cases.items()}
        shares = {name: value / made_of["speech"] for name, value in made_of.items() if name != "speech"}
        report[schedule] = {"energy": made_of, "share_of_speech": shares}
    return report


def main() -> None:
    """Measure with the shipped weights."""
    parser = arguments_of(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each case")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = measure(al.load("lab"), arguments.seconds)
    emit({"hardware": hardware("cpu"), "seconds": arguments.seconds, **made}, arguments.json)


if __name__ == "__main__":
    main()
