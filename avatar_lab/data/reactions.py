"""What people do besides talking, and how they answer each other: the planted causes.

First every person gets events of their own (smiles that fit the words, laughter after a joke, a nod with
"yes"). Then every event that a partner can see or hear may be answered, with a probability that grows with
the partner's reactivity and with a human latency. The rule is the same in both directions; the answer stores
the index of its cause, so event recall and reaction lag can be measured against truth (METHOD section 9).

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from avatar_lab.data.dialogue import NAMES, Dialogue, Utterance
from avatar_lab.data.people import Person
from avatar_lab.data.performance import Event
from avatar_lab.data.speech import Corpus


@dataclass(eq=False)
class Act:
    """An event while it is being planned: `cause` is another act."""

    kind: str
    who: int
    start: float
    end: float
    strength: float = 1.0
    cause: Act | None = None
    turn: int = -1  # index of the turn, for kind "turn"


@dataclass(frozen=True)
class Answer:
    """How a partner answers an event: chance = base + gain * reactivity; latency = earliest + gamma(2, spread)."""

    kind: str
    base: float
    gain: float
    earliest: float = 0.30
    spread: float = 0.19


ANSWERS: Final[dict[str, tuple[Answer, ...]]] = {
    "smile": (Answer("smile", 0.56, 0.42),),
    "laugh": (Answer("laugh", 0.20, 0.65, 0.25, 0.14), Answer("smile", 0.70, 0.30, 0.28, 0.16)),
    "nod": (Answer("nod", 0.04, 0.34, 0.40, 0.15),),
    "shake": (Answer("shake", 0.08, 0.45, 0.40, 0.15),),
    "frown": (Answer("frown", 0.14, 0.64, 0.40, 0.20), Answer("shake", 0.08, 0.45, 0.40, 0.20)),
    "surprise": (Answer("surprise", 0.16, 0.60, 0.28, 0.14), Answer("shake", 0.05, 0.35, 0.40, 0.20)),
    "brow_raise": (Answer("brow_raise", 0.03, 0.22, 0.30, 0.15),),
    "question": (Answer("brow_raise", 0.12, 0.45, 0.18, 0.08),),
}
CUE_DELAY: Final = (0.70, 0.10)  # from the cue (110 ms of low pitch, phrase end) to the nod: mean, spread
CUE_CHANCE: Final = (0.12, 0.60)  # base, gain
CUE_REFRACTORY: Final = 1.5
BY_THEMSELVES: Final = {
    "smile": 0.55,
    "nod": 0.25,
    "frown": 0.15,
    "shake": 0.25,
    "brow_raise": 0.4,
    "surprise": 0.1,
}

_LENGTH: Final = {  # seconds: median, log-spread
    "smile": (2.0, 0.35),
    "laugh": (1.4, 0.25),
    "nod": (1.1, 0.25),
    "shake": (1.2, 0.20),
    "frown": (1.5, 0.30),
    "surprise": (1.0, 0.25),
    "brow_raise": (0.7, 0.25),
}
_STRENGTH: Final = {"nod": (0.75, 0.25), "shake": (0.8, 0.2)}
_BUSY: Final = {
    "laugh": ("laugh",),
    "smile": ("smile", "laugh"),
    "nod": ("nod", "shake"),
    "shake": ("nod", "shake"),
}


class Stage:
    """Collects acts and sounds; keeps one person's acts of one kind from colliding."""

    def __init__(
        self, people: tuple[Person, Person], dialogue: Dialogue, corpus: Corpus, rng: np.random.Generator
    ) -> None:
        self.people, self.dialogue, self.corpus, self.rng = people, dialogue, corpus, rng
        self.acts: list[Act] = []
        self.sounds: list[Utterance] = list(dialogue.utterances)
        self._taken: dict[tuple[int, str], list[tuple[float, float]]] = {}
        self._spoken = [
            np.array([(u.start, u.end) for u in dialogue.utterances if u.who == who] or [(-9.0, -9.0)])
            for who in (0, 1)
        ]

    def silent(self, who: int, start: float, end: float) -> bool:
        """True if `who` says nothing between `start` and `end`."""
        spoken = self._spoken[who]
        return not bool(((spoken[:, 0] < end) & (spoken[:, 1] > start)).any())

    def say(self, who: int, kind: str, start: float, mood: str | None = None) -> float | None:
        """Add a laugh or backchannel sound if the person is not talking; return its length."""
        clips = self.corpus.of(self.people[who].voice, kind)
        if mood is not None:
            clips = tuple(c for c in clips if c.mood == mood) or clips
        fitting = [c for c in clips if self.silent(who, start - 0.05, start + c.seconds)]
        if not fitting:
            return None
        clip = fitting[self.rng.integers(len(fitting))]
        self.sounds.append(Utterance(who, clip, start, -1, True))
        self._spoken[who] = np.vstack([self._spoken[who], (start, start + clip.seconds)])
        return clip.seconds

    def act(self, kind: str, who: int, start: float, strength: float, cause: Act | None = None) -> Act | None:
        """Plan an act, unless the same part of the face is busy; a laugh brings its sound."""
        median, spread = _LENGTH[kind]
        length = float(median * self.rng.lognormal(0, spread))
        if start < 0 or self._busy(kind, who, start, start + length):
            return None
        if kind == "laugh":
            voiced = self.say(who, "laugh", start)
            if voiced is None:
                return self.act("smile", who, start, strength, cause)
            length = voiced + 0.5
        act = Act(kind, who, start, start + length, float(np.clip(strength, 0.1, 1)), cause)
        self._taken.setdefault((who, kind), []).append((act.start, act.end + 0.3))
        self.acts.append(act)
        return act

    def _busy(self, kind: str, who: int, start: float, end: float) -> bool:
        taken = (span for k in _BUSY.get(kind, (kind,)) for span in self._taken.get((who, k), ()))
        return any(a < end and b > start for a, b in taken)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


