"""Interrupting the avatar: how soon does it fall silent, and what makes it fall silent for nothing?

    python bench/barge_in.py --json bench/results/barge_in.json

The clock is simulated; the rest is the real thing: `live.speaker.Speaker` with Silero's detector, told by the sound
that comes to it as the page sends it, 10 ms at a time out of the audio thread, and on from there with a picture every
40 ms, at a phase that differs from trial to trial. The avatar speaks all the time. The user is

    corpus    sentences of `data_samples`, all six voices (synthetic: one free voice, changed in pitch and formants)
    person    a recorded person, where `../shared/media/user.mp4` is present: a beginning of speech after each pause
    folder    every beginning of speech in the wav files of `--speech FOLDER`, if one is named: the figures in
              `results` are from the LibriVox and "cards" recordings in the source package of pocketsphinx 5.0.3

in silence and in four noises of a room (made here: pink noise of a fan, clicks of a keyboard, hum of the mains, six
people talking elsewhere), at 20 and 10 dB below the speech. Speech begins where the clean sound, after a pause, first
comes within 30 dB of its own level and stays loud. The JSON holds

    stops_ms      from there until the avatar is silent: the page's 40 ms, the detector's own time and the fade of
                  20 ms are in it; the way between page and kernel is not (`bench/live.py` has it: `barge_in`).
                  `missed`: it talked on for a second and more; `silent_before`: the room had silenced it already
    backchannels  "uh-huh" and the like. `taken`: it cost the avatar its turn, which is a false cut. `paused`: it fell
                  silent for a moment, then went on; `pause_ms`: for how long
    noise         each noise alone: how often it hushes the avatar in a minute, and the share of the time it is silent
    echo          the avatar's own voice in the microphone, so many dB below speech, and no user
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.media import read_audio
from avatar_lab.data.speech import load_corpus
from avatar_lab.live.speaker import FADE, Speaker
from avatar_lab.live.turns import best_detector

FILM = Path(__file__).resolve().parents[2] / "shared" / "media" / "user.mp4"
POST, TICK, STEP = (round(s * SAMPLE_RATE) for s in (0.01, 0.04, 0.005))
BEFORE_S, AFTER_S, PAUSE_S, DEAF_S = 0.5, 1.0, 0.4, 1.0
SPEECH_DB, LEVELS_DB, ECHOES_DB = -26.0, (-20, -10), (-30, -20, -10)


def loud(sound: np.ndarray) -> float:
    """Return the level of the loud half of a sound, in dB of full scale."""
    power = np.sort(power_of(sound))
    return float(10 * np.log10(power[len(power) // 2 :].mean() + 1e-12))


def power_of(sound: np.ndarray) -> np.ndarray:
    """Return the power, 5 ms by 5 ms."""
    return (sound[: len(sound) // STEP * STEP].reshape(-1, STEP).astype(np.float64) ** 2).mean(axis=1)


def at_level(sound: np.ndarray, level_db: float) -> np.ndarray:
    """Return a sound at this level."""
    return (sound * 10 ** ((level_db - loud(sound)) / 20)).astype(np.float32)


def onsets(sound: np.ndarray) -> Iterator[int]:
    """Yield the samples at which speech begins after a pause, or at the start."""
    level = 10 * np.log10(power_of(sound) + 1e-12)
    above = level > max(loud(sound) - 30, float(np.percentile(level, 10)) + 6)
    quiet = since = round(PAUSE_S * SAMPLE_RATE / STEP)
    for at, here in enumerate(above):
        if here and since >= quiet and above[at : at + 40].mean() > 0.6:
            yield at * STEP
        since = 0 if here else since + 1


def noises(seconds: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the noises of a room, each at the level of speech."""
    n = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20 * seconds))
    t = np.arange(n) / SAMPLE_RATE
    clicks = np.zeros(n)
    key = rng.standard_normal(400) * np.exp(-np.arange(400) / 60)
    for at in rng.integers(0, n - 400, round(6 * seconds)):
        clicks[at : at + 400] += key * rng.uniform(0.3, 1)
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 5))
    babble = np.zeros(n)
    clips = [clip for clip in load_corpus("all").clips if clip.seconds > 2]
    for _ in range(6):
        filled = -int(rng.integers(SAMPLE_RATE))
        while filled < n:
            audio = clips[int(rng.integers(len(clips)))].audio
            begin, end = max(0, filled), min(n, filled + len(audio))
            babble[begin:end] += audio[begin - filled : end - filled]
            filled += len(audio)
    made = {"fan": np.fft.irfft(spectrum, n), "keyboard": clicks, "hum": hum, "people": babble}
    peak = 10 ** (SPEECH_DB / 20)
    # Clicks are short: their level is that of a key, not the mean over the silence between keys.
    by_key = {"keyboard": clicks * peak / np.sqrt((key**2).mean())}
    return {
        k: (by_key[k] if k in by_key else at_level(v, SPEECH_DB)).astype(np.float32) for k, v in made.items()
    }


