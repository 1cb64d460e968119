"""The front door for real people: a video becomes a `Performance`, with an honest report of how well it went.

Picture: `video.py` -> `tracker.py` -> `calibration.py`. Sound: `sound.py`, tied to the first picture.
What is peculiar: nothing is repaired in silence. Lost faces are bridged and counted, a header that
disagrees with the contents is reported, and an offset between lips and voice is estimated but never
corrected.

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.calibration import Calibrator
from avatar_lab.data.face import FACE_INDEX, neutral
from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.data.quality import av_offset, sound_report, track_report
from avatar_lab.data.sound import read_audio
from avatar_lab.data.tracker import MAX_SIDE, FaceTracker, RawFace
from avatar_lab.data.video import VideoReader, read_video
from avatar_lab.errors import MediaError

GOOD_DETECTION: Final = 0.9  # below this share of frames with a face there is a warning
GOOD_OFFSET_MS: Final = (-80.0, 120.0)  # lips may lead the sound by 120 ms before anyone minds
SURE: Final = 0.95
_JAW: Final = FACE_INDEX["jaw_open"]

Progress = Callable[[int, int | None], None]


@runtime_checkable
class Tracker(Protocol):
    """What `ingest` needs of a face tracker."""

    def reset(self) -> None: ...

    def track(self, frame: np.ndarray, time_ms: int) -> RawFace | None: ...


def ingest(
    path: str | os.PathLike[str],
    *,
    max_seconds: float | None = None,
    progress: Progress | None = None,
    tracker: Tracker | None = None,
    speech_only: bool = False,
) -> Performance:
    """Read a video of one person: face track at 25 fps, sound at 16 kHz, and a `.quality` report.

    Parameters
    ----------
    path : a video; with `speech_only` any sound file, whose speaker's face stays at rest.
    max_seconds : read no more than this.
    progress : called as progress(frames done, frames expected or None).
    tracker : one to reuse (it is reset, not closed); by default one is made and closed.

    Raises MediaError if the file cannot be read, holds no face at all, or mediapipe is missing (extra
    `live`).
    """
    path = Path(path)
    if speech_only:
        return _voice_alone(path, max_seconds)
    with (
        read_video(path, max_seconds=max_seconds, max_side=MAX_SIDE) as reader,
        FaceTracker() if tracker is None else nullcontext(tracker) as follower,
    ):
        raws = _follow(reader, follower, progress, max_seconds)
        if not any(raws):
            raise MediaError(
                f"No face was found in the {len(raws)} frames of {path}. Expected one person, facing the"
                " camera and"
                " at least a tenth of the picture high. Check that the video is upright and bright enough."
            )
    audio = _soundtrack(path, reader, len(raws))
    calibrator = Calibrator()
    calibrator.learn(raws)
    face = np.stack([calibrator.update(raw) for raw in raws])
    quality = _report(reader, raws, face, audio, calibrator)
    return Performance(face, fit_audio(audio, len(face)), quality, path)


def ingest_speech(
    path: str | os.PathLike[str], *, max_seconds: float | None = None
) -> Float32[np.ndarray, "N"]:
    """Read an avatar's voice as 16 kHz mono, whatever rate and channels it came in.

    Silence is allowed. Raises MediaError if there is no sound, less than one frame (40 ms) of it, or
    samples that are no numbers. `quality.sound_report` tells loudness and clipping.
    """
    audio = read_audio(path, max_seconds=max_seconds)
    if len(audio) < SAMPLES_PER_FRAME:
        raise MediaError(
            f"{path} lasts {1000 * len(audio) / (FPS * SAMPLES_PER_FRAME):.0f} ms. Expected at least one"
            " frame"
            " (40 ms) of speech: record or export it again."
        )
    return audio


def _voice_alone(path: Path, max_seconds: float | None) -> Performance:
    audio = ingest_speech(path, max_seconds=max_seconds)
    frames = -(-len(audio) // SAMPLES_PER_FRAME)
    sound = sound_report(audio)
    quality = {"frames": frames, "detection_rate": None, **sound, "warnings": _sound_warnings(sound)}
    return Performance(neutral(frames), fit_audio(audio, frames), quality, path)


def _follow(
    reader: VideoReader, tracker: Tracker, progress: Progress | None, max_seconds: float | None
) -> list[RawFace | None]:
    """Track every frame; the expected total is only a claim and only shown."""
    claims = [s for s in (reader.claimed_seconds, max_seconds) if s is not None]
    expected = max(1, round(min(claims) * FPS)) if claims else None
    tracker.reset()
    raws = []
    for index, frame in enumerate(reader):
        raws.append(tracker.track(frame, index * 1000 // FPS))
        if progress is not None:
            progress(index + 1, expected)
    return raws


def _soundtrack(path: Path, reader: VideoReader, frames: int) -> Float32[np.ndarray, "N"]:
    if not reader.has_audio:
        return np.zeros(0, np.float32)
    return read_audio(path, start=reader.start, max_seconds=frames / FPS, may_be_empty=True)


def _report(
    reader: VideoReader,
    raws: list[RawFace | None],
    face: Float32[np.ndarray, "T P"],
    audio: Float32[np.ndarray, "N"],
    calibrator: Calibrator,
) -> dict[str, Any]:
    """Everything measured about one recording, as JSON-ready values."""
    seen = np.array([raw is not None for raw in raws])
    mouth = _mouth(raws)
    offset, confidence = av_offset(mouth, audio) if len(audio) else (None, 0.0)
    sound = sound_report(audio)
    quality: dict[str, Any] = {
        "frames": len(face),
        "detection_rate": round(float(seen.mean()), 4),
        "bridged_frames": int((~seen).sum()),
        "longest_gap_s": round(_longest_gap(seen) / FPS, 3),
        "faces_max": max(raw.faces for raw in raws if raw is not None),
        "face_switches": sum(raw.switched for raw in raws if raw is not None),
        **track_report(face),
        **sound,
        "av_offset_ms": offset,
        "av_offset_confidence": round(confidence, 3),
        "fps_in": round(reader.fps_in, 3),
        "variable_frame_rate": reader.variable_frame_rate,
        "source_frames": reader.source_frames,
        "rotation": reader.rotation,
        "mirrored": reader.mirrored,
        "claimed_seconds": reader.claimed_seconds,
        "damaged_packets": reader.damaged,
        "gaps_closed": reader.gaps_closed,
        "neutral": calibrator.neutral,
    }
    quality["warnings"] = _warnings(quality, reader)
    return quality


def _mouth(raws: list[RawFace | None]) -> Float32[np.ndarray, "T M"]:
    """Jaw and lip gap per frame; lost frames keep the last value."""
    rows, last = [], (0.0, 0.0)
    for raw in raws:
        last = last if raw is None else (float(raw.row[_JAW]), raw.lip_gap)
        rows.append(last)
    return np.array(rows, np.float32)


def _longest_gap(seen: np.ndarray) -> int:
    longest = run = 0
    for here in seen:
        run = 0 if here else run + 1
        longest = max(longest, run)
    return longest


def _warnings(quality: dict[str, Any], reader: VideoReader) -> list[str]:
    """Short sentences, the gravest first."""
    rate, faces, switches = (quality[key] for key in ("detection_rate", "faces_max", "face_switches"))
    claimed, got = quality["claimed_seconds"], quality["frames"] / FPS
    disagree = claimed is not None and not reader.limited and abs(claimed - got) > max(0.5, 0.02 * got)
    checks = [
        (rate < GOOD_DETECTION, f"Only {100 * rate:.0f} % of the frames show a face."),
        (
            quality["longest_gap_s"] > 1.0,
            f"The longest gap without a face is {quality['longest_gap_s']:.1f} s.",
        ),
        (faces > 1, f"Up to {faces} faces are seen; the largest near the middle is followed."),
        (switches > 0, f"The followed face changed {switches} times."),
        (not reader.has_audio, "The video has no sound; silence is used."),
        (disagree, f"The header claims {claimed or 0:.1f} s, but {got:.1f} s of picture were decoded."),
        (quality["damaged_packets"] > 0, f"{quality['damaged_packets']} damaged packets were skipped."),
        (quality["gaps_closed"] > 0, f"{quality['gaps_closed']} jumps in the time stamps were closed."),
        (got < 3.0, f"Only {got:.2f} s of picture: too short to learn the resting face well."),
    ]
    found = [sentence for wrong, sentence in checks if wrong]
    return found + (_sound_warnings(quality) if reader.has_audio else []) + _offset_warning(quality)


def _offset_warning(quality: dict[str, Any]) -> list[str]:
    offset = quality["av_offset_ms"]
    if offset is None or GOOD_OFFSET_MS[0] <= offset <= GOOD_OFFSET_MS[1]:
        return []
    order = "The lips lead the sound" if offset > 0 else "The sound leads the lips"
    doubt = "" if quality["av_offset_confidence"] >= SURE else "perhaps "
    return [f"{order} by {doubt}{abs(offset):.0f} ms; nothing was shifted."]


def _sound_warnings(sound: dict[str, Any]) -> list[str]:
    if sound["silent"]:
        return ["The sound is silent."]
    found = []
    if sound["loudness_dbfs"] < -40.0:
        found.append(f"The sound is very quiet ({sound['loudness_dbfs']:.0f} dBFS).")
    if sound["clipped_fraction"] > 0.001:
        found.append(f"{100 * sound['clipped_fraction']:.1f} % of the samples are clipped.")
    return found
