"""What is lost when pixels go in and pixels come out: `lab-latent` beside `lab`, on the same held-out conversations.

    avatar-lab train lab-latent --out runs/latent
    python bench/latent.py --weights runs/latent/generator.safetensors --probe runs/probe
    python bench/latent.py --smoke --probe runs/probe_smoke

Motion is read back from generated pictures by an independent probe: a reader that was trained on drawn pictures of
other people than the autoencoder's and the evaluation's. What the probe itself loses stands in `probe`: its correlation
with known motion on drawn pictures, and on the decoder's drawings of the same motion. Rows of `paths`:

    exact                    `lab`, the user's face as it is; the avatar's face as it is
    exact, rendered          the same, drawn by the renderer and read by the probe
    exact, drawn             the same, drawn by the decoder and read by the probe
    read, not retrained      `lab`, the user read from pictures by the encoder
    latent                   `lab-latent`, the user read from pictures; the avatar's coefficients as they are
    pixels                   the same, drawn by the decoder and read by the probe: the paper's setting, whole

Contingency, own user minus a stranger, is a share of what the true avatars do: of smiles, and of all reactions
together, as in the paper's tables. `kept` says which share of the contingency of `exact` the whole path of pixels has,
conversation by conversation: of `exact` as it is, and of `exact, rendered`, which the same probe has read.
"""

from __future__ import annotations

import multiprocessing
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit
from paper_scores import ratio, smiles

import avatar_lab as al
from avatar_lab.cli.evaluate import HELD_OUT_SEED
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import AutoencoderConfig
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.data.performance import Dyad
from avatar_lab.metrics.controls import derangement
from avatar_lab.metrics.reaction import REACTIONS, all_reactions, judge
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
Paths = Mapping[str, dict[str, np.ndarray]]


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


def seen(person: tuple[int, Dyad]) -> np.ndarray:
    """Return a user as the encoder reads them from pictures of somebody nobody was trained on."""
    torch.set_num_threads(1)
    (who, dyad), (autoencoder, space) = person, lab_autoencoder()
    frames = make_picture("puppet", HELD_OUT_PEOPLE + who, 64).draw_track(dyad.user.face)
    return read_track(autoencoder, space, frames)


def by_pixels(job: tuple[int, np.ndarray], probe: Reader, decoder: bool) -> np.ndarray:
    """Draw a track as somebody nobody was trained on, by decoder or renderer, and read it from the drawings."""
    torch.set_num_threads(1)
    who, face = job
    character = HELD_OUT_PEOPLE + 500 + who
    picture = NeuralPicture(*lab_autoencoder(), character=character) if decoder else None
    return probed(probe, (picture or make_picture("puppet", character, 64)).draw_track(face))


def both(avatar: Avatar, users: np.ndarray, heard: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Stream with the own user and with a stranger."""
    other = derangement(len(users))
    return {
        name: stream_faces(avatar, users[who], heard[who], said, seed=0)
        for name, who in (("true_user", np.arange(len(users))), ("shuffled_user", other))
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
        "all_reactions": ratio(*all_reactions(tracks, truth, dyads)),
        "variance_ratio": {n: r.mean for n, r in variance_ratios(tracks["true_user"], truth).items()},
    }


def gain_of_smiles(tracks: dict[str, np.ndarray], dyads: Sequence[Dyad]) -> np.ndarray:
    """Return how much more each conversation's avatar smiles after its own user than after a stranger."""
    return smiles(tracks["true_user"], dyads)[0] - smiles(tracks["shuffled_user"], dyads)[0]


def kept(paths: Paths, truth: np.ndarray, dyads: Sequence[Dyad]) -> dict[str, dict[str, Any]]:
    """Return which share of the exact path's contingency is left in pixels, with intervals."""
    gains = {
        name: (gain_of_smiles(paths[name], dyads), all_reactions(paths[name], truth, dyads)[0])
        for name in paths
    }
    return {
        of: {
            what: ratio(gains["pixels"][i], gains[of][i])
            for i, what in enumerate(("smiles", "all reactions"))
        }
        for of in ("exact", "exact, rendered")
    }


def correlations(read: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Return how well known motion was read, parameter by parameter."""

    def mean(column: int) -> float:
        return float(
            np.nanmean([correlation(a[:, column], b[:, column]) for a, b in zip(read, known, strict=True)])
        )

    return {name: mean(FACE_INDEX[name]) for name in SHOWN}


def measure(a: Namespace, each: Callable[..., Iterable[np.ndarray]]) -> dict[str, Any]:
    """Run everything; `each` is `map`, here or in processes."""
    clock = SystemClock()
    began = clock.now()
    dyads = list(conversations(a.dyads * a.seconds / 3600, HELD_OUT_SEED, "test", a.seconds))
    users, heard, said, truth = stack_dyads(dyads)
    probe, read = train_probe(a), np.stack(list(each(seen, enumerate(dyads))))

    def from_pixels(tracks: np.ndarray, decoder: bool) -> np.ndarray:
        return np.stack(list(each(partial(by_pixels, probe=probe, decoder=decoder), enumerate(tracks))))

    def all_from_pixels(tracks: dict[str, np.ndarray], decoder: bool) -> dict[str, np.ndarray]:
        return {who: from_pixels(track, decoder) for who, track in tracks.items()}

    lab = al.load("lab", device="cpu")
    latent = al.load("lab-latent" if a.weights is None else "lab", device="cpu", checkpoint=a.weights)
    exact, own = both(lab, users, heard, said), both(latent, read, heard, said)
    paths = {
        "exact": exact,
        "exact, rendered": all_from_pixels(exact, decoder=False),
        "exact, drawn": all_from_pixels(exact, decoder=True),
        "read, not retrained": both(lab, read, heard, said),
        "latent": own,
        "pixels": all_from_pixels(own, decoder=True),
    }
    ceiling = {
        "drawn": correlations(from_pixels(truth, decoder=False), truth),
        "decoded": correlations(from_pixels(truth, decoder=True), truth),
    }
    return {
        "hardware": hardware("cpu"),
        "dyads": len(dyads),
        "seconds": a.seconds,
        "minutes": round((clock.now() - began) / 60, 1),
        "encoder": correlations(read, users),
        "probe": ceiling,
        "paths": {name: scores(tracks, truth, dyads) for name, tracks in paths.items()},
        "kept": kept(paths, truth, dyads),
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument(
        "--weights", type=Path, help="of `avatar-lab train lab-latent`; by default the shipped ones"
    )
    parser.add_argument("--probe", type=Path, required=True, help="folder of the probe's training; resumes")
    parser.add_argument("--people", type=int, default=400, help="that the probe learns from")
    parser.add_argument("--probe-steps", type=int, default=4000)
    parser.add_argument("--dyads", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--jobs", type=int, default=2, help="processes that draw and read, of one thread each"
    )
    parser.add_argument("--smoke", action="store_true", help="does everything run? The figures mean nothing")
    a = parser.parse_args()
    if a.smoke:
        a.people, a.probe_steps, a.dyads, a.seconds = 4, 3, 2, 8.0
    torch.set_num_threads(1)
    with ProcessPoolExecutor(a.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = measure(a, pool.map)
    emit(found, a.json or (None if a.smoke else RESULTS))


if __name__ == "__main__":
    main()