class Ear:
    """A microphone and a page, before a speaker that talks; takes down when it falls silent."""

    def __init__(self, avatar: np.ndarray, phase: int) -> None:
        self.hushed: list[float] = []
        self.pauses: list[float] = []
        self.detector_ms: list[float] = []
        self.cuts, self.silent_s, self._told = 0, 0.0, 0.0
        self._speaker = Speaker(on_hush=lambda: self.hushed.append(self._told))
        self._avatar, self._phase, self._clock = avatar, phase, SystemClock()

    def listen(self, sound: np.ndarray) -> Ear:
        """Hear a sound. `hushed`: seconds of sound at which the avatar was hushed; `pauses`: how long each lasted."""
        sent, silent, began = 0, False, 0.0
        for tick in range(TICK + self._phase, len(sound) + 1, TICK):
            self._told = tick / SAMPLE_RATE
            if self._speaker.state == "listening":
                self._speaker.say(self._avatar)
            start = self._clock.now()
            self._speaker.hear(sound[sent : tick // POST * POST], 1000 * self._told)
            self.detector_ms.append(1000 * (self._clock.now() - start))
            sent = tick // POST * POST
            state = self._speaker.state
            self.silent_s += (state != "speaking") * TICK / SAMPLE_RATE
            if state != "speaking" and not silent:
                silent, began = True, self._told
            elif state != "user speaks" and silent:
                silent = False
                self.cuts += state == "listening"
                if state == "speaking":
                    self.pauses.append(self._told - began)
        return self


class Lab:
    """What every trial needs: the avatar's voice, the noises, chance."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.noises = noises(60.0, self.rng)
        clips = [clip.audio for clip in load_corpus("all").clips if clip.voice == 3 and clip.seconds > 2]
        self.avatar = at_level(np.concatenate(clips[:40]), SPEECH_DB)

    def conditions(self) -> Iterator[tuple[str, str | None, float]]:
        """Yield (name, noise, dB below speech)."""
        yield "silence", None, 0.0
        for level in LEVELS_DB:
            for name in self.noises:
                yield f"{name} {level} dB", name, level

    def ear(self) -> Ear:
        """Return a new one, at a phase of chance."""
        return Ear(self.avatar, int(self.rng.integers(TICK)))

    def room(self, sound: np.ndarray, noise: str | None, level: float) -> np.ndarray:
        """Return a sound in this noise."""
        if noise is None:
            return sound
        begin = int(self.rng.integers(len(self.noises[noise]) - len(sound)))
        return sound + 10 ** (level / 20) * self.noises[noise][begin : begin + len(sound)]

    def stops(self, cases: list[tuple[np.ndarray, int]]) -> dict[str, Any]:
        """Interrupt the avatar with (sound, first sample of speech), in every room."""
        report: dict[str, Any] = {}
        every: list[float] = []
        for name, noise, level in self.conditions():
            took, missed, before = [], 0, 0
            for sound, onset in cases:
                ear = self.ear().listen(self.room(sound, noise, level))
                waits = [hush - onset / SAMPLE_RATE for hush in ear.hushed]
                if any(wait < 0 for wait in waits):
                    before += 1  # the room had silenced it before its user spoke
                elif not waits or waits[0] > DEAF_S:
                    missed += 1
                else:
                    took.append(1000 * (waits[0] + FADE / SAMPLE_RATE) + float(np.median(ear.detector_ms)))
            report[name] = spread(took) | {"missed": missed, "silent_before": before}
            every += took if noise not in (None, "people") else []
        return report | {"in noise, people left out": spread(every)}

    def backchannels(self) -> dict[str, Any]:
        """Say "uh-huh" to the avatar."""
        rows: dict[str, list[Ear]] = defaultdict(list)
        for clip in load_corpus("all").clips:
            if clip.kind != "backchannel":
                continue
            sound = at_level(np.array(clip.audio), SPEECH_DB)
            rows[clip.text].append(self.ear().listen(padded(sound, 1.5)))
        short = {word: ears for word, ears in rows.items() if word in ("mhm", "mm", "uh-huh")}
        return {
            "all": verdict([ear for ears in rows.values() for ear in ears]),
            "hums": verdict([ear for ears in short.values() for ear in ears]),
            "by_word": {word: verdict(ears) for word, ears in rows.items()},
        }

    def alone(self) -> dict[str, Any]:
        """Let the noises and the avatar's own echo be heard alone."""
        report: dict[str, Any] = {"noise": {}, "echo": {}}
        for name, noise, level in self.conditions():
            if noise:
                sound = 10 ** (level / 20) * self.noises[noise]
                report["noise"][name] = a_minute(self.ear().listen(sound), len(sound))
        for level in ECHOES_DB:
            echo = 10 ** (level / 20) * self.avatar[: 60 * SAMPLE_RATE]
            report["echo"][f"{level} dB"] = a_minute(self.ear().listen(echo.astype(np.float32)), len(echo))
        return report


def padded(sound: np.ndarray, after_s: float) -> np.ndarray:
    """Return a sound with silence before and after it."""
    return np.pad(sound, (round(BEFORE_S * SAMPLE_RATE), round(after_s * SAMPLE_RATE)))


def spread(values: list[float]) -> dict[str, float | int]:
    """Return median and p95 of some milliseconds."""
    if not values:
        return {"n": 0}
    return {
        "p50": float(np.percentile(values, 50)),
        "p95": float(np.percentile(values, 95)),
        "n": len(values),
    }


def verdict(ears: list[Ear]) -> dict[str, Any]:
    """Return what some backchannels did to the avatar."""
    return {
        "said": len(ears),
        "taken": sum(ear.cuts > 0 for ear in ears),
        "paused": sum(bool(ear.pauses) for ear in ears),
        "pause_ms": spread([1000 * pause for ear in ears for pause in ear.pauses]).get("p50"),
    }


def a_minute(ear: Ear, samples: int) -> dict[str, float]:
    """Return how often the avatar was hushed in a minute, and the share of the time for which it was silent."""
    seconds = samples / SAMPLE_RATE
    return {"hushes": 60 * len(ear.hushed) / seconds, "silent": ear.silent_s / seconds}


def beginnings(sound: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Return pieces of a recording, each with one beginning of speech, and where in it that is."""
    sound, before = at_level(sound, SPEECH_DB), round(PAUSE_S * SAMPLE_RATE)
    cases = []
    for onset in onsets(sound):
        piece = sound[max(0, onset - before) : onset + round(AFTER_S * SAMPLE_RATE)]
        cases.append((padded(piece, 0.0), round(BEFORE_S * SAMPLE_RATE) + min(onset, before)))
    return cases


def main() -> None:
    """Measure all users."""
    parser = arguments_of(__doc__)
    parser.add_argument("--sentences", type=int, default=60, help="of the corpus")
    parser.add_argument("--film", type=Path, default=FILM, help="a recorded person")
    parser.add_argument("--speech", type=Path, help="a folder of wav files with recorded speech")
    arguments = parser.parse_args()
    lab = Lab(seed=0)
    said = [c.audio for c in load_corpus("all").clips if c.kind not in ("backchannel", "laugh", "story")]
    chosen = lab.rng.choice(len(said), min(arguments.sentences, len(said)), replace=False)
    users = {"corpus": [case for i in chosen for case in beginnings(np.array(said[i]))[:1]]}
    if arguments.film.is_file():
        users["person"] = beginnings(read_audio(arguments.film))
    if arguments.speech:
        files = sorted(arguments.speech.rglob("*.wav"))
        users["folder"] = [case for file in files for case in beginnings(read_audio(file))]
    report = {
        "hardware": hardware("cpu"),
        "detector": type(best_detector()).__name__,
        "speech": {name: len(cases) for name, cases in users.items()},
        "stops_ms": {name: lab.stops(cases) for name, cases in users.items()},
        "backchannels": lab.backchannels(),
        **lab.alone(),
    }
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
