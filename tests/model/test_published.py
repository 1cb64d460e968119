"""The published model: parity with the released program's numbers, its sizes, and bad checkpoints.

`../shared/reference` holds numbers that the released program made from the weights of `tests/released.py`. Where it is
absent, `published_numbers.npz` stands in: a few values of our own run, written after parity had been shown.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder, wav2vec2_network
from avatar_lab.config import preset
from avatar_lab.errors import CheckpointError, ConfigError, ShapeError
from avatar_lab.model.generator import Generator
from avatar_lab.model.masks import cross_attention_mask, self_attention_mask
from avatar_lab.model.published import PublishedModel, build, published_config
from avatar_lab.motion.autoencoder import MotionAutoencoder

from ..released import OPTIONS, SHAPES, array, state

HERE = Path(__file__).parent
REFERENCE = HERE.parents[2] / "shared" / "reference"
reference = pytest.mark.skipif(not REFERENCE.exists(), reason="the reference numbers are not here")
LATENT, PICTURE = 2e-5, 1e-4


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return state(SHAPES)


@pytest.fixture(scope="module")
def model(weights: dict[str, Tensor]) -> PublishedModel:
    """All of it, or all but its hearing where transformers is not installed."""
    if find_spec("transformers") is None:
        weights = {k: v for k, v in weights.items() if "wav2vec2" not in k}
    return build(OPTIONS, weights)


def numbers(name: str) -> dict[str, Tensor]:
    with np.load(REFERENCE / name) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file}


def gap(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


@reference
def test_parity_of_one_forward(model: PublishedModel) -> None:
    n = numbers("reduced/forward.npz")
    out = model.velocity(n["x"], n["t"], n["wa"], n["wa_user"], n["motion_user"], n["wr"])
    assert gap(out, n["out"]) < LATENT
    assert model.generator is not None
    condition, _ = model.generator.condition(n["motion_user"], n["wa_user"], n["wa"])
    assert gap(condition, n["trace_c"]) < LATENT
    levels = model.generator.sigma_embedder(n["t"].double() / 1000)
    assert gap(levels.flatten(0, 1), n["trace_t_embed"]) < LATENT
    modulation = model.generator.modulation_of(n["t"].double() / 1000)
    assert gap(torch.cat(modulation.blocks, -1), n["trace_adaLN"]) < LATENT


@reference
def test_parity_of_the_whole_streaming_rollout(model: PublishedModel) -> None:
    n = numbers("reduced/sample_T120_nfe10_cfg2_1.npz")
    rounds: list[Tensor] = []
    out = model.sample(
        n["avatar_wa"],
        n["user_wa"],
        n["user_r_d"],
        n["r_s"],
        [n[f"noise_{i}"] for i in range(8)],
        on_round=lambda index, noisy, sigma: rounds.append(noisy),
    )
    assert gap(out, n["out"]) < LATENT
    for step in range(8):
        assert gap(rounds[step + 1], n[f"blk0_step{step}_x"]) < LATENT
        assert gap(rounds[10 + step], n[f"blk1_step{step}_x"][:, 2:]) < LATENT


@reference
def test_parity_of_the_caches(model: PublishedModel) -> None:
    """Ours are unrotated and theirs are not: rotated to the released positions they are the same."""
    from avatar_lab.flow.guidance import branches
    from avatar_lab.flow.schedule import released_grid
    from avatar_lab.model.attention import rotation
    from avatar_lab.model.block_sampler import BlockSampler, Grid

    n = numbers("reduced/sample_T120_nfe10_cfg2_1.npz")
    generator = model.generator
    assert generator is not None
    used = branches({"audio": 2.0, "user": 1.0}, "sum")
    sampler = BlockSampler(generator, used, Grid(*released_grid(10)), n["r_s"])
    memory, start = sampler.start(), 0
    for index, frames in enumerate((50, 10)):
        window = slice(start - memory.offset.shape[1], start + frames)
        user, heard, said = (n[k][:, window] for k in ("user_r_d", "user_wa", "avatar_wa"))
        condition, _ = sampler.conditions(user, heard, said)
        plan = sampler.plan(memory, condition, frames)
        motion, _ = sampler.denoise(plan, n[f"noise_{index}"])
        memory, start = sampler.remember(plan, motion), start + frames
        turn = rotation(torch.arange(start - 40, start - 2), 8)
        for layer, own in enumerate(memory.cache.rotated(turn)):
            prefix = f"cache_after_blk{index}_layer{layer}"
            assert gap(own.keys, n[f"{prefix}_self_k"]) < LATENT
            assert gap(own.values, n[f"{prefix}_self_v"]) < LATENT
        for layer, seen in enumerate(memory.seen.plain()):
            prefix = f"cache_after_blk{index}_layer{layer}"
            assert gap(seen.keys, n[f"{prefix}_cross_k"]) < LATENT
            assert gap(seen.values, n[f"{prefix}_cross_v"]) < LATENT


@reference
def test_parity_of_solver_and_schedule() -> None:
    from avatar_lab.flow.schedule import released_grid

    n = numbers("reduced/solver.npz")
    sigma, told = released_grid(10)
    assert gap(1000 * told, n["step_list"].double()) < 1e-9
    assert gap(sigma.double(), n["sigma_of_step"]) < 1e-7
    for index in range(8):
        moved = n["x"].clone()
        moved[:, 2:] += (sigma[index + 1] - sigma[index]) * n["v"][:, 2:]
        assert gap(moved, n["outs"][index]) < LATENT
    assert gap(n["outs"][8], n["x"]) == 0  # the released ninth step changes nothing; ours leaves it out


@reference
def test_parity_of_the_masks() -> None:
    n, frames = numbers("masks.npz"), torch.arange(50)
    assert torch.equal(self_attention_mask("released", frames, frames, 10, 2), n["self_offline_50x50"])
    assert torch.equal(cross_attention_mask(frames, frames, 2, 10, False), n["cross_offline_50x50"])
    new = torch.arange(-2, 10)
    stream = self_attention_mask("released", new, torch.arange(-40, 10), 10, 2)
    assert torch.equal(stream, n["self_stream_12x50"])
    cross = cross_attention_mask(new, torch.arange(-4, 10), 2, 10, False)
    assert torch.equal(cross, n["cross_stream_12x14"])


@reference
def test_parity_of_the_autoencoder(model: PublishedModel) -> None:
    n = numbers("reduced/autoencoder.npz")
    identity, coefficients, motion, features = model.encode(n["img"])
    assert gap(identity, n["s_r"]) < LATENT
    assert gap(coefficients, n["r_s_lambda"]) < LATENT
    assert gap(motion, n["r_s"]) < LATENT
    for index, feature in enumerate(features):
        assert gap(feature, n[f"feat{index}"]) < LATENT
    users = model.encode(n["user_imgs"])
    assert gap(users.coefficients, n["user_lambda"]) < LATENT
    assert gap(users.motion[None], n["user_r_d"]) < LATENT
    assert model.autoencoder is not None
    assert gap(model.autoencoder.directions.basis(), n["direction_Q"]) < LATENT
    assert gap(model.decode(identity + n["dec_r_d"], features), n["dec_out"]) < PICTURE
    assert gap(model.decode(identity + n["decode_seq_in"][0], features), n["decode_seq_out"]) < PICTURE


@reference
@pytest.mark.parametrize("frames", [60, 75])
def test_parity_of_audio_features(model: PublishedModel, frames: int) -> None:
    pytest.importorskip("transformers")
    n = numbers(f"reduced/audio_T{frames}.npz")
    assert gap(model.audio_features(n["wave"], frames), n["out"]) < LATENT


def our_numbers(model: PublishedModel) -> dict[str, Tensor]:
    """A few numbers of every part, from inputs made by name."""
    x, heard, said, moved = (array(tag, (2, 50, 512)) for tag in ("x", "heard", "said", "moved"))
    sigma = 1000 * torch.rand(2, 50, generator=torch.Generator().manual_seed(0))
    shown = array("reference", (2, 512))
    noise = [array(f"noise{i}", (2, n, 512)) for i, n in enumerate((50, 10, 10))]
    said63, heard63, moved63 = (torch.cat([s, s[:, :13]], 1) for s in (said, heard, moved))
    read = model.encode(torch.tanh(array("picture", (1, 3, 64, 64))))
    return {
        "velocity": model.velocity(x, sigma, said, heard, moved, shown)[:, ::7, ::31],
        "sample": model.sample(said63, heard63, moved63, shown, noise, nfe=5)[:, ::6, ::41],
        "coefficients": read.coefficients,
        "picture": model.decode(read.identity + read.motion, read.features)[:, :, ::9, ::9],
        "audio": model.audio_features(0.1 * array("wave", (1, 16000)), 25)[:, ::4, ::41],
    }


def test_published_numbers_stay_what_they_were(model: PublishedModel) -> None:
    pytest.importorskip("transformers")
    with np.load(HERE / "published_numbers.npz") as known:
        for name, value in our_numbers(model).items():
            limit = PICTURE if name == "picture" else LATENT
            assert gap(value, torch.from_numpy(known[name])) < limit, name


def test_published_sizes_are_the_published_ones() -> None:
    pytest.importorskip("transformers")
    paper = preset("paper")
    with torch.device("meta"):
        generator, faces = Generator(paper.generator), MotionAutoencoder(paper.autoencoder)
        audio = Wav2Vec2Encoder(paper.audio, 12 * 768, wav2vec2_network())

    def count(module: Any) -> int:
        return sum(p.numel() for p in module.parameters())

    unread = 1_557  # noise strengths and a first RGB layer that the released forward never reads
    assert count(generator) == 148_764_160
    assert count(audio.projection) == 4_720_128
    assert count(audio.network) == 94_371_712
    assert count(faces.encoder) == 22_726_196
    assert count(faces.decoder) + count(faces.directions) + unread == 22_513_364


def test_a_batch_is_its_members_one_by_one(model: PublishedModel) -> None:
    signals = [array(tag, (2, 70, 512)) for tag in ("said", "heard", "moved")]
    shown, noise = array("shown", (2, 512)), [array(f"n{i}", (2, n, 512)) for i, n in enumerate((50, 10, 10))]
    both = model.sample(*signals, shown, noise)
    for i in range(2):
        one = slice(i, i + 1)
        alone = model.sample(*(s[one] for s in signals), shown[one], [n[one] for n in noise])
        assert gap(alone, both[one]) < LATENT


def test_a_stream_may_start_with_one_block(model: PublishedModel) -> None:
    """The released two seconds of waiting are a choice of noise, not of code."""
    signals = [array(tag, (1, 20, 512)) for tag in ("said", "heard", "moved")]
    noise = [array(f"n{i}", (1, 10, 512)) for i in range(2)]
    both = model.sample(*signals, array("shown", (1, 512)), noise)
    first = model.sample(*(s[:, :10] for s in signals), array("shown", (1, 512)), noise[:1])
    assert both.shape == (1, 20, 512)
    assert gap(both[:, :10], first) < LATENT


def test_branches_without_weight_are_not_computed(model: PublishedModel) -> None:
    signals = [array(tag, (1, 20, 512)) for tag in ("said", "heard", "moved")]
    other = [signals[0], signals[1] * 0, signals[2] * 0]
    noise, shown = [array(f"n{i}", (1, 10, 512)) for i in range(2)], array("shown", (1, 512))
    deaf = [model.sample(*s, shown, noise, guidance={"audio": 2.0, "user": 0.0}) for s in (signals, other)]
    assert torch.equal(*deaf)


def test_bad_calls_say_what_was_expected(model: PublishedModel) -> None:
    signals, shown = [array(tag, (1, 20, 512)) for tag in ("a", "b", "c")], array("shown", (1, 512))
    with pytest.raises(ShapeError, match="noise holds 10 frames for 20"):
        model.sample(*signals, shown, [array("n", (1, 10, 512))])
    with pytest.raises(ShapeError, match="must share"):
        model.sample(signals[0][:, :5], *signals[1:], shown, [array("n", (1, 20, 512))])
    with pytest.raises(ShapeError, match=r"n >= 2; got \(1, 1, 512\)"):
        model.sample(*signals, shown, [array("n", (1, 1, 512)), array("n", (1, 20, 512))])
    with pytest.raises(ShapeError, match="reference must have shape"):
        model.sample(*signals, shown[None], [array("n", (1, 20, 512))])
    with pytest.raises(ConfigError, match=r"audio and user; got \['audoi'\]"):
        model.sample(*signals, shown, [array("n", (1, 20, 512))], guidance={"audoi": 0})
    with pytest.raises(ShapeError, match="it is 1000 sigma"):
        model.velocity(signals[0], torch.full((1, 20), 5000.0), *signals, shown)
    with pytest.raises(ConfigError, match="must name sizes"):
        build({**OPTIONS, "w2v": "x"}, state(SHAPES))
    with pytest.raises(ConfigError, match="no size"):
        published_config({**OPTIONS, "ch_div": 0})
    with pytest.raises(ConfigError, match="nfe >= 3"):
        model.sample(*signals, shown, [array("n", (1, 20, 512))], nfe=2)
    with pytest.raises(ConfigError, match="lack 'fps'"):
        published_config({"ch_div": 1, "input_size": 64})
    with pytest.raises(ShapeError, match="waveform must have shape"):
        model.audio_features(torch.zeros(1, 0), 5)


def test_a_checkpoint_that_does_not_fit_is_listed(weights: dict[str, Tensor]) -> None:
    broken = dict(weights)
    gone = broken.pop("flow_transformer.blocks.1.mlp.fc2.bias")
    broken["flow_transformer.blocks.1.mlp.fc3.bias"] = gone
    broken["motion_autoencoder.enc.fc.4.weight"] = torch.zeros(21, 512)
    with pytest.raises(CheckpointError) as caught:
        build(OPTIONS, broken)
    text = str(caught.value)
    assert "Missing: flow_transformer.blocks.1.mlp.fc2.bias" in text
    assert "unexpected: flow_transformer.blocks.1.mlp.fc3.bias" in text
    assert "motion_autoencoder.enc.fc.4.weight: expected (20, 512), got (21, 512)" in text


def test_what_the_released_forward_never_reads_may_be_there_or_not(weights: dict[str, Tensor]) -> None:
    slim = {k: v for k, v in weights.items() if "noise.weight" not in k and "to_rgb1" not in k}
    assert len(slim) < len(weights)
    build(OPTIONS, {k: v for k, v in slim.items() if "wav2vec2" not in k})
    weights = {k: v for k, v in weights.items() if "wav2vec2" not in k}
    with pytest.raises(CheckpointError, match=r"unexpected: motion_autoencoder\.dec\.to_rgb1\.zzz"):
        build(OPTIONS, weights | {"motion_autoencoder.dec.to_rgb1.zzz": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="expected finite"):
        build(OPTIONS, weights | {"flow_transformer.x_embedder.proj.bias": torch.full((64,), torch.nan)})
    with pytest.raises(CheckpointError, match=r"expected \(64,\), got \(1, 64\)"):
        build(OPTIONS, weights | {"flow_transformer.x_embedder.proj.bias": torch.zeros(1, 64)})
    build(OPTIONS, weights | {"motion_autoencoder.dec.to_rgbs.0.upsample.kernel": torch.zeros(4, 4)})


def test_whole_parts_may_be_absent(weights: dict[str, Tensor]) -> None:
    faces = build(OPTIONS, {k: v for k, v in weights.items() if k.startswith("motion_autoencoder.")})
    assert faces.encode(torch.zeros(1, 3, 64, 64)).motion.shape == (1, 512)
    with pytest.raises(CheckpointError, match="without weights for its flow transformer"):
        faces.sample(*(torch.zeros(1, 10, 512),) * 3, torch.zeros(1, 512), [torch.zeros(1, 10, 512)])
    deaf = build(OPTIONS, {k: v for k, v in weights.items() if "wav2vec2" not in k})
    with pytest.raises(CheckpointError, match="hold no wav2vec2"):
        deaf.audio_features(torch.zeros(1, 6400), 10)
    with pytest.raises(CheckpointError, match="no published checkpoint"):
        build(OPTIONS, {"weight": torch.zeros(3)})


def test_old_names_of_the_weight_normalisation_are_understood(weights: dict[str, Tensor]) -> None:
    pytest.importorskip("transformers")
    convolution = "audio_encoder.wav2vec2.encoder.pos_conv_embed.conv."
    old = dict(weights)
    old[convolution + "weight_g"] = old.pop(convolution + "parametrizations.weight.original0")
    old[convolution + "weight_v"] = old.pop(convolution + "parametrizations.weight.original1")
    assert torch.equal(
        build(OPTIONS, old).audio_features(array("w", (1, 6400)), 10),
        build(OPTIONS, weights).audio_features(array("w", (1, 6400)), 10),
    )
