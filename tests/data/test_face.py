import numpy as np
import pytest

from avatar_lab.data.face import (
    FACE_DIM,
    FACE_INDEX,
    FACE_NAMES,
    FACE_SPECS,
    FaceParams,
    check_track,
    clamp,
    mirror,
    neutral,
    smooth,
)
from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.errors import ConfigError, ShapeError


def test_the_names_are_the_agreed_ones() -> None:
    assert FACE_DIM == 18
    assert FACE_NAMES[:6] == ("yaw", "pitch", "roll", "x", "y", "scale")
    assert FACE_NAMES[-2:] == ("gaze_yaw", "gaze_pitch")
    assert all(s.low <= s.neutral <= s.high for s in FACE_SPECS)


def test_a_pose_by_name_is_clamped_and_comes_back() -> None:
    pose = FaceParams(smile=3.0, yaw=-400, blink_left=0.5)
    row = pose.array()
    assert row[FACE_INDEX["smile"]] == 1
    assert row[FACE_INDEX["yaw"]] == -60
    assert FaceParams.from_array(row) == FaceParams(smile=1.0, yaw=-60.0, blink_left=0.5)


def test_the_mirror_swaps_sides_and_twice_is_nothing() -> None:
    row = FaceParams(yaw=10, pitch=5, x=0.1, blink_left=1, gaze_yaw=-8).array()
    seen = FaceParams.from_array(mirror(row))
    assert (seen.yaw, seen.pitch, seen.blink_left, seen.blink_right, seen.gaze_yaw) == (-10, 5, 0, 1, 8)
    assert np.array_equal(mirror(mirror(row)), row)


def test_smoothing_keeps_levels_and_calms() -> None:
    noisy = neutral(100) + np.random.default_rng(0).standard_normal((100, 18)).astype(np.float32)
    calm = smooth(noisy, 2.0)
    assert np.abs(np.diff(calm, axis=0)).mean() < 0.3 * np.abs(np.diff(noisy, axis=0)).mean()
    np.testing.assert_allclose(smooth(neutral(10), 3.0), neutral(10), atol=1e-6)
    assert np.array_equal(smooth(noisy, 0), noisy)
    with pytest.raises(ConfigError, match=">= 0"):
        smooth(noisy, -1)


def test_clamping_touches_only_what_is_out_of_range() -> None:
    face = neutral(2)
    face[0, FACE_INDEX["jaw_open"]] = 7
    assert clamp(face)[0, FACE_INDEX["jaw_open"]] == 1
    assert np.array_equal(clamp(face)[1], neutral(1)[0])


def test_bad_tracks_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(T, 18\)"):
        check_track(np.zeros((3, 17)))
    bad = neutral(3)
    bad[1, 0] = np.nan
    with pytest.raises(ShapeError, match="frame 1 holds NaN"):
        check_track(bad)


def test_a_performance_keeps_face_and_sound_on_one_clock() -> None:
    made = Performance(neutral(10), np.arange(6400, dtype=np.float32) / 6400)
    part = made.cut(2, 3)
    assert part.seconds == 0.12
    assert part.audio[0] == made.audio[2 * 640]
    with pytest.raises(ShapeError, match="640 samples a frame"):
        Performance(neutral(10), np.zeros(6399, np.float32))
    assert fit_audio(np.ones(100, np.float32), 1).sum() == 100
    assert len(fit_audio(np.ones(5000, np.float32), 2)) == 1280
