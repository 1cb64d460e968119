"""How good a recording is: loudness, jitter, and whether lips and voice belong together.

What is peculiar: the offset of sound and picture is an estimate with a p-value, found by correlating mouth
opening *and* mouth speed with loudness; unrelated shifts of the same sound tell how high chance alone
reaches. Nothing is ever shifted: the report says what it saw.

Notebook: 01.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Float32

from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX

FLOOR_DB: Final = -100.0
SILENT_DB: Final = -50.0  # a recording whose loudest 40 ms stay below this is called silent
MAX_OFFSET: Final = 15  # frames searched on either side
_ANGLES: Final = [FACE_INDEX[n] for n in ("yaw", "pitch", "roll")]
_EXPRESSIONS: Final = slice(FACE_INDEX["jaw_open"], FACE_INDEX["brow_furrow"] + 1)


def frame_loudness(audio: Float32[np.ndarray, "N"]) -> Float[np.ndarray, "T"]:
    """Return dB (full scale) of every 40 ms, the rest of a last frame padded with silence."""
    frames = -(-len(audio) // SAMPLES_PER_FRAME)
    padded = np.pad(audio, (0, frames * SAMPLES_PER_FRAME - len(audio))).reshape(frames, SAMPLES_PER_FRAME)
    power = np.mean(np.square(padded, dtype=np.float64), axis=1)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10)))


def sound_report(audio: Float32[np.ndarray, "N"]) -> dict[str, float | bool]:
    """Return seconds, loudness_dbfs (of the frames that are not silent), peak, clipped share and `silent`."""
    loudness = frame_loudness(audio)
    heard = loudness[loudness > SILENT_DB]
    level = 10.0 * np.log10(np.mean(10.0 ** (heard / 10))) if len(heard) else loudness.max(initial=FLOOR_DB)
    return {
        "audio_seconds": round(len(audio) / (SAMPLES_PER_FRAME * FPS), 3),
        "loudness_dbfs": round(float(level), 1),
        "peak": round(float(np.abs(audio).max(initial=0.0)), 4),
        "clipped_fraction": round(float(np.mean(np.abs(audio) > 0.999)) if len(audio) else 0.0, 6),
        "silent": len(heard) == 0,
    }


def jitter(track: Float[np.ndarray, "T D"]) -> float:
    """Return the standard deviation of frame-to-frame noise, robust against real movement.

    White noise of deviation s has second differences of deviation sqrt(6) s; their median absolute value
    is hardly moved by the few frames in which a person really accelerates.
    """
    if len(track) < 3:
        return 0.0
    return float(np.median(np.abs(np.diff(track, 2, axis=0))) / 0.6745 / np.sqrt(6.0))


def track_report(face: Float32[np.ndarray, "T P"]) -> dict[str, float]:
    """Return jitter of head angles (degrees) and of expressions (0-1)."""
    return {
        "jitter_deg": round(jitter(face[:, _ANGLES]), 4),
        "jitter_expression": round(jitter(face[:, _EXPRESSIONS]), 5),
    }


def av_offset(mouth: Float[np.ndarray, "T M"], audio: Float32[np.ndarray, "N"]) -> tuple[float | None, float]:
    """Estimate how long the sound lags behind the lips.

    Parameters
    ----------
    mouth : columns that grow as the mouth opens (jaw, lip gap), 25 fps.
    audio : the sound, 16 kHz, beginning with the first frame.

    Returns
    -------
    offset_ms : positive when the lips lead the sound; None if there is too little to go by (less than four
        seconds, silence, a mouth that does not move).
    confidence : share of unrelated shifts of this sound that correlate less than the best one, 0-1.
    """
    loudness = np.clip(frame_loudness(audio) + 50.0, 0.0, 35.0)[: len(mouth)]
    frames = len(loudness)
    if frames < 4 * FPS or np.ptp(loudness) < 6.0 or np.ptp(mouth, axis=0).max() < 0.02:
        return None, 0.0
    scores = np.zeros(frames)
    for column in mouth[:frames].T:
        if np.ptp(column) > 1e-6:
            scores += _circular(_local(column, FPS), _local(loudness, FPS))
            scores += _circular(_local(_speed(column), 2 * FPS), _local(loudness, 2 * FPS))
    near = np.roll(scores, MAX_OFFSET)[: 2 * MAX_OFFSET + 1]
    best = int(near.argmax())
    far = scores[2 * MAX_OFFSET : frames - 2 * MAX_OFFSET]
    windows = np.lib.stride_tricks.sliding_window_view(far, min(2 * MAX_OFFSET + 1, len(far))).max(axis=1)
    return 1000.0 * (best - MAX_OFFSET) / FPS, float(np.mean(windows < near[best]))


def _local(signal: np.ndarray, frames: int) -> np.ndarray:
    """Remove what changes more slowly than `frames`."""
    reach = frames // 2
    padded = np.pad(signal.astype(np.float64), reach, mode="edge")
    return signal - np.convolve(padded, np.ones(2 * reach + 1) / (2 * reach + 1), mode="valid")


def _speed(signal: np.ndarray) -> np.ndarray:
    kernel = np.array([0.054, 0.244, 0.404, 0.244, 0.054])
    smooth = np.convolve(np.pad(signal.astype(np.float64), 2, mode="edge"), kernel, mode="valid")
    return np.abs(np.gradient(smooth))


def _circular(lips: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Correlation with the sound taken k frames later, for every circular shift k."""
    lips, sound = lips - lips.mean(), sound - sound.mean()
    scale = np.sqrt((lips @ lips) * (sound @ sound))
    spectrum = np.conj(np.fft.rfft(lips)) * np.fft.rfft(sound)
    return np.fft.irfft(spectrum, len(lips)) / max(float(scale), 1e-12)
