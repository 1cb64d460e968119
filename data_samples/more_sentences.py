"""More sentences than anybody would write by hand: a small grammar with a large vocabulary.

    statement -> who does what, where or when        question -> asks the same

The sentences of `sentences.txt` sound like a conversation, but there are only 134 of them: a network that learns
lips from a hundred sentences knows a hundred sentences. What counts here is that every sound meets every other
sound; that the sentences are a little odd does no harm. Moods are drawn at the rates of `sentences.txt`, because
the simulator's people smile and frown at moods.

Used by `build_speech.py --more`. Written for this project, CC0.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

KINDS = {"statement": 0.8, "question": 0.2}
ARTICLES = ("the", "our", "that", "her", "every", "one", "his", "another", "their", "my", "your", "no")


def read_vocabulary() -> dict[str, list[str]]:
    """Return the word lists of `vocabulary.txt` by name."""
    lists: dict[str, str] = {}
    name = ""
    for line in (Path(__file__).parent / "vocabulary.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            lists[name] = lists.get(name, "") + " " + line
    return {name: [word.strip() for word in text.split("|")] for name, text in lists.items()}


WORDS = read_vocabulary()


def more_sentences(
    count: int, like: list[tuple[str, str, str]], seed: int = 11
) -> list[tuple[str, str, str]]:
    """Return `count` rows (kind, mood, text), no text twice; moods come as often as in the rows `like`."""
    rng = np.random.default_rng(seed)
    rows: dict[str, tuple[str, str, str]] = {}
    while len(rows) < count:
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        moods = Counter(mood for k, mood, _ in like if k == kind)
        names, times = list(moods), np.array(list(moods.values()), float)
        mood = str(rng.choice(names, p=times / times.sum()))
        text = _statement(rng) if kind == "statement" else _question(rng)
        rows[text] = (kind, mood, text)
    return list(rows.values())


def _one(rng: np.random.Generator, name: str) -> str:
    return WORDS[name][rng.integers(len(WORDS[name]))]


def _thing(rng: np.random.Generator) -> str:
    article = ARTICLES[rng.integers(len(ARTICLES))]
    how = f"{_one(rng, 'how')} " if rng.random() < 0.6 else ""
    return f"{article} {how}{_one(rng, 'what')}"


def _statement(rng: np.random.Generator) -> str:
    end = f" {_one(rng, 'where')}" if rng.random() < 0.7 else ""
    comma = "," if end.startswith((" because", " although", " while")) else ""
    return f"{_one(rng, 'who')} {_one(rng, 'did')} {_thing(rng)}{comma}{end}."


def _question(rng: np.random.Generator) -> str:
    end = f" {_one(rng, 'where')}" if rng.random() < 0.4 else ""
    return f"{_one(rng, 'ask')} {_one(rng, 'do')} {_thing(rng)}{end}?"
