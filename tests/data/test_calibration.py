"""Calibration: resting face, blinks, smoothing, lost faces; streaming gives what a file gives."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.calibration import (
    CALIBRATION,
    HOLD,
    Calibrator,
    Lids,
    OneEuro,
    calibrate,
    estimate_neutral,
)
from avatar_lab.data.face import FACE_INDEX, FACE_NAMES, neutral
from avatar_lab.data.tracker import RawFace


def value(row: np.ndarray, name: str) -> float:
    return float(row[FACE_INDEX[name]])


def raw(**values: float) -> RawFace:
    row = np.zeros(len(FACE_NAMES), np.float32)
    row[FACE_INDEX["scale"]] = 1.0
    for name, v in values.items():
        row[FACE_INDEX[name]] = v
    return RawFace(row)


def wandering(frames: int, seed: int) -> list[RawFace | None]:
    """A person who moves, talks, blinks, and is lost now and then."""
    generator = np.random.default_rng(seed)
    raws: list[RawFace | None] = []
    for k in range(frames):
        blink = 0.6 if k % 60 in (40, 41, 42, 43) else 0.0
        face = raw(
            yaw=8 * np.sin(k / 9) + generator.normal(0, 0.3),
            pitch=-6 + generator.normal(0, 0.3),
            x=0.05 + 0.01 * np.sin(k / 30),
            jaw_open=0.2 + 0.2 * np.sin(k / 2),
            smile=0.4 + 0.4 * np.sin(k / 40),
            blink_left=0.2 + blink,
            blink_right=0.15 + blink,
            squint=0.45,
            scale=0.9,
        )
        raws.append(None if 110 <= k < 125 else face)
    return raws


def test_streaming_equals_offline_after_calibration() -> None:
    raws = wandering(250, 0)
    offline = calibrate(raws)
    calibrator = Calibrator()
    streamed = np.stack([calibrator.update(r) for r in raws])
    assert (streamed[CALIBRATION:] == offline[CALIBRATION:]).all()
    assert not (streamed[:20] == offline[:20]).all()
    assert (calibrator.seen, calibrator.lost) == (235, 15)


def test_offline_looks_only_at_the_calibration_for_the_future() -> None:
    raws = wandering(250, 0)
    changed = [*raws[:150], *(None if r is None else raw(yaw=40, smile=1.0) for r in raws[150:])]
    assert (calibrate(raws)[:150] == calibrate(changed)[:150]).all()


def test_a_resting_face_becomes_neutral() -> None:
    still = [
        raw(yaw=6, pitch=-9, x=0.1, y=-0.1, scale=0.7, smile=0.2, squint=0.5, blink_left=0.3)
        for _ in range(100)
    ]
    np.testing.assert_allclose(calibrate(still)[-1], neutral(1)[0], atol=0.02)


def test_who_starts_with_a_grin_still_smiles_later() -> None:
    grin = [raw(smile=0.95) for _ in range(100)]
    assert value(calibrate(grin)[-1], "smile") > 0.8


def test_the_resting_face_sinks_after_calibration_but_never_rises() -> None:
    tense = [raw(brow_raise=0.4)] * CALIBRATION
    relaxed = [raw(brow_raise=0.1)] * 200
    track = calibrate([*tense, *relaxed, *[raw(brow_raise=0.4)] * 10])
    assert value(track[CALIBRATION - 1], "brow_raise") == pytest.approx(0.0, abs=0.01)
    assert value(track[-1], "brow_raise") > 0.25


def test_few_frames_lean_on_the_prior() -> None:
    one = estimate_neutral(np.stack([raw(pitch=-20, x=0.2).row]))
    assert abs(one[FACE_INDEX["pitch"]]) < 1.0
    assert one[FACE_INDEX["x"]] == pytest.approx(0.2)


@pytest.mark.parametrize("level", [0.05, 0.5])
def test_blinks_are_seen_whatever_the_lids_do_at_rest(level: float) -> None:
    lids, closed = Lids(), []
    for k in range(100):
        blink = 0.4 if k in (50, 51, 52, 53, 54) else 0.0
        closed.append(lids.update(np.array([level + blink, level + blink])))
    shut = np.array(closed).min(axis=1)
    assert (shut[50:55] > 0.85).all()
    assert shut[:50].max() == 0.0
    assert shut[60:].max() == 0.0


def test_a_lowered_gaze_is_no_lasting_blink() -> None:
    lids = Lids()
    closed = [lids.update(np.array([0.1, 0.1]) if k < 50 else np.array([0.6, 0.6])).max() for k in range(150)]
    assert sum(c > 0.1 for c in closed) <= 9  # as long as a long blink, then the lids are simply lower
    reopened = [lids.update(np.array([0.1, 0.1])).max() for _ in range(4)]
    assert max(reopened) == 0.0
    assert lids.update(np.array([0.6, 0.6])).max() > 0.8


def test_a_wink_stays_lopsided() -> None:
    lids = Lids()
    for _ in range(30):
        lids.update(np.array([0.1, 0.1]))
    left, right = lids.update(np.array([0.7, 0.12]))
    assert left == 1.0
    assert right < 0.5


def test_the_gaze_does_not_dive_with_the_lid() -> None:
    raws: list[RawFace | None] = []
    for k in range(120):
        shut = k in (100, 101, 102, 103)
        raws.append(raw(blink_left=0.6 * shut, blink_right=0.6 * shut, gaze_pitch=-20.0 * shut))
    assert np.abs(calibrate(raws)[:, FACE_INDEX["gaze_pitch"]]).max() < 1.0


def test_lost_faces_are_held_then_eased_to_rest_and_come_back_without_a_jump() -> None:
    turned = [raw()] * CALIBRATION + [raw(yaw=20.0)] * 50
    raws = [*turned, *[None] * 60, *[raw(yaw=20.0)] * 20]
    yaw = calibrate(raws)[:, FACE_INDEX["yaw"]]
    lost = len(turned)
    assert (yaw[lost : lost + HOLD] == yaw[lost - 1]).all()
    assert (np.diff(yaw[lost + HOLD : lost + 60]) < 0).all()
    assert yaw[lost + 59] < 0.5
    assert np.abs(np.diff(yaw[lost + 59 :])).max() < 5.0
    assert yaw[-1] == pytest.approx(20.0, abs=0.1)


def test_a_face_never_seen_is_a_resting_face() -> None:
    calibrator = Calibrator()
    np.testing.assert_array_equal(calibrator.update(None), neutral(1)[0])
    assert calibrator.neutral is None


def test_one_euro_calms_noise_and_lets_speed_through() -> None:
    generator = np.random.default_rng(0)
    calm = OneEuro(np.array([1.5]), np.array([0.15]))
    noisy = generator.normal(0, 0.3, 200)
    smooth = np.array([calm.update(np.array([n]))[0] for n in noisy])
    assert smooth[50:].std() < 0.55 * noisy.std()
    quick = OneEuro(np.array([1.5]), np.array([0.15]))
    nod = 8 * np.sin(2 * np.pi * 2 * np.arange(100) / 25)
    followed = np.array([quick.update(np.array([n]))[0] for n in nod])
    assert np.corrcoef(nod[25:], followed[25:])[0, 1] > 0.9
    assert followed[25:].max() > 0.75 * 8
