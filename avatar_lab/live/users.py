"""Users for those who have no camera here: a recorded one, a simulated one, and anybody's film.

All of them look like a tracker to the session: `read(jpeg, captured_ms)` gives the face row of that moment, whatever
picture came with it (none does), and `hear(captured_ms)` gives the sound since the last call. The page's own stamps
are their clock, so a page that stalls finds its user in the present when it is back.

What is peculiar: they play in a loop, and the last frames are bent towards the first, so that the head does not jump.
Films are read here, on this machine; the copy that the decoder needs is deleted before anything is shown.

Notebook: 10 (real time).
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from avatar_lab.config import FPS, SAMPLE_RATE
from avatar_lab.data.face import check_track
from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.errors import MediaError

SEAM: Final = 15  # frames over which the end of a loop is bent towards its beginning
MAX_SECONDS: Final = 60.0  # of a film
MAX_BYTES: Final = 64_000_000
SYNTHETIC_SECONDS: Final = 60.0

Tell = Callable[[str], None]


class PlayedUser:
    """A performance that plays in a loop; a tracker to the session.

    >>> user = PlayedUser(Performance(neutral(50), np.zeros(50 * 640, np.float32)))
    >>> user.read(b"", 1000.0).shape
    (18,)
    """

    def __init__(self, performance: Performance) -> None:
        if len(performance.face) == 0:
            raise MediaError("This user does nothing: the film has no frames. Choose a longer one.")
        self.face = without_seam(performance.face)
        self.audio = performance.audio
        self._begin: float | None = None
        self._heard = 0
        self._lock = threading.Lock()

    @property
    def begin(self) -> float | None:
        """The stamp, on the page's clock, at which the loop began; None before the first call."""
        return self._begin

    def read(self, jpeg: bytes, captured_ms: float) -> Float32[np.ndarray, "P"] | None:
        """Return the face row at this moment."""
        frame = int(self._elapsed(captured_ms) * FPS)
        return self.face[frame % len(self.face)].copy()

    def hear(self, captured_ms: float) -> Float32[np.ndarray, "n"]:
        """Return the sound from the last call until this moment, a second at most."""
        with self._lock:
            until = int(self._elapsed(captured_ms) * SAMPLE_RATE)
            start = max(self._heard, until - SAMPLE_RATE)
            self._heard = max(self._heard, until)
        if len(self.audio) == 0 or until <= start:
            return np.zeros(0, np.float32)
        return self.audio[np.arange(start, until) % len(self.audio)]

    def close(self) -> None:
        """Nothing to release."""

    def _elapsed(self, captured_ms: float) -> float:
        if self._begin is None:
            self._begin = captured_ms
        return max(0.0, captured_ms - self._begin) / 1000.0


def without_seam(face: Float32[np.ndarray, "T P"]) -> Float32[np.ndarray, "T P"]:
    """Return a track whose end runs into its beginning."""
    bent = check_track(face).copy()
    frames = min(SEAM, len(bent) - 1)
    if frames > 0:
        ramp = np.linspace(0.0, 1.0, frames + 1, dtype=np.float32)[1:, None]
        bent[-frames:] += ramp * (bent[0] - bent[-1])
    return bent


def sample_user() -> PlayedUser:
    """Return the recorded user that comes with the package. Raises MediaError if it is not there."""
    from avatar_lab.data.media import read_audio
    from avatar_lab.data.speech import samples_dir

    folder = samples_dir() / "sample"
    for name in ("user_face.npz", "user.wav"):
        if not (folder / name).is_file():
            raise MediaError(f"The recorded user lacks {name} in {folder}. Reinstall avatar-lab.")
    with np.load(folder / "user_face.npz") as arrays:
        face = check_track(arrays["face"], "the sample's face")
    return PlayedUser(Performance(face, fit_audio(read_audio(folder / "user.wav"), len(face))))


def synthetic_user(seed: int = 0, seconds: float = SYNTHETIC_SECONDS) -> PlayedUser:
    """Return a simulated person in conversation; the same seed gives the same person."""
    from avatar_lab.data.conversation import simulate

    return PlayedUser(simulate(seconds=seconds, seed=seed).user)


def film_user(content: bytes, name: str, tell: Tell | None = None) -> PlayedUser:
    """Return the person in a film or sound file that the page sent.

    `tell` is called with a sentence now and then, since tracking takes about 18 ms a frame. Raises MediaError for
    anything that is no such file.
    """
    from avatar_lab.data.container import probe
    from avatar_lab.data.ingest import ingest

    if not content:
        raise MediaError("The file is empty. Choose a video of one person, or a sound file.")
    if len(content) > MAX_BYTES:
        raise MediaError(
            f"The file has {len(content) / 1e6:.0f} MB; expected at most {MAX_BYTES / 1e6:.0f}. Cut it to a minute."
        )

    def progress(done: int, expected: int | None) -> None:
        if tell is not None and done % FPS == 0:
            tell(
                f"Looking at your file: {done / FPS:.0f} s of {min((expected or 0) / FPS, MAX_SECONDS):.0f} s"
            )

    suffix = Path(name).suffix if len(Path(name).suffix) <= 6 else ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{suffix}"
        path.write_bytes(content)
        try:
            only_sound = not probe(path).has_video
            performance = ingest(path, max_seconds=MAX_SECONDS, progress=progress, speech_only=only_sound)
        except MediaError as error:
            raise MediaError(str(error).replace(str(path), Path(name).name)) from error
    return PlayedUser(Performance(performance.face, performance.audio))
