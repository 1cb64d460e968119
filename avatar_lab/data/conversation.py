"""Simulated conversations with a known answer: who did what, when, and because of what.

`simulate` plans a dialogue (`dialogue.py`), lets both people act and answer each other (`reactions.py`),
and renders their faces (`gestures.py`, `visemes.py`) and voices (`speech.py`). Ground truth is exact: every
event is listed with the event that caused it. User and avatar follow the same rules, so causes run both ways.

Peculiar: a face never sees the partner's future, a mouth follows its own sound only, and frame i shows the
face in the middle of samples 640 i to 640 (i + 1). Everything comes from the seed; the two people, the talk, the
acts and the noise have separate streams, so that e.g. a livelier avatar holds the same conversation.
METHOD section 9. Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from avatar_lab.data import gestures
from avatar_lab.data.dialogue import AVATAR, USER, Dialogue, Utterance, plan_dialogue
from avatar_lab.data.face import FACE_INDEX, clamp, neutral, smooth
from avatar_lab.data.people import Person, draw_person
from avatar_lab.data.performance import Dyad, Performance
from avatar_lab.data.reactions import Act, plan_acts, to_events
from avatar_lab.data.speech import VOICES, Corpus, load_corpus
from avatar_lab.data.visemes import sample_mouth
from avatar_lab.errors import ConfigError

_POSE = [FACE_INDEX[name] for name in ("yaw", "pitch", "roll")]
_PEAK = 0.95
_LAUGHING_JAW = 0.6  # laughter is loud, but its jaw stays smaller than a shouted vowel's


def cast(
    seed: int, *, user: Person | None = None, avatar: Person | None = None, reactivity: float | None = None
) -> tuple[Person, Person]:
    """Return the user and the avatar that `simulate` puts on stage for this seed; given people are kept.

    `reactivity` overrides the avatar's, drawn or given. Their voices differ unless both are given.
    """
    rng = np.random.default_rng([seed, 0])
    first, second = draw_person(rng), draw_person(rng)
    user = user or first
    if avatar is None:
        clash = second.voice == user.voice
        avatar = replace(second, voice=(second.voice + 1) % VOICES) if clash else second
    return user, avatar if reactivity is None else replace(avatar, reactivity=reactivity)


def simulate(
    seconds: float = 60.0,
    seed: int = 0,
    *,
    split: str = "train",
    corpus: Corpus | None = None,
    user: Person | None = None,
    avatar: Person | None = None,
    reactivity: float | None = None,
    noise: float = 0.0,
) -> Dyad:
    """Simulate a conversation of `seconds`, rounded to whole frames.

    Parameters
    ----------
    split : which sentences are spoken; "test" has the held-out fifth.
    corpus : speak the clips of this corpus instead.
    user, avatar : fixed people; drawn from the seed if None (see `cast`).
    reactivity : overrides the avatar's, 0..1.
    noise : imperfection of the *user's* recording, 0 none, 1 a poor webcam: room noise, wrong gain, tracker jitter.

    Raises ConfigError for seconds <= 0, an unknown split or negative noise.
    """
    frames = round(seconds * FPS) if np.isfinite(seconds) else 0
    if frames < 1:
        raise ConfigError(f"seconds must be positive and at least one frame (1/{FPS} s); got {seconds}.")
    if not noise >= 0:
        raise ConfigError(f"noise must be >= 0; got {noise}.")
    corpus = corpus or load_corpus(split)
    people = cast(seed, user=user, avatar=avatar, reactivity=reactivity)
    dialogue = plan_dialogue(people, corpus, frames / FPS, np.random.default_rng([seed, 1]))
    acts, sounds = plan_acts(people, dialogue, corpus, frames / FPS, np.random.default_rng([seed, 2]))
    faces = _faces(people, dialogue, acts, sounds, frames, seed)
    voices = [_voice([s for s in sounds if s.who == who], frames) for who in (USER, AVATAR)]
    if noise > 0:
        rng = np.random.default_rng([seed, 5])
        faces[USER], voices[USER] = _jitter(faces[USER], noise, rng), _roughen(voices[USER], noise, rng)
    return Dyad(
        user=Performance(faces[USER], voices[USER]),
        avatar=Performance(faces[AVATAR], voices[AVATAR]),
        events=to_events(sorted(acts, key=lambda act: act.start), frames / FPS),
        seed=seed,
    )


def _faces(
    people: tuple[Person, Person],
    dialogue: Dialogue,
    acts: list[Act],
    sounds: Sequence[Utterance],
    frames: int,
    seed: int,
) -> list[Float32[np.ndarray, "T P"]]:
    """Render both faces; blinks and glances are added to `acts`."""
    faces, poses = [], []
    for who in (USER, AVATAR):
        own_acts = [act for act in acts if act.who == who]
        own_sounds = [s for s in sounds if s.who == who]
        turns = [(turn.start, turn.end) for turn in dialogue.turns if turn.who == who]
        rng = np.random.default_rng([seed, 3 + who])
        talking = _talking(own_sounds, frames)
        face = _expressions(own_acts, people[who], frames, rng)
        _add_mouth(face, own_sounds, people[who])
        target, glances = gestures.gaze_target(acts, who, turns, frames, people[who], rng)
        face[:, _cols("blink_left", "blink_right")] = gestures.blinks(
            acts, who, talking, glances, people[who], rng
        )
        poses.append(_own_pose(own_acts, own_sounds, talking, target, people[who], rng))
        face[:, _cols("gaze_yaw", "gaze_pitch")] = target
        face[:, _cols("x", "y", "scale")] += gestures.sway(frames, 0.12, 1.0, rng, 3) * np.float32(
            0.012 * people[who].head_motion
        )
        faces.append(face)
    return [_join_pose(faces[who], poses[who], poses[1 - who], people[who]) for who in (USER, AVATAR)]


def _cols(*names: str) -> list[int]:
    return [FACE_INDEX[name] for name in names]


def _talking(sounds: Sequence[Utterance], frames: int) -> np.ndarray:
    talking = np.zeros(frames, bool)
    for said in sounds:
        talking[max(0, int(said.start * FPS)) : int(said.end * FPS) + 1] = True
    return talking


def _expressions(
    acts: Sequence[Act], person: Person, frames: int, rng: np.random.Generator
) -> Float32[np.ndarray, "T P"]:
    """Return a face at rest with this person's smiles, frowns and brows on it."""
    face = neutral(frames)
    show = {
        kind: gestures.expression(acts, kind, frames)
        for kind in ("smile", "laugh", "frown", "surprise", "brow_raise")
    }
    size = np.float32(person.expressiveness)
    alive = gestures.sway(frames, 0.15, 1.0, rng, 3) * np.float32(0.015 * person.expressiveness)
    smile = np.maximum(0.85 * show["smile"], show["laugh"]) * size
    face[:, FACE_INDEX["smile"]] = smile + alive[:, 0]
    face[:, FACE_INDEX["squint"]] = alive[:, 2] + 0.35 * smile**1.5 + 0.35 * show["laugh"] * size
    face[:, FACE_INDEX["frown"]] = 0.8 * show["frown"] * size
    face[:, FACE_INDEX["brow_furrow"]] = 0.75 * show["frown"] * size
    face[:, FACE_INDEX["brow_raise"]] = (
        np.maximum(show["surprise"], 0.7 * show["brow_raise"]) * size + alive[:, 1]
    )
    return face


