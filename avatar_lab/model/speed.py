"""The same network in forms that a processor multiplies faster. Inference only.

    float32   weights laid out once for oneDNN, which uses the widest registers there are: the same numbers up to
              rounding, faster at the few dozen rows of a block
    int8      weights and activations in eight bits, scaled anew for every call: faster again, other numbers

Gains and prices: `bench/paper_size.py`.

What is peculiar: only the big matrices of the transformer blocks are replaced. Everything that is cheap or
delicate (embeddings, modulation, condition, velocity head) stays as it is.

Notebook: 12 (from lab to paper).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import nn

from avatar_lab.errors import ConfigError
from avatar_lab.model.generator import Generator

WORTHWHILE = 512  # width from which another layout pays for handing numbers over


def pack(generator: Generator, form: str = "float32") -> Generator:
    """Replace the matrices of the transformer blocks in place; returns the generator, ready for inference only.

    Packed networks cannot be trained, saved, moved or packed again; `generator.packed` counts the weights that are no
    longer ordinary parameters. Raises ConfigError when this processor or this torch has no such form.
    """
    if generator.packed:
        raise ConfigError("This generator is packed already. Load the weights again.")
    make, before = _maker(form), sum(p.numel() for p in generator.parameters())
    for block in generator.layers:
        for part in (block.attention, block.cross_attention, block.mlp):
            for name, layer in list(part.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(part, name, make(layer))
    generator.packed = before - sum(p.numel() for p in generator.parameters())
    return generator.eval()


def worth_packing(generator: Generator) -> bool:
    """Whether the float32 layout helps here: oneDNN there, on a CPU, and matrices that are large enough."""
    on_cpu = generator.embed.weight.device.type == "cpu"
    return on_cpu and torch.backends.mkldnn.is_available() and generator.config.width >= WORTHWHILE


def _maker(form: str) -> Callable[[nn.Linear], nn.Module]:
    if form == "float32":
        if not torch.backends.mkldnn.is_available():
            raise ConfigError("This torch has no oneDNN; run without packing.")
        return packed
    if form == "int8":
        if torch.backends.quantized.engine == "none":
            raise ConfigError("This torch cannot multiply int8 on this processor; use float32.")
        return _int8
    raise ConfigError(f"form must be float32 or int8; got {form!r}.")


def packed(layer: nn.Linear) -> nn.Module:
    """Return a linear layer in oneDNN's own layout of its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # torch builds this module with its older compiler, and says so at import
        from torch.utils.mkldnn import MkldnnLinear

        return MkldnnLinear(layer, torch.float32)


def _int8(layer: nn.Linear) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that these kernels will move to torchao
        quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(layer), {nn.Linear}, torch.qint8)
    return quantised[0]
