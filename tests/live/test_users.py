"""Users without a camera: in time with the page, in a loop without a jump."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Performance
from avatar_lab.errors import MediaError
from avatar_lab.live.users import SEAM, PlayedUser, film_user, sample_user, synthetic_user, without_seam


def ramp(frames: int = 50) -> Performance:
    face = neutral(frames)
    face[:, FACE_INDEX["yaw"]] = np.linspace(-20, 20, frames)
    return Performance(face, np.arange(frames * 640, dtype=np.float32) / (frames * 640))


def test_the_row_is_that_of_the_moment_and_the_loop_closes() -> None:
    user = PlayedUser(ramp())
    assert user.begin is None
    first = user.read(b"", 5000.0)
    assert user.begin == 5000.0
    assert first is not None
    yaw = FACE_INDEX["yaw"]
    assert first[yaw] == -20
    later = user.read(b"", 5400.0)
    assert later is not None
    assert later[yaw] == pytest.approx(-20 + 40 * 10 / 49)
    again = user.read(b"", 7000.0)
    assert again is not None
    np.testing.assert_allclose(again, first)


def test_the_end_is_bent_towards_the_beginning() -> None:
    track = ramp().face
    bent = without_seam(track)
    np.testing.assert_allclose(bent[-1], bent[0], atol=1e-5)
    np.testing.assert_array_equal(bent[:-SEAM], track[:-SEAM])


def test_the_sound_is_that_since_the_last_call_a_second_at_most() -> None:
    user = PlayedUser(ramp())
    assert len(user.hear(1000.0)) == 0
    assert len(user.hear(1040.0)) == 640
    np.testing.assert_array_equal(user.hear(1080.0), user.audio[640:1280])
    assert len(user.hear(9000.0)) == 16000  # after a stall only the newest second
    assert len(user.hear(8000.0)) == 0


def test_the_shipped_and_the_simulated_user() -> None:
    for user in (sample_user(), synthetic_user(seed=3, seconds=4)):
        row = user.read(b"", 0.0)
        assert row is not None
        assert row.shape == (18,)
        assert np.abs(user.audio).max() > 0.05


def test_files_that_are_no_films_are_named() -> None:
    with pytest.raises(MediaError, match="empty"):
        film_user(b"", "a.mp4")
    with pytest.raises(MediaError, match=r"holiday\.mp4"):
        film_user(b"this is not a film at all", "holiday.mp4")
    with pytest.raises(MediaError, match="no frames"):
        PlayedUser(Performance(neutral(0), np.zeros(0, np.float32)))
