"""The released names: one line for every part of the network, and an account of what does not fit.

`KEYS` tables translate our parameter names into those of the released files. Whatever they do not explain is an
error that lists the names; nothing is skipped in silence, except what the released forward never reads (`UNUSED`).

Notebook: 12 (from lab to paper). Source: the key list of the released weights; facts, no code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from avatar_lab.errors import CheckpointError

FLOW: Final = "flow_transformer."
PROJECTION: Final = "audio_encoder.audio_projection."
WAVE: Final = "audio_encoder.wav2vec2."
FACES: Final = "motion_autoencoder."


class Key(NamedTuple):
    """One line of the translation: our name, the released name, and how a number in it changes."""

    ours: str
    released: str
    number: Callable[[int], int] = lambda i: i


GENERATOR_KEYS: Final = (
    Key("embed", "x_embedder.proj"),
    Key("sigma_embedder.mlp", "t_embedder.mlp"),
    Key("modulation", "adaLN_modulation"),
    Key("condition.motion_embedder", "c_embedder.motion_embedder"),
    Key("condition.user_attention.in_proj.weight", "c_embedder.dual_modal_attn.in_proj_weight"),
    Key("condition.user_attention.in_proj.bias", "c_embedder.dual_modal_attn.in_proj_bias"),
    Key("condition.user_attention.out_proj", "c_embedder.dual_modal_attn.out_proj"),
    Key("condition.joint_attention.in_proj.weight", "c_embedder.user_agent_attn.in_proj_weight"),
    Key("condition.joint_attention.in_proj.bias", "c_embedder.user_agent_attn.in_proj_bias"),
    Key("condition.joint_attention.out_proj", "c_embedder.user_agent_attn.out_proj"),
    Key("condition.norm_user", "c_embedder.ln1"),
    Key("condition.norm_joint", "c_embedder.ln2"),
    Key("condition.out", "c_embedder.to_cond_user"),
    Key("blocks.#.attention", "blocks.#.attn"),
    Key("blocks.#.cross_attention", "blocks.#.cross_attn"),
    Key("blocks.#.mlp.0", "blocks.#.mlp.fc1"),
    Key("blocks.#.mlp.2", "blocks.#.mlp.fc2"),
    Key("head.modulation", "final_layer.adaLN_modulation"),
    Key("head.linear", "final_layer.linear"),
)


def autoencoder_keys(scales: int) -> tuple[Key, ...]:
    """Return the translation for an autoencoder that halves its pictures `scales` times down to 4 pixels."""
    net = "enc.net_app.convs"
    return (
        Key("encoder.stem.weight", f"{net}.0.0.weight"),
        Key("encoder.stem.bias", f"{net}.0.1.bias"),
        Key("encoder.blocks.#.conv1.weight", f"{net}.#.conv1.0.weight", lambda i: i + 1),
        Key("encoder.blocks.#.conv1.bias", f"{net}.#.conv1.1.bias", lambda i: i + 1),
        Key("encoder.blocks.#.conv2.1.weight", f"{net}.#.conv2.1.weight", lambda i: i + 1),
        Key("encoder.blocks.#.conv2.1.bias", f"{net}.#.conv2.2.bias", lambda i: i + 1),
        Key("encoder.blocks.#.skip.1", f"{net}.#.skip.1", lambda i: i + 1),
        Key("encoder.latent", f"{net}.{scales + 1}"),
        Key("encoder.head.#", "enc.fc.#"),
        Key("directions", "dec.direction"),
        Key("decoder.constant", "dec.input.input"),
        *_styled("decoder.first", "dec.conv1"),
        *_styled("decoder.ups.#", "dec.convs.#", lambda i: 2 * i),
        *_styled("decoder.convs.#", "dec.convs.#", lambda i: 2 * i + 1),
        Key("decoder.flows.#.weight", "dec.to_flows.#.conv.weight"),
        Key("decoder.flows.#.modulation", "dec.to_flows.#.conv.modulation"),
        Key("decoder.flows.#.bias", "dec.to_flows.#.bias"),
        Key("decoder.rgbs.#.conv.weight", "dec.to_rgbs.#.conv.0.weight"),
        Key("decoder.rgbs.#.conv.bias", "dec.to_rgbs.#.conv.1.bias"),
        Key("decoder.rgbs.#.bias", "dec.to_rgbs.#.bias"),
    )


def _styled(ours: str, released: str, number: Callable[[int], int] = lambda i: i) -> tuple[Key, ...]:
    return (
        Key(f"{ours}.weight", f"{released}.conv.weight", number),
        Key(f"{ours}.modulation", f"{released}.conv.modulation", number),
        Key(f"{ours}.bias", f"{released}.activate.bias", number),
    )


# Constants, and weights that the released forward never reads.
UNUSED: Final = (
    r"motion_autoencoder\.(enc|dec)\.[\w.]+\.kernel",
    r"flow_transformer\.blocks\.\d+\.attn\.freqs_cis",
    r"flow_transformer\.(alignment_mask|block_bidir_causal_lookahead_mask)",
    r"motion_autoencoder\.dec\.(conv1|convs\.\d+)\.noise\.weight",
    r"motion_autoencoder\.dec\.to_rgb1\.(bias|conv\.0\.weight|conv\.1\.bias)",
)
# transformers 4 called the weight normalisation of the positional convolution otherwise.
OLD_WAVE_NAMES: Final = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}


def translate(name: str, keys: Iterable[Key]) -> str:
    """Return the released name of one of our parameters."""
    for key in keys:
        pattern = re.escape(key.ours).replace(r"\#", "#").replace("#", r"(\d+)") + r"(?=\.|$)"
        found = re.match(pattern, name)
        if found:
            number = str(key.number(int(found[1]))) if found.groups() else ""
            return key.released.replace("#", number) + name[found.end() :]
    raise CheckpointError(f"The parameter {name} has no published counterpart.")  # a fault of this table


class StateReader:
    """Takes tensors out of a released state, and keeps account of what was asked for and what was not."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = {_modern(name): torch.as_tensor(value) for name, value in state.items()}
        self.used: set[str] = set()
        self.missing: list[str] = []
        self.shapes: list[str] = []

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.state)

    def fill(self, make: Callable[[Any], Any], sizes: Any, prefix: str, keys: tuple[Key, ...] | None) -> Any:
        """Make a network, leaving the global random state alone, and fill it."""
        with torch.random.fork_rng(devices=[]):
            module = make(sizes)
        self.into(module, prefix, keys)
        return module.eval().requires_grad_(False)

    @torch.no_grad()
    def into(self, module: nn.Module, prefix: str, keys: tuple[Key, ...] | None) -> None:
        """Copy every parameter under its released name; `keys` None means that the names are the same."""
        for name, own in module.state_dict().items():
            released = prefix + (translate(name, keys) if keys else name)
            given = self.state.get(released)
            self.used.add(released)
            if given is None:
                self.missing.append(released)
            elif not _same_shape(released, given, own):
                self.shapes.append(f"{released}: expected {tuple(own.shape)}, got {tuple(given.shape)}")
            elif not given.is_floating_point() or not torch.isfinite(given).all():
                self.shapes.append(f"{released}: expected finite floating-point numbers, got {given.dtype}")
            else:
                own.copy_(given.reshape(own.shape))

    def finish(self) -> None:
        """Raise CheckpointError unless everything was found and everything was explained."""
        left = set(self.state) - self.used
        unexpected = sorted(n for n in left if not any(re.fullmatch(pattern, n) for pattern in UNUSED))
        if not self.used:
            raise CheckpointError(
                "This is no published checkpoint: no key begins with flow_transformer., audio_encoder. or "
                f"motion_autoencoder.; found {_listed(unexpected)}."
            )
        if self.missing or unexpected or self.shapes:
            raise CheckpointError(
                f"The checkpoint does not fit the published model. Missing: {_listed(self.missing)}; unexpected: "
                f"{_listed(unexpected)}; wrong shape: {_listed(self.shapes)}. Is it complete, and of these sizes?"
            )


def _same_shape(released: str, given: Tensor, own: Tensor) -> bool:
    """Compare shapes; the released autoencoder carries axes of length one that ours does without."""
    if given.shape == own.shape:
        return True
    bare = [tuple(n for n in tensor.shape if n != 1) for tensor in (given, own)]
    return released.startswith(FACES) and given.ndim > own.ndim and bare[0] == bare[1]


def _modern(name: str) -> str:
    head, _, last = name.rpartition(".")
    return f"{head}.{OLD_WAVE_NAMES[last]}" if last in OLD_WAVE_NAMES and name.startswith(WAVE) else name


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most]) or "none"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
