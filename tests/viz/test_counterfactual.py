"""The counterfactual figure shows one moment before three users, and picks it by what users do."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.conversation import simulate
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ShapeError
from avatar_lab.metrics.reaction import REACTIONS, judge
from avatar_lab.viz import counterfactual as module
from avatar_lab.viz.counterfactual import counterfactual, moment, smiles_of


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EDGE", 32)
    monkeypatch.setattr(module, "STEP", 25)


def alike(*starts: float, size: float = 0.5) -> list[tuple[float, float]]:
    return [(start, size) for start in starts]


def test_moment_wants_smiles_of_both() -> None:
    # The stranger of conversation 0 is 2: only these two are in one clip. Its first: 10 s is 2.5 s before its end.
    assert moment([alike(6.0, 6.5), alike(18.0), alike(10.0)], 500, 200) == (0, 125)
    who, _ = moment([alike(18.0), alike(6.0, 6.5, 7.0), alike(9.5)], 500, 200)
    assert who == 2, "both must smile; many smiles of one do not count"
    assert moment([alike(3.0), alike(3.5)], 500, 200)[1] == 0, "smiles at once show nothing"
    assert moment([[], []], 500, 200) == (0, 0)


def test_moment_prefers_smiles_that_show() -> None:
    faint, clear = alike(2.0, size=0.1), alike(14.0, size=0.6)
    assert moment([faint + clear, alike(5.0, 17.0)], 500, 200)[1] >= 250


def test_smiles_have_their_size() -> None:
    dyad = simulate(12, 905, split="test", reactivity=1.0)
    found = smiles_of(dyad)
    assert found
    for start, size in found:
        at = round(start * 25)
        track = dyad.user.face[:, FACE_INDEX["smile"]]
        assert size == pytest.approx(np.ptp(track[max(0, at - 1) : at + 25]))


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
