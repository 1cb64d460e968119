"""A page for comparing two avatars blindly: two films, two questions, a button for every answer.

    page = ABPage([Pair("talk 1", {"base": film_a, "preference": film_b}), ...], Path("votes.jsonl"))
    page                     # shows itself as the value of a cell
    page.result("base")      # the share of votes, with its interval

Which film stands left is drawn from a seed and told to nobody. Votes stay in the file on this machine.

Notebook: 08 (preference), 09 (does it really react?).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

import ipywidgets as widgets
from IPython.display import display

from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.metrics.controls import Interval
from avatar_lab.metrics.votes import Vote, VoteFile, sides, votes_won

QUESTIONS: Final = {
    "reaction": "Which avatar reacts to the person?",
    "overall": "Which one would you rather talk to?",
}
CHOICES: Final = {"left": "Left", "same": "About the same", "right": "Right"}


@dataclass(frozen=True)
class Pair:
    """Two films of one conversation: {name of the model: mp4 file or its bytes}."""

    name: str
    films: dict[str, Path | bytes]

    def __post_init__(self) -> None:
        if len(self.films) != 2:
            raise ConfigError(f"A pair holds two films; {self.name!r} holds {len(self.films)}.")

    def film(self, model: str) -> bytes:
        """Return one film's bytes; raises MediaError when its file cannot be read."""
        found = self.films[model]
        try:
            return found if isinstance(found, bytes) else found.read_bytes()
        except OSError as error:
            raise MediaError(f"The film of {model!r} for {self.name!r} cannot be read ({error}).") from error


class ABPage:
    """Shows pair after pair and writes every answer at once, so it can be left and taken up again."""

    def __init__(self, pairs: Sequence[Pair], votes: Path, seed: int = 0) -> None:
        if not pairs:
            raise ConfigError("ABPage needs at least one pair of films.")
        if len({pair.name for pair in pairs}) < len(pairs):
            raise ConfigError("Pairs need different names, for votes are filed under them.")
        self.file, self.seed = VoteFile(votes), seed
        # With the films: other models in the same talk are another question.
        answered = {(v.pair, v.question, frozenset((v.left, v.right))) for v in self.file.read()}
        asked = [(pair, question) for pair in pairs for question in QUESTIONS]
        self._total, self._models = len(asked), sorted({model for pair in pairs for model in pair.films})
        self._open = [(p, q) for p, q in asked if (p.name, q, frozenset(p.films)) not in answered]
        self._progress = widgets.HTML()
        self._question = widgets.HTML()
        self._films = widgets.HBox()
        self._shown: tuple[str, str, str] | None = None
        self._buttons = {
            answer: widgets.Button(
                description=label, tooltip=f"{label}: press Enter or Space", layout={"width": "10em"}
            )
            for answer, label in CHOICES.items()
        }
        for answer, button in self._buttons.items():
            button.on_click(lambda _, a=answer: self.answer(a))
        note = widgets.HTML(f"<small>Answers stay on this machine, in {escape(votes.name)}.</small>")
        choices = widgets.HBox(list(self._buttons.values()))
        self.widget = widgets.VBox([self._progress, self._films, self._question, choices, note])
        self._show()

    @property
    def left_to_answer(self) -> int:
        """How many questions are still open."""
        return len(self._open)

    def answer(self, answer: str) -> None:
        """Give the answer that a button gives: left, right or same; nothing happens when all is answered."""
        if not self._open:
            return
        pair, question = self._open[0]
        left, right = self._sides(pair)
        self.file.add(Vote(pair.name, question, left, right, answer))
        self._open.pop(0)
        self._show()

    def result(self, model: str, question: str = "reaction") -> Interval:
        """Return how often `model` was preferred to whatever the file compares it with, ties as half.

        Raises ShapeError while nobody has voted.
        """
        return votes_won(self.file.read(), model, question)

    def _sides(self, pair: Pair) -> tuple[str, str]:
        first, second = pair.films
        return sides(first, second, pair.name, self.seed)

    def _show(self) -> None:
        done = self._total - len(self._open)
        self._progress.value = f"<b>{min(done + 1, self._total)} of {self._total}</b>"
        if not self._open:
            self._question.value = f"Thank you. All questions are answered.{self._table()}"
            self._films.children = ()
            for button in self._buttons.values():
                button.disabled = True
            return
        pair, question = self._open[0]
        left, right = self._sides(pair)
        self._question.value = f"<h3>{QUESTIONS[question]}</h3>"
        if self._shown != (pair.name, left, right):  # the second question leaves the films running
            self._shown = (pair.name, left, right)
            self._films.children = tuple(
                widgets.VBox(
                    [
                        widgets.HTML(f"<b>{side}</b>"),
                        # Not by themselves: both have sound, and would talk at once.
                        widgets.Video(
                            value=pair.film(model), format="mp4", width=320, autoplay=False, loop=False
                        ),
                    ]
                )
                for side, model in (("Left", left), ("Right", right))
            )

    def _table(self) -> str:
        """Return all results as an HTML table; shown at the end only, so that nobody votes for the leader."""
        head = (
            "<tr><th>question</th><th>model</th><th>preferred</th><th>95 % interval</th><th>pairs</th></tr>"
        )
        rows = [
            f"<tr><td>{text}</td><td>{escape(model)}</td><td>{won.mean:.0%}</td>"
            f"<td>{won.low:.0%} to {won.high:.0%}</td><td>{won.count}</td></tr>"
            for question, text in QUESTIONS.items()
            for model in self._models
            for won in [self.result(model, question)]
        ]
        return f"<table>{head}{''.join(rows)}</table>"

    def _ipython_display_(self) -> None:
        display(self.widget)  # pyright: ignore[reportUnusedCallResult]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": f"ABPage, {self.left_to_answer} questions open"}
