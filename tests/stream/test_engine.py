import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avatar_lab.clock import FakeClock
from avatar_lab.data.performance import Performance
from avatar_lab.errors import ConfigError, ShapeError, StreamError
from avatar_lab.model.avatar import Avatar, load
from avatar_lab.stream.engine import AvatarBlock, AvatarEngine
from avatar_lab.stream.meter import Meter
from avatar_lab.stream.react import block_inputs


def engine_of(avatar: Avatar, **options: object) -> AvatarEngine:
    return AvatarEngine(avatar, picture=None, **{"seed": 5, **options})  # type: ignore[arg-type]


def run(engine: AvatarEngine, user: Performance, voice: np.ndarray, blocks: range) -> list[AvatarBlock]:
    return [engine.step(*block_inputs(user, voice, 5 * b, 5)) for b in blocks]


def faces(blocks: list[AvatarBlock]) -> np.ndarray:
    return np.concatenate([b.face for b in blocks])


def test_a_block_has_the_promised_shapes(avatar: Avatar, user: Performance, voice: np.ndarray) -> None:
    engine = AvatarEngine(avatar, character=2, size=64)
    block = engine.step(*block_inputs(user, voice, 0, engine.block))
    assert block.motion.shape == block.face.shape == (5, 18)
    assert block.frames is not None
    assert block.frames.shape == (5, 64, 64, 3)
    assert (block.timing["nfe"], block.timing["branches"], block.timing["cache_passes"]) == (4, 3, 1)


def test_same_seed_same_motion_other_seed_other_motion(
    avatar: Avatar, user: Performance, voice: np.ndarray
) -> None:
    one, two, other = (faces(run(engine_of(avatar, seed=s), user, voice, range(6))) for s in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("signal", ["face", "user_audio", "avatar_audio"])
def test_no_block_knows_the_next(avatar: Avatar, user: Performance, voice: np.ndarray, signal: str) -> None:
    face, heard, said = user.face.copy(), user.audio.copy(), voice.copy()
    {"face": face, "user_audio": heard, "avatar_audio": said}[signal][
        25 if signal == "face" else 25 * 640 :
    ] += 0.3
    before = faces(run(engine_of(avatar), user, voice, range(8)))
    after = faces(run(engine_of(avatar), Performance(face, heard), said, range(8)))
    assert np.array_equal(before[:25], after[:25])
    assert not np.array_equal(before[25:], after[25:])


def test_a_restored_stream_goes_on_as_if_nothing_had_happened(
    avatar: Avatar, user: Performance, voice: np.ndarray, tmp_path: Path
) -> None:
    whole = engine_of(avatar)
    run(whole, user, voice, range(4))
    save_file(whole.state(), tmp_path / "state.safetensors")
    rest = faces(run(whole, user, voice, range(4, 10)))
    fresh = engine_of(avatar, seed=99)
    fresh.restore(load_file(tmp_path / "state.safetensors"))
    assert np.array_equal(faces(run(fresh, user, voice, range(4, 10))), rest)


def test_a_state_is_not_touched_by_later_steps(avatar: Avatar, user: Performance, voice: np.ndarray) -> None:
    engine = engine_of(avatar)
    run(engine, user, voice, range(3))
    state = engine.state()
    copy = {k: v.clone() for k, v in state.items()}
    run(engine, user, voice, range(3, 6))
    assert all(torch.equal(state[k], copy[k]) for k in copy)


def test_memory_and_state_stop_growing(avatar: Avatar, user: Performance, voice: np.ndarray) -> None:
    engine, sizes = engine_of(avatar, nfe=1, guidance={"audio": 1, "user": 1}), []
    for _ in range(8):
        run(engine, user, voice, range(10))
        sizes.append(sum(v.numel() for v in engine.state().values()))
    assert len(set(sizes[2:])) == 1


def test_foreign_states_are_refused(avatar: Avatar) -> None:
    engine = engine_of(avatar)
    with pytest.raises(StreamError, match="does not belong"):
        engine.restore({"blocks": torch.tensor(0)})
    with pytest.raises(StreamError, match="does not belong"):
        engine.restore(engine_of(avatar, guidance={"audio": 1, "user": 1}).state())


def test_blocks_do_not_know_how_old_their_session_is(
    avatar: Avatar, user: Performance, voice: np.ndarray
) -> None:
    """Ten hours or an hour: positions count from the current block, so the same state goes on bit for bit."""
    engine = engine_of(avatar)
    run(engine, user, voice, range(6))
    state = engine.state()
    tracks = []
    for blocks in (6, 18_000, 180_000):
        aged = engine_of(avatar, seed=99)
        aged.restore(state | {"blocks": torch.tensor(blocks)})
        tracks.append(faces(run(aged, user, voice, range(6, 10))))
        assert int(aged.state()["blocks"]) == blocks + 4
    assert np.array_equal(tracks[0], tracks[1])
    assert np.array_equal(tracks[0], tracks[2])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s | {"memory.cache.filled": torch.tensor(-5)}, "filled must lie in"),
        (lambda s: s | {"memory.cache.filled": torch.tensor(10**6)}, "filled must lie in"),
        (lambda s: s | {"memory.offset": s["memory.offset"] * torch.nan}, "NaN or infinity"),
        (lambda s: s | {"memory.offset": s["memory.offset"][:, :0]}, "must hold 2 frames"),
        (lambda s: s | {"noise": torch.zeros_like(s["noise"])[:7]}, "noise is"),
        (lambda s: s | {"ears.samples": s["ears.samples"].half()}, "float16"),
        (lambda s: s | {"condition.user_keys": s["condition.user_keys"][:, :, 1:]}, "differ in length"),
    ],
)
def test_damaged_states_are_refused_and_leave_the_session_alone(
    avatar: Avatar, user: Performance, voice: np.ndarray, damage: object, words: str
) -> None:
    engine = engine_of(avatar)
    run(engine, user, voice, range(3))
    before = engine.state()
    with pytest.raises(StreamError, match=words):
        engine.restore(damage(dict(before)))  # type: ignore[operator]
    assert all(torch.equal(value, before[name]) for name, value in engine.state().items())


