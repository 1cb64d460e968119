"""Causal log-mel features: what the avatar hears, frame by frame, never a sample too early.

A hop is 10 ms (160 samples) and a video frame is four hops. The analysis window of 25 ms *ends* with its hop,
so frame i depends on samples before (i + 1) * 640 only, and a stream that remembers its last 240 samples
computes exactly what a whole file would give.

What is peculiar: levels are fixed (no per-window normalisation): silence must stay silence, or a quiet room
would make the mouth babble. The filter bank is built here in ten lines of numpy, because training runs on
machines without librosa; a test holds it against librosa's.

Notebook: 01 (audio features). Source: METHOD section 3; Slaney mel scale as in librosa.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.config import SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.errors import ShapeError

HOP: Final = 160
WINDOW: Final = 400
FFT: Final = 512
TAIL: Final = WINDOW - HOP  # samples of the past that the next hop needs
FLOOR_DB: Final = -80.0
HOPS_PER_FRAME: Final = SAMPLES_PER_FRAME // HOP


def mel_scale(hertz: np.ndarray) -> np.ndarray:
    """Convert Hz to Slaney mels: linear below 1 kHz, logarithmic above."""
    return np.where(
        hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4)
    )


def mel_inverse(mels: np.ndarray) -> np.ndarray:
    """Convert Slaney mels to Hz."""
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) * (mels - 15) / 27))


@lru_cache(maxsize=4)
def mel_filters(bands: int) -> Tensor:
    """Return the triangular filter bank `(FFT / 2 + 1, bands)`, each band of unit area."""
    edges = mel_inverse(np.linspace(0, float(mel_scale(np.array(SAMPLE_RATE / 2.0))), bands + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rise, fall)) * 2 / (edges[2:] - edges[:-2])
    return torch.from_numpy(filters.astype(np.float32))


def log_mel(
    audio: Float[Tensor, "b n"], tail: Float[Tensor, "b m"] | None = None, bands: int = 80
) -> tuple[Float[Tensor, "b t f"], Float[Tensor, "b m2"]]:
    """Return log-mel features per video frame, and the tail that continues the stream.

    Parameters
    ----------
    audio : 16 kHz in [-1, 1]; a whole number of frames (640 samples each).
    tail : the last 240 samples before `audio`, as returned by the previous call; None means silence.

    Returns
    -------
    features : (b, frames, 4 * bands), about 0 for silence and 1 for loud speech, the four hops side by side.
    tail : (b, 240), to be handed to the next call.
    """
    if audio.shape[-1] % SAMPLES_PER_FRAME:
        raise ShapeError(
            f"audio must hold whole frames of {SAMPLES_PER_FRAME} samples; got {audio.shape[-1]} samples. "
            "Pad it with avatar_lab.data.performance.fit_audio."
        )
    if tail is None:
        tail = audio.new_zeros(audio.shape[0], TAIL)
    stream = torch.cat([tail, audio], dim=-1)
    hops = stream.unfold(-1, WINDOW, HOP) * torch.hann_window(WINDOW, device=audio.device)
    power = torch.fft.rfft(hops, n=FFT).abs().square()
    decibel = 10 * torch.log10(power @ mel_filters(bands).to(audio.device) + 10 ** (FLOOR_DB / 10))
    features = (decibel - FLOOR_DB) / -FLOOR_DB
    return features.unflatten(1, (-1, HOPS_PER_FRAME)).flatten(2), stream[:, -TAIL:]
