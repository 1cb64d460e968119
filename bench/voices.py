"""Does the avatar speak with any voice? What typed text costs, and whether the lips follow it.

    python bench/voices.py --json bench/results/voices.json            # needs the extra `speech` for typed text
    python bench/voices.py --wav MY_VOICE.wav                          # a recording as well

Each voice says a sentence, with a second of silence before and after it; the `lab` avatar moves to it, and its user
sits still. `ready_ms`: from the text to its sound, the second time (the first one loads). `jaw`: how far the mouth is
open, in speech and in silence. `follows`: the correlation of the jaw with the loudness of the voice (the mean of 0.2 s)
at the delay where it is largest, and that delay: 0 is in step, + is a mouth that is late.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from emit import arguments_of, emit

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.errors import ConfigError
from avatar_lab.live.voice import EspeakVoice, PiperVoice, SampleVoice, Voice, WavVoice
from avatar_lab.stream.evaluate import stream_faces

ENGLISH: Final = "How was your weekend? I went hiking in the hills, and it was wonderful."
VOICES: Final[dict[str, tuple[Callable[[], Voice], str]]] = {
    "embedded": (SampleVoice, "How was your weekend?"),
    "Piper, English": (PiperVoice, ENGLISH),
    "eSpeak NG, English": (lambda: EspeakVoice("en"), ENGLISH),
    "eSpeak NG, German": (lambda: EspeakVoice("de"), "Guten Tag, wie geht es Ihnen? Ich freue mich, Sie zu sehen."),
    "eSpeak NG, French": (lambda: EspeakVoice("fr"), "Bonjour, comment allez-vous ? Je suis ravi de vous voir."),
    "eSpeak NG, Korean": (lambda: EspeakVoice("ko"), "안녕하세요, 만나서 반갑습니다. 오늘은 어떻게 지내세요?"),
}  # fmt: skip
QUIET, LAGS = 0.01, range(-5, 6)  # of full scale; frames


def follows(jaw: np.ndarray, loud: np.ndarray) -> dict[str, float]:
    """Return how well the jaw follows the loudness, and how late."""
    smooth, inner = np.convolve(loud, np.ones(5) / 5, "same"), slice(len(LAGS), -len(LAGS))
    found = {lag: float(np.corrcoef(smooth[inner], np.roll(jaw, -lag)[inner])[0, 1]) for lag in LAGS}
    best = max(found, key=lambda lag: found[lag])
    return {"correlation": found[best], "late_ms": 1000 * best / FPS}


def lips(avatar: Any, voice: np.ndarray) -> dict[str, Any]:
    """Let the avatar say something, and return how its mouth moves."""
    still = np.zeros(SAMPLE_RATE, np.float32)
    sound = np.concatenate([still, voice, still])
    frames = len(sound) // SAMPLES_PER_FRAME // 5 * 5
    sound = sound[: frames * SAMPLES_PER_FRAME]
    face = stream_faces(avatar, neutral(frames)[None], np.zeros_like(sound)[None], sound[None], seed=0)[0]
    loud = np.sqrt((sound.reshape(frames, -1) ** 2).mean(axis=1))
    jaw, speaks = face[:, FACE_INDEX["jaw_open"]], loud > QUIET
    return {
        "sound_s": len(voice) / SAMPLE_RATE,
        "jaw": {"in_speech": float(jaw[speaks].mean()), "in_silence": float(jaw[~speaks].mean())},
        "follows": follows(jaw, loud),
    }


def measure(avatar: Any, voices: dict[str, tuple[Callable[[], Voice], str]]) -> dict[str, Any]:
    """Measure every voice that is installed; say of the others what is missing."""
    clock, rows = SystemClock(), {}
    for name, (make, text) in voices.items():
        try:
            voice = make()
        except ConfigError as error:
            rows[name] = {"missing": str(error)}
            continue
        voice.speak(text)
        began = clock.now()
        sound = voice.speak(text)
        rows[name] = {"ready_ms": 1000 * (clock.now() - began), **lips(avatar, sound)}
    return rows


def main() -> None:
    """Measure with the shipped weights."""
    parser = arguments_of(__doc__)
    parser.add_argument("--wav", type=Path, help="a recording that is to be said, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    voices = dict(VOICES)
    if arguments.wav:
        voices["a recording"] = (lambda: WavVoice(arguments.wav), "")
    emit({"hardware": hardware("cpu"), "voices": measure(al.load("lab"), voices)}, arguments.json)


if __name__ == "__main__":
    main()
