"""A recording: only on request, whole or not at all, badged and marked, never over another."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.marking import verify
from avatar_lab.data.media import probe, read_audio, read_video
from avatar_lab.errors import MediaError
from avatar_lab.live.recorder import Recorder, with_badge

TONE = (0.3 * np.sin(np.arange(5 * 640) / 8)).astype(np.float32)


def pictures(value: int = 120) -> np.ndarray:
    return np.full((5, 256, 256, 3), value, np.uint8)


def test_it_writes_picture_and_sound_and_says_that_it_was_generated(tmp_path: Path) -> None:
    before = threading.active_count()
    recorder = Recorder(tmp_path / "films")
    for _ in range(5):
        recorder.add(pictures(), TONE)
    path = recorder.close()
    assert threading.active_count() == before
    assert path.name == "live_001.mp4"
    assert recorder.dropped == 0
    assert probe(path).has_audio
    assert len(list(read_video(path))) == 25
    sound = read_audio(path)
    assert abs(len(sound) - 16_000) < 3000
    assert np.abs(sound).max() > 0.2
    assert verify(path).metadata


def test_it_never_writes_over_another(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        recorder = Recorder(tmp_path)
        recorder.add(pictures(), TONE)
        names.append(recorder.close().name)
    assert names == ["live_001.mp4", "live_002.mp4"]


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="Nothing was recorded"):
        Recorder(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_fault_while_writing_is_told_and_nobody_waits(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(pictures(), TONE)
    recorder.add(np.zeros((5, 64, 64, 3), np.uint8), TONE)  # another size: no film can hold both
    with pytest.raises(MediaError, match="keep one size"):
        recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="Choose another one"):
        Recorder(tmp_path / "file" / "folder")


@pytest.mark.parametrize("edge", [128, 256, 512])
def test_the_badge_is_in_its_corner_and_nowhere_else(edge: int) -> None:
    plain = np.full((edge, edge, 3), 200, np.uint8)
    badged = with_badge(plain)
    changed = (badged != plain).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.max() < 0.15 * edge
    assert columns.min() > 0.8 * edge
    assert badged.max() > 230
    assert badged.min() < 100
