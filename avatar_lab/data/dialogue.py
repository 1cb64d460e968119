"""Turn taking: who says what, and when.

Turns are one or more clips, their lengths log-normal around two seconds; the gap before the next turn has
its mode at 200 ms and is sometimes negative, so that people overlap in a few per cent of their speech
(Levinson & Torreira 2015; METHOD section 9). A question hands over the floor and gets an answer.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from avatar_lab.data.people import Person
from avatar_lab.data.speech import Clip, Corpus

USER: Final = 0
AVATAR: Final = 1
NAMES: Final = ("user", "avatar")

QUESTION_SHARE: Final = 0.24  # turns that end in a question
STORY_SHARE: Final = 0.06
PAUSE_SHARE: Final = 0.05  # gaps that are a thoughtful silence
EARLY_SHARE: Final = 0.04  # turns that begin well before the other one has ended


class Utterance(NamedTuple):
    """One clip in its place."""

    who: int
    clip: Clip
    start: float
    turn: int  # index of the turn; -1 for backchannels and laughter
    last: bool  # nothing follows in this turn

    @property
    def end(self) -> float:
        return self.start + self.clip.seconds


@dataclass(frozen=True)
class Turn:
    """One person's time on the floor; `answers` is the index of the question's turn."""

    who: int
    start: float
    end: float
    asks: bool
    answers: int | None


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[Turn, ...]
    utterances: tuple[Utterance, ...]


def draw_gap(rng: np.random.Generator) -> float:
    """Seconds from one turn to the next: mode .2, nearly a tenth below zero (overlap)."""
    kind = rng.random()
    if kind < PAUSE_SHARE:
        return rng.uniform(1.2, 3.5)
    if kind > 1 - EARLY_SHARE:
        return rng.uniform(-0.8, -0.2)
    return min(rng.lognormal(np.log(0.62), 0.60) - 0.22, 2.5)


def plan_dialogue(
    people: tuple[Person, Person], corpus: Corpus, seconds: float, rng: np.random.Generator
) -> Dialogue:
    """Fill `seconds` with turns; the last one may run over the end."""
    turns: list[Turn] = []
    utterances: list[Utterance] = []
    recent: deque[str] = deque(maxlen=16)
    who = int(
        rng.random()
        < (0.1 + people[AVATAR].talkativeness) / (0.2 + people[0].talkativeness + people[1].talkativeness)
    )
    clock, question = rng.uniform(0.0, 1.5), None
    while clock < seconds:
        clips = _choose_clips(corpus, people[who], question is not None, recent, rng)
        first = clock
        for position, clip in enumerate(clips):
            utterances.append(Utterance(who, clip, clock, len(turns), position == len(clips) - 1))
            clock += clip.seconds
            if position < len(clips) - 1:
                clock += float(np.clip(rng.lognormal(np.log(0.24), 0.5), 0.06, 1.0))
        asks = clips[-1].kind == "question"
        turns.append(Turn(who, first, clock, asks, question))
        question = len(turns) - 1 if asks else None
        if asks or rng.random() < _yields(people[who], people[1 - who]):
            laughing = (
                rng.uniform(0.9, 2.0)
                if clips[-1].mood == "funny" and not asks and rng.random() < 0.8
                else 0.0
            )
            who, clock = 1 - who, max(first + 0.4, clock + laughing + draw_gap(rng))
        else:
            clock += rng.uniform(0.5, 1.3)
    return Dialogue(tuple(turns), tuple(utterances))


def _yields(speaker: Person, listener: Person) -> float:
    return float(np.clip(0.88 + 0.5 * (listener.talkativeness - speaker.talkativeness), 0.35, 0.98))


def _choose_clips(
    corpus: Corpus, person: Person, answering: bool, recent: deque[str], rng: np.random.Generator
) -> list[Clip]:
    """Choose the clips of one turn until its drawn length is reached."""
    wanted = rng.lognormal(np.log(1.25), 0.75) * (0.7 + 0.6 * person.talkativeness)
    asking = rng.random() < QUESTION_SHARE
    clips: list[Clip] = []
    if answering and rng.random() < 0.85:
        clips.append(_pick(corpus, person, ("answer",), recent, rng))
    elif not asking and rng.random() < STORY_SHARE / (1 - QUESTION_SHARE):
        clips.append(_pick(corpus, person, ("story",), recent, rng))
    while sum(c.seconds for c in clips) < wanted - 0.8 or not (clips or asking):
        kinds = ("statement",) if clips else ("statement", "statement", "exclamation")
        clips.append(_pick(corpus, person, (kinds[rng.integers(len(kinds))],), recent, rng))
        if clips[-1].mood == "funny" and rng.random() < 0.75:
            return clips  # a joke likes to stand last
    if asking:
        clips.append(_pick(corpus, person, ("question",), recent, rng))
    return clips


def _pick(
    corpus: Corpus, person: Person, kinds: tuple[str, ...], recent: deque[str], rng: np.random.Generator
) -> Clip:
    choices = corpus.of(person.voice, *kinds)
    clip = choices[rng.integers(len(choices))]
    for _ in range(3):
        if clip.text not in recent:
            break
        clip = choices[rng.integers(len(choices))]
    recent.append(clip.text)
    return clip
