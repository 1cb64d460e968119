"""From planned acts to face tracks: the shape of a smile, a nod, a blink, a glance.

Each function writes one kind of movement of one person into arrays at 25 fps, in numpy and without loops over
frames. Times are seconds; `clock` holds the middle of every frame. Figures are METHOD section 9's: nods of
about 2 Hz whose first cycle is the largest, blinks of .15-.3 s at 17 to 26 a minute, gaze by role.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32

from avatar_lab.config import FPS
from avatar_lab.data.people import Person
from avatar_lab.data.reactions import Act

BLINKS_TALKING: Final = 26.0  # a minute
BLINKS_RESTING: Final = 17.0
MIMICRY_LAG: Final = 15  # frames, 600 ms
_BORDERS: Final = (0.08, 0.13)  # what looks that begin in one role and last into the other add and take
_SHAPE: Final = {  # seconds: rise, fall
    "smile": (0.40, 0.85),
    "laugh": (0.32, 0.90),
    "frown": (0.45, 0.60),
    "surprise": (0.20, 0.45),
    "brow_raise": (0.18, 0.35),
}


def clock_of(frames: int) -> np.ndarray:
    """Return the middle of each frame in seconds."""
    return (np.arange(frames) + 0.5) / FPS


def expression(acts: Sequence[Act], kind: str, frames: int) -> Float32[np.ndarray, "T"]:
    """Return how strongly an expression shows: quick rise, slowly sagging hold, slow fall.

    Strong expressions rise a little more slowly; of two that overlap the larger shows.
    """
    track = np.zeros(frames, np.float32)
    rise, fall = _SHAPE[kind]
    for act in acts:
        if act.kind != kind:
            continue
        frame = np.arange(max(0, int(act.start * FPS)), min(frames, int((act.end + fall) * FPS) + 1))
        time = (frame + 0.5) / FPS
        # Hold until fall/2 before the end, so that `end` is where half of it is gone.
        up = np.clip((time - act.start) / (rise * (0.75 + 0.4 * act.strength)), 0, 1)
        down = np.clip((act.end + fall / 2 - time) / fall, 0, 1)
        sag = 1 - 0.15 * np.clip((time - act.start) / max(act.end - act.start, rise), 0, 1)
        shape = act.strength * sag * (0.5 - 0.5 * np.cos(np.pi * np.minimum(up, down)))
        track[frame] = np.maximum(track[frame], shape)
    return track


def nods(acts: Sequence[Act], frames: int, rng: np.random.Generator) -> Float32[np.ndarray, "T"]:
    """Return degrees of pitch: dips at about 2 Hz, the first the deepest (2-8 degrees)."""
    track = np.zeros(frames, np.float32)
    for act in acts:
        if act.kind != "nod":
            continue
        rate = float(np.clip(rng.normal(2.0, 0.2), 1.5, 2.6))
        cycles = max(1, round((act.end - act.start) * rate))
        frame = np.arange(
            max(0, int(act.start * FPS)), min(frames, int((act.start + cycles / rate) * FPS) + 2)
        )
        phase = np.clip(((frame + 0.5) / FPS - act.start) * rate, 0, cycles)
        depth = (1.5 + 6.5 * act.strength) * 0.62 ** np.minimum(np.floor(phase), cycles - 1)
        track[frame] -= depth * (0.5 - 0.5 * np.cos(2 * np.pi * phase))
    return track


def shakes(acts: Sequence[Act], frames: int, rng: np.random.Generator) -> Float32[np.ndarray, "T"]:
    """Return degrees of yaw: a fading swing to both sides at about 1.8 Hz."""
    track = np.zeros(frames, np.float32)
    for act in acts:
        if act.kind != "shake":
            continue
        rate, side = float(np.clip(rng.normal(1.8, 0.15), 1.4, 2.2)), rng.choice((-1.0, 1.0))
        cycles = max(1, round((act.end - act.start) * rate))
        length = cycles / rate
        frame = np.arange(max(0, int(act.start * FPS)), min(frames, int((act.start + length) * FPS) + 2))
        phase = np.clip(((frame + 0.5) / FPS - act.start) * rate, 0, cycles)
        fade = np.exp(-0.45 * phase) * np.clip(phase / 0.25, 0, 1) * np.clip((cycles - phase) / 0.25, 0, 1)
        track[frame] += side * (2.5 + 6 * act.strength) * fade * np.sin(2 * np.pi * phase)
    return track


def beats(
    stresses: np.ndarray, frames: int, person: Person, rng: np.random.Generator
) -> Float32[np.ndarray, "T 3"]:
    """Return yaw, pitch and roll of a speaker's head, which marks some of the stressed vowels."""
    marked = stresses[rng.random(len(stresses)) < 0.45]
    size = rng.normal((0.0, -2.4, 0.0), (1.5, 1.0, 1.0), (len(marked), 3)) * person.head_motion
    width = rng.uniform(0.09, 0.16, len(marked))
    offset = np.arange(-12, 13)
    frame = np.round(marked * FPS).astype(int)[:, None] + offset
    shape = np.exp(-0.5 * (((frame + 0.5) / FPS - marked[:, None] - 0.04) / width[:, None]) ** 2)
    track = np.zeros((frames, 3), np.float32)
    inside = (frame >= 0) & (frame < frames)
    for axis in range(3):
        np.add.at(
            track[:, axis], frame[inside], (shape * size[:, axis : axis + 1])[inside].astype(np.float32)
        )
    return track


