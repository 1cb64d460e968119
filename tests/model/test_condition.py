from dataclasses import replace

import torch

from avatar_lab.config import preset
from avatar_lab.model.condition import DualMotionEncoder
from avatar_lab.model.generator import Generator


def signals(frames: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.randn(1, frames, d, generator=g) for d in (18, 32, 32)]


def test_a_stream_equals_the_whole_conversation(generator: Generator) -> None:
    inputs, state, parts = signals(100), None, []
    whole, _ = generator.condition(*inputs)
    for start in range(0, 100, 5):
        part, state = generator.condition(*(x[:, start : start + 5] for x in inputs), state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=2e-5, rtol=0)
    assert state is not None
    assert state.user_keys.shape[2] == generator.config.condition_history


def test_every_input_is_causal(generator: Generator) -> None:
    inputs = signals(30)
    before, _ = generator.condition(*inputs)
    for which in range(3):
        changed = [x.clone() for x in inputs]
        changed[which][:, 20:] += 1
        after, _ = generator.condition(*changed)
        assert torch.equal(before[:, :20], after[:, :20])
        assert not torch.equal(before[:, 20], after[:, 20])


def test_a_smile_one_second_ago_is_still_in_the_condition(generator: Generator) -> None:
    inputs = signals(40)
    changed = [x.clone() for x in inputs]
    changed[0][:, 10:13] += 2
    gap = (generator.condition(*inputs)[0] - generator.condition(*changed)[0]).abs().amax(-1)[0]
    assert gap[35] > 1e-3  # 25 frames later


def test_without_the_causal_switch_the_window_sees_its_future() -> None:
    config = replace(preset("tiny").generator, causal_condition=False, user_lags=(0,), user_skip=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = DualMotionEncoder(config).eval()
    inputs = signals(10)
    changed = [x.clone() for x in inputs]
    changed[0][:, 9] += 1
    assert not torch.equal(encoder(*inputs)[0][:, 0], encoder(*changed)[0][:, 0])


def test_what_the_user_said_is_remembered_side_by_side_and_streams() -> None:
    config = replace(preset("tiny").generator, sound_lags=(0, 4, 9))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = DualMotionEncoder(config).eval()
    silent = DualMotionEncoder(replace(config, sound_lags=())).eval()
    silent.load_state_dict(encoder.state_dict(), strict=False)
    inputs, state, parts = signals(30), None, []
    with torch.no_grad():
        assert torch.equal(encoder(*inputs)[0], silent(*inputs)[0])  # nothing is said by it before training
        assert encoder.sound_embedder is not None
        encoder.sound_embedder[1].weight.fill_(1.0)
        whole, _ = encoder(*inputs)
        assert not torch.equal(whole, silent(*inputs)[0])
        for start in range(0, 30, 5):
            part, state = encoder(*(x[:, start : start + 5] for x in inputs), state)
            parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=2e-5, rtol=0)
