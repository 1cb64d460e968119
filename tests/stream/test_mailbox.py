"""Mailbox, ring and track: bounded, never blocking their sender, always about the present."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.face import FACE_DIM, neutral
from avatar_lab.stream.degrade import HOLD, PATIENCE, Degrade
from avatar_lab.stream.mailbox import FaceTrack, Mailbox, SoundRing


def test_the_newest_wins() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.take(0) is None
    assert box.put(0) is None
    assert box.put(1) == 0
    assert box.take(0) == 1
    assert box.take(0) is None


def test_a_closed_box_wakes_its_reader_and_takes_nothing() -> None:
    box: Mailbox[int] = Mailbox()
    got: list[int | None] = []
    reader = threading.Thread(target=lambda: got.append(box.take()))
    reader.start()
    box.close()
    reader.join(5)
    assert got == [None]
    assert box.put(1) == 1


def test_sound_is_read_without_a_gap_while_the_reader_keeps_up() -> None:
    ring, sound = SoundRing(1.0), np.arange(SAMPLE_RATE, dtype=np.float32)
    read = []
    for at in range(0, 8000, 640):
        ring.append(sound[at : at + 640])
        read.append(ring.take(640))
    np.testing.assert_array_equal(np.concatenate(read), sound[: 640 * 13])
    assert ring.skipped == 0


def test_sound_that_has_not_come_is_silence_and_old_sound_is_skipped() -> None:
    ring = SoundRing(1.0)
    ring.append(np.ones(100, np.float32))
    assert ring.take(640).sum() == 100
    ring.append(np.arange(10_000, dtype=np.float32))
    np.testing.assert_array_equal(ring.take(640), np.arange(10_000 - 640, 10_000, dtype=np.float32))
    assert ring.skipped == 10_000 - 640
    ring.append(np.ones(5 * SAMPLE_RATE, np.float32))  # longer than the ring itself
    assert ring.take(640).sum() == 640


def test_faces_are_placed_on_a_grid_that_ends_with_the_newest() -> None:
    track = FaceTrack()
    rows, captured = track.newest(3)
    np.testing.assert_array_equal(rows, neutral(3))
    assert captured == 0.0
    for time in (0.0, 100.0, 160.0):  # pictures come unevenly
        track.add(time, np.full(FACE_DIM, time, np.float32))
    rows, captured = track.newest(5)
    assert captured == 160.0
    np.testing.assert_allclose(rows[:, 0], [0, 40, 80, 120, 160], atol=1e-3)
    track.add(150.0, np.zeros(FACE_DIM, np.float32))  # too late
    assert track.newest(1)[1] == 160.0
    assert len(track.newest(9)[0]) == 9


def test_one_face_is_held() -> None:
    track = FaceTrack()
    track.add(40.0, np.full(FACE_DIM, 0.25, np.float32))
    np.testing.assert_array_equal(track.newest(4)[0], np.full((4, FACE_DIM), 0.25, np.float32))


def test_quality_goes_soon_and_comes_back_slowly() -> None:
    plan = Degrade(8)
    assert (plan.nfe, plan.quality) == (8, "full")
    steps = []
    plan.told(190, 200)
    plan.told(20, 200)
    for _ in range(8):
        plan.told(190, 200)
        steps.append(plan.nfe)
    assert steps == [8, 4, 4, 2, 2, HOLD, HOLD, HOLD], "one late block is a hiccup, two are load"
    assert plan.quality == "holding"
    for _ in range(PATIENCE - 1):
        plan.told(1, 200)
    assert plan.nfe == HOLD
    plan.told(1, 200)
    assert plan.nfe == 2
    for _ in range(200):
        plan.told(120, 200)  # neither late nor calm
    assert plan.nfe == 2


@pytest.mark.parametrize("wish", [1, 2, 3, 16])
def test_any_wish_ends_in_holding(wish: int) -> None:
    plan = Degrade(wish)
    for _ in range(10):
        plan.told(1000, 200)
    assert plan.nfe == HOLD
    plan.wish(8)
    for _ in range(6):
        plan.told(1000, 200)
    assert plan.nfe == HOLD