def sway(
    frames: int, low: float, high: float, rng: np.random.Generator, axes: int
) -> Float32[np.ndarray, "T A"]:
    """Return smooth noise of unit deviation between two frequencies (Hz), falling with frequency."""
    length = 1 << max(8, int(np.ceil(np.log2(frames + 64))))
    frequency = np.fft.rfftfreq(length, 1 / FPS)
    gain = 1 / (1 + (np.maximum(frequency, 1e-3) / low) ** 2) * np.exp(-((frequency / high) ** 4))
    gain[0] = 0
    gain /= np.sqrt(2 * np.sum(gain**2) / length)
    white = np.fft.rfft(rng.standard_normal((length, axes)), axis=0)
    return np.fft.irfft(white * gain[:, None], length, axis=0)[:frames].astype(np.float32)


def blinks(
    acts: list[Act],
    who: int,
    talking: Bool[np.ndarray, "T"],
    glances: np.ndarray,
    person: Person,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "T 2"]:
    """Return both lids and add the blinks to `acts`; many blinks go with a glance (`glances`: start times)."""
    frames = len(talking)
    rate = np.where(talking, BLINKS_TALKING, BLINKS_RESTING) * person.blink_rate / 60 / FPS
    passed = np.cumsum(rate)
    # Unit-mean gamma intervals in "expected blinks" time: rarely two at once, no fixed beat.
    due = np.cumsum(rng.gamma(2.5, 1 / 2.5, int(passed[-1] * 1.5) + 20)) - rng.random()
    start = np.searchsorted(passed, due[(due > 0) & (due < passed[-1])]) / FPS + rng.uniform(-0.02, 0.02)
    if len(glances) and len(start):
        nearest = glances[np.abs(glances[None] - start[:, None]).argmin(axis=1)]
        start = np.where(np.abs(nearest - start) < 0.5, nearest, start)
        start = start[np.diff(start, prepend=-9.0) > 0.3]
    start = np.maximum(start, 0.0)
    length = np.clip(rng.lognormal(np.log(0.21), 0.2, len(start)), 0.15, 0.30)
    acts += [Act("blink", who, float(a), float(a + d)) for a, d in zip(start, length, strict=True)]
    frame = np.floor(start * FPS).astype(int)[:, None] + np.arange(-1, 10)
    # Lids close in a third of the time and open in the rest; half height at both ends of [start, end].
    phase = ((frame + 0.5) / FPS - start[:, None]) / length[:, None]
    lid = np.clip(np.minimum((phase + 0.18) / 0.42, (1.25 - phase) / 0.62), 0, 1)
    lid = lid * lid * (3 - 2 * lid)
    track = np.zeros((frames, 2), np.float32)
    inside = (frame >= 0) & (frame < frames)
    for side, scale in enumerate((1.0, 0.97)):
        np.maximum.at(track[:, side], frame[inside], (scale * lid)[inside].astype(np.float32))
    return track


