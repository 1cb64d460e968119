"""The pictures of a training show what its logs say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.errors import ConfigError
from avatar_lab.train.recipes import logs_of
from avatar_lab.viz.training_panel import curves, read_log, smooth, training_panel


def write(folder: Path, rows: dict[int, float]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.jsonl"
    lines = [json.dumps({"step": step, "minutes": 0.1, "loss": loss}) for step, loss in rows.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_after_a_resumed_run_the_later_row_counts(tmp_path: Path) -> None:
    path = write(tmp_path, {50: 3.0, 100: 2.0})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 100, "loss": 1.5}\n{"step": 150, "loss": 1.0}\n')
    steps, values = read_log(path)
    assert steps.tolist() == [50, 100, 150]
    assert values.tolist() == [3.0, 1.5, 1.0]


def test_what_is_not_in_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it logs: loss"):
        read_log(write(tmp_path, {50: 3.0}), "accuracy")
    with pytest.raises(ConfigError, match="not a readable training log"):
        read_log(tmp_path / "nothing.jsonl")
    with pytest.raises(ConfigError, match="no training"):
        curves({})


@pytest.mark.parametrize("count", [1, 2, 30, 200])
def test_smoothing_keeps_a_constant_and_calms_noise(count: int) -> None:
    np.testing.assert_allclose(smooth(np.full(count, 2.5)), 2.5)
    noise = np.random.default_rng(0).standard_normal(count)
    assert smooth(noise).shape == noise.shape
    assert smooth(noise).std() <= noise.std()


def test_stages_follow_each_other(tmp_path: Path) -> None:
    write(tmp_path / "stream", {50: 1.0})
    write(tmp_path / "forcing", {50: 3.0, 100: 2.0})
    logs = logs_of(tmp_path)
    assert [path.parent.name for path in logs] == ["forcing", "stream"]
    axis = curves({"run": logs}).axes[0]
    drawn = [line.get_xdata() for line in axis.get_lines() if len(line.get_xdata()) and line.get_alpha()]
    assert [list(x) for x in drawn] == [[50, 100], [150]]
    assert [text.get_text() for text in axis.texts] == ["forcing", "stream"]


def test_curves_compare_runs(tmp_path: Path) -> None:
    runs = {name: [write(tmp_path / name, {50: 2.0, last: 1.0})] for name, last in (("a", 100), ("b", 900))}
    axis = curves(runs).axes[0]
    assert axis.get_xlim()[0] == 0
    assert axis.get_xlim()[1] >= 900, "the longer run is seen whole"
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_a_panel_before_and_after_the_first_row(tmp_path: Path) -> None:
    user, true, made = neutral(300), neutral(300), neutral(300)
    user[100:150, FACE_INDEX["smile"]] = 0.8
    made[110:160, FACE_INDEX["smile"]] = 0.6
    early = training_panel([], user, true, made)
    assert early.axes[0].texts[0].get_text() == "nothing logged yet"
    late = training_panel([write(tmp_path, {50: 2.0, 100: 1.0})], user, true, made, "tiny")
    smile = {str(line.get_label()): np.asarray(line.get_ydata()) for line in late.axes[2].get_lines()}
    np.testing.assert_array_equal(smile["generated"], made[:, FACE_INDEX["smile"]])
    np.testing.assert_array_equal(smile["simulated (true)"], true[:, FACE_INDEX["smile"]])
    assert late.axes[3].get_xlabel() == "seconds"
    assert plt.get_fignums() == []