def plan_acts(
    people: tuple[Person, Person],
    dialogue: Dialogue,
    corpus: Corpus,
    seconds: float,
    rng: np.random.Generator,
) -> tuple[list[Act], list[Utterance]]:
    """Return all acts in order of time, and every sound that is made."""
    stage = Stage(people, dialogue, corpus, rng)
    _take_turns(stage)
    for who in (0, 1):
        _act_by_themselves(stage, who, seconds)
    for utterance in dialogue.utterances:
        _act_to_own_words(stage, utterance)
    causes = sorted(stage.acts, key=lambda act: act.start)
    for cause in causes:
        _answer(stage, cause)
    _listen(stage)
    return sorted(stage.acts, key=lambda act: act.start), stage.sounds


def to_events(acts: list[Act], seconds: float) -> tuple[Event, ...]:
    """Freeze acts into events with indices as causes; what starts after the end is left out."""
    kept = [act for act in acts if act.start < seconds]
    index = {id(act): i for i, act in enumerate(kept)}
    return tuple(
        Event(
            kind=act.kind,
            who=NAMES[act.who],
            start=round(act.start, 3),
            end=round(min(act.end, seconds), 3),
            strength=round(act.strength, 3),
            cause=None if act.cause is None else index.get(id(act.cause)),
        )
        for act in kept
    )


def _take_turns(stage: Stage) -> None:
    turns: list[Act] = []
    for number, turn in enumerate(stage.dialogue.turns):
        cause = None if turn.answers is None else turns[turn.answers]
        turns.append(Act("turn", turn.who, turn.start, turn.end, 1.0, cause, number))
    stage.acts += turns


def _act_by_themselves(stage: Stage, who: int, seconds: float) -> None:
    """Rare acts without any cause that a partner could see."""
    for kind, per_minute in BY_THEMSELVES.items():
        rate = per_minute * (stage.people[who].warmth if kind == "smile" else 1.0)
        for start in np.sort(stage.rng.uniform(0, seconds, stage.rng.poisson(rate * seconds / 60))):
            stage.act(kind, who, float(start), stage.rng.uniform(0.4, 0.9))


