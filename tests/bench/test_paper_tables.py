"""The bench of the paper's tables: its arithmetic, its verdicts, its pages, and all of it once in miniature."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from avatar_lab.metrics.habits import drift
from avatar_lab.train.baselines import VARIANTS
from avatar_lab.train.recipes import conversations

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def module(name: str) -> ModuleType:
    return import_module(name)


def interval(mean: float, half: float = 0.01) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half, "count": 12}


def row(name: str, buffer_ms: float, contingency: float, fd: float) -> dict[str, Any]:
    """One variant as `paper_tables.py` writes it, made up."""
    parts, turns = ("expression", "pose"), ("", "talking ", "listening ")
    ratios = {
        f"{turn}{kind} {part}": interval(0.5)
        for turn in turns
        for kind in ("variance", "rpcc")
        for part in parts
    }
    stranger = {f"rpcc {part}, stranger{more}": interval(0.2) for part in parts for more in ("", " more")}
    smiles = {f"rise of smiles, {who}": interval(0.1) for who in ("own user", "stranger", "nobody", "truth")}
    seen = {"contingency": interval(contingency), "lips": interval(0.8), "jerk": interval(1.2)}
    numbers = {f"{turn}{kind}{part}": fd for turn in turns for kind in ("fd ", "rpcc ") for part in parts}
    numbers |= {f"rpcc {part}, flattened": 0.1 for part in parts} | {"seams": 1.1}
    numbers |= {f"sid {part}, {whose}": 2.5 for part in parts for whose in ("generated", "truth")}
    numbers |= {f"smiles {key}, {who}": 0.5 for key in ("recall", "lag_ms") for who in ("true_user", "truth")}
    machine = {"processor": "a laptop", "threads": 1}
    times = {"buffer_ms": buffer_ms, "compute_ms": 20.0, "total_ms": buffer_ms + 20.0}
    return {
        "stands_for": VARIANTS[name].stands_for,
        "trained": [{"seed": 0, "steps": 7, "minutes": 1.5, "loss": 0.3, "hardware": machine}],
        "latency": times | {"waits_frames": round(buffer_ms / 40), "piece_frames": round(buffer_ms / 40)},
        "intervals": ratios | stranger | smiles | seen,
        "numbers": numbers,
        "seeds": {"contingency": [contingency], "lips": [0.8]},
    }


@pytest.fixture
def report() -> dict[str, Any]:
    """A small run: preference did nothing, user motion did much, blocks of 25 were not run."""
    base, kinds = "no-preference", ("contingency", "lips", "jerk", "rpcc expression", "rpcc pose")
    gaps = ("gap of variance expression", "gap of variance pose")
    rows = {
        "window": row("window", 3000.0, 0.3, 1.0),
        "no-user-motion": row("no-user-motion", 200.0, 0.1, 2.0),
        base: row(base, 200.0, 0.4, 2.0),
        "ours": row("ours", 200.0, 0.4, 2.0),
        "block-10": row("block-10", 400.0, 0.4, 1.5),
    }
    still = {kind: interval(0.0) for kind in ("moved", "drift", "shared", "variance")}
    nothing = {kind: interval(0.0) for kind in (*kinds, *gaps)}
    return {
        "mode": "quick",
        "settings": {
            "size": "tiny",
            "steps": 7,
            "hours": 0.5,
            "seeds": 1,
            "conversations": 12,
            "seconds": 60.0,
        },
        "hardware": {"processor": "a laptop"},
        "variants": rows,
        "differences": {
            f"no-user-motion minus {base}": nothing | {"contingency": interval(-0.3)},
            f"window minus {base}": nothing,
            f"block-10 minus {base}": nothing,
            "block-10 minus window": nothing,
            f"ours minus {base}": nothing,
            "ours minus window": nothing | {"lips": interval(-0.2)},
            "ours minus no-user-motion": nothing | {"contingency": interval(0.3)},
        },
        "drift": {
            "conversations": 4,
            "seconds": 120.0,
            "rows": {
                "ours": still | {"drift minus 0.25 of teacher-forced": interval(-0.1)},
                "teacher-forced": still | {"moved": interval(0.6), "drift": interval(0.3)},
                "truth": still,
            },
        },
    }


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {claim.says[:24]: found for claim, _, found in module("what_held").judged(report)}


def test_verdicts_follow_the_intervals(report: dict[str, Any]) -> None:
    found = verdicts(report)
    assert found["Latency is 6.8 times low"] == "held in part"  # fast enough, but its lips are worse
    assert found["Seeing the user's motion"] == "held"
    assert found["Preference without label"] == "not shown"
    assert found["... and not only because"] == "not measured"  # `fine-tuned` was not run
    assert found["Diffusion forcing is sta"] == "held"
    assert found["Training on own rollouts"] == "not measured"
    assert found["Longer blocks buy qualit"] == "not measured"

    report["variants"]["no-user-motion"]["seeds"]["contingency"] = [0.9]
    assert verdicts(report)["Seeing the user's motion"] == "held in part"  # not in every training

    report["differences"]["ours minus window"]["lips"] = interval(0.0)
    report["differences"]["no-user-motion minus no-preference"]["contingency"] = interval(0.3)
    report["drift"]["rows"]["teacher-forced"]["drift"] = interval(0.0)
    found = verdicts(report)
    assert found["Latency is 6.8 times low"] == "held"
    assert found["Seeing the user's motion"] == "did not hold"
    assert found["Diffusion forcing is sta"] == "not shown"  # there is no drift to be halved


def test_every_verdict_of_an_empty_run_is_that_nothing_was_measured(report: dict[str, Any]) -> None:
    report |= {"variants": {}, "differences": {}, "drift": None}
    assert set(verdicts(report).values()) == {"not measured"}


def test_pages_show_the_papers_figures_beside_ours(report: dict[str, Any], tmp_path: Path) -> None:
    report["variants"]["ours"]["intervals"]["contingency"] = None
    tables, held = (page.read_text() for page in module("paper_pages").write_pages(report, tmp_path))
    line = next(row for row in tables.splitlines() if row.startswith("| `window`"))
    assert line.endswith("| 75 | 3.000 | 0.020 | 3.020 | 3.4 |")
    assert "| `ours` | 0.80 [0.79, 0.81] | - | 0.40 |" in tables
    assert "quick mode" in tables
    assert "| `block-25` |" not in tables
    assert "0.60 [0.59, 0.61]" in tables  # drift of teacher forcing
    assert "13.7 times" in held  # (3000 + 20) / (200 + 20)
    assert "**not measured**" in held
    assert all(page.startswith("# ") and page.endswith("\n") for page in (tables, held))


def test_tables_are_rectangular(report: dict[str, Any]) -> None:
    pages = (module("paper_pages").page_of_tables(report), module("what_held").page_of_claims(report))
    parts = [part for page in pages for part in page.strip().split("\n\n")]
    tables = [part.splitlines() for part in parts if part.startswith("| ")]
    assert len(tables) == 10  # masks, and losses: one row alone compares nothing
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_a_second_run_stands_beside_the_first(report: dict[str, Any], tmp_path: Path) -> None:
    larger = json.loads(json.dumps(report)) | {"mode": "full"}
    larger["settings"]["size"] = "lab"
    larger["differences"]["no-user-motion minus no-preference"]["contingency"] = interval(0.3)
    del larger["variants"]["window"]
    small, held, tables = module("paper_pages").write_pages(report, tmp_path, larger)
    assert tables.name == "paper_tables_lab.md"
    assert tables.read_text().startswith("# The paper's tables, size `lab`")
    assert "`window`" in small.read_text()
    lines = held.read_text().splitlines()
    verdicts = {row.split(" | ")[0][2:26]: row.split(" | ")[1:] for row in lines if row.startswith("| ")}
    assert verdicts["Seeing the user's motion"] == ["**held**", "**did not hold** |"]
    assert verdicts["Latency is 6.8 times low"] == ["**held in part**", "**not measured** |"]
    assert sum(line.startswith("**The same at the other size: did not hold.**") for line in lines) == 1


def test_drift_is_movement_beyond_the_truths() -> None:
    scores, rng = module("paper_scores"), np.random.default_rng(0)
    truth = rng.standard_normal((3, 80, 18)).cumsum(1) * 0.1
    made = truth + np.linspace(0, 1, 80)[:, None]
    unit = np.maximum(truth.reshape(-1, 18).std(0), 1e-4)
    moments = {
        "ours": [scores.quarters(made)],
        "teacher-forced": [scores.quarters(truth + 3 * (made - truth))],
        "no-preference": [scores.quarters(truth)],
    }
    rows, known = scores.drifts(moments, scores.quarters(truth), unit, 3.2)["rows"], drift(made, truth)
    assert rows["ours"]["shared"]["mean"] == pytest.approx(known["mean_pose_generated"])
    assert rows["truth"]["shared"]["mean"] == pytest.approx(known["mean_pose_truth"])
    assert rows["ours"]["variance"]["mean"] == pytest.approx(known["variance_generated"])
    assert rows["truth"]["drift"]["mean"] == rows["no-preference"]["drift"]["mean"] == 0
    assert 0 < rows["ours"]["drift"]["mean"] < rows["teacher-forced"]["drift"]["mean"]
    assert rows["ours"]["drift minus 0.25 of teacher-forced"]["mean"] == pytest.approx(
        rows["ours"]["drift"]["mean"] - 0.25 * rows["teacher-forced"]["drift"]["mean"]
    )
    assert "drift minus 1 of no-preference" not in rows["no-preference"]


def test_the_truth_scores_like_the_truth_and_a_still_face_does_not() -> None:
    scores = module("paper_scores")
    from avatar_lab.motion.space import default_space

    dyads = list(conversations(2 * 30 / 3600, 900, "test", 30))
    truth = np.stack([d.avatar.face for d in dyads])
    perfect = {"true_user": truth, "shuffled_user": truth[::-1]}
    still = {who: np.repeat(truth[:, :1], truth.shape[1], axis=1) for who in perfect}
    ours, dead = (scores.scores(t, truth, dyads, default_space(), 5) for t in (perfect, still))
    found = scores.intervals(scores.over_seeds([ours, ours]))
    for name in ("contingency", "lips", "jerk", "variance expression", "listening variance pose"):
        assert found[name]["mean"] == pytest.approx(1.0), name
    assert found["rpcc pose"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert ours["numbers"]["fd pose"] == pytest.approx(0.0, abs=1e-3)
    assert ours["numbers"]["sid pose, generated"] == ours["numbers"]["sid pose, truth"]
    assert scores.intervals(scores.over_seeds([dead]))["contingency"]["mean"] == pytest.approx(0.0)

    better = scores.difference(scores.over_seeds([ours]), scores.over_seeds([dead]))
    assert better["contingency"]["mean"] == pytest.approx(1.0)
    assert better["gap of variance pose"]["mean"] == pytest.approx(-1.0)
    assert better["lips"] is None  # a still jaw has no correlation


def test_what_a_variant_builds_on_comes_first() -> None:
    tables = module("paper_tables")
    waves = tables.in_order(["ours", "pyramid", "window"])
    assert waves == [["audio-only", "window", "no-preference"], ["ours", "pyramid"]]
    for mode in (tables.FULL, tables.QUICK, tables.SMOKE):
        for seconds in (mode.seconds, mode.long_seconds):
            assert all(seconds * 25 % block == 0 for block in (2, 5, 10, 25, 75))


def test_smoke_everything_runs_and_nothing_runs_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = module("paper_tables")
    some = [
        "--smoke",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
        "--variants",
        "ours",
        "window",
        "pyramid",
    ]
    tables.main([*some, "teacher-forced"])
    first = json.loads((tmp_path / "paper_tables.json").read_text())
    assert set(first["variants"]) == {
        "audio-only", "window", "no-preference", "ours", "teacher-forced", "pyramid"
    }  # fmt: skip
    window, ours = (first["variants"][name]["latency"] for name in ("window", "ours"))
    assert (window["waits_frames"], ours["waits_frames"]) == (75, 5)
    assert window["cache_passes"] == 0 < ours["cache_passes"]
    assert window["total_ms"] == pytest.approx(3000 + window["compute_ms"], rel=1e-5)
    assert first["variants"]["ours"]["trained"][0]["hardware"]["processor"]
    assert first["variants"]["pyramid"]["trained"] == []
    assert {"ours minus no-preference", "ours minus window"} <= set(first["differences"])
    assert "No figure on this page means anything" in (tmp_path / "paper_tables.md").read_text()

    weights = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    monkeypatch.setattr(tables, "tracks_of", lambda *_: pytest.fail("streamed again"))
    tables.main([*some, "teacher-forced"])
    second = json.loads((tmp_path / "paper_tables.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in weights} == weights
    for name, found in first["variants"].items():
        assert second["variants"][name]["intervals"] == found["intervals"]
    assert "judged window" in capsys.readouterr().out


def test_rows_of_the_main_table_may_have_more_trainings() -> None:
    tables, pages = module("paper_tables"), module("paper_pages")
    mode = replace(tables.SMOKE, main_seeds=3)
    assert [mode.seeds_of(name) for name in ("ours", "self-forced")] == [3, 1]
    assert mode.runs(["window", "block-2", "ours"], 2) == [("window", 2), ("ours", 2)]
    assert tables.SMOKE.seeds_of("ours") == 1
    for name in pages.MAIN:  # what a row builds on has its seeds
        assert set(VARIANTS[name].needs) <= set(pages.MAIN)


def test_pages_say_how_many_trainings_a_row_had(report: dict[str, Any]) -> None:
    held, pages = module("what_held"), module("paper_pages")
    report["settings"]["main_seeds"] = 2
    report["variants"]["ours"]["seeds"]["contingency"] = [0.4, 0.3]
    assert "1 seed(s), 2 for the rows of the main table" in held.page_of_claims(report)
    assert "1 seed(s), 2 for the rows of the main table" in pages.page_of_tables(report)
    assert verdicts(report)["Seeing the user's motion"] == "held"  # one training of two has no partner


def test_numbers_are_compared_from_the_trainings_that_all_have(report: dict[str, Any]) -> None:
    report["variants"]["block-25"] = row("block-25", 1000.0, 0.4, 1.0)
    for name, values in (("no-preference", [4.0, 1.0]), ("block-10", [3.0]), ("block-25", [2.0])):
        report["variants"][name]["seeds"] |= {"fd expression": values, "fd pose": values}
    assert verdicts(report)["Longer blocks buy qualit"] == "held"  # the mean of both, 2.5, would not be
    report["variants"]["block-10"]["seeds"]["fd pose"] = [None]
    assert verdicts(report)["Longer blocks buy qualit"] == "not measured"


def test_rows_are_compared_from_the_trainings_that_both_have(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, tables = module("paper_scores"), module("paper_tables")
    monkeypatch.setattr(tables, "DRIFTING", ())
    from avatar_lab.motion.space import default_space

    dyads = list(conversations(2 * 30 / 3600, 900, "test", 30))
    truth = np.stack([d.avatar.face for d in dyads])
    perfect = {"true_user": truth, "shuffled_user": truth[::-1]}
    still = {who: np.repeat(truth[:, :1], truth.shape[1], axis=1) for who in perfect}
    good, dead = ((scores.scores(t, truth, dyads, default_space(), 5), None) for t in (perfect, still))
    joined = tables.compare({"ours": [good, dead], "block-2": [good]}, tables.SMOKE)
    assert joined["differences"]["ours minus block-2"]["contingency"]["mean"] == pytest.approx(0.0)
    assert joined["measures"]["ours"]["intervals"]["contingency"]["mean"] == pytest.approx(0.5)
    assert joined["measures"]["ours"]["seeds"]["contingency"] == pytest.approx([1.0, 0.0])
