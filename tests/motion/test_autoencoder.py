"""Shapes, meaning and gradients of the motion autoencoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from avatar_lab.config import AutoencoderConfig, preset
from avatar_lab.data.face import neutral
from avatar_lab.errors import CheckpointError, ShapeError
from avatar_lab.motion.autoencoder import MotionAutoencoder, channel_plan, to_frames, to_tensor
from avatar_lab.motion.saved import load_autoencoder, save_autoencoder
from avatar_lab.motion.space import MotionSpace


def small(size: int = 16, **changes: object) -> MotionAutoencoder:
    options = {"latent_dim": 32, "channels": 8, "max_channels": 16, "reader": (8, 8), **changes}
    return MotionAutoencoder(AutoencoderConfig(size=size, **options))  # type: ignore[arg-type]


RELEASED = {
    "reader": (),
    "normalise_latent": False,
    "normalise_features": False,
    "linear_head": True,
    "warp_picture": False,
    "coarse_flow": False,
    "released_warp": True,
}


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("changes", [{}, RELEASED], ids=["lab", "released"])
def test_shapes(size: int, changes: dict[str, object]) -> None:
    model = small(size, **changes)
    read = model.encode(torch.rand(2, 3, size, size) * 2 - 1)
    assert read.identity.shape == read.motion.shape == (2, 32)
    assert read.coefficients.shape == (2, 18)
    sides = [f.shape[-1] for f in read.features]
    expected = [s for s in (8, 16, 32, 64) if s <= size]
    assert sides == expected + ([] if changes else [size])
    assert model.decode(read.identity + read.motion, read.features).shape == (2, 3, size, size)


def test_channels_double_until_the_limit() -> None:
    assert channel_plan(AutoencoderConfig(size=64, channels=24, max_channels=128)) == {
        64: 24,
        32: 48,
        16: 96,
        8: 128,
        4: 128,
    }


def test_paper_size_has_the_published_shapes() -> None:
    plan = channel_plan(preset("paper").autoencoder)
    assert [plan[s] for s in (512, 256, 128, 64, 32, 16, 8, 4)] == [32, 64, 128, 256, 512, 512, 512, 512]


def test_paper_size_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        model = MotionAutoencoder(preset("paper").autoencoder)

    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(model.encoder) == 22_726_196
    # The released decoder holds 22,513,364 with a coarsest RGB head and noise gains that its forward never uses.
    unused = (512 * 3 + 3 + 3) + 15
    assert count(model.decoder) + count(model.directions) == 22_513_364 - unused


def test_swapping_with_oneself_is_reconstruction() -> None:
    model = small().eval()
    picture = torch.rand(2, 3, 16, 16) * 2 - 1
    read = model.encode(picture)
    own = model.decode(read.identity + read.motion, read.features)
    torch.testing.assert_close(model.swap(picture, picture), own)


def test_swap_takes_motion_from_the_driving_picture_only() -> None:
    model = small().eval()
    source, one, two = (torch.rand(1, 3, 16, 16) * 2 - 1 for _ in range(3))
    both = model.swap(source, torch.cat([one, two]))
    torch.testing.assert_close(both[:1], model.swap(source, one), atol=1e-5, rtol=1e-4)
    by_hand = model.draw(model.encode(source), model.encode(two).coefficients)
    torch.testing.assert_close(both[1:], by_hand, atol=1e-5, rtol=1e-4)


def test_every_weight_gets_a_gradient() -> None:
    model = small()
    assert model.encoder.reader is not None
    for block in model.encoder.reader.blocks:  # they begin as their skip
        torch.nn.init.ones_(block.norm2.weight)
    source, driving = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    model.swap(source, driving).square().mean().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_bad_shapes_are_named() -> None:
    model = small()
    with pytest.raises(ShapeError, match=r"\(B, 3, 16, 16\)"):
        model.encode(torch.zeros(1, 3, 32, 32))
    read = model.encode(torch.zeros(2, 3, 16, 16))
    with pytest.raises(ShapeError, match=r"\(B, 32\)"):
        model.decode(torch.zeros(2, 20), read.features)
    with pytest.raises(ShapeError, match="1 or 3 pictures"):
        model.decode(torch.zeros(3, 32), read.features)
    with pytest.raises(ShapeError, match="features must be 3 maps"):
        model.decode(torch.zeros(2, 32), read.features[:1])


def test_frames_and_tensors_are_inverse() -> None:
    frames = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 16, 16, 3)
    assert torch.equal(to_frames(to_tensor(frames)), frames)


def test_saved_model_draws_the_same(tmp_path: Path) -> None:
    model, space = small().eval(), a_space()
    path = tmp_path / "autoencoder.safetensors"
    save_autoencoder(path, model.state_dict(), space, model.config)
    again, same_space = load_autoencoder(path)
    picture = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(
        again.swap(picture, picture), model.swap(picture, picture), atol=0.02, rtol=0.02
    )
    assert again.config == model.config
    assert (same_space.forward == space.forward).all()


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "autoencoder.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(CheckpointError):
        load_autoencoder(path)


def a_space() -> MotionSpace:
    generator = torch.Generator().manual_seed(0)
    return MotionSpace.fit(neutral(200) + torch.rand(200, 18, generator=generator).numpy())
