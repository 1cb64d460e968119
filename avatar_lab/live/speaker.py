"""The avatar's mouth and ear: what it says now, and when it falls silent because the user speaks.

    speaker.hear(samples, captured_ms)      the user's sound, as it comes
    speaker.take(count)                     the avatar's next samples

What is peculiar: a user who begins to speak *hushes* the avatar at once (the page fades it within 20 ms). If it was an
"uh-huh", the avatar goes on, from a little before where it stopped; if it was more, the rest of what it wanted to say
is dropped. The answer to a turn is made on a thread of its own: a slow endpoint never holds up the picture.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.errors import AvatarLabError
from avatar_lab.live.responder import Responder
from avatar_lab.live.turns import HOP, Listening, TurnTaker, VoiceDetector

FADE: Final = round(0.02 * SAMPLE_RATE)
REWIND: Final = round(
    0.35 * SAMPLE_RATE
)  # what the page had not played yet when it was hushed, and a bit of the word
PRE_ROLL: Final = round(0.3 * SAMPLE_RATE)  # of the user's sound before speech was noticed
LONGEST_TURN: Final = 30 * SAMPLE_RATE
MOST_WAITING: Final = 4  # utterances


class Speaker:
    """A voice with manners.

    Parameters
    ----------
    responder : answers the user's turns; None for an avatar that says only what it is given.
    detector : makes what tells speech from noise; called twice (`turns.Listening`).
    on_hush : called when the avatar falls silent in the middle of a word, so that the page does, too.
    tell : called with a sentence when something went wrong.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        detector: Callable[[], VoiceDetector] | None = None,
        turns: TurnTaker | None = None,
        on_hush: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._responder, self._on_hush, self._tell = responder, on_hush, tell
        self._listening, self._turns = Listening(detector), turns or TurnTaker()
        self._said: list[np.ndarray] = []  # utterances in waiting; the first is being said
        self._at = 0
        self._hushed = self._thinking = False
        self._turn: list[np.ndarray] = []
        self._events: list[str] = []
        self._lock = threading.RLock()
        self._asked: queue.Queue[tuple[np.ndarray, list[str]] | None] = queue.Queue(1)
        self._thread: threading.Thread | None = None
        if responder is not None:
            self._thread = threading.Thread(target=self._answer, name="avatar-answer", daemon=True)
            self._thread.start()

    @property
    def state(self) -> str:
        """Whose turn it is: "listening", "user speaks", "thinking" or "speaking"."""
        if self._turns.speaking:
            return "user speaks"
        if self._said and not self._hushed:
            return "speaking"
        return "thinking" if self._thinking else "listening"

    def say(self, samples: Float32[np.ndarray, "n"]) -> None:
        """Add something to be said, after what is being said; the oldest in waiting gives way when there is much."""
        if len(samples):
            with self._lock:
                self._said.append(np.asarray(samples, np.float32))
                del self._said[1:-MOST_WAITING]

    def notice(self, event: str) -> None:
        """Remember something that the user did during this turn, such as "smile"."""
        with self._lock:
            self._events = [*self._events, event][-16:]

    def take(self, count: int) -> tuple[Float32[np.ndarray, "n"], bool]:
        """Return the next samples, and whether the avatar speaks in them; zeros in silence."""
        out = np.zeros(count, np.float32)
        with self._lock:
            if self._hushed or not self._said:
                return out, False
            filled = 0
            while filled < count and self._said:
                piece = self._said[0][self._at : self._at + count - filled]
                out[filled : filled + len(piece)] = piece
                filled, self._at = filled + len(piece), self._at + len(piece)
                if self._at >= len(self._said[0]):
                    self._said.pop(0)
                    self._at = 0
            return out, True

    def cut(self) -> None:
        """Drop everything that was to be said."""
        with self._lock:
            self._said.clear()
            self._at, self._hushed = 0, False

    def hear(self, samples: Float32[np.ndarray, "n"], captured_ms: float) -> None:
        """Listen to the user; may hush the avatar, and ask for an answer when the turn is over."""
        with self._lock:
            for at in range(0, len(samples), HOP):
                self._turn.append(np.asarray(samples[at : at + HOP], np.float32))
                for probability in self._listening.hear(self._turn[-1]):
                    self._step(probability)
                self._forget()

    def _forget(self) -> None:
        kept = LONGEST_TURN if self._turns.speaking else PRE_ROLL
        there = sum(map(len, self._turn))
        while there > kept:
            there -= len(self._turn.pop(0))

    def _step(self, probability: float) -> None:
        speaks = bool(self._said) and not self._hushed
        for event in self._turns.step(probability, speaks):
            if event == "start" and speaks:
                self._hushed = True
                self._on_hush()
            elif event == "short" and self._hushed:
                self._at, self._hushed = max(0, self._at - REWIND), False
                self._fade_in()
            elif event == "long" and self._hushed:
                self.cut()
            elif event == "end":
                self._ask()

    def _fade_in(self) -> None:
        """Begin again without a click."""
        rest = self._said[0][self._at :].copy()
        ramp = min(FADE, len(rest))
        rest[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
        self._said[0], self._at = rest, 0

    def _ask(self) -> None:
        if self._thread is None:
            return
        turn, events, self._events = np.concatenate(self._turn), self._events, []
        try:
            self._asked.put_nowait((turn, events))
            self._thinking = True
        except queue.Full:
            pass  # it is still thinking about the last turn

    def _answer(self) -> None:
        while True:
            asked = self._asked.get()
            if asked is None or self._responder is None:
                return
            try:
                answer = self._responder.on_turn(*asked)
            except AvatarLabError as error:
                self._tell(str(error))
                answer = None
            except Exception as error:  # somebody else's responder: the conversation goes on without it
                self._tell(f"The responder failed ({type(error).__name__}: {error}).")
                answer = None
            self._thinking = False
            if answer is not None and not self._turns.speaking:
                self.say(answer)

    def stop(self) -> None:
        """Fall silent for good and end the thread."""
        self.cut()
        if self._thread is not None and self._thread.is_alive():
            self._responder = None
            try:
                self._asked.put(None, timeout=1)
            except queue.Full:
                return  # it thinks about something slow; as a daemon it goes with the kernel
            if self._thread is not threading.current_thread():
                self._thread.join(1)
