"""Simulated conversations: deterministic, within human figures, and with causes that can be found again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.conversation import cast, simulate
from avatar_lab.data.face import FACE_INDEX, FACE_SPECS
from avatar_lab.data.people import Person
from avatar_lab.data.performance import Dyad, Event
from avatar_lab.errors import ConfigError

SECONDS = 240
KINDS = {
    "turn", "backchannel", "smile", "laugh", "nod", "shake", "brow_raise", "frown", "surprise", "blink", "gaze_away",
}  # fmt: skip


@pytest.fixture(scope="module")
def dyads() -> list[Dyad]:
    """Average people, so that the figures are those of METHOD section 9."""
    return [
        simulate(SECONDS, seed, user=Person(voice=seed % 6), avatar=Person(voice=(seed + 1) % 6))
        for seed in range(8)
    ]


@pytest.fixture(scope="module")
def lively() -> list[Dyad]:
    return [simulate(SECONDS, 50 + seed, reactivity=0.95) for seed in range(8)]


def of(dyad: Dyad, who: str, *kinds: str) -> list[Event]:
    return [e for e in dyad.events if e.who == who and e.kind in kinds]


def during(events: list[Event], frames: int) -> np.ndarray:
    mask = np.zeros(frames, bool)
    for e in events:
        mask[int(e.start * FPS) : int(e.end * FPS)] = True
    return mask


def roles(dyads: list[Dyad]) -> Iterator[tuple[Dyad, str, np.ndarray, np.ndarray]]:
    """Yield each person with the frames in which they have the floor, and in which only the partner has it."""
    for dyad in dyads:
        frames = len(dyad.user.face)
        floor = {who: during(of(dyad, who, "turn"), frames) for who in ("user", "avatar")}
        for who, other in (("user", "avatar"), ("avatar", "user")):
            yield dyad, who, floor[who], floor[other] & ~floor[who]


def energy(audio: np.ndarray) -> np.ndarray:
    return audio.reshape(-1, SAMPLES_PER_FRAME).std(axis=1)


def test_same_seed_same_conversation() -> None:
    first, second, other = simulate(20, 3, noise=0.5), simulate(20, 3, noise=0.5), simulate(20, 4, noise=0.5)
    for who in ("user", "avatar"):
        a, b, c = (getattr(d, who) for d in (first, second, other))
        assert np.array_equal(a.face, b.face)
        assert np.array_equal(a.audio, b.audio)
        assert not np.array_equal(a.face, c.face)
    assert first.events == second.events


@pytest.mark.parametrize("seconds", [0.04, 1.0, 7.3, 60])
def test_one_clock_for_face_and_sound(seconds: float) -> None:
    dyad = simulate(seconds, 1)
    for person in (dyad.user, dyad.avatar):
        assert len(person.face) == round(seconds * FPS)
        assert len(person.audio) == len(person.face) * SAMPLES_PER_FRAME
        assert person.audio.dtype == np.float32


def test_everything_within_limits(dyads: list[Dyad], lively: list[Dyad]) -> None:
    low, high = (np.array([getattr(s, n) for s in FACE_SPECS]) for n in ("low", "high"))
    for dyad in dyads + lively:
        for person in (dyad.user, dyad.avatar):
            assert (person.face >= low).all()
            assert (person.face <= high).all()
            assert np.abs(person.audio).max() <= 1
            # People move all the time, but never wildly.
            assert person.face.std(axis=0).min() > 0.001
            assert np.abs(np.diff(person.face[:, :3], axis=0)).max() < 6


def test_events_are_ordered_known_and_caused_by_earlier_ones(lively: list[Dyad]) -> None:
    seen = set()
    for dyad in lively:
        for event in dyad.events:
            seen.add(event.kind)
            assert 0 <= event.start <= event.end <= dyad.seconds + 1e-6
            if event.cause is not None:
                cause = dyad.events[event.cause]
                assert cause.who != event.who
                assert cause.start < event.start
        assert [e.start for e in dyad.events] == sorted(e.start for e in dyad.events)
    assert seen >= KINDS


def test_gaps_and_turns(dyads: list[Dyad]) -> None:
    gaps, lengths, both, any_voice = [], [], 0, 0
    for dyad in dyads:
        turns = [e for e in dyad.events if e.kind == "turn"]
        lengths += [e.end - e.start for e in turns]
        gaps += [b.start - a.end for a, b in itertools.pairwise(turns) if a.who != b.who]
        user, avatar = energy(dyad.user.audio) > 0.003, energy(dyad.avatar.audio) > 0.003
        both, any_voice = both + int((user & avatar).sum()), any_voice + int((user | avatar).sum())
    count, edges = np.histogram(gaps, np.arange(-1.0, 3.0, 0.2))
    mode = edges[int(np.argmax(count))] + 0.1
    assert 0.05 < mode < 0.35
    assert 0.2 < np.std([g for g in gaps if g < 1.2]) < 0.5
    assert 0.02 < np.mean(np.array(gaps) < 0) < 0.12
    assert 0.01 < both / any_voice < 0.07
    assert 1.7 < np.median(lengths) < 2.8


def test_blinks_and_gaze(dyads: list[Dyad]) -> None:
    blinks, minutes, looks = {"talk": 0, "rest": 0}, {"talk": 0.0, "rest": 0.0}, {"talk": [], "listen": []}
    for dyad, who, floor, listening in roles(dyads):
        for event in of(dyad, who, "blink"):
            blinks["talk" if floor[min(int(event.start * FPS), len(floor) - 1)] else "rest"] += 1
        minutes["talk"] += floor.sum() / FPS / 60
        minutes["rest"] += (~floor).sum() / FPS / 60
        away = during(of(dyad, who, "gaze_away"), len(floor))
        looks["talk"].append((~away)[floor].mean())
        looks["listen"].append((~away)[listening].mean())
    assert blinks["talk"] / minutes["talk"] == pytest.approx(26, rel=0.15)
    assert blinks["rest"] / minutes["rest"] == pytest.approx(17, rel=0.2)
    assert 0.38 < np.mean(looks["talk"]) < 0.52
    assert 0.68 < np.mean(looks["listen"]) < 0.82


def test_looking_away_is_visible(dyads: list[Dyad]) -> None:
    dyad = dyads[0]
    line_of_sight = dyad.avatar.face[:, FACE_INDEX["yaw"]] + dyad.avatar.face[:, FACE_INDEX["gaze_yaw"]]
    away = during(of(dyad, "avatar", "gaze_away"), len(line_of_sight))
    assert np.abs(line_of_sight[away]).mean() > 3 * np.abs(line_of_sight[~away]).mean()


def test_reactions_have_human_latency(dyads: list[Dyad], lively: list[Dyad]) -> None:
    for source in ("user", "avatar"):
        latency = [
            e.start - d.events[e.cause].start
            for d in dyads + lively
            for e in d.events
            if e.kind == "smile"
            and e.cause is not None
            and d.events[e.cause].kind == "smile"
            and e.who != source
        ]
        assert len(latency) > 20
        assert min(latency) >= 0.29
        assert 0.5 < np.mean(latency) < 0.9
    nods = [
        e.start - d.events[e.cause].end
        for d in lively
        for e in d.events
        if e.kind in ("nod", "backchannel") and e.cause is not None and d.events[e.cause].kind == "cue"
    ]
    assert np.mean(nods) == pytest.approx(0.7, abs=0.05)


def test_listeners_react_about_seven_times_a_minute(dyads: list[Dyad]) -> None:
    reactions, minutes = 0, 0.0
    for dyad, who, _, listening in roles(dyads):
        minutes += listening.sum() / FPS / 60
        for event in of(dyad, who, "smile", "shake", "nod", "frown", "laugh", "surprise"):
            signalled = event.cause is not None and dyad.events[event.cause].kind == "cue"
            reactions += int(listening[min(int(event.start * FPS), len(listening) - 1)] and not signalled)
    assert 4.5 < reactions / minutes < 9.5


def returned(dyads: list[Dyad]) -> float:
    """Share of the user's own smiles that the avatar answers with any smile or laugh."""
    answered = total = 0
    for dyad in dyads:
        smiles = of(dyad, "avatar", "smile", "laugh")
        for event in of(dyad, "user", "smile"):
            if event.cause is None:
                total += 1
                answered += any(s.start <= event.start + 1.8 and s.end > event.start + 0.3 for s in smiles)
    return answered / total


