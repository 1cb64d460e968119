"""Measure the motion autoencoder on people it never saw, and write the figures as JSON.

    python bench/autoencoder.py --json bench/results/autoencoder.json

Held-out characters are drawn at rest and in poses, half from held-out conversations, half wide random ones.
`from coefficients` draws from true coefficients; `from pixels` lets the encoder read them from another
person's picture in the same pose, so it is the whole published path. A face crop is the box around the face mask.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_INDEX, FACE_NAMES
from avatar_lab.model.weights import record_in_manifest
from avatar_lab.motion.autoencoder import Encoding, MotionAutoencoder, to_tensor
from avatar_lab.motion.losses import psnr
from avatar_lab.motion.neural_picture import LAB_FILE
from avatar_lab.motion.saved import load_autoencoder
from avatar_lab.motion.space import MotionSpace
from avatar_lab.render.character import Character
from avatar_lab.train.drawn_faces import HELD_OUT_PEOPLE, MASKS, DrawnFaces, draw_faces

GROUPS = {
    "pose": ("yaw", "pitch", "roll"),
    "position": ("x", "y", "scale"),
    "jaw_blink": ("jaw_open", "blink_left", "blink_right"),
    "smile_brow": ("smile", "brow_raise", "brow_furrow"),
    "other_mouth": ("pucker", "stretch", "frown"),
    "squint": ("squint",),
    "gaze": ("gaze_yaw", "gaze_pitch"),
}
SEEDS = range(9000, 9020)  # conversations with the held-out sentences


def held_out_faces(people: int, poses: int, size: int) -> DrawnFaces:
    """Draw the held-out people; odd poses come from conversations, even ones are random."""
    dyads = [simulate(30.0, seed, split="test") for seed in SEEDS]
    tracks = np.concatenate([p.face for dyad in dyads for p in (dyad.user, dyad.avatar)])
    return draw_faces(range(HELD_OUT_PEOPLE, HELD_OUT_PEOPLE + people), poses, size, seed=2, tracks=tracks)


def box_psnr(pictures: Tensor, targets: Tensor, faces: np.ndarray) -> list[float]:
    """PSNR inside the bounding box of each face mask."""
    values = []
    for picture, target, mask in zip(pictures, targets, faces, strict=True):
        rows, columns = np.nonzero(mask > 127)
        box = np.s_[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        values.append(psnr(picture[box][None], target[box][None]).item())
    return values


@torch.no_grad()
def draw_all(model: MotionAutoencoder, space: MotionSpace, faces: DrawnFaces) -> dict[str, np.ndarray]:
    """Draw everybody from a neutral source; return PSNRs (N, Q) and read coefficients (N, Q + 1, K)."""
    found: dict[str, list[Any]] = {k: [] for k in ("whole", "face", "px_whole", "px_face", "still", "read")}
    read = [model.encode(to_tensor(torch.from_numpy(np.array(p)))).coefficients for p in faces.pictures]
    for i, pictures in enumerate(faces.pictures):
        target = to_tensor(torch.from_numpy(np.array(pictures)))
        source, crop = model.encode(target[:1]), faces.masks[i, 1:, :, :, MASKS.index("face")]
        true = torch.from_numpy(space.encode(faces.faces[i, 1:]))
        for prefix, given in (("", true), ("px_", read[i ^ 1][1:])):  # i ^ 1: the other person of the pair
            drawn = model.draw(source, given)
            found[prefix + "whole"].append(psnr(drawn, target[1:]).numpy())
            found[prefix + "face"].append(box_psnr(drawn, target[1:], crop))
        found["still"].append(psnr(target[:1].expand_as(target[1:]), target[1:]).numpy())
        found["read"].append(read[i].numpy())
    return {name: np.array(values) for name, values in found.items()}


def parameter_r2(space: MotionSpace, read: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """R^2 of every face parameter and group; gaze counts where the eyes are at least half open."""
    truth, guess = (
        faces.reshape(-1, len(FACE_NAMES)),
        read.reshape(-1, space.dim) @ space.inverse + space.mean,
    )
    open_eyes = truth[:, [FACE_INDEX["blink_left"], FACE_INDEX["blink_right"]]].mean(1) < 0.5
    values = {}
    for name, i in FACE_INDEX.items():
        rows = open_eyes if name.startswith("gaze") else slice(None)
        error = np.square(guess[rows, i] - truth[rows, i]).sum()
        values[name] = float(1 - error / np.square(truth[rows, i] - truth[rows, i].mean()).sum())
    return values | {f"group_{g}": float(np.mean([values[n] for n in names])) for g, names in GROUPS.items()}


def identity_leak(read: np.ndarray, characters: np.ndarray) -> float:
    """R^2, on unseen people, of a ridge probe from read coefficients to skin colour."""
    skin = np.array([Character.from_seed(int(c)).skin for c in characters], np.float64) / 255
    half = len(read) // 2

    def rows(part: slice) -> tuple[np.ndarray, np.ndarray]:
        x = read[part].reshape(-1, read.shape[-1])
        return np.c_[x, np.ones(len(x))], np.repeat(skin[part], read.shape[1], 0)

    x, y = rows(slice(None, half))
    probe = np.linalg.solve(x.T @ x + 1.0 * np.eye(x.shape[1]), x.T @ y)
    x, y = rows(slice(half, None))
    return float(1 - np.square(x @ probe - y).sum() / np.square(y - y.mean(0)).sum())


@torch.no_grad()
def milliseconds(model: MotionAutoencoder, repeats: int = 30) -> dict[str, float]:
    """Median wall-clock of encoding and decoding one picture on one thread."""
    torch.set_num_threads(1)
    size = model.config.size
    picture = torch.rand(1, 3, size, size) * 2 - 1
    read: Encoding = model.encode(picture)
    latent = read.identity + read.motion

    def median(work: Callable[[], object]) -> float:
        times = []
        for _ in range(repeats + 3):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        return float(np.median(times[3:]) * 1e3)

    return {
        "encode_ms": median(lambda: model.encode(picture)),
        "decode_ms": median(lambda: model.decode(latent, read.features)),
    }


def evaluate(weights: Path, people: int, poses: int) -> dict[str, Any]:
    """All figures of one weights file."""
    model, space = load_autoencoder(weights)
    faces = held_out_faces(people, poses, model.config.size)
    found = draw_all(model, space, faces)
    kinds = {"all": slice(None), "conversation": slice(0, None, 2), "wide": slice(1, None, 2)}  # of poses 1..
    report: dict[str, Any] = {
        "people": people,
        "poses": poses,
        "parameters": sum(p.numel() for p in model.parameters()),
        "identity_leak_r2": identity_leak(found["read"][:, 1:], faces.characters),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread used",
        **milliseconds(model),
    }
    for kind, part in kinds.items():
        report[kind] = {
            "psnr_whole_db": float(found["whole"][:, part].mean()),
            "psnr_face_db": float(found["face"][:, part].mean()),
            "from_pixels_psnr_whole_db": float(found["px_whole"][:, part].mean()),
            "from_pixels_psnr_face_db": float(found["px_face"][:, part].mean()),
            "unmoved_source_psnr_db": float(found["still"][:, part].mean()),
            "r2": parameter_r2(space, found["read"][:, 1:][:, part], faces.faces[:, 1:][:, part]),
        }
    return report


def summary(report: dict[str, Any]) -> dict[str, float]:
    """The few figures that stand in the manifest."""
    every, talk = report["all"], report["conversation"]
    groups = {k: v for k, v in every["r2"].items() if k.startswith("group_")}
    figures = {k: v for k, v in every.items() if k != "r2"} | groups
    figures |= {
        "conversation_psnr_whole_db": talk["psnr_whole_db"],
        "conversation_psnr_face_db": talk["psnr_face_db"],
    }
    figures |= {k: report[k] for k in ("identity_leak_r2", "encode_ms", "decode_ms", "parameters")}
    return {name: round(float(value), 3) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=LAB_FILE)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--poses", type=int, default=24)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--record", metavar="COMMAND", help="enter weights and figures into their manifest")
    parser.add_argument("--data", default="", help="with --record: what the weights were trained on")
    arguments = parser.parse_args()
    report = evaluate(arguments.weights, arguments.people, arguments.poses)
    text = json.dumps(report, indent=2)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n", "utf-8")
    if arguments.record:
        entry = {"command": arguments.record, "data": arguments.data, "metrics": summary(report)}
        model, _ = load_autoencoder(arguments.weights)
        entry |= {"hardware": report["hardware"], "config": asdict(model.config)}
        record_in_manifest(arguments.weights, entry)
    print(text)


if __name__ == "__main__":
    main()
