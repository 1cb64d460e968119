"""The figures of notebook 08: pairs to vote on, and the explorer of beta and steps."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.face import neutral
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.metrics.votes import wilson
from avatar_lab.viz.interactive import STATIC
from avatar_lab.viz.preference_pairs import SHOWN, STEP, preference_explorer, preference_pairs

FRAMES = 20


def face(smile: float) -> np.ndarray:
    track = neutral(FRAMES)
    track[:, 7] = smile
    return track


def test_sides_are_drawn_and_every_film_goes_with_its_trace() -> None:
    pairs = [(f"talk {i}", face(0.5), face(0.8), face(0.1)) for i in range(6)]
    figure = preference_pairs(pairs, seed=0, edge=32)
    shown = figure.data["pairs"]
    assert {pair["left"] for pair in shown} == {"preferred", "losing"}, "a side must mean nothing"
    smiles = {"preferred": 0.8, "losing": 0.1}
    films = {pair[side]: pair["films"][side] for pair in shown for side in ("left", "right")}
    for pair in shown:
        assert {pair["left"], pair["right"]} == {"preferred", "losing"}
        for side in ("left", "right"):
            assert pair["traces"][side]["smile"] == pytest.approx([smiles[pair[side]]] * -(-FRAMES // STEP))
            assert pair["films"][side] == films[pair[side]]
    assert films["preferred"] != films["losing"]
    assert figure.data == preference_pairs(pairs, seed=0, edge=32).data


def test_four_pairs_of_ninety_frames_are_light() -> None:
    rng = np.random.default_rng(0)
    track = neutral(90)
    track[:, :3] = 8 * np.sin(np.linspace(0, 9, 90)[:, None] + rng.uniform(0, 6, 3))
    figure = preference_pairs([(f"talk {i}", track, track, track) for i in range(4)])
    assert len(figure.html()) < 330_000


def test_bad_pairs_say_what_is_wrong() -> None:
    with pytest.raises(ShapeError, match="at least one pair"):
        preference_pairs([])
    with pytest.raises(ShapeError, match="equally long"):
        preference_pairs([("talk", face(0), face(0), face(0)[:-1])])


def test_the_explorer_bins_every_gap() -> None:
    row = {"margin": 0.002, "accuracy": 0.6, "winner_change": -0.001, "saturated": 0.25, "loss": 0.7}
    gaps = {beta: [np.zeros(40), np.random.default_rng(1).normal(0, 0.02, 40)] for beta in (0.0, 10.0)}
    data = preference_explorer([0, 4], {0.0: [row, row], 10.0: [row, row]}, gaps).data
    assert data["watched"][0][0] == {
        "margin": 2.0,
        "accuracy": 60.0,
        "winner_change": -1.0,
        "saturated": 25.0,
    }
    assert all(sum(counts) == 40 for rows in data["gaps"] for counts in rows)
    assert json.loads(json.dumps(data)) == data


def test_the_explorer_wants_everything_for_every_step() -> None:
    row = dict.fromkeys(SHOWN, 0.0)
    with pytest.raises(ConfigError, match="each of the 2 steps"):
        preference_explorer([0, 4], {1.0: [row]}, {1.0: [np.zeros(3)] * 2})
    with pytest.raises(ConfigError, match="lacks 'margin'"):
        preference_explorer([0], {1.0: [{}]}, {1.0: [np.zeros(3)]})


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_computes_the_same_interval(tmp_path: Path) -> None:
    cases = [(0, 3), (3, 4), (2.5, 4), (10, 12), (50, 50)]
    module = tmp_path / "pairs.mjs"
    module.write_text((STATIC / "preference_pairs.js").read_text("utf-8"), "utf-8")
    asked = f'import {{ wilson }} from "./pairs.mjs"; const c = {json.dumps(cases)};'
    asked += "process.stdout.write(JSON.stringify(c.map(([k, n]) => wilson(k, n))));"
    found = subprocess.run(
        ["node", "--input-type=module", "-e", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for (won, count), (low, high) in zip(cases, json.loads(found.stdout), strict=True):
        right = wilson(won, count)
        assert (low, high) == pytest.approx((right.low, right.high))


def test_the_pages_can_be_used_without_a_mouse() -> None:
    """Everything that can be chosen is a button or a slider, and what changes is said aloud."""
    for name in ("preference_pairs", "preference_explorer"):
        source = (STATIC / f"{name}.js").read_text("utf-8")
        assert "aria-live" in source
        assert set(re.findall(r'addEventListener\("(\w+)"', source)) <= {"click", "input", "load"}
