from dataclasses import replace

import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.errors import ShapeError
from avatar_lab.model.generator import Generator

BLOCK, LOOKAHEAD = 5, 2


def scene(frames: int) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return {
        "motion": torch.randn(1, frames, 18, generator=g),
        "condition": torch.randn(1, frames, 64, generator=g),
        "reference": torch.randn(1, 18, generator=g),
    }


def test_an_untrained_generator_predicts_zero() -> None:
    model, s = Generator(preset("tiny").generator), scene(20)
    out = model(s["motion"], torch.rand(1, 20), s["condition"], s["reference"]).velocity
    assert (out == 0).all()


def test_every_frame_may_have_its_own_sigma(generator: Generator) -> None:
    s, sigma = scene(20), torch.zeros(1, 20)
    before = generator(s["motion"], sigma, s["condition"], s["reference"]).velocity
    sigma[:, 15:] = 0.8
    after = generator(s["motion"], sigma, s["condition"], s["reference"]).velocity
    assert not torch.allclose(before[:, 15], after[:, 15])
    assert torch.equal(before[:, :11], after[:, :11])  # two layers look ahead two frames each


@pytest.mark.parametrize(
    ("kind", "unchanged"), [("frame_causal", 12), ("block_causal", 10), ("released", 12 - 2 * LOOKAHEAD)]
)
def test_a_changed_future_frame_leaves_earlier_outputs_bit_identical(kind: str, unchanged: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Generator(replace(preset("tiny").generator, mask=kind)).eval()
        for layer in (model.modulation[1], model.head.linear):
            torch.nn.init.normal_(layer.weight, std=0.1)
    s = scene(20)
    changed = s["motion"].clone()
    changed[:, 12] += 1
    with torch.no_grad():
        a, b = (
            model(m, torch.full((1, 20), 0.5), s["condition"], s["reference"]).velocity
            for m in (s["motion"], changed)
        )
    assert torch.equal(a[:, :unchanged], b[:, :unchanged])
    assert not torch.equal(a[:, unchanged], b[:, unchanged])


def test_cached_equals_recomputed(generator: Generator) -> None:
    """Stream clean blocks through the cache, then compare one noisy block with the uncached network."""
    s, frames = scene(30), 30
    cache = generator.empty_cache(1)
    last = frames - BLOCK
    for start in range(0, last, BLOCK):
        offset = LOOKAHEAD if start else 0
        tokens = s["motion"][:, start - offset : start + BLOCK]
        conditions = s["condition"][:, max(0, start - offset - 2) : start + BLOCK]
        out = generator(
            tokens, torch.zeros(tokens.shape[:2]), conditions, s["reference"], start=-offset, cache=cache
        )
        cache = cache.append(out.keys_values, tokens.shape[1] - LOOKAHEAD)
    sigma = torch.zeros(1, LOOKAHEAD + BLOCK)
    sigma[:, LOOKAHEAD:] = 0.7
    streamed = generator(
        s["motion"][:, last - LOOKAHEAD :],
        sigma,
        s["condition"][:, last - LOOKAHEAD - 2 :],
        s["reference"],
        start=-LOOKAHEAD,
        cache=cache,
    ).velocity[:, LOOKAHEAD:]
    levels = torch.zeros(1, frames)
    levels[:, last:] = 0.7
    whole = generator(s["motion"], levels, s["condition"], s["reference"]).velocity[:, last:]
    torch.testing.assert_close(streamed, whole, atol=2e-5, rtol=0)


def test_the_cache_never_outgrows_its_context(generator: Generator) -> None:
    s, cache = scene(10), generator.empty_cache(1)
    for _ in range(30):
        out = generator(
            s["motion"][:, :5], torch.zeros(1, 5), s["condition"][:, :5], s["reference"], cache=cache
        )
        cache = cache.append(out.keys_values, 5)
    assert cache.filled == cache.context == generator.config.context == 30 - BLOCK - LOOKAHEAD
    assert cache.keys.shape == generator.empty_cache(1).keys.shape


def test_one_sigma_for_all_frames_is_refused(generator: Generator) -> None:
    s = scene(20)
    with pytest.raises(ShapeError, match="sigma must have shape"):
        generator(s["motion"], torch.zeros(1, 1), s["condition"], s["reference"])


def test_the_published_generator_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Generator(preset("paper").generator)
    assert sum(p.numel() for p in model.parameters()) == 148_764_160
