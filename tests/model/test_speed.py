"""Faster forms of the same network: equal up to rounding, or close."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import build
from avatar_lab.model.generator import Generator
from avatar_lab.model.speed import pack, worth_packing
from avatar_lab.motion.space import default_space


def outputs(*models: Generator) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    motion, condition = torch.randn(2, 20, 18, generator=g), torch.randn(2, 20, 64, generator=g)
    sigma, reference = torch.rand(2, 20, generator=g), torch.randn(2, 18, generator=g)
    with torch.inference_mode():
        return [model(motion, sigma, condition, reference).velocity for model in models]


def test_packed_float32_is_the_same_up_to_rounding(generator: Generator) -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("no oneDNN here")
    plain, packed = outputs(generator, pack(deepcopy(generator)))
    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)


def test_int8_is_close(generator: Generator) -> None:
    if torch.backends.quantized.engine == "none":
        pytest.skip("no int8 here")
    plain, packed = outputs(generator, pack(deepcopy(generator), "int8"))
    assert 0 < (packed - plain).abs().mean() < 0.05 * plain.abs().mean()


def test_only_large_networks_are_worth_it(generator: Generator) -> None:
    assert not worth_packing(generator)


def test_unknown_forms_are_named(generator: Generator) -> None:
    with pytest.raises(ConfigError, match="float32 or int8"):
        pack(generator, "int4")


def test_packed_weights_stay_where_they_are(tmp_path: Path) -> None:
    avatar = build(preset("tiny"), default_space(), seed=1).eval()
    total = avatar.parameters_total
    pack(avatar.generator, "int8")
    assert avatar.parameters_total == total
    with pytest.raises(ConfigError, match="cannot be saved"):
        avatar.save(tmp_path / "x.safetensors")
    with pytest.raises(ConfigError, match="Load the avatar again"):
        avatar.to(torch.device("cpu"), "float32")
    with pytest.raises(ConfigError, match="packed already"):
        pack(avatar.generator)
