"""Votes in their file: they survive, broken lines are named, counting is the critic's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.metrics.critic import win_rate
from avatar_lab.metrics.votes import Vote, VoteFile, votes_won, wilson

GOOD = Vote("one", "overall", "a", "b", "left")


def test_one_vote_a_pair_is_counted_as_the_critic_counts() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0, 0.0, 5.0]), np.array([0.0, 2.0, 4.0, 1.0, 4.0])
    answers = ["left" if a > b else "right" if a < b else "same" for a, b in zip(ours, theirs, strict=True)]
    votes = [Vote(f"talk {i}", "overall", "a", "b", answer) for i, answer in enumerate(answers)]
    assert votes_won(votes, "a", "overall") == win_rate(ours, theirs)


def test_votes_survive_a_restart_and_hold_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "votes.jsonl"
    VoteFile(path).add(GOOD)
    VoteFile(path).add(Vote("zwei\n\u2028", "overall", "b", "a", "same"))
    assert VoteFile(path).read() == [GOOD, Vote("zwei\n\u2028", "overall", "b", "a", "same")]
    assert json.loads(path.read_text("utf-8").splitlines()[0]) == asdict(GOOD)


def test_a_vote_after_a_torn_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    VoteFile(path).add(GOOD)
    path.write_text(path.read_text("utf-8") + '{"pair": "tw', "utf-8")
    VoteFile(path).add(GOOD)
    with pytest.raises(MediaError, match="line 2 is no vote"):
        VoteFile(path).read()
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text(lines[0] + lines[2], "utf-8")  # what the message says: delete that line
    assert VoteFile(path).read() == [GOOD, GOOD]


@pytest.mark.parametrize(
    "bad",
    [
        b"no json",
        b"",
        b"5",
        b"\xff\xfe",
        b'{"pair": "two"}',
        json.dumps({**asdict(GOOD), "pair": 3}).encode(),
        json.dumps({**asdict(GOOD), "pair": ["two"]}).encode(),
        json.dumps({**asdict(GOOD), "answer": "neither"}).encode(),
        json.dumps({**asdict(GOOD), "right": "a"}).encode(),
        json.dumps({**asdict(GOOD), "voter": "me"}).encode(),
    ],
)
def test_a_bad_line_is_named_with_what_was_expected(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "votes.jsonl"
    VoteFile(path).add(GOOD)
    path.write_bytes(path.read_bytes() + bad + b"\n")
    with pytest.raises(MediaError, match=r"line 2 is no vote .*Expected one JSON object with the texts pair"):
        VoteFile(path).read()


@pytest.mark.parametrize(("won", "count"), [(0, 5), (3, 4), (10, 12), (2.5, 7), (40, 40)])
def test_wilson_ends_where_the_share_seen_is_just_1_96_deviations_off(won: float, count: int) -> None:
    found = wilson(won, count)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    for end in {found.low, found.high} - {0.0, 1.0}:
        assert abs(won / count - end) == pytest.approx(1.96 * (end * (1 - end) / count) ** 0.5)


def test_wilson_keeps_its_promise_where_votes_are_few() -> None:
    """Of many polls of twelve votes, about 95 % of the intervals hold the true share; the bootstrap's fewer."""
    rng = np.random.default_rng(0)
    for truth in (0.5, 0.8, 0.9):
        won = rng.binomial(12, truth, 4000)
        held = {k: (f := wilson(int(k), 12)).low <= truth <= f.high for k in set(won.tolist())}
        assert 0.92 < np.mean([held[int(k)] for k in won]) < 0.99


@pytest.mark.parametrize(("won", "count"), [(0, 0), (5, 4), (-1, 3)])
def test_wilson_needs_votes(won: float, count: int) -> None:
    with pytest.raises(ConfigError, match="at least one vote"):
        wilson(won, count)