def gaze_target(
    acts: list[Act],
    who: int,
    turns: Sequence[tuple[float, float]],
    frames: int,
    person: Person,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "T 2"], np.ndarray]:
    """Return where the person looks (degrees beside the partner) and when glances start.

    Looks alternate with glances away; speakers look away when they begin and back before they end.
    """
    spans = _glances(turns, frames / FPS, person, rng)
    target = np.zeros((frames, 2), np.float32)
    for start, end in spans:
        sideways = rng.choice((-1.0, 1.0)) * rng.uniform(7, 22)
        target[int(start * FPS) : int(end * FPS) + 1] = (sideways, rng.uniform(-12, 7))
        acts.append(Act("gaze_away", who, start, end))
    # Between glances the eyes hop over the partner's face.
    hops = np.cumsum(rng.gamma(2.0, 0.45, frames // 10 + 8))
    which = np.searchsorted(hops, clock_of(frames))
    return target + rng.normal(0, 0.8, (len(hops) + 1, 2)).astype(np.float32)[which], np.array(
        [s for s, _ in spans]
    )


def _glances(
    turns: Sequence[tuple[float, float]], seconds: float, person: Person, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return start and end of every look away."""
    spans: list[tuple[float, float]] = []
    clock = rng.exponential(2.0)
    index = 0
    while clock < seconds:
        while index < len(turns) and turns[index][1] < clock:
            index += 1
        speaking = index < len(turns) and turns[index][0] - 0.1 <= clock
        share = person.gaze_speaking - _BORDERS[0] if speaking else person.gaze_listening + _BORDERS[1]
        away = float(np.clip(rng.lognormal(np.log(1.3 if speaking else 1.0), 0.45), 0.3, 4.0))
        end = clock + away
        if speaking:
            end = max(clock + 0.3, min(end, turns[index][1] - 0.25))
        spans.append((clock, min(end, seconds)))
        clock = end + _look(away, share, rng)
        upcoming = next((t for t in turns[index:] if t[0] > end), None)
        if upcoming is not None and clock > upcoming[0] - 0.2:
            averts = rng.random() < 0.7
            start = upcoming[0] + (rng.normal(0.0, 0.12) if averts else _look(1.3, person.gaze_speaking, rng))
            clock = max(end + 0.08, start)
    return spans


def _look(away: float, share: float, rng: np.random.Generator) -> float:
    """Seconds of looking at the partner that go with `away` seconds of looking elsewhere."""
    return 0.08 + float(rng.gamma(1.6, away * share / max(1 - share, 0.02) / 1.6))


def mimicry(partner: Float32[np.ndarray, "T A"]) -> Float32[np.ndarray, "T A"]:
    """Return the partner's movement between about .2 and 1.1 Hz, 600 ms later, using only the past.

    A symmetric filter of 31 frames, centred 15 frames ago: every frequency has the same lag.
    """
    offset = np.arange(-MIMICRY_LAG, MIMICRY_LAG + 1)
    narrow, wide = np.exp(-0.5 * (offset / 3.2) ** 2), np.hanning(len(offset) + 2)[1:-1] ** 0.5
    kernel = narrow / narrow.sum() - 0.8 * wide / wide.sum()
    padded = np.pad(partner, ((2 * MIMICRY_LAG, 0), (0, 0)))
    return np.stack([np.convolve(c, kernel, mode="valid") for c in padded.T], 1).astype(np.float32)
