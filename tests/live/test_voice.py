"""Voices and responders: embedded phrases, typed text where a synthesiser is, an endpoint only when one is named."""

from __future__ import annotations

import json
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest

from avatar_lab.errors import ConfigError, MediaError, StreamError
from avatar_lab.live.responder import (
    ECHO_S,
    KEY,
    MODEL,
    URL,
    Echo,
    OpenAICompatible,
    Responder,
    SmallTalk,
    wav,
)
from avatar_lab.live.voice import EspeakVoice, PiperVoice, SampleVoice, WavVoice, resampled, wanted

TONE = (0.2 * np.sin(np.arange(16_000) / 10)).astype(np.float32)


def test_the_embedded_voice_says_its_phrases_and_no_others() -> None:
    voice = SampleVoice()
    assert voice.knows("how was your weekend")
    sound = voice.speak("How was your weekend?")
    assert sound.dtype == np.float32
    assert 0.5 < len(sound) / 16_000 < 4
    with pytest.raises(ConfigError, match="pip install 'avatar-lab\\[speech\\]'"):
        voice.speak("The quick brown fox.")
    with pytest.raises(ConfigError, match="0 to 5"):
        SampleVoice(99)


def test_a_sound_is_a_voice() -> None:
    np.testing.assert_array_equal(WavVoice(TONE).speak("anything"), TONE)


@pytest.mark.parametrize("kind", [PiperVoice, EspeakVoice])
def test_synthesisers_speak_or_say_how_to_get_them(kind: type[Any]) -> None:
    try:
        voice = kind()
    except ConfigError as error:
        assert "avatar-lab[speech]" in str(error)  # noqa: PT017
        return
    sound = voice.speak("Hello, nice to meet you.")
    assert 0.5 < len(sound) / 16_000 < 5
    assert np.abs(sound).max() > 0.05


def test_text_must_be_something_and_not_too_much() -> None:
    assert wanted("  two\n words ") == "two words"
    with pytest.raises(MediaError, match="nothing to say"):
        wanted("  ")
    with pytest.raises(MediaError, match="at most 600"):
        wanted("a" * 601)


def test_other_rates_become_ours() -> None:
    sound = resampled(np.sin(np.arange(22_050) * 2 * np.pi * 200 / 22_050).astype(np.float32), 22_050)
    assert len(sound) == 16_000
    spectrum = np.abs(np.fft.rfft(sound))
    assert abs(int(spectrum.argmax()) - 200) <= 1


def test_small_talk_is_seeded_happy_after_a_smile_and_does_not_repeat_itself() -> None:
    first, second = SmallTalk(3), SmallTalk(3)
    assert isinstance(first, Responder)
    said = [first.on_turn(TONE, []) for _ in range(12)]
    again = [second.on_turn(TONE, []) for _ in range(12)]
    for a, b in zip(said, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(len(a) != len(b) or not np.array_equal(a, b) for a, b in pairwise(said))
    happy = {len(c.audio) for c in SampleVoice().phrases(mood="happy")}
    answer = SmallTalk(0).on_turn(TONE, ["smile"])
    assert answer is not None
    assert len(answer) in happy


def test_an_echo_says_the_end_of_the_turn() -> None:
    turn = np.arange(10 * 16_000, dtype=np.float32)
    np.testing.assert_array_equal(Echo().on_turn(turn, []), turn[-round(ECHO_S * 16_000) :])


class Endpoint(BaseHTTPRequestHandler):
    """Hears "hello there" in everything, and answers what it was sent."""

    asked: ClassVar[list[tuple[str, dict[str, Any] | bytes, str]]] = []
    broken = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        self.asked.append(
            (self.path, json.loads(body) if "json" in kind else body, self.headers["Authorization"])
        )
        if "transcriptions" in self.path:
            answer: dict[str, Any] = {"text": "hello there"}
        else:
            answer = {} if self.broken else {"choices": [{"message": {"content": "Hi!"}}]}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.asked, Endpoint.broken = [], False
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_an_endpoint_hears_answers_and_remembers(endpoint: str) -> None:
    responder = OpenAICompatible(WavVoice(TONE), {URL: endpoint, KEY: "secret", MODEL: "small"})
    answer = responder.on_turn(TONE, ["smile"])
    np.testing.assert_array_equal(answer, TONE)
    (path, sound, key), (chat, asked, _) = Endpoint.asked
    assert path == "/v1/audio/transcriptions"
    assert key == "Bearer secret"
    assert isinstance(sound, bytes)
    with wave.open(BytesIO(sound[sound.index(b"RIFF") :])) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)
    assert chat == "/v1/chat/completions"
    assert isinstance(asked, dict)
    assert asked["model"] == "small"
    assert asked["messages"][-1]["content"] == "hello there (The user showed: smile.)"
    responder.on_turn(TONE, [])
    _, asked, _ = Endpoint.asked[-1]
    assert isinstance(asked, dict)
    assert [m["role"] for m in asked["messages"]] == ["system", "user", "assistant", "user"]


def test_an_endpoint_that_fails_is_named(endpoint: str) -> None:
    Endpoint.broken = True
    with pytest.raises(StreamError, match="not understood"):
        OpenAICompatible(WavVoice(TONE), {URL: endpoint}).on_turn(TONE, [])
    with pytest.raises(StreamError, match="did not answer"):
        OpenAICompatible(WavVoice(TONE), {URL: "http://127.0.0.1:9/v1"}).on_turn(TONE, [])


def test_nothing_is_sent_unless_an_address_is_set() -> None:
    with pytest.raises(ConfigError, match="nothing is sent anywhere"):
        OpenAICompatible(WavVoice(TONE), {})


def test_wav_is_what_others_read() -> None:
    with wave.open(BytesIO(wav(TONE))) as file:
        found = np.frombuffer(file.readframes(16_000), "<i2") / 32767
    np.testing.assert_allclose(found, TONE, atol=1e-4)
