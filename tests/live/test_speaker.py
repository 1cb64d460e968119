"""The speaker: silence is zeros, an uh-huh only hushes, an interruption cuts, answers never hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from avatar_lab.errors import StreamError
from avatar_lab.live.speaker import REWIND, Speaker
from avatar_lab.live.turns import WINDOW


class Scripted:
    """A detector that believes the sound: its first sample is the probability."""

    def probability(self, window: np.ndarray) -> float:
        return float(window[0])


def user(speaker: Speaker, probability: float, windows: int) -> None:
    """Let the user make sound of this probability."""
    speaker.hear(np.full(windows * WINDOW, probability, np.float32), 0.0)


class Answers:
    """A responder that says one thing, when it may."""

    def __init__(self, answer: Callable[[], np.ndarray | None]) -> None:
        self.answer, self.asked = answer, threading.Event()
        self.turn, self.events = np.zeros(0, np.float32), [""]

    def on_turn(self, user_audio: np.ndarray, events: Sequence[str]) -> np.ndarray | None:
        self.turn, self.events = user_audio, list(events)
        self.asked.set()
        return self.answer()


def talking(hushes: list[int] | None = None, responder: Answers | None = None) -> Speaker:
    speaker = Speaker(
        responder, detector=Scripted, on_hush=lambda: hushes.append(1) if hushes is not None else None
    )
    speaker.say(np.linspace(0.1, 0.9, 64_000, dtype=np.float32))
    return speaker


def test_silence_is_exactly_zero() -> None:
    sound, speaking = Speaker(detector=Scripted).take(3200)
    assert not sound.any()
    assert not speaking


def test_it_says_all_of_it_in_order_and_then_is_silent() -> None:
    speaker = Speaker(detector=Scripted)
    speaker.say(np.ones(1000, np.float32))
    speaker.say(2 * np.ones(1000, np.float32))
    first, _ = speaker.take(1500)
    assert first.tolist() == [1.0] * 1000 + [2.0] * 500
    assert speaker.state == "speaking"
    last, speaking = speaker.take(1000)
    assert last.sum() == 1000
    assert speaking
    assert speaker.state == "listening"


def test_an_uh_huh_hushes_and_lets_it_go_on_from_a_little_before() -> None:
    hushes: list[int] = []
    speaker = talking(hushes)
    before, _ = speaker.take(16_000)
    user(speaker, 0.95, 8)
    assert hushes == [1]
    assert speaker.state == "user speaks"
    assert not speaker.take(3200)[0].any()
    user(speaker, 0.0, 12)
    after, speaking = speaker.take(3200)
    assert speaking
    assert after[-1] < before[-1], "it repeats the word that was cut"
    assert after[400] == pytest.approx(before[16_000 - REWIND + 400], abs=1e-3)
    assert after[0] == 0, "and begins without a click"


def test_an_interruption_cuts() -> None:
    hushes: list[int] = []
    speaker = talking(hushes)
    speaker.take(16_000)
    user(speaker, 0.95, 40)
    user(speaker, 0.0, 40)
    assert hushes == [1]
    assert not speaker.take(3200)[0].any()
    assert speaker.state == "listening"


def test_a_long_uh_huh_still_takes_no_turn_but_half_a_sentence_does() -> None:
    speaker = talking()
    speaker.take(16_000)
    user(speaker, 0.95, 25)  # 0.8 s: "exactly"
    user(speaker, 0.0, 12)
    assert speaker.take(3200)[1]
    user(speaker, 0.95, 32)
    assert not speaker.take(3200)[0].any()
    assert speaker.state == "user speaks"


def test_a_turn_is_answered_with_its_sound_and_what_the_user_showed() -> None:
    answers = Answers(lambda: np.ones(800, np.float32))
    speaker = Speaker(answers, detector=Scripted)
    speaker.notice("smile")
    user(speaker, 0.0, 20)
    user(speaker, 0.9, 40)
    user(speaker, 0.0, 30)
    assert answers.asked.wait(5)
    assert answers.events == ["smile"]
    assert (answers.turn > 0.5).sum() == 40 * WINDOW
    assert 0.2 < (answers.turn[: np.argmax(answers.turn > 0.5)].size / 16_000) < 0.4, (
        "with what came just before"
    )
    for _ in range(200):
        if speaker.take(100)[1]:
            break
        threading.Event().wait(0.01)
    else:
        pytest.fail("no answer was said")
    speaker.stop()


def test_a_slow_answer_holds_up_nothing_and_a_failing_one_is_told() -> None:
    told: list[str] = []
    free = threading.Event()

    def fail() -> np.ndarray:
        free.wait(5)
        raise StreamError("The endpoint did not answer.")

    before = threading.active_count()
    speaker = Speaker(Answers(fail), detector=Scripted, tell=told.append)
    user(speaker, 0.9, 40)
    user(speaker, 0.0, 30)
    assert speaker.state == "thinking"
    assert speaker.take(3200)[0].shape == (3200,)
    free.set()
    for _ in range(200):
        if told:
            break
        threading.Event().wait(0.01)
    assert told == ["The endpoint did not answer."]
    speaker.stop()
    assert threading.active_count() == before


def test_much_to_say_does_not_pile_up() -> None:
    speaker = Speaker(detector=Scripted)
    for _ in range(20):
        speaker.say(np.ones(100, np.float32))
    total = sum(speaker.take(100)[0].sum() for _ in range(20))
    assert total <= 500
