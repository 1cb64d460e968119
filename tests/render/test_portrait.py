"""A photograph made to move: what should move does, what should stand still does, and bad photographs are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_lab.data.face import FaceParams, neutral
from avatar_lab.data.landmarks import FacePoints, find_face
from avatar_lab.errors import AvatarLabError, ConfigError, MediaError
from avatar_lab.render.picture import Picture, make_picture
from avatar_lab.render.portrait import PhotoPortrait, cut_square
from avatar_lab.render.portrait_eyes import LEFT_EYE, RIGHT_EYE
from avatar_lab.render.portrait_fields import make_fields
from avatar_lab.render.portrait_lips import (
    CHEEKS,
    CORNERS,
    INNER_LOWER,
    INNER_UPPER,
    JAW,
    OUTER_LOWER,
    Lips,
    Values,
)
from avatar_lab.render.portrait_warp import Warp

SIZE = 192


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    data = pytest.importorskip("skimage.data")
    return data.astronaut()


@pytest.fixture(scope="module")
def found(photo: np.ndarray) -> FacePoints:
    pytest.importorskip("mediapipe")
    try:
        return find_face(photo)
    except AvatarLabError as error:
        pytest.skip(f"the face landmarker cannot run here: {error}")


@pytest.fixture(scope="module")
def portrait(photo: np.ndarray, found: FacePoints) -> PhotoPortrait:
    return PhotoPortrait(photo, SIZE, found)


@pytest.fixture(scope="module")
def placed(photo: np.ndarray, found: FacePoints) -> np.ndarray:
    return cut_square(photo, found.points, SIZE)[1]


def change(portrait: PhotoPortrait, **pose: float) -> np.ndarray:
    """Return how much each pixel differs from the face at rest."""
    rest = portrait.draw(neutral(1)[0]).astype(int)
    return np.abs(portrait.draw(FaceParams(**pose).array()).astype(int) - rest).max(-1)


def around(placed: np.ndarray, names: tuple[int, ...], margin: float = 0.0) -> tuple[slice, slice]:
    low, high = placed[list(names), :2].min(0) - margin, placed[list(names), :2].max(0) + margin
    return slice(int(low[1]), int(high[1]) + 1), slice(int(low[0]), int(high[0]) + 1)


def test_it_is_a_picture_like_the_others(portrait: PhotoPortrait) -> None:
    assert isinstance(portrait, Picture)
    frame = portrait.draw(neutral(1)[0])
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, portrait.draw_track(neutral(2))[1])


def test_at_rest_it_is_the_photograph(portrait: PhotoPortrait, photo: np.ndarray, found: FacePoints) -> None:
    cut, _ = cut_square(photo, found.points, SIZE)
    assert np.abs(portrait.draw(neutral(1)[0]).astype(int) - cut).mean() < 0.6


def test_the_head_is_cut_to_its_place(placed: np.ndarray) -> None:
    height = np.linalg.norm(placed[10, :2] - placed[152, :2])
    assert height == pytest.approx(0.46 * SIZE, rel=0.02)
    assert abs(placed[1, 0] - SIZE / 2) < 0.1 * SIZE


@pytest.mark.parametrize(
    ("name", "value"),
    [("smile", 0.8), ("brow_raise", 0.9), ("pucker", 0.8), ("stretch", 0.8), ("frown", 0.8), ("brow_furrow", 0.8),
     ("gaze_yaw", 20.0), ("squint", 0.9), ("jaw_open", 0.6), ("blink_left", 1.0), ("yaw", 12.0), ("pitch", -10.0),
     ("roll", 10.0), ("scale", 1.1), ("x", 0.05)],
)  # fmt: skip
def test_every_parameter_moves_something_and_the_corners_stand_still(
    portrait: PhotoPortrait, name: str, value: float
) -> None:
    moved = change(portrait, **{name: value})
    assert moved.max() > 20
    corners = [moved[:12, :12], moved[:12, -12:]]
    assert all(corner.max() <= 1 for corner in corners)
    if name not in ("yaw", "pitch", "roll", "scale", "x"):
        assert (moved > 8).mean() < 0.25, "an expression leaves most of the picture alone"


def test_an_open_jaw_shows_a_dark_mouth_below_the_lip(portrait: PhotoPortrait, placed: np.ndarray) -> None:
    rows, columns = around(placed, INNER_LOWER)
    middle = columns.start + (columns.stop - columns.start) // 2
    lip = int(placed[14, 1])
    below = portrait.draw(FaceParams(jaw_open=0.7).array())[lip + 2 : lip + 8, middle - 3 : middle + 3]
    at_rest = portrait.draw(neutral(1)[0])[lip + 2 : lip + 8, middle - 3 : middle + 3]
    assert below.mean() < 0.55 * at_rest.mean()
    assert rows.stop > rows.start


def test_a_blink_covers_the_iris_of_that_eye(portrait: PhotoPortrait, placed: np.ndarray) -> None:
    closed = portrait.draw(FaceParams(blink_left=1.0).array()).astype(float)
    rest = portrait.draw(neutral(1)[0]).astype(float)

    def darkest(frame: np.ndarray, point: int) -> float:
        x, y = placed[point, :2].astype(int)
        return float(frame[y - 1 : y + 2, x - 2 : x + 3].mean())

    assert darkest(closed, 473) > darkest(rest, 473) + 15, "skin is brighter than an iris"
    assert darkest(closed, 468) == pytest.approx(darkest(rest, 468), abs=2), "the other eye stays open"
    right, left = around(placed, RIGHT_EYE[0]), around(placed, LEFT_EYE[0])
    moved = change(portrait, blink_left=1.0)
    assert moved[left].max() > 20 >= moved[right].max()


def eye_of(
    placed: np.ndarray, frame: np.ndarray, names: tuple[tuple[int, ...], ...]
) -> tuple[np.ndarray, ...]:
    """Return brightness, columns and rows of the pixels between the lids of one eye."""
    upper, lower = (placed[list(line), :2] for line in names[:2])
    x = np.arange(int(upper[:, 0].min()) + 2, int(upper[:, 0].max()) - 1)
    top, base = (np.interp(x, *line[np.argsort(line[:, 0])].T) for line in (upper, lower))
    y = np.arange(SIZE)[:, None]
    rows, columns = np.nonzero((y > top) & (y < base))
    return frame[rows, x[columns]].mean(-1), x[columns], rows


@pytest.mark.parametrize(("names", "side"), [(RIGHT_EYE, "blink_right"), (LEFT_EYE, "blink_left")])
def test_nothing_of_the_open_eye_is_left_when_it_is_closed(
    portrait: PhotoPortrait, placed: np.ndarray, names: tuple[tuple[int, ...], ...], side: str
) -> None:
    closed = portrait.draw(FaceParams(**{side: 1.0}).array()).astype(float)
    open_ = portrait.draw(neutral(1)[0]).astype(float)
    grey, _, rows = eye_of(placed, closed, names)
    was, _, _ = eye_of(placed, open_, names)
    lid = rows < np.median(rows)  # the lashes lie below
    assert np.ptp(grey[lid]) < 0.45 * np.ptp(was[lid]), "one even lid: no white, no iris"
    cheek = closed[tuple(placed[50, 1::-1].astype(int))].mean()
    assert 0.55 * cheek < grey[lid].mean() < 1.1 * cheek, "and it has the colour of skin"


@pytest.mark.parametrize("names", [RIGHT_EYE, LEFT_EYE])
def test_a_look_aside_moves_the_iris_and_keeps_its_size(
    portrait: PhotoPortrait, placed: np.ndarray, names: tuple[tuple[int, ...], ...]
) -> None:
    radius = np.linalg.norm(placed[list(names[3][1:]), :2] - placed[names[3][0], :2], axis=1).mean()
    level, middles, areas = None, [], []
    for yaw in (0.0, 12.0, -12.0):
        frame = portrait.draw(FaceParams(gaze_yaw=yaw).array()).astype(float)
        grey, columns, _ = eye_of(placed, frame, names)
        level = level or 0.5 * (np.percentile(grey, 5) + np.percentile(grey, 90))
        middles.append(columns[grey < level].mean())
        areas.append((grey < level).sum())
    expected = 2.05 * radius * np.sin(np.radians(12))
    assert middles[1] - middles[2] == pytest.approx(2 * expected, rel=0.5)
    assert max(areas[1:]) < 1.35 * areas[0]


def test_the_wall_behind_stands_still_when_the_head_turns(
    portrait: PhotoPortrait, placed: np.ndarray
) -> None:
    layer = portrait._layer[..., 3]
    assert layer[tuple(placed[1, 1::-1].astype(int))] == 255
    assert layer[:8, :8].max() == layer[:8, -8:].max() == 0
    face = np.linalg.norm(placed[10, :2] - placed[152, :2])
    reach = 2 * int(0.22 * face) + 1
    away = np.ones((SIZE, SIZE), bool)
    for row, column in np.argwhere(layer > 4):
        low = np.maximum(0, (row - reach // 2, column - reach // 2))
        away[low[0] : row + reach // 2, low[1] : column + reach // 2] = False
    assert away.mean() > 0.2
    for pose in ({"yaw": 15.0}, {"yaw": -15.0}, {"pitch": 12.0}, {"pitch": -12.0}):
        assert change(portrait, **pose)[away].max() <= 1


def test_lips_round_although_the_photograph_smiles(placed: np.ndarray, portrait: PhotoPortrait) -> None:
    lips = Lips(placed)
    assert lips.smiles > 0.5
    ring = lips.moved(Values(jaw=0.0, smile=0.0, pucker=1.0, stretch=0.0, frown=0.0))
    wide, narrow = (np.linalg.norm(np.diff(p[lips.part[CORNERS]], axis=0)) for p in (lips.rest, ring))
    assert narrow < 0.65 * wide
    upper, lower = lips.opening(ring)
    assert (lower - upper)[:, 1].max() < 0.03 * lips.face, "and they close over the teeth"
    rows, columns = around(placed, INNER_LOWER + INNER_UPPER)
    teeth = [
        (portrait.draw(FaceParams(pucker=value).array())[rows, columns].min(-1) > 190).sum()
        for value in (0.0, 1.0)
    ]
    assert teeth[0] > 20 > 4 * teeth[1]


def test_a_smile_lifts_the_cheeks_and_the_corners(placed: np.ndarray) -> None:
    lips = Lips(placed)
    moved = lips.moved(Values(jaw=0.0, smile=1.0, pucker=0.0, stretch=0.0, frown=0.0)) - lips.rest
    assert (moved[lips.part[CHEEKS], 1] < -0.01 * lips.face).all()
    assert (moved[lips.part[CORNERS], 1] < -0.01 * lips.face).all()
    assert moved[lips.part[CORNERS], 0] @ (-1, 1) > 0.03 * lips.face


def test_a_bent_picture_shows_each_point_where_it_went(placed: np.ndarray) -> None:
    lips = Lips(placed)
    warp = Warp(lips, placed, SIZE)
    pose = Values(jaw=0.4, smile=0.0, pucker=0.0, stretch=0.3, frown=0.0)
    moved, chin = lips.moved(pose), lips.part[JAW].start + 7
    flow = warp.flow(moved, 0.0)
    for i in (chin, *range(lips.part[OUTER_LOWER].start, lips.part[OUTER_LOWER].stop)):
        column, row = np.rint(moved[i] - (warp.x[0], warp.y[0, 0])).astype(int)
        np.testing.assert_allclose(moved[i] + flow[row, column], lips.rest[i], atol=1.2)
    np.testing.assert_allclose(warp.flow(lips.rest, 0.0)[:4], 0, atol=0.2)


def test_a_face_with_closed_lips_gets_teeth(found: FacePoints) -> None:
    drawn = make_picture("puppet", character=3, size=384).draw(neutral(1)[0])
    portrait = PhotoPortrait(drawn, SIZE)
    points = cut_square(drawn, find_face(drawn).points, SIZE)[1]
    x, lip = points[13, :2]
    column = portrait.draw(FaceParams(jaw_open=0.8).array())[int(lip) : int(lip) + 16, int(x) + 2].mean(-1)
    assert column[:8].max() > 2 * column.min(), "bright teeth, then the dark of the mouth"
    assert column.argmin() > column[:8].argmax()


def test_the_head_turns_to_the_avatars_left(placed: np.ndarray) -> None:
    fields = make_fields(placed, SIZE)
    rest = dict.fromkeys(("yaw", "pitch", "roll", "x", "y", *fields.bumps), 0.0) | {"scale": 1.0}
    nose, ear = (tuple((placed[i, 1::-1] / 2).astype(int)) for i in (1, 234))
    turned = fields.displacement(rest | {"yaw": 15.0})
    assert turned[nose][0] > 3, "the nose goes to the picture's right"
    assert turned[nose][0] > turned[ear][0] + 1, "and further than the ear: there is depth"
    assert fields.displacement(rest | {"pitch": 10.0})[nose][1] < -2
    assert np.abs(fields.displacement(rest)).max() < 1e-3


def test_bad_photographs_are_told(photo: np.ndarray, found: FacePoints, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="No face was found"):
        PhotoPortrait(np.full((128, 128, 3), 90, np.uint8))
    small = np.full((1600, 1600, 3), 120, np.uint8)
    small[:400, :400] = photo[:400, :400]
    with pytest.raises(MediaError, match=r"Crop it closer|No face"):
        PhotoPortrait(small)
    with pytest.raises(ConfigError, match="size must lie in"):
        PhotoPortrait(photo, 8, found)
    with pytest.raises(MediaError, match="There is no picture"):
        PhotoPortrait.from_file(tmp_path / "none.jpg")


def test_two_faces_are_told(photo: np.ndarray, found: FacePoints) -> None:
    both = np.concatenate([photo[:300, 60:360], photo[:300, 60:360]], axis=1)
    assert "2 faces" in find_face(both).notes[0]
    assert found.notes == ()
