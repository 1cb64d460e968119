"""What the live benches make of what they saw: events in small pictures, beginnings of speech."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"figures_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    return load(ROOT / "tests" / "browser" / "harness.py")


def load_bench(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        return load(ROOT / "bench" / f"{name}.py")
    finally:
        sys.path.remove(str(ROOT / "bench"))


@pytest.fixture(scope="module")
def barge() -> ModuleType:
    return load_bench("barge_in")


def test_events_are_jumps_and_noise_is_none(harness: ModuleType) -> None:
    rng = np.random.default_rng(0)
    pictures = 300 + rng.normal(0, 1, (60, 256))
    assert harness.events_of(pictures) == []
    pictures[20:40] += 60
    assert harness.events_of(pictures) == [20, 40]


def test_progress_goes_from_the_first_to_the_last(harness: ModuleType) -> None:
    way = np.concatenate([np.zeros(10), np.linspace(0, 1, 5), np.ones(10)])
    moved = harness.progress(300 + way[:, None] * np.full(256, 40.0))
    np.testing.assert_allclose(moved, way, atol=1e-6)
    assert len(harness.progress(np.full((20, 256), 300.0))) == 0, "it stays"


def test_a_mouth_that_is_late_is_found_late() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.2, 40), 5)
    jaw = np.convolve(loud, np.ones(5) / 5, "same")
    for frames in (-2, 0, 3):
        found = load_bench("voices").follows(np.roll(jaw, frames), loud)
        assert found["late_ms"] == 40 * frames
        assert found["correlation"] == pytest.approx(1.0)
    assert load_bench("voices").follows(rng.uniform(size=200), loud)["correlation"] < 0.5


def test_speech_begins_where_it_gets_loud_after_a_pause(barge: ModuleType) -> None:
    rng = np.random.default_rng(0)
    sound = 1e-4 * rng.standard_normal(48_000)
    for begin in (8_000, 32_000):
        sound[begin : begin + 9_600] += 0.1 * rng.standard_normal(9_600)
    assert [
        abs(at - begin) < 100 for at, begin in zip(barge.onsets(sound), (8_000, 32_000), strict=True)
    ] == [
        True,
        True,
    ]


def test_noises_are_as_loud_as_speech_and_nobody_is_interrupted_in_silence(barge: ModuleType) -> None:
    made = barge.noises(4.0, np.random.default_rng(0))
    for name in ("fan", "hum", "people"):
        assert barge.loud(made[name]) == pytest.approx(barge.SPEECH_DB, abs=0.5)
    ear = barge.Ear(0.05 * np.ones(160_000, np.float32), 0).listen(np.zeros(32_000, np.float32))
    assert ear.hushed == []
    assert ear.silent_s == 0