def test_a_state_knows_the_guidance_it_was_made_with(avatar: Avatar) -> None:
    state = engine_of(avatar, guidance={"audio": 2, "user": 3}).state()
    with pytest.raises(StreamError, match="other guidance"):
        engine_of(avatar, guidance={"audio": 3, "user": 2}).restore(state)


def test_absent_signals_are_silence_and_rest(avatar: Avatar) -> None:
    quiet, spelled = engine_of(avatar), engine_of(avatar)
    from avatar_lab.data.face import neutral

    nothing = np.zeros(5 * 640, np.float32)
    assert np.array_equal(quiet.step().face, spelled.step(neutral(5), nothing, nothing).face)


def test_guidance_and_steps_cost_what_they_say(avatar: Avatar) -> None:
    cheap = engine_of(avatar, nfe=2, guidance={"audio": 1, "user": 1}).step()
    assert (cheap.timing["nfe"], cheap.timing["branches"]) == (2, 1)
    dear = engine_of(avatar, nfe=3, guidance_form="sum", guidance={"audio": 2, "user": 2}).step()
    assert (dear.timing["nfe"], dear.timing["branches"]) == (3, 3)


def test_bad_blocks_say_what_was_expected(avatar: Avatar, user: Performance) -> None:
    engine = engine_of(avatar)
    with pytest.raises(ShapeError, match=r"user_face must have shape \(5, 18\); got \(4, 18\)"):
        engine.step(user.face[:4])
    with pytest.raises(ShapeError, match=r"avatar_audio must have shape \(3200,\)"):
        engine.step(avatar_audio=np.zeros(3199, np.float32))
    with pytest.raises(ShapeError, match="user_audio must be finite"):
        engine.step(user_audio=np.full(3200, np.nan, np.float32))
    bad = user.face[:5].copy()
    bad[2, 3] = np.nan
    with pytest.raises(ShapeError, match="frame 2 holds NaN"):
        engine.step(bad)


def test_unknown_options_list_what_exists(avatar: Avatar) -> None:
    with pytest.raises(ConfigError, match="streams 'block'"):
        engine_of(avatar, schedule="full")
    with pytest.raises(ConfigError, match="sum, nested"):
        engine_of(avatar, guidance_form="both")
    with pytest.raises(ConfigError, match=r"audio and user; got \['voice'\]"):
        engine_of(avatar, guidance={"voice": 1.0})
    with pytest.raises(ConfigError, match="nfe must be >= 1"):
        engine_of(avatar, nfe=0)
    with pytest.raises(ConfigError, match="no autoencoder"):
        AvatarEngine(avatar, picture="neural")


def test_the_meter_sums_stages(avatar: Avatar) -> None:
    engine = engine_of(avatar, meter=Meter(FakeClock(tick=0.001)))
    timing = engine.step().timing
    stages = {
        k: v for k, v in timing.items() if k in ("see", "listen", "condition", "denoise", "remember", "draw")
    }
    assert stages == pytest.approx(dict.fromkeys(stages, 1.0))
    assert timing["total"] == pytest.approx(6.0)


def test_the_shipped_fast_weights_need_one_branch() -> None:
    fast = load("lab", device="cpu", fast=True)
    block = AvatarEngine(fast, picture=None).step()
    assert block.timing["branches"] == 1
    with pytest.raises(ConfigError, match="distilled into them"):
        AvatarEngine(fast, picture=None, guidance={"user": 3.0})
    with pytest.raises(ConfigError, match="no other preset"):
        load("tiny", fast=True)
    with pytest.raises(ConfigError, match="takes no checkpoint"):
        load("lab", checkpoint="x.safetensors", fast=True)


COMPILED = """
import numpy as np, torch
from avatar_lab.config import preset
from avatar_lab.model.avatar import build
from avatar_lab.motion.space import default_space
from avatar_lab.stream.engine import AvatarEngine

avatar = build(preset("tiny"), default_space(), seed=1)
for layer in (avatar.generator.modulation[1], avatar.generator.head.linear):
    torch.nn.init.normal_(layer.weight, std=0.1)
avatar.eval()
tracks = []
for compiled in (False, True):
    engine = AvatarEngine(avatar, picture=None, seed=5, nfe=1, compile=compiled)
    tracks.append(np.concatenate([engine.step().motion for _ in range(3)]))
assert np.abs(tracks[0]).max() > 0.1
np.testing.assert_allclose(*tracks, atol=1e-3)
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_a_compiled_engine_says_the_same() -> None:
    """In a process of its own: shape checks, which tests switch on, cannot be compiled."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)
