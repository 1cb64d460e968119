"""Blind votes: sides are drawn, answers are kept at once, counting is the critic's."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_lab.errors import ConfigError, MediaError, ShapeError
from avatar_lab.metrics.votes import Vote, VoteFile, sides, votes_won
from avatar_lab.viz.ab_page import QUESTIONS, ABPage, Pair


def pairs(count: int = 4) -> list[Pair]:
    return [Pair(f"talk {i}", {"base": b"film a", "preferred": b"film b"}) for i in range(count)]


def choose(page: ABPage, name: str) -> None:
    """Press the button of the side on which `name` stands."""
    pair, _ = page._open[0]
    side = "left" if sides(*pair.films, pair.name, page.seed)[0] == name else "right"
    page._buttons[side].click()


def test_votes_are_counted_for_the_model_not_for_the_side(tmp_path: Path) -> None:
    page = ABPage(pairs(), tmp_path / "votes.jsonl")
    while page.left_to_answer:
        choose(page, "preferred")
    assert page.result("preferred").mean == 1
    assert page.result("base").mean == 0
    assert len(page.file.read()) == 4 * len(QUESTIONS)
    page.answer("left")  # nothing is left to answer
    assert len(page.file.read()) == 4 * len(QUESTIONS)
    assert all(button.disabled for button in page._buttons.values())


def test_a_page_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    first = ABPage(pairs(), tmp_path / "votes.jsonl", seed=3)
    first.answer("same")
    choose(first, "base")
    again = ABPage(pairs(), tmp_path / "votes.jsonl", seed=3)
    assert again.left_to_answer == 4 * len(QUESTIONS) - 2
    assert again.result("base", "reaction").mean == 0.5
    assert again._open[0][0].name == "talk 1"


def test_the_films_stay_while_the_question_changes(tmp_path: Path) -> None:
    page = ABPage(pairs(), tmp_path / "votes.jsonl")
    films = page._films.children
    page.answer("same")
    assert page._films.children is films or page._films.children == films
    page.answer("same")
    assert page._films.children != films


def test_both_sides_are_used_and_a_seed_repeats() -> None:
    drawn = [sides("a", "b", f"talk {i}", 0) for i in range(40)]
    assert 8 < sum(left == "a" for left, _ in drawn) < 32
    assert drawn == [sides("a", "b", f"talk {i}", 0) for i in range(40)]


def test_pairs_not_votes_are_drawn() -> None:
    many = [Vote("one", "reaction", "a", "b", "left")] * 9 + [Vote("two", "reaction", "b", "a", "left")]
    won = votes_won(many, "a", "reaction")
    assert won.mean == pytest.approx(0.9)
    assert (won.low, won.high, won.count) == (0, 1, 2)
    with pytest.raises(ShapeError):
        votes_won(many, "a", "overall")


def test_bad_votes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    VoteFile(path).add(Vote("one", "reaction", "a", "b", "same"))
    path.write_text(path.read_text("utf-8") + '{"pair": "two"}\n', "utf-8")
    with pytest.raises(MediaError, match="line 2 is no vote"):
        VoteFile(path).read()
    with pytest.raises(ConfigError, match="left, right, same"):
        Vote("one", "reaction", "a", "b", "neither")
    with pytest.raises(ConfigError, match="two films"):
        Pair("one", {"base": b""})
    with pytest.raises(ConfigError, match="at least one pair"):
        ABPage([], path)
    with pytest.raises(ConfigError, match="different names"):
        ABPage(pairs(1) * 2, tmp_path / "new.jsonl")
    with pytest.raises(MediaError, match="cannot be read"):
        ABPage([Pair("one", {"a": tmp_path / "none.mp4", "b": b""})], tmp_path / "new.jsonl")


def test_results_are_shown_at_the_end_and_not_before(tmp_path: Path) -> None:
    page = ABPage(pairs(2), tmp_path / "votes.jsonl")
    assert page._progress.value == "<b>1 of 4</b>"
    while page.left_to_answer:
        assert "<table>" not in page._question.value
        assert "preferred" not in page._question.value
        choose(page, "preferred")
    assert page._question.value.count("<td>preferred</td><td>100%</td>") == len(QUESTIONS)
    assert page._question.value.count("<td>base</td><td>0%</td>") == len(QUESTIONS)


def test_other_models_in_the_same_talk_are_another_question(tmp_path: Path) -> None:
    first = ABPage(pairs(1), tmp_path / "votes.jsonl")
    while first.left_to_answer:
        first.answer("same")
    other = Pair("talk 0", {"base": b"film a", "tuned": b"film c"})
    assert ABPage([other], tmp_path / "votes.jsonl").left_to_answer == len(QUESTIONS)


def test_films_wait_to_be_started_and_buttons_have_words(tmp_path: Path) -> None:
    page = ABPage(pairs(1), tmp_path / "votes.jsonl")
    assert not any(box.children[1].autoplay for box in page._films.children)
    assert all(button.description and button.tooltip for button in page._buttons.values())