def _add_mouth(face: Float32[np.ndarray, "T P"], sounds: Sequence[Utterance], person: Person) -> None:
    """Write jaw, pucker and stretch of everything the person utters."""
    columns = _cols("jaw_open", "pucker", "stretch")
    for said in sounds:
        first, last = max(0, int(said.start * FPS) - 1), min(len(face), int(said.end * FPS) + 2)
        if first >= last:
            continue
        mouth = sample_mouth(said.clip.mouth, (np.arange(first, last) + 0.5) / FPS - said.start)
        mouth[:, 0] *= person.articulation * (_LAUGHING_JAW if said.clip.kind == "laugh" else 1.0)
        face[first:last, columns] = np.maximum(face[first:last, columns], mouth)
    # A smile leaves less room for rounding.
    face[:, FACE_INDEX["pucker"]] *= 1 - 0.5 * np.clip(face[:, FACE_INDEX["smile"]], 0, 1)


def _own_pose(
    acts: Sequence[Act],
    sounds: Sequence[Utterance],
    talking: np.ndarray,
    target: Float32[np.ndarray, "T 2"],
    person: Person,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "T 3"]:
    """Return the head's yaw, pitch and roll without mimicry: sway, speech, nods, shakes, glances."""
    frames = len(talking)
    lively = smooth(talking[:, None].astype(np.float32), 8.0)
    size = np.array((1.7, 1.1, 1.0), np.float32) * np.float32(person.head_motion)
    pose = gestures.sway(frames, 0.08, 0.8, rng, 3) * size
    pose += gestures.sway(frames, 0.5, 1.6, rng, 3) * size * lively
    stresses = [s.start + s.clip.stresses for s in sounds if s.clip.kind != "laugh"]
    pose += gestures.beats(np.concatenate(stresses or [np.zeros(0)]), frames, person, rng)
    pose[:, 0] += gestures.shakes(acts, frames, rng)
    pose[:, 1] += gestures.nods(acts, frames, rng)
    pose[:, 1] += 2.0 * gestures.expression(acts, "laugh", frames) - 1.5 * gestures.expression(
        acts, "frown", frames
    )
    # The head goes along with a glance, a quarter of the way and more slowly than the eyes.
    pose[:, :2] += 0.25 * smooth(target, 4.0)
    return pose