def test_lively_people_return_most_smiles_and_stiff_ones_fewer(lively: list[Dyad]) -> None:
    stiff = [simulate(SECONDS, 50 + seed, reactivity=0.05) for seed in range(8)]
    assert returned(lively) > 0.75
    assert returned(stiff) < returned(lively) - 0.1


def smile_rise(user: Dyad, avatar: Dyad) -> list[float]:
    """How much the avatar's smile has grown .3-1.4 s after each of the user's own smiles began."""
    smile = avatar.avatar.face[:, FACE_INDEX["smile"]]
    frames = [int(e.start * FPS) for e in of(user, "user", "smile") if e.cause is None]
    return [float(smile[f + 8 : f + 36].max() - smile[f]) for f in frames if 0 < f < len(smile) - 40]


def test_the_users_smiles_cause_the_avatars(lively: list[Dyad]) -> None:
    true = np.concatenate([smile_rise(d, d) for d in lively])
    shuffled = np.concatenate([smile_rise(d, lively[i - 1]) for i, d in enumerate(lively)])
    assert true.mean() > 3 * shuffled.mean()
    assert np.mean(true > 0.2) > np.mean(shuffled > 0.2) + 0.3


def test_a_smile_is_followed_not_preceded(lively: list[Dyad]) -> None:
    """The cross-correlation of smile onsets, planted causes from the user only, peaks after the user's."""
    lags = np.arange(-50, 51)
    total = np.zeros(len(lags))
    for dyad in lively:
        user = np.zeros(len(dyad.user.face))
        user[[int(e.start * FPS) for e in of(dyad, "user", "smile") if e.cause is None]] = 1
        rise = np.maximum(np.diff(dyad.avatar.face[:, FACE_INDEX["smile"]], prepend=0), 0)
        total += [float((user[60:-60] * np.roll(rise, -lag)[60:-60]).sum()) for lag in lags]
    smooth = np.convolve(total, np.ones(9) / 9, mode="same")
    assert 0.3 <= lags[int(np.argmax(smooth))] / FPS <= 1.2


