"""The speech corpus: short clips of six synthetic voices, with the time of every phoneme.

Clips are sentences, backchannels ("mhm", "oh wow") and laughter. A fifth of the *sentences* is held out,
the same ones in every voice, so a model can be heard on words it never trained on.

A second corpus of the same form may be added for training (`with_more`): thousands of odd sentences, made by
`data_samples/build_speech.py --more`, too large to ship.

Peculiar: a voice is one Ogg file and is decoded once per process; a clip is a view into it. Mouth tracks
come from the phoneme times (`visemes.py`) when first asked for, and stay with the clip.

Notebook: 01 (conversations with a known answer). Rebuilt by `data_samples/build_speech.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import SAMPLE_RATE
from avatar_lab.data.visemes import mouth_track
from avatar_lab.errors import ConfigError, MediaError

SPLITS: Final = ("train", "test", "all")
VOICES: Final = 6
CLIP_KINDS: Final = ("statement", "question", "exclamation", "story", "answer", "backchannel", "laugh")


@dataclass(frozen=True, eq=False)
class Clip:
    """One utterance: sound, words and when each phoneme is spoken (seconds)."""

    voice: int
    kind: str
    mood: str  # neutral, happy, funny, sad, surprise, yes, no
    text: str
    split: str
    audio: Float32[np.ndarray, "N"]
    phonemes: tuple[str, ...]  # IPA symbols; "_" is silence
    starts: Float32[np.ndarray, "L"]
    ends: Float32[np.ndarray, "L"]
    stresses: Float32[np.ndarray, "S"]  # centres of the stressed vowels
    cues: Float32[np.ndarray, "C"]  # after 110 ms of low pitch: where a listener may say "mhm"

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE

    @cached_property
    def mouth(self) -> Float32[np.ndarray, "M 3"]:
        """Jaw, pucker and stretch, `visemes.MOUTH_RATE` rows a second."""
        return mouth_track(self.phonemes, self.starts, self.ends, self.audio)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips of one split; `of` picks by voice and kind."""

    clips: tuple[Clip, ...]
    split: str

    def of(self, voice: int, *kinds: str) -> tuple[Clip, ...]:
        """Return this voice's clips of these kinds. Raises ConfigError if there are none."""
        found = _of(self, voice, kinds)
        if not found:
            raise ConfigError(
                f"No clip of voice {voice} and kind {' or '.join(kinds)}: voices are 0..{VOICES - 1}, "
                f"kinds {', '.join(CLIP_KINDS)}."
            )
        return found


@lru_cache(maxsize=256)
def _of(corpus: Corpus, voice: int, kinds: tuple[str, ...]) -> tuple[Clip, ...]:
    return tuple(clip for clip in corpus.clips if clip.voice == voice and clip.kind in kinds)


def samples_dir() -> Path:
    """Return the folder `data_samples`: beside the package in a checkout, inside it when installed.

    Raises MediaError if neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data_samples", package.parent / "data_samples"):
        if (folder / "speech" / "clips.json").is_file():
            return folder
    raise MediaError(
        f"The speech corpus was expected in {package / '_data_samples'} or {package.parent / 'data_samples'}, "
        "but neither holds speech/clips.json. Reinstall avatar_lab or run data_samples/build_speech.py."
    )


def load_corpus(split: str = "train") -> Corpus:
    """Return the clips of one split, decoded; later calls return the same object.

    Raises ConfigError for an unknown split, MediaError if the corpus is missing or damaged.
    """
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}; got {split!r}.")
    return _load(split, samples_dir())


@lru_cache(maxsize=8)
def _load(split: str, folder: Path) -> Corpus:
    everything = _load_everything(folder)
    if split == "all":
        return Corpus(everything, split)
    return Corpus(tuple(clip for clip in everything if clip.split == split), split)


@lru_cache(maxsize=2)
def _load_everything(folder: Path) -> tuple[Clip, ...]:
    return _read(folder / "speech")


@lru_cache(maxsize=2)
def with_more(folder: Path) -> Corpus:
    """Return the training clips together with those of `folder`, which `build_speech.py --more` made.

    Raises MediaError if there is no such corpus, ConfigError if it holds held-out sentences.
    """
    if not (folder / "clips.json").is_file():
        raise MediaError(
            f"A speech corpus (clips.json, voice_0.ogg, ...) was expected in {folder}, but it is not there. "
            f"Make it: python data_samples/build_speech.py --more 1000 --out {folder}"
        )
    more, held_out = _read(folder), {clip.text for clip in load_corpus("test").clips}
    told = sorted({clip.text for clip in more} & held_out) + [c.text for c in more if c.split != "train"]
    if told:
        raise ConfigError(f"{folder} is for training, but it holds held-out sentences such as {told[0]!r}.")
    return Corpus(load_corpus("train").clips + more, "train")


def _read(folder: Path) -> tuple[Clip, ...]:
    index = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
    sounds = {number: _decode(folder / f"voice_{number}.ogg") for number in range(VOICES)}
    return tuple(_clip(entry, sounds[entry["voice"]]) for entry in index["clips"])


def _decode(path: Path) -> Float32[np.ndarray, "N"]:
    import soundfile

    try:
        audio, rate = soundfile.read(path, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(
            f"Cannot read the voice {path}: {error}. Reinstall, or rebuild the corpus."
        ) from error
    if rate != SAMPLE_RATE or audio.ndim != 1:
        raise MediaError(f"{path} must be mono at {SAMPLE_RATE} Hz; got {audio.shape} at {rate} Hz.")
    audio.setflags(write=False)  # clips are views: nobody may scribble on the shared sound
    return audio


def _clip(entry: dict[str, Any], sound: Float32[np.ndarray, "N"]) -> Clip:
    audio = sound[entry["offset"] : entry["offset"] + entry["samples"]]
    if len(audio) != entry["samples"]:
        raise MediaError(f"Voice {entry['voice']} is shorter than clips.json says. Rebuild the corpus.")
    phonemes = tuple(entry["phonemes"].split(" "))
    starts = np.array(entry["starts"], np.float32) / 1000
    ends = np.array(entry["ends"], np.float32) / 1000
    return Clip(
        voice=entry["voice"],
        kind=entry["kind"],
        mood=entry["mood"],
        text=entry["text"],
        split=entry["split"],
        audio=audio,
        phonemes=phonemes,
        starts=starts,
        ends=ends,
        stresses=((starts + ends) / 2)[entry["stressed"]],
        cues=np.array(entry["cues"], np.float32) / 1000,
    )
