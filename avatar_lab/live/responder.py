"""What the avatar says when its turn comes.

    speech = responder.on_turn(user_audio, events)       # both sides 16 kHz samples; None or empty: it only listens

Three of them: small talk from embedded phrases (the default, nothing leaves the machine), an echo, and any endpoint
that speaks OpenAI's protocol. What is peculiar: the last one sends the user's voice away, so it exists only where
somebody has named an address in the environment.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import io
import json
import os
import uuid
import wave
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.errors import ConfigError, StreamError
from avatar_lab.live.voice import SampleVoice, Voice, best_voice

ECHO_S: Final = 6.0
URL, KEY, MODEL, HEARING = (
    f"AVATAR_LAB_LLM_{name}" for name in ("URL", "KEY", "MODEL", "TRANSCRIPTION_MODEL")
)
REMEMBERED: Final = 12  # messages of the conversation that are sent along
TIMEOUT_S: Final = 20.0
MANNER: Final = (
    "You are a friendly person in a relaxed video call. Answer in one or two short spoken sentences, without lists, "
    "emojis or markup. Be interested; ask back now and then."
)


@runtime_checkable
class Responder(Protocol):
    """Answers a turn of the user."""

    def on_turn(
        self, user_audio: Float32[np.ndarray, "n"], events: Sequence[str]
    ) -> Float32[np.ndarray, "m"] | None:
        """Return what the avatar says; `events` names what the user did meanwhile, such as "smile"."""
        ...


class SmallTalk:
    """Embedded phrases, chosen by what the user did; it understands nothing. No phrase twice in a row."""

    def __init__(self, seed: int = 0, voice: SampleVoice | None = None) -> None:
        self._voice, self._rng = voice or SampleVoice(), np.random.default_rng(seed)
        self._last: list[str] = []

    def on_turn(
        self, user_audio: Float32[np.ndarray, "n"], events: Sequence[str]
    ) -> Float32[np.ndarray, "m"] | None:
        """Return a phrase: something happy after a smile, a question now and then, else a remark or an answer."""
        if "smile" in events:
            phrases = self._voice.phrases("statement", "exclamation", "answer", mood="happy")
        elif self._rng.random() < 0.4:
            phrases = self._voice.phrases("question")
        else:
            phrases = self._voice.phrases("statement", "answer", mood="neutral")
        fresh = [clip for clip in phrases if clip.text not in self._last] or list(phrases)
        clip = fresh[int(self._rng.integers(len(fresh)))]
        self._last = [*self._last, clip.text][-8:]
        return np.array(clip.audio)


class Echo:
    """Says what the user said: to hear the delay, and to see lips on one's own words."""

    def on_turn(
        self, user_audio: Float32[np.ndarray, "n"], events: Sequence[str]
    ) -> Float32[np.ndarray, "m"] | None:
        """Return the end of the user's turn, six seconds at most."""
        return np.array(user_audio[-round(ECHO_S * SAMPLE_RATE) :])


class OpenAICompatible:
    """An endpoint that transcribes and answers; a voice of this machine speaks.

    Reads AVATAR_LAB_LLM_URL (such as http://localhost:8000/v1), AVATAR_LAB_LLM_KEY, AVATAR_LAB_LLM_MODEL and
    AVATAR_LAB_LLM_TRANSCRIPTION_MODEL. **The user's voice is sent to that address.** Raises ConfigError where no
    address is set, or no synthesiser is installed.
    """

    def __init__(self, voice: Voice | None = None, environment: Mapping[str, str] | None = None) -> None:
        env = os.environ if environment is None else environment
        if not env.get(URL):
            raise ConfigError(
                f"No endpoint is configured, and nothing is sent anywhere. Set {URL}, {KEY} and {MODEL} to use one."
            )
        self._url, self._key = env[URL].rstrip("/"), env.get(KEY, "")
        self._model, self._hearing = env.get(MODEL, "gpt-4o-mini"), env.get(HEARING, "whisper-1")
        found = voice or best_voice()
        if found is None:
            raise ConfigError("Spoken answers need a synthesiser: pip install 'avatar-lab[speech]'.")
        self._voice: Voice = found
        self._said: list[dict[str, str]] = []

    def on_turn(
        self, user_audio: Float32[np.ndarray, "n"], events: Sequence[str]
    ) -> Float32[np.ndarray, "m"] | None:
        """Return the endpoint's answer, spoken; raises StreamError when it does not answer."""
        heard = self._transcribe(user_audio).strip()
        if not heard:
            return None
        seen = f" (The user showed: {', '.join(sorted(set(events)))}.)" if events else ""
        self._said.append({"role": "user", "content": heard + seen})
        messages = [{"role": "system", "content": MANNER}, *self._said[-REMEMBERED:]]
        answer = self._post(
            "chat/completions",
            json.dumps({"model": self._model, "messages": messages}).encode(),
            "application/json",
        )
        try:
            text = str(answer["choices"][0]["message"]["content"]).strip()
        except (KeyError, IndexError, TypeError) as error:
            raise StreamError(f"{self._url} answered in a form that is not understood.") from error
        self._said.append({"role": "assistant", "content": text})
        return self._voice.speak(text) if text else None

    def _transcribe(self, audio: Float32[np.ndarray, "n"]) -> str:
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="model"\r\n\r\n{self._hearing}\r\n'.encode(),
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="turn.wav"\r\n'.encode(),
            b"Content-Type: audio/wav\r\n\r\n" + wav(audio) + b"\r\n",
            f"--{edge}--\r\n".encode(),
        ]
        found = self._post("audio/transcriptions", b"".join(parts), f"multipart/form-data; boundary={edge}")
        return str(found.get("text", ""))

    def _post(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        try:
            with urlopen(Request(f"{self._url}/{path}", body, headers), timeout=TIMEOUT_S) as answer:
                found = json.loads(answer.read())
        except (URLError, TimeoutError, ValueError, OSError) as error:
            raise StreamError(
                f"{self._url}/{path} did not answer: {error}. Check {URL} and {KEY}."
            ) from error
        return found if isinstance(found, dict) else {}


def wav(audio: Float32[np.ndarray, "n"]) -> bytes:
    """Return 16 kHz samples as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((audio.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
