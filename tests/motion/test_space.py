import numpy as np
import pytest

from avatar_lab.data.face import FACE_SPECS, clamp, neutral
from avatar_lab.errors import ShapeError
from avatar_lab.motion.space import MotionSpace, default_space


def tracks(frames: int = 400, seed: int = 0) -> np.ndarray:
    low, high = (np.array([getattr(s, k) for s in FACE_SPECS]) for k in ("low", "high"))
    share = np.random.default_rng(seed).beta(2, 2, (frames, len(low)))
    return clamp((low + share * (high - low)).astype(np.float32))


@pytest.mark.parametrize("space", [default_space(), MotionSpace.fit(tracks())])
def test_there_and_back_is_exact(space: MotionSpace) -> None:
    face = tracks(seed=1)
    np.testing.assert_allclose(space.decode(space.encode(face)), face, atol=2e-4)
    assert space.dim == 18


def test_a_fitted_space_is_white() -> None:
    face = tracks(5000)
    coefficients = MotionSpace.fit(face).encode(face)
    assert np.abs(coefficients.mean(0)).max() < 0.01
    np.testing.assert_allclose(np.cov(coefficients.T), np.eye(18), atol=0.05)


def test_what_hardly_moves_is_not_blown_up() -> None:
    face = tracks(2000)
    face[:, 14] = face[:, 13] + 1e-3 * np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    shaken = face.copy()
    shaken[:, 14] += 0.05
    space = MotionSpace.fit(clamp(face))
    assert np.abs(space.encode(clamp(shaken)) - space.encode(clamp(face))).max() < 1


def test_saved_and_damaged_spaces() -> None:
    space = default_space()
    again = MotionSpace.from_tensors(space.tensors())
    assert np.array_equal(again.encode(neutral(3)), space.encode(neutral(3)))
    with pytest.raises(ShapeError, match="damaged"):
        MotionSpace.from_tensors({**space.tensors(), "inverse": np.zeros((18, 18))})


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(T, 18\)"):
        default_space().decode(np.zeros((3, 5), np.float32))
    with pytest.raises(ShapeError, match="every face parameter moves"):
        MotionSpace.fit(neutral(100))
