"""The door for real recordings: read any video or sound, write mp4 and wav.

Frames are RGB uint8 `(H, W, 3)` at exactly 25 a second, sound is float32 mono at 16 kHz in [-1, 1]; both
start with the first picture. The parts: `container.py` opens files and names what is wrong with them,
`video.py` and `sound.py` read, `encode.py` writes (whole or not at all).

Notebook: 01 (conversations with a known answer).
"""

from __future__ import annotations

from avatar_lab.data.container import MediaInfo, probe
from avatar_lab.data.encode import check_writable, write_video, write_wav
from avatar_lab.data.sound import read_audio
from avatar_lab.data.video import VideoReader, read_video

__all__ = [
    "MediaInfo",
    "VideoReader",
    "check_writable",
    "probe",
    "read_audio",
    "read_video",
    "write_video",
    "write_wav",
]
