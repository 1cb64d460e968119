"""Mailbox, ring and track: bounded, never blocking their sender, always about the present."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.face import FACE_DIM, neutral
from avatar_lab.stream.mailbox import FaceTrack, Line, Mailbox, SoundRing


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


def test_a_line_keeps_the_order_and_refuses_what_is_too_many() -> None:
    line: Line[int] = Line(2)
    assert [line.put(n) for n in range(3)] == [True, True, False]
    assert [line.take() for _ in range(3)] == [0, 1, None]
    line.put(5)
    line.wait(60)  # there is something: returns at once
    waiter = threading.Thread(target=lambda: [line.take(), line.wait(60)])
    waiter.start()
    line.close()
    waiter.join(5)
    assert not waiter.is_alive()
    assert not line.put(1)
    assert line.take() is None


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


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [
        (200.0, [40, 80, 120, 160, 200]),
        (160.0, [32, 64, 96, 128, 160]),  # a picture late: the time is stretched a little
        (240.0, [48, 96, 144, 192, 240]),
        (80.0, [0, 0, 0, 40, 80]),  # too little for that: the pose is held, then moves on
        (0.0, [0, 0, 0, 0, 0]),  # nothing came: a movement must not be seen twice
        (1000.0, [840, 880, 920, 960, 1000]),  # a stall: what is too old is passed over
    ],
)
def test_no_movement_is_given_twice(fresh: float, expected: list[float]) -> None:
    track = FaceTrack()
    for time in np.arange(-400.0, 1.0, 40.0):
        track.add(time, np.full(FACE_DIM, time, np.float32))
    track.newest(5)
    for time in np.arange(40.0, fresh + 1, 40.0):
        track.add(time, np.full(FACE_DIM, time, np.float32))
    rows, captured = track.newest(5)
    np.testing.assert_allclose(rows[:, 0], expected, atol=1e-3)
    assert captured == fresh


def test_one_face_is_held() -> None:
    track = FaceTrack()
    track.add(40.0, np.full(FACE_DIM, 0.25, np.float32))
    np.testing.assert_array_equal(track.newest(4)[0], np.full((4, FACE_DIM), 0.25, np.float32))


def test_a_track_that_lags_is_waited_for_but_only_once() -> None:
    track = FaceTrack()
    reader = threading.Timer(0.05, lambda: track.add(1000.0, None))  # nobody is seen: looked at all the same
    reader.start()
    track.catch_up(900.0, 60.0)
    reader.join()
    track.catch_up(2000.0, 0.001)
    track.catch_up(2000.0, 60.0)  # the reader stands still: not again
    assert track.newest(2)[1] == 0.0
