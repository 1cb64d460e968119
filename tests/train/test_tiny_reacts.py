"""The smallest model learns to react in seconds: `tiny` beats its own control on people it never saw."""

from __future__ import annotations

from pathlib import Path

import torch

from avatar_lab.stream.evaluate import evaluate
from avatar_lab.train.recipes import conversations, train_generator


def test_tiny_learns_to_smile_back_at_its_own_user(tmp_path: Path) -> None:
    """300 steps on a quarter of an hour; a stranger as user, same voice and same seed, is not answered."""
    torch.set_num_threads(1)
    avatar, _ = train_generator("tiny", tmp_path, steps=300, hours=0.25, progress=False)
    held_out = list(conversations(10 * 40 / 3600, 900, "test", 40))
    smile = evaluate(avatar, held_out)["reactions"]["smile"]
    assert smile["contingency"]["low"] > 0.05
    assert smile["rise"]["true_user"]["mean"] > 2 * abs(smile["rise"]["shuffled_user"]["mean"])
    assert smile["answered"]["true_user"]["recall"] > smile["answered"]["shuffled_user"]["recall"]
