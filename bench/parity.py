"""Largest differences between this package and the released program's numbers, file by file.

    python bench/parity.py --reference ../shared/reference --json bench/results/parity.json

The reference folder holds arrays that the released program made in float32 from weights that are a function of their
names (`tests/released.py` makes the same). Expected: 2e-5 on latents, 1e-4 on pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avatar_lab.flow.schedule import released_grid
from avatar_lab.model.masks import cross_attention_mask, self_attention_mask
from avatar_lab.model.published import PublishedModel, build

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from released import OPTIONS, SHAPES, state  # pyright: ignore[reportMissingImports]

Row = tuple[str, str, Tensor, Tensor]


def forward(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """One pass over a window."""
    out = model.velocity(n["x"], n["t"], n["wa"], n["wa_user"], n["motion_user"], n["wr"])
    yield "velocity", out, n["out"]
    assert model.generator is not None
    yield "condition", model.generator.condition(n["motion_user"], n["wa_user"], n["wa"])[0], n["trace_c"]


def rollout(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """120 frames through the caches."""
    rounds: list[Tensor] = []
    signals = (n["avatar_wa"], n["user_wa"], n["user_r_d"], n["r_s"])
    noise = [n[f"noise_{i}"] for i in range(8)]
    out = model.sample(*signals, noise, on_round=lambda index, noisy, sigma: rounds.append(noisy))
    yield "motion, 120 frames", out, n["out"]
    for step in range(8):
        yield "first window, every step", rounds[step + 1], n[f"blk0_step{step}_x"]
        yield "second block, every step", rounds[10 + step], n[f"blk1_step{step}_x"][:, 2:]


def faces(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Pictures in, pictures out."""
    read = model.encode(n["img"])
    yield "identity", read.identity, n["s_r"]
    yield "coefficients", read.coefficients, n["r_s_lambda"]
    for index, feature in enumerate(read.features):
        yield "feature maps", feature, n[f"feat{index}"]
    yield "user motion", model.encode(n["user_imgs"]).motion[None], n["user_r_d"]
    assert model.autoencoder is not None
    yield "directions", model.autoencoder.directions.basis(), n["direction_Q"]
    yield "picture", model.decode(read.identity + n["dec_r_d"], read.features), n["dec_out"]
    many = model.decode(read.identity + n["decode_seq_in"][0], read.features)
    yield "13 pictures", many, n["decode_seq_out"]


def audio(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Samples to features."""
    yield "features", model.audio_features(n["wave"], n["out"].shape[1]), n["out"]


def solver(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Single Euler updates and their levels."""
    sigma, told = released_grid(10)
    yield "timesteps", 1000 * told, n["step_list"].double()
    yield "levels", sigma.double(), n["sigma_of_step"]
    for index in range(8):
        moved = n["x"].clone()
        moved[:, 2:] += (sigma[index + 1] - sigma[index]) * n["v"][:, 2:]
        yield "updates", moved, n["outs"][index]


def masks(model: PublishedModel, n: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Who may look at whom; 0 means the same matrix."""
    window, new = torch.arange(50), torch.arange(-2, 10)
    pairs = {
        "self_offline_50x50": self_attention_mask("released", window, window, 10, 2),
        "cross_offline_50x50": cross_attention_mask(window, window, 2, 10, False),
        "self_stream_12x50": self_attention_mask("released", new, torch.arange(-40, 10), 10, 2),
        "cross_stream_12x14": cross_attention_mask(new, torch.arange(-4, 10), 2, 10, False),
    }
    for name, ours in pairs.items():
        yield name, ours.float(), n[name].float()


FILES = {
    "reduced/forward.npz": forward,
    "reduced/sample_T120_nfe10_cfg2_1.npz": rollout,
    "reduced/autoencoder.npz": faces,
    "reduced/audio_T60.npz": audio,
    "reduced/audio_T75.npz": audio,
    "reduced/solver.npz": solver,
    "masks.npz": masks,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model, gaps = build(OPTIONS, state(SHAPES)), {}
    for name, compare in FILES.items():
        with np.load(arguments.reference / name) as file:
            known = {key: torch.from_numpy(np.asarray(file[key])) for key in file}
        found: dict[str, float] = {}
        for what, ours, theirs in compare(model, known):
            found[what] = max(found.get(what, 0.0), float((ours - theirs).abs().max()))
        gaps[name] = found
        for what, gap in found.items():
            sys.stdout.write(f"{name:40} {what:28} {gap:.1e}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(gaps, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
