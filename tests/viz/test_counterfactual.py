"""The counterfactual figure shows one moment before three users, and picks it where the difference shows."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_DIM, FACE_INDEX, neutral
from avatar_lab.data.performance import Dyad, Event, Performance
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.reaction import REACTIONS, judge
from avatar_lab.viz import counterfactual as module
from avatar_lab.viz.counterfactual import counterfactual, moment


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EDGE", 32)
    monkeypatch.setattr(module, "STEP", 25)


def test_moment_shows_whom_the_avatar_answers() -> None:
    def talk(*starts: float) -> Dyad:
        events = tuple(Event("smile", "user", start, start + 2) for start in starts)
        still = Performance(neutral(500), np.zeros(500 * 640, np.float32))
        return Dyad(still, still, events, seed=0)

    dyads = [talk(2.0), talk(6.0), talk(10.0)]  # the stranger of 2 is 1, of 1 is 0, of 0 is 2
    own, other = np.zeros((2, 3, 500, FACE_DIM), np.float32)
    smile = FACE_INDEX["smile"]
    own[2, 265:300, smile] = 0.6  # answers its own user's smile at 10 s,
    other[2, 165:200, smile] = 0.5  # and before the stranger that one's at 6 s
    own[1, 165:200, smile] = other[1, 165:200, smile] = 0.9  # livelier, but the same before both
    who, first = moment(dyads, own, other, 200)
    assert who == 2
    assert first / 25 + 1 <= 6.0
    assert first / 25 + 5.5 >= 10.0


@pytest.mark.usefixtures("few_pictures")
def test_it_shows_the_same_frames_of_every_choice() -> None:
    dyads = [simulate(8, seed, split="test", reactivity=1.0) for seed in (905, 909)]
    truth = np.stack([dyad.avatar.face for dyad in dyads])
    rng = np.random.default_rng(0)
    names = ("true_user", "shuffled_user", "no_user")
    tracks = {name: (truth * 0.9 + 0.05 * rng.random(truth.shape)).astype(np.float32) for name in names}
    found = judge(REACTIONS[0], tracks, truth, dyads)
    assert found is not None
    data = counterfactual(tracks, dyads, found, seconds=6).data
    assert [view["sees"] for view in data["views"]] == ["own", "stranger", "nobody", "own"]
    assert set(data["users"]) == {"own", "stranger", "nobody"}
    assert data["seconds"] == 6
    assert {len(view["smile"]) for view in data["views"]} == {150}
    assert all(view["film"].startswith("data:image/webp;base64,") for view in data["views"])
    for view, name in zip(data["views"], (*names, "truth"), strict=True):
        assert view["rise"][1] == pytest.approx(found["rise"][name]["mean"], abs=1e-3)
        assert view["rise"][0] <= view["rise"][1] <= view["rise"][2]
    shown = np.array(data["views"][3]["smile"])
    real = truth[..., FACE_INDEX["smile"]]
    assert any(
        np.allclose(shown, track[first : first + 150], atol=0.006)
        for track in real
        for first in range(0, 51, 25)
    )


def test_it_refuses_a_missing_control() -> None:
    dyads = [simulate(4, seed, split="test") for seed in (1, 2)]
    truth = np.stack([dyad.avatar.face for dyad in dyads])
    with pytest.raises(ShapeError, match="shuffled_user"):
        counterfactual({"true_user": truth, "no_user": truth}, dyads, {})
    with pytest.raises(ShapeError, match="one track a conversation"):
        counterfactual({"true_user": truth[:1], "shuffled_user": truth, "no_user": truth}, dyads, {})