def test_mouth_follows_own_voice_only(dyads: list[Dyad]) -> None:
    for dyad in dyads[:4]:
        for own, other in ((dyad.user, dyad.avatar), (dyad.avatar, dyad.user)):
            jaw = own.face[:, FACE_INDEX["jaw_open"]]
            assert np.corrcoef(jaw, energy(own.audio))[0, 1] > 0.75
            assert np.corrcoef(jaw, energy(other.audio))[0, 1] < 0.1


def test_mouth_rests_in_silence(dyads: list[Dyad], lively: list[Dyad]) -> None:
    for dyad in dyads + lively:
        for person in (dyad.user, dyad.avatar):
            sounding = np.convolve(energy(person.audio) > 0.003, np.ones(11), mode="same") > 0
            assert person.face[~sounding, FACE_INDEX["jaw_open"]].max() < 0.06
            assert person.face[~sounding, FACE_INDEX["pucker"]].max() < 0.06


def test_a_livelier_avatar_holds_the_same_conversation() -> None:
    calm, lively = (simulate(240, 9, reactivity=r) for r in (0.1, 0.9))
    assert [e for e in calm.events if e.kind == "turn" and e.cause is None] == [
        e for e in lively.events if e.kind == "turn" and e.cause is None
    ]
    assert len(of(lively, "avatar", "nod", "smile", "backchannel")) > len(
        of(calm, "avatar", "nod", "smile", "backchannel")
    )


def test_noise_roughens_the_user_only() -> None:
    clean, rough = simulate(10, 2), simulate(10, 2, noise=1.0)
    assert np.array_equal(clean.avatar.face, rough.avatar.face)
    assert np.array_equal(clean.avatar.audio, rough.avatar.audio)
    difference = np.abs(clean.user.face - rough.user.face)
    assert 0 < difference[:, FACE_INDEX["smile"]].mean() < 0.03
    assert (energy(rough.user.audio) > 1e-5).all()
    assert np.abs(rough.user.audio).max() <= 1


def test_cast_tells_who_plays() -> None:
    user, avatar = cast(11)
    again = simulate(5, 11, user=user, avatar=avatar)
    assert np.array_equal(again.avatar.face, simulate(5, 11).avatar.face)
    assert user.voice != avatar.voice
    assert cast(11, reactivity=0.33)[1].reactivity == 0.33


def test_held_out_sentences_give_other_sound() -> None:
    assert not np.array_equal(
        simulate(10, 1, split="train").user.audio, simulate(10, 1, split="test").user.audio
    )


@pytest.mark.parametrize("seconds", [0, -3, 0.001, float("nan"), float("inf")])
def test_impossible_lengths_are_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="seconds"):
        simulate(seconds, 0)


def test_unknown_split_and_negative_noise_are_refused() -> None:
    with pytest.raises(ConfigError, match="split must be one of"):
        simulate(5, 0, split="dev")
    with pytest.raises(ConfigError, match="noise"):
        simulate(5, 0, noise=-1.0)
