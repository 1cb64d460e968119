import librosa
import numpy as np
import pytest
import torch

from avatar_lab.audio.encoder import MelEncoder
from avatar_lab.audio.mel import log_mel, mel_filters
from avatar_lab.config import AudioConfig
from avatar_lab.errors import ShapeError


def voice(frames: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, frames * 640, generator=torch.Generator().manual_seed(seed))


def test_the_filter_bank_is_librosas() -> None:
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80).T
    np.testing.assert_allclose(mel_filters(80).numpy(), theirs, atol=1e-6)


def test_silence_is_zero_and_loud_is_about_one() -> None:
    silent, _ = log_mel(torch.zeros(1, 6400))
    loud, _ = log_mel(10 * voice(10))
    assert silent.abs().max() < 1e-6
    assert 0.5 < float(loud.mean()) < 1.2


def test_a_stream_equals_the_whole_file() -> None:
    audio, tail, parts = voice(20), None, []
    for chunk in audio.split(5 * 640, dim=1):
        part, tail = log_mel(chunk, tail)
        parts.append(part)
    whole, _ = log_mel(audio)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)


def test_no_frame_hears_the_future() -> None:
    audio = voice(20)
    changed = audio.clone()
    changed[:, 12 * 640 :] += 0.5
    before, after = log_mel(audio)[0], log_mel(changed)[0]
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.equal(before[:, 12], after[:, 12])


def test_broken_frames_are_refused() -> None:
    with pytest.raises(ShapeError, match="640"):
        log_mel(torch.zeros(1, 1000))


@pytest.mark.parametrize(("hop_width", "context"), [(0, 3), (8, 3), (8, 7)])
def test_the_encoder_streams_and_is_causal(hop_width: int, context: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AudioConfig(hidden=32, dim=16, hop_width=hop_width, context_frames=context)
        encoder = MelEncoder(config).eval()
        if encoder.hops is not None:
            torch.nn.init.normal_(encoder.hops.out.weight)
    audio, state, parts = voice(20), None, []
    with torch.no_grad():
        whole, _ = encoder(audio)
        for chunk in audio.split(5 * 640, dim=1):
            part, state = encoder(chunk, state)
            parts.append(part)
        changed = audio.clone()
        changed[:, 12 * 640 :] = 0
        other, _ = encoder(changed)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    assert torch.equal(whole[:, :12], other[:, :12])
    assert not torch.equal(whole[:, 12:], other[:, 12:])


def test_convolutions_change_nothing_until_they_have_learned_and_then_reach_four_frames_back() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = MelEncoder(AudioConfig(hidden=32, dim=16, hop_width=8, context_frames=1)).eval()
    mel = torch.rand(1, 12, 320, generator=torch.Generator().manual_seed(1))
    changed = mel.clone()
    changed[:, 3] += 1
    with torch.no_grad():
        untrained = (encoder.encode_mel(mel)[0] - encoder.encode_mel(changed)[0]).abs().amax(-1)[0]
        assert encoder.hops is not None
        torch.nn.init.eye_(encoder.hops.out.weight)
        trained = (encoder.encode_mel(mel)[0] - encoder.encode_mel(changed)[0]).abs().amax(-1)[0]
    assert untrained.nonzero().flatten().tolist() == [3]
    assert trained.nonzero().flatten().tolist() == [3, 4, 5, 6, 7]
