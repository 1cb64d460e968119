"""The published model in the live engine: pictures in, pictures out, without its two seconds of waiting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avatar_lab.cli.job import Job, perform
from avatar_lab.data.conversation import simulate
from avatar_lab.data.square import check_picture, read_portrait, square
from avatar_lab.errors import ConfigError, MediaError, ShapeError
from avatar_lab.model.avatar import Avatar, load, number_format
from avatar_lab.model.published import build
from avatar_lab.stream.body import read_motion
from avatar_lab.stream.engine import AvatarBlock, AvatarEngine
from avatar_lab.stream.react import react

from ..released import OPTIONS, SHAPES, array, reduced_folder, state

SIZE, BLOCK = 64, 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return reduced_folder(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def paper(folder: Path) -> Avatar:
    return load("paper", device="cpu", checkpoint=folder)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def sounds(blocks: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(blocks * BLOCK * 640)).astype(np.float32)


def stream(engine: AvatarEngine, seen: np.ndarray, heard: np.ndarray, blocks: range) -> list[AvatarBlock]:
    step = BLOCK * 640
    return [
        engine.step(
            None,
            heard[b * step : (b + 1) * step],
            heard[b * step : (b + 1) * step],
            user_frames=seen[b * BLOCK : (b + 1) * BLOCK],
        )
        for b in blocks
    ]


def motions(blocks: list[AvatarBlock]) -> np.ndarray:
    return np.concatenate([b.motion for b in blocks])


def engine_of(avatar: Avatar, **options: object) -> AvatarEngine:
    given = {"portrait": pictures(1, 7)[0], "seed": 3, "nfe": 2, "picture": None, **options}
    return AvatarEngine(avatar, **given)  # type: ignore[arg-type]


def test_the_first_block_comes_after_one_block(paper: Avatar) -> None:
    block = stream(engine_of(paper, picture="puppet"), pictures(BLOCK), sounds(1), range(1))[0]
    assert block.motion.shape == (BLOCK, 512)
    assert block.face is None
    assert block.frames is not None
    assert block.frames.shape == (BLOCK, SIZE, SIZE, 3)


@pytest.mark.parametrize("signal", ["frames", "sound"])
def test_no_block_of_the_published_stream_knows_the_next(paper: Avatar, signal: str) -> None:
    """Inside a block the published encoder sees ahead; across blocks nothing does."""
    seen, heard = pictures(60), sounds(6)
    other_seen, other_heard = seen.copy(), heard.copy()
    if signal == "frames":
        other_seen[40:] = 255 - other_seen[40:]
    else:
        other_heard[40 * 640 :] *= -0.5
    one = motions(stream(engine_of(paper), seen, heard, range(6)))
    two = motions(stream(engine_of(paper), other_seen, other_heard, range(6)))
    assert np.array_equal(one[:40], two[:40])
    assert not np.array_equal(one[40:], two[40:])


def test_a_published_stream_is_restored_bit_for_bit(paper: Avatar, tmp_path: Path) -> None:
    seen, heard = pictures(90), sounds(9)
    whole = engine_of(paper)
    stream(whole, seen, heard, range(6))
    save_file(whole.state(), tmp_path / "state.safetensors")
    rest = motions(stream(whole, seen, heard, range(6, 9)))
    fresh = engine_of(paper, seed=99)
    fresh.restore(load_file(tmp_path / "state.safetensors"))
    assert np.array_equal(motions(stream(fresh, seen, heard, range(6, 9))), rest)


def test_the_state_of_a_published_stream_stops_growing(paper: Avatar) -> None:
    engine, sizes = engine_of(paper, nfe=1, guidance={"audio": 1, "user": 0}), []
    for _ in range(16):
        stream(engine, pictures(BLOCK), sounds(1), range(1))
        sizes.append(sum(v.numel() for v in engine.state().values()))
    assert len(set(sizes[11:])) == 1


def test_the_live_stream_is_the_published_rollout(paper: Avatar) -> None:
    """With the same features and noise, streaming equals `PublishedModel.sample` started with one block."""
    model = build(OPTIONS, state(SHAPES))
    from avatar_lab.config import SamplerConfig
    from avatar_lab.stream.meter import Meter
    from avatar_lab.stream.motion_stream import MotionStream

    moved = array("moved", (1, 60, 512))
    reference = array("shown", (1, 512))
    sampler = SamplerConfig(nfe=8, guidance={"audio": 2.0, "user": 1.0}, guidance_form="sum")
    live = MotionStream(paper, sampler, reference)
    noise = torch.Generator().manual_seed(4)
    draws = [torch.randn(1, BLOCK, 512, generator=noise) for _ in range(6)]
    now, made = live.start(4), []
    features: list[torch.Tensor] = []
    for b in range(6):
        cut = slice(b * BLOCK, (b + 1) * BLOCK)
        wave = 0.1 * array(f"wave{b}", (1, BLOCK * 640))
        heard, _ = paper.audio_encoder(torch.cat([wave, wave]), now.ears)
        features.append(heard[:1])
        block, now = live.step(now, moved[:, cut], wave, wave, Meter())
        made.append(block.motion)
    sound = torch.cat(features, 1)
    offline = model.sample(sound, sound, moved, reference, draws, nfe=10)
    # The released grid steps along rounded levels: 0.87487 for 0.875.
    assert float((torch.cat(made, 1) - offline).abs().max()) < 5e-3


def test_nobody_in_view_is_no_condition(paper: Avatar) -> None:
    engine = engine_of(paper)
    assert engine.step().motion.shape == (BLOCK, 512)


def test_reading_every_other_picture_draws_a_line_between(paper: Avatar) -> None:
    assert paper.autoencoder is not None
    same = torch.zeros(BLOCK, 3, SIZE, SIZE)
    shown = torch.linspace(-0.5, 0.5, BLOCK)[:, None, None, None].expand_as(same)
    every = read_motion(paper.autoencoder, shown, 3)
    exact = read_motion(paper.autoencoder, shown)
    kept = [0, 3, 6, 9]
    torch.testing.assert_close(every[kept], exact[kept], atol=1e-5, rtol=0)
    torch.testing.assert_close(every[4], (2 * exact[3] + exact[6]) / 3, atol=1e-5, rtol=0)


def test_react_shows_the_published_avatar_a_simulated_user(paper: Avatar) -> None:
    user = simulate(2.0, 5).user
    result = react(paper, user, picture="puppet", portrait=pictures(1)[0], nfe=1)
    assert result.frames is not None
    assert result.frames.shape == (50, SIZE, SIZE, 3)
    assert result.face is None
    assert result.motion.shape == (50, 512)


def test_the_main_job_wears_a_portrait(folder: Path, tmp_path: Path) -> None:
    import cv2

    face, tracks = tmp_path / "face.png", tmp_path / "tracks.npz"
    cv2.imwrite(str(face), pictures(1)[0])
    job = Job(
        user=simulate(1.0, 5).user,
        speech=None,
        out=tmp_path / "film.mp4",
        tracks=tracks,
        preset="paper",
        device="cpu",
        checkpoint=folder,
        portrait=face,
        nfe=1,
    )
    _, written = perform(job, lambda *_: None)
    assert all(path.stat().st_size > 0 for path in written.values())
    with np.load(tracks) as file:
        assert file["motion"].shape == (25, 512)
        assert "avatar" not in file


def test_wrong_bodies_are_told_what_to_do(paper: Avatar, avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a face to wear"):
        AvatarEngine(paper)
    with pytest.raises(ShapeError, match="pass user_frames"):
        engine_of(paper).step(np.zeros((BLOCK, 18), np.float32))
    with pytest.raises(ShapeError, match=r"\(10, 64, 64, 3\)"):
        engine_of(paper).step(user_frames=pictures(3))
    with pytest.raises(ShapeError, match="pass user_face"):
        AvatarEngine(avatar, picture=None).step(user_frames=pictures(5))
    with pytest.raises(ShapeError, match="must be RGB"):
        AvatarEngine(avatar, portrait=np.zeros((64, 64), np.uint8))
    with pytest.raises(ConfigError, match="user_every"):
        AvatarEngine(avatar, picture=None, user_every=0)
    with pytest.raises(MediaError, match=r"No face was found|mediapipe|face_landmarker"):
        react(avatar, simulate(1.0, 1).user, portrait=pictures(1)[0])
    with pytest.raises(ConfigError, match="read from pictures"):
        paper.space.encode(np.zeros((1, 18), np.float32))
    with pytest.raises(MediaError, match="no picture"):
        read_portrait(tmp_path / "none.png", 64)
    (tmp_path / "text.png").write_text("hello", "utf-8")
    with pytest.raises(MediaError, match="not a picture"):
        read_portrait(tmp_path / "text.png", 64)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_named(paper: Avatar, picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="portrait must"):
        engine_of(paper, portrait=picture)
    with pytest.raises(ShapeError, match="portrait must"):
        react(paper, simulate(1.0, 1).user, portrait=picture)


def test_a_portrait_has_the_size_of_its_network(paper: Avatar) -> None:
    with pytest.raises(ShapeError, match="got list"):
        check_picture([[0, 0, 0]])
    with pytest.raises(ShapeError, match=r"\(64, 64, 3\); got \(32, 32, 3\)"):
        engine_of(paper, portrait=np.zeros((32, 32, 3), np.uint8))


def test_square_takes_the_middle() -> None:
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = 200
    assert (square(wide, 32) == 200).all()


def test_number_formats() -> None:
    assert number_format(torch.device("cpu")) is torch.float32
    with pytest.raises(ConfigError, match="float32, bfloat16, int8"):
        number_format(torch.device("cpu"), "int4")
    with pytest.raises(ConfigError, match="CPU only"):
        number_format(torch.device("cuda"), "int8")


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_every_device_agrees(folder: Path, paper: Avatar, device: str) -> None:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[device]:
        pytest.skip(f"no {device} here")
    moved = load("paper", device=device, checkpoint=folder, precision="float32")
    seen, heard = pictures(30), sounds(3)
    ours, theirs = (motions(stream(engine_of(a), seen, heard, range(3))) for a in (paper, moved))
    np.testing.assert_allclose(ours, theirs, atol=0 if device == "cpu" else 2e-3)


def test_half_precision_stays_close(folder: Path, paper: Avatar) -> None:
    half = load("paper", device="cpu", checkpoint=folder, precision="bfloat16")
    seen, heard = pictures(20), sounds(2)
    ours, theirs = (motions(stream(engine_of(a), seen, heard, range(2))) for a in (paper, half))
    assert np.abs(ours - theirs).mean() < 0.05 * np.abs(ours).mean()
    assert not np.array_equal(ours, theirs)
