"""wav2vec2 as a live ear: causal, constant memory, and what the rolling window changes."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("transformers")

from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder
from avatar_lab.errors import ShapeError
from avatar_lab.model.published import build

from ..released import OPTIONS, SHAPES, array, state


@pytest.fixture(scope="module")
def ear() -> Wav2Vec2Encoder:
    made = build(OPTIONS, {k: v for k, v in state(SHAPES).items() if k.startswith("audio_encoder.")})
    assert made.audio_encoder is not None
    return made.audio_encoder


def listen(ear: Wav2Vec2Encoder, wave: torch.Tensor, frames: int) -> torch.Tensor:
    heard, rows = ear.initial_state(len(wave)), []
    for start in range(0, wave.shape[1], frames * 640):
        features, heard = ear(wave[:, start : start + frames * 640], heard)
        rows.append(features)
    return torch.cat(rows, 1)


@torch.inference_mode()
def test_no_feature_of_a_stream_knows_a_later_block(ear: Wav2Vec2Encoder) -> None:
    wave = 0.1 * array("wave", (1, 60 * 640))
    changed = wave.clone()
    changed[:, 30 * 640 :] *= -1
    one, two = listen(ear, wave, 10), listen(ear, changed, 10)
    assert torch.equal(one[:, :30], two[:, :30])
    assert not torch.equal(one[:, 30:], two[:, 30:])


@torch.inference_mode()
def test_the_first_block_is_what_the_whole_of_it_would_be(ear: Wav2Vec2Encoder) -> None:
    wave = 0.1 * array("wave", (2, 10 * 640))
    assert torch.equal(listen(ear, wave, 10), ear.whole(wave, 10))


@torch.inference_mode()
def test_a_window_that_holds_everything_ends_like_the_whole_file(ear: Wav2Vec2Encoder) -> None:
    wave = 0.1 * array("wave", (1, 40 * 640))
    torch.testing.assert_close(listen(ear, wave, 10)[:, 30:], ear.whole(wave, 40)[:, 30:])


@torch.inference_mode()
def test_memory_is_a_window(ear: Wav2Vec2Encoder) -> None:
    heard, window = ear.initial_state(1), ear.config.context_frames * 640
    for _ in range(15):
        _, heard = ear(torch.zeros(1, 10 * 640), heard)
        assert heard.samples.shape[1] == window
    assert heard.heard == window


def test_broken_frames_are_refused(ear: Wav2Vec2Encoder) -> None:
    with pytest.raises(ShapeError, match="whole frames"):
        ear(torch.zeros(1, 641))
