"""The report tells apart who reacts, who merely moves, and who does not move at all."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.events import SHOWS, VISIBLE, nodding, onsets_of
from avatar_lab.metrics.habits import closures, drift, habits
from avatar_lab.metrics.influence import predictive_gain, tlcc
from avatar_lab.metrics.reaction import REACTIONS, judge
from avatar_lab.metrics.report import report
from avatar_lab.metrics.richness import frechet, jerk_ratio, sid, variance_ratios

PITCH, SMILE = FACE_INDEX["pitch"], FACE_INDEX["smile"]


@pytest.fixture(scope="module")
def dyads() -> list[Dyad]:
    return [simulate(60, seed, split="test", reactivity=0.95) for seed in range(40, 52)]


@pytest.fixture(scope="module")
def truth(dyads: list[Dyad]) -> np.ndarray:
    return np.stack([d.avatar.face for d in dyads])


def still(like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(neutral(like.shape[1]), like.shape).copy()


def test_planted_events_are_found_in_the_true_motion(dyads: list[Dyad]) -> None:
    """Nine in ten smiles and nods that the simulator planted are seen, and most of what is seen was planted."""
    for kind in ("smile", "nod"):
        planted = seen = found = right = 0
        for d in dyads:
            starts = np.array([e.start for e in d.events if e.who == "avatar" and e.kind == kind])
            onset = onsets_of(SHOWS[kind](d.avatar.face), VISIBLE[kind]) / 25
            gap = onset[:, None] - starts[None]
            near = (gap > -0.3) & (gap < 1.2)
            planted, seen = planted + len(starts), seen + int(near.any(0).sum())
            found, right = found + len(onset), right + int(near.any(1).sum())
        assert seen / planted > 0.9, kind
        assert right / found > 0.55, kind  # laughs are smiles too, and glances move the head


def test_nodding_is_movement_at_two_hertz_not_posture() -> None:
    face, clock = neutral(250), np.arange(250) / 25
    face[:, PITCH] = 10 + 8 * np.sin(2 * np.pi * 0.2 * clock)
    assert nodding(face)[30:-30].max() < 0.5
    face[:, PITCH] += 4 * np.sin(2 * np.pi * 2.0 * clock)
    assert nodding(face)[30:-30].min() > 1.5


def test_the_truth_reacts_the_still_face_does_not(dyads: list[Dyad], truth: np.ndarray) -> None:
    shuffled = np.roll(truth, 1, axis=0)
    smile, nod = (next(r for r in REACTIONS if r.name == name) for name in ("smile", "nod"))
    for reaction in (smile, nod):
        perfect = judge(reaction, {"true_user": truth, "shuffled_user": shuffled}, truth, dyads)
        assert perfect is not None
        assert perfect["contingency"]["excludes_zero"], reaction.name
        assert perfect["share_of_truth"]["mean"] == pytest.approx(1)
        assert perfect["lag_error_ms"] == 0
        deaf = judge(reaction, {"true_user": shuffled, "shuffled_user": shuffled}, truth, dyads)
        assert deaf is not None
        assert deaf["contingency"]["mean"] == 0
    frozen = judge(smile, {"true_user": still(truth), "shuffled_user": still(truth)}, truth, dyads)
    assert frozen is not None
    assert frozen["answered"]["true_user"]["recall"] == 0


def test_the_whole_report_of_the_truth_is_perfect(dyads: list[Dyad], truth: np.ndarray) -> None:
    tracks = {"true_user": truth, "shuffled_user": np.roll(truth, 1, axis=0), "no_user": still(truth)}
    scores = report(tracks, truth, dyads)
    assert scores["lips"]["jaw_open"]["mean"] == pytest.approx(1)
    assert scores["lip_offset_ms"] == 0
    assert scores["fd"]["pose"] == pytest.approx(0, abs=1e-3)
    assert scores["rpcc"]["true_user"]["expression"]["flattened"] == 0
    assert scores["variance_ratio"]["expression"]["mean"] == pytest.approx(1)
    assert scores["jerk_ratio"]["mean"] == pytest.approx(1)
    gain = scores["predictive_gain_smile"]
    assert gain["truth"] > 0.01 > gain["shuffled_user"]
    assert 12 < scores["habits"]["truth"]["blinks_a_minute"] < 32


def test_clouds_of_poses() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 3))
    assert frechet(rows, rows) == pytest.approx(0, abs=1e-6)
    assert frechet(rows + [1, 0, 0], rows) == pytest.approx(1, abs=1e-6)
    assert frechet(2 * rows, rows) == pytest.approx(float(np.trace(np.cov(rows.T))), rel=1e-3)
    assert sid(rows[:1].repeat(50, 0), rows, 8) == 0
    assert 2.5 < sid(rows, rows, 8) <= 3
    with pytest.raises(ShapeError, match="at least 2 rows"):
        frechet(rows[:1], rows)


def test_variance_and_jerk_are_ratios(truth: np.ndarray) -> None:
    centred = truth - truth.mean(1, keepdims=True)
    ratios = variance_ratios((truth + centred).astype(np.float32), truth)
    assert all(ratio.mean == pytest.approx(4, rel=1e-3) for ratio in ratios.values())
    assert jerk_ratio(still(truth), truth).mean == 0


def test_lag_and_gain_know_who_follows() -> None:
    rng = np.random.default_rng(1)
    user = np.stack([np.convolve(rng.standard_normal(600), np.ones(8) / 8, "same") for _ in range(8)])
    avatar = np.roll(user, 15, axis=1) + 0.05 * rng.standard_normal(user.shape)
    assert tlcc(user, avatar)["lag_ms"] == pytest.approx(600)
    assert predictive_gain(user, avatar) > 0.3
    assert predictive_gain(user[::-1].copy(), avatar) < 0.02
    assert np.isnan(predictive_gain(user[:1], avatar[:1]))


def test_blinks_are_counted_once_and_drift_is_seen() -> None:
    lid = np.zeros(250)
    for start in (20, 80, 200):
        lid[start : start + 4] = (0.4, 0.9, 0.6, 0.55)
    assert closures(lid) == 3
    faces = np.stack([neutral(250)] * 2)
    faces[:, :, FACE_INDEX["blink_left"]] = lid
    assert habits(faces, np.zeros((2, 250), bool))["blinks_a_minute"] == pytest.approx(18)
    rng = np.random.default_rng(2)
    calm = neutral(800)[None] + rng.normal(0, 0.1, (3, 800, 18))
    wandering = calm.copy()
    wandering[:, :, PITCH] += np.linspace(0, 1, 800)
    found = drift(wandering, calm)
    assert abs(found["variance_truth"]) < 0.1
    assert found["mean_pose_generated"] > 5 * found["mean_pose_truth"]
