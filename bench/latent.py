"""What is lost when pixels go in and pixels come out: `lab-latent` beside `lab`, on the same held-out conversations.

    avatar-lab train lab-latent --out runs/latent
    python bench/latent.py --weights runs/latent/generator.safetensors --probe runs/probe
    python bench/latent.py --smoke --probe runs/probe_smoke

Motion is read back from generated pictures by an independent probe: a reader that was trained on drawn pictures of
other people than the autoencoder's and the evaluation's. What the probe itself loses stands in `probe`: its correlation
with known motion on drawn pictures, and on the decoder's drawings of the same motion. Rows of `paths`:

    exact                    `lab`, the user's face as it is; the avatar's face as it is
    exact, drawn             the same, drawn by the decoder and read by the probe
    read, not retrained      `lab`, the user read from pictures by the encoder
    latent                   `lab-latent`, the user read from pictures; the avatar's coefficients as they are
    pixels                   the same, drawn by the decoder and read by the probe: the paper's setting, whole

Contingency is that of smiles: own user minus a stranger, as a share of what the true avatars do.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.controls import derangement
from avatar_lab.metrics.reaction import REACTIONS, judge
from avatar_lab.metrics.report import lip_correlation
from avatar_lab.metrics.richness import variance_ratios
from avatar_lab.metrics.sync import correlation
from avatar_lab.model.avatar import Avatar
from avatar_lab.motion.autoencoder import to_tensor
from avatar_lab.motion.neural_picture import NeuralPicture, lab_autoencoder, read_track
from avatar_lab.motion.reader import Reader
from avatar_lab.motion.space import default_space
from avatar_lab.render.picture import make_picture
from avatar_lab.stream.evaluate import stack_dyads, stream_faces
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE, draw_faces
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.reader import ReaderTraining, train_reader
from avatar_lab.train.recipes import conversations

PROBES = HELD_OUT_PEOPLE + 100_000  # people that only the probe has seen
SHOWN = ("jaw_open", "pucker", "smile", "brow_raise", "blink_left", "yaw", "pitch", "gaze_yaw")
SMILE = next(r for r in REACTIONS if r.name == "smile")
RESULTS = Path(__file__).parent / "results" / "latent.json"


def train_probe(a: Namespace) -> Reader:
    """Train the probe, or read it."""
    tracks = np.concatenate([d.avatar.face for d in conversations(0.1, 4242)])
    faces = draw_faces(
        range(PROBES, PROBES + a.people), 24, 64, seed=3, tracks=tracks, masks=False, progress=False
    )
    loop = LoopConfig(steps=a.probe_steps, learning_rate=2e-3, weight_decay=0.02, seed=3)
    settings = ReaderTraining(autoencoder=AutoencoderConfig(), loop=loop)
    reader, _ = train_reader(faces, default_space(), settings, out=a.probe, progress=False)
    return reader


@torch.no_grad()
def probed(reader: Reader, frames: np.ndarray) -> np.ndarray:
    """Return the face track that the probe reads."""
    parts = [
        reader(to_tensor(torch.from_numpy(part.copy())))
        for part in np.array_split(frames, len(frames) // 64 + 1)
    ]
    return default_space().decode(torch.cat(parts).numpy()).astype(np.float32)


def drawn(face: np.ndarray, who: int) -> np.ndarray:
    """Draw a track with the decoder, as a person nobody was trained on."""
    return NeuralPicture(*lab_autoencoder(), character=HELD_OUT_PEOPLE + 500 + who).draw_track(face)


def seen(dyads: Sequence[Dyad]) -> np.ndarray:
    """Return the users as the encoder reads them from pictures of people nobody was trained on."""
    autoencoder, space = lab_autoencoder()
    return np.stack(
        [
            read_track(
                autoencoder, space, make_picture("puppet", HELD_OUT_PEOPLE + who, 64).draw_track(d.user.face)
            )
            for who, d in enumerate(dyads)
        ]
    )


def both(avatar: Avatar, users: np.ndarray, heard: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Stream with the own user and with a stranger."""
    other = derangement(len(users))
    return {
        name: stream_faces(avatar, users[who], heard[who], said, seed=0)
        for name, who in (("true_user", np.arange(len(users))), ("shuffled_user", other))
    }