def _join_pose(
    face: Float32[np.ndarray, "T P"],
    pose: Float32[np.ndarray, "T 3"],
    partner_pose: Float32[np.ndarray, "T 3"],
    person: Person,
) -> Float32[np.ndarray, "T P"]:
    """Add the mimicry of the partner's head and let the eyes make up for all head movement."""
    pose = pose + gestures.mimicry(partner_pose) * np.float32(0.08 + 0.35 * person.reactivity)
    face[:, _POSE] = pose
    face[:, _cols("x", "y")] += pose[:, :2] * np.array((0.003, 0.0025), np.float32)
    face[:, _cols("gaze_yaw", "gaze_pitch")] -= 0.9 * pose[:, :2]
    return clamp(face)


def _voice(sounds: Sequence[Utterance], frames: int) -> Float32[np.ndarray, "N"]:
    """Lay one person's clips into silence; never louder than full scale."""
    audio = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    for said in sounds:
        start = round(said.start * SAMPLE_RATE)
        clip = said.clip.audio[: max(0, len(audio) - start)]
        audio[start : start + len(clip)] += clip
    peak = float(np.abs(audio).max())
    return audio if peak <= _PEAK else audio * np.float32(_PEAK / peak)


def _roughen(
    audio: Float32[np.ndarray, "N"], noise: float, rng: np.random.Generator
) -> Float32[np.ndarray, "N"]:
    """Add a room's noise floor (about -56 dB at noise 1) and a wrong gain (up to 8 dB)."""
    gain = np.float32(10 ** (rng.uniform(-8, 6) * min(noise, 1.0) / 20))
    hiss = rng.standard_normal(len(audio), dtype=np.float32)
    hiss[1:] += 0.9 * hiss[:-1]
    floor = np.float32(0.0012 * noise * rng.uniform(0.3, 1.5))
    return np.clip(audio * gain + hiss * floor, -1, 1).astype(np.float32)


def _jitter(
    face: Float32[np.ndarray, "T P"], noise: float, rng: np.random.Generator
) -> Float32[np.ndarray, "T P"]:
    """Add what a face tracker adds: small errors that change within two or three frames."""
    size = np.full(face.shape[1], 0.012, np.float32)
    size[_POSE] = 0.25
    size[_cols("x", "y", "scale")] = 0.002
    size[_cols("gaze_yaw", "gaze_pitch")] = 0.8
    wobble = rng.standard_normal(face.shape, dtype=np.float32)
    wobble[1:] = 0.7 * wobble[1:] + 0.7 * wobble[:-1]
    return clamp(face + wobble * size * np.float32(noise))