def _act_to_own_words(stage: Stage, said: Utterance) -> None:
    """Speakers smile at good news, laugh after their jokes, nod with a yes."""
    rng, warmth, mood, who = stage.rng, stage.people[said.who].warmth, said.clip.mood, said.who
    early = said.start + rng.uniform(0.1, 0.5) * said.clip.seconds
    if mood == "funny" and said.last and stage.chance(0.8 * warmth):
        stage.act("laugh", who, said.end + rng.uniform(0.06, 0.20), rng.uniform(0.6, 1.0))
    if mood in ("happy", "funny") and stage.chance(0.38 * warmth):
        stage.act("smile", who, early, rng.uniform(0.5, 1.0))
    elif mood == "neutral" and stage.chance(0.035 * warmth):
        stage.act("smile", who, early, rng.uniform(0.35, 0.8))
    elif mood == "sad" and stage.chance(0.65):
        stage.act("frown", who, early, rng.uniform(0.5, 1.0))
    elif mood == "surprise" and stage.chance(0.8):
        stage.act("surprise", who, said.start + rng.uniform(0.0, 0.2), rng.uniform(0.6, 1.0))
    elif mood == "yes" and stage.chance(0.6):
        stage.act("nod", who, said.start + rng.uniform(-0.1, 0.2), rng.uniform(0.4, 0.9))
    elif mood == "no" and stage.chance(0.6):
        stage.act("shake", who, said.start + rng.uniform(-0.1, 0.2), rng.uniform(0.5, 1.0))
    if said.clip.kind == "question" and stage.chance(0.55):
        stage.act("brow_raise", who, said.end - rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.9))


def _answer(stage: Stage, cause: Act) -> None:
    """The partner answers an act, or does not; answers are not answered again."""
    partner = stage.people[1 - cause.who]
    kind, seen = cause.kind, cause.start
    if kind == "turn":
        if not stage.dialogue.turns[cause.turn].asks:
            return
        kind, seen = "question", cause.end
    for answer in ANSWERS.get(kind, ()):
        if stage.chance(answer.base + answer.gain * partner.reactivity):
            latency = min(answer.earliest + stage.rng.gamma(2.0, answer.spread), 1.8)
            low, spread = _STRENGTH.get(answer.kind, (0.35 + 0.5 * partner.reactivity, 0.25))
            strength = cause.strength * (low + spread * stage.rng.random())
            stage.act(answer.kind, 1 - cause.who, seen + latency, strength, cause)
            return


def _listen(stage: Stage) -> None:
    """Listeners nod and say "mhm" about 700 ms after a cue of the speaker."""
    last = [-9.0, -9.0]
    for said in stage.dialogue.utterances:
        listener, person = 1 - said.who, stage.people[1 - said.who]
        turn_start, turn_end = stage.dialogue.turns[said.turn].start, stage.dialogue.turns[said.turn].end
        phrase_ends = [] if said.last else [said.clip.seconds - 0.08]
        for cue in sorted([*said.clip.cues.tolist(), *phrase_ends]):
            seen = said.start + cue
            start = seen + float(np.clip(stage.rng.normal(*CUE_DELAY), 0.45, 0.95))
            signal = Act("cue", said.who, seen - 0.11, seen)
            stage.acts.append(signal)
            heard_enough = seen - turn_start > 0.7 and start - last[listener] > CUE_REFRACTORY
            still_going = turn_end - seen > 0.25 and stage.silent(listener, start - 0.2, start + 0.6)
            if not (
                heard_enough
                and still_going
                and stage.chance(CUE_CHANCE[0] + CUE_CHANCE[1] * person.reactivity)
            ):
                continue
            last[listener] = start
            _backchannel(stage, listener, start, said.clip.mood, signal)


def _backchannel(stage: Stage, who: int, start: float, mood: str, cause: Act) -> None:
    """A nod, a sound, or both; the sound suits what was said."""
    with_sound, with_nod = stage.chance(0.5), stage.chance(0.85)
    if with_sound:
        fitting = {"surprise": "surprise", "sad": "sad", "happy": "happy"}.get(mood, "neutral")
        length = stage.say(who, "backchannel", start, fitting if stage.chance(0.7) else None)
        if length is not None:
            stage.acts.append(Act("backchannel", who, start, start + length, 1.0, cause))
    if with_nod or not with_sound:
        stage.act("nod", who, start, stage.rng.uniform(0.4, 1.0), cause)