def by_pixels(tracks: dict[str, np.ndarray], probe: Reader) -> dict[str, np.ndarray]:
    """Draw tracks and read them from the drawings."""
    return {
        name: np.stack([probed(probe, drawn(face, who)) for who, face in enumerate(faces)])
        for name, faces in tracks.items()
    }


def scores(tracks: dict[str, np.ndarray], truth: np.ndarray, dyads: Sequence[Dyad]) -> dict[str, Any]:
    """Return lips, contingency and richness of one path."""
    voices = [d.avatar.audio for d in dyads]
    lips = {n: lip_correlation(tracks["true_user"], truth, voices, n) for n in ("jaw_open", "pucker")}
    found = judge(SMILE, tracks, truth, dyads)
    return {
        "lips": {name: asdict(score) for name, score in lips.items() if score},
        "contingency": found and found["contingency"],
        "share_of_truth": found and found["share_of_truth"],
        "variance_ratio": {n: r.mean for n, r in variance_ratios(tracks["true_user"], truth).items()},
    }


def ceiling(probe: Reader, truth: np.ndarray) -> dict[str, dict[str, float]]:
    """Return how well the probe reads known motion: from drawings of the renderer, and of the decoder."""
    by_renderer = np.stack(
        [
            probed(probe, make_picture("puppet", HELD_OUT_PEOPLE + 500 + who, 64).draw_track(face))
            for who, face in enumerate(truth)
        ]
    )
    by_decoder = by_pixels({"truth": truth}, probe)["truth"]

    def mean(read: np.ndarray, name: str) -> float:
        column = FACE_INDEX[name]
        found = [correlation(a[:, column], b[:, column]) for a, b in zip(read, truth, strict=True)]
        return float(np.nanmean(found))

    return {
        "drawn": {name: mean(by_renderer, name) for name in SHOWN},
        "decoded": {name: mean(by_decoder, name) for name in SHOWN},
    }


def measure(a: Namespace) -> dict[str, Any]:
    """Run everything."""
    clock = SystemClock()
    began = clock.now()
    dyads = list(conversations(a.dyads * a.seconds / 3600, HELD_OUT_SEED, "test", a.seconds))
    users, heard, said, truth = stack_dyads(dyads)
    probe, read = train_probe(a), seen(dyads)
    lab = al.load("lab", device="cpu")
    latent = al.load("lab-latent" if a.weights is None else "lab", device="cpu", checkpoint=a.weights)
    exact, own = both(lab, users, heard, said), both(latent, read, heard, said)
    paths = {
        "exact": exact,
        "exact, drawn": by_pixels(exact, probe),
        "read, not retrained": both(lab, read, heard, said),
        "latent": own,
        "pixels": by_pixels(own, probe),
    }
    rows = {name: scores(tracks, truth, dyads) for name, tracks in paths.items()}
    whole = rows["exact"]["contingency"]
    kept = rows["pixels"]["contingency"]["mean"] / whole["mean"] if whole and whole["mean"] else None
    return {
        "hardware": hardware("cpu"),
        "dyads": len(dyads),
        "seconds": a.seconds,
        "minutes": round((clock.now() - began) / 60, 1),
        "encoder": {
            name: float(np.nanmean([correlation(r[:, c], u[:, c]) for r, u in zip(read, users, strict=True)]))
            for name in SHOWN
            for c in [FACE_INDEX[name]]
        },
        "probe": ceiling(probe, truth),
        "paths": rows,
        "contingency_kept": kept,
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument(
        "--weights", type=Path, help="of `avatar-lab train lab-latent`; by default the shipped ones"
    )
    parser.add_argument("--probe", type=Path, required=True, help="folder of the probe's training; resumes")
    parser.add_argument("--people", type=int, default=400, help="that the probe learns from")
    parser.add_argument("--probe-steps", type=int, default=4000)
    parser.add_argument("--dyads", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--smoke", action="store_true", help="does everything run? The figures mean nothing")
    a = parser.parse_args()
    if a.smoke:
        a.people, a.probe_steps, a.dyads, a.seconds = 4, 3, 2, 8.0
    torch.set_num_threads(1)
    emit(measure(a), a.json or (None if a.smoke else RESULTS))


if __name__ == "__main__":
    main()
