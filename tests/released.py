"""Weights and inputs of the parity numbers, made from names alone: any seed gives the same on any machine."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avatar_lab.audio.wav2vec2 import wav2vec2_network

OPTIONS = {  # the reduced network of the reference numbers, in the released program's own words
    "fps": 25,
    "sec": 2,
    "input_size": 64,
    "dim_m": 20,
    "dim_a": 512,
    "dim_w": 512,
    "dim_h": 64,
    "style_dim": 512,
    "num_heads": 8,
    "mlp_ratio": 4.0,
    "transformer_depth": 2,
    "num_frames_per_block": 10,
    "attention_window": 2,
    "only_last_features": False,
    "ch_div": 16,
    "w2v": {
        "hidden_size": 48,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "num_hidden_layers": 12,
        "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
}


def _normal(name: str, shape: Sequence[int], seed: int) -> np.ndarray:
    state = np.random.RandomState((seed * 1000003 + zlib.crc32(name.encode())) & 0xFFFFFFFF)
    return state.standard_normal(tuple(shape))


def array(tag: str, shape: Sequence[int], seed: int = 11) -> Tensor:
    """An input."""
    return torch.from_numpy(_normal(tag, shape, seed).astype(np.float32))


def parameter(name: str, shape: Sequence[int], seed: int = 7) -> Tensor:
    """A weight, scaled so that activations stay near one."""
    z = _normal(name, shape, seed).astype(np.float32)
    if name.startswith("motion_autoencoder."):
        if name.endswith("modulation.bias"):
            z = 1 + 0.1 * z
        elif ".to_flows." in name and name.endswith("conv.weight"):
            z = 0.01 * z
        elif name.endswith("noise.weight") or not name.endswith((".weight", "input.input")):
            z = 0.1 * z
    elif name.endswith(("weight.original0", "weight_g")):
        z = 0.5 + 0.05 * z
    elif len(shape) >= 2:
        z = z * np.float32(0.8 / math.sqrt(int(np.prod(shape[1:]))))
    elif name.endswith("weight"):
        z = 1 + 0.1 * z
    else:
        z = 0.05 * z
    return torch.from_numpy(z.astype(np.float32))


def state(shapes: Mapping[str, Sequence[int]], seed: int = 7) -> dict[str, Tensor]:
    return {name: parameter(name, shape, seed) for name, shape in shapes.items()}


SHAPES: dict[str, list[int]] = json.loads((Path(__file__).parent / "reduced_shapes.json").read_text("utf-8"))


def reduced_folder(folder: Path) -> Path:
    """Write the reduced network as its authors would: two pickles, sizes, and a wav2vec2 folder."""
    weights = state(SHAPES)
    faces = {k: v for k, v in weights.items() if k.startswith("motion_autoencoder.")}
    wave = {k: v for k, v in weights.items() if "wav2vec2" in k}
    torch.save(
        {k: v for k, v in weights.items() if k not in faces and k not in wave},
        folder / "flow_transformer.pth",
    )
    torch.save(faces, folder / "motion_autoencoder.pth")
    options = {k: v for k, v in OPTIONS.items() if k != "ch_div"}
    (folder / "config.json").write_text(json.dumps({"ch_div": 16, "opt": options}), "utf-8")
    network = wav2vec2_network(OPTIONS["w2v"])  # type: ignore[arg-type]
    network.load_state_dict({k.removeprefix("audio_encoder.wav2vec2."): v for k, v in wave.items()})
    network.save_pretrained(folder / "wav2vec2-base-960h")  # type: ignore[operator]
    return folder
