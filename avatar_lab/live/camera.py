"""The user in front of a camera: JPEG in, calibrated face row out.

What is peculiar: it is the tracker and the calibration of `al.ingest`, picture by picture, so that live and film give
the same track. Only the resting face is still being learned in the first seconds.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from avatar_lab.data.calibration import Calibrator
from avatar_lab.data.tracker import FaceTracker
from avatar_lab.stream.jpeg import decode_jpeg


class CameraReader:
    """A tracker as a session wants it.

    Attributes
    ----------
    found : whether a face was seen in the last picture; while it is lost its row is held, then eased to rest.
    damaged : pictures that could not be decoded.
    """

    def __init__(self) -> None:
        self._tracker, self._calibrator = FaceTracker(), Calibrator()
        self._last = -1
        self.found, self.damaged = False, 0

    def read(self, jpeg: bytes, captured_ms: float) -> Float32[np.ndarray, "P"] | None:
        """Return the face row of this picture; None before the first face, and for a picture that is damaged."""
        picture = decode_jpeg(jpeg)
        if picture is None:
            self.damaged += bool(jpeg)  # a tick may come without one
            self.found = False
            return None
        self._last = max(int(captured_ms), self._last + 1)  # the landmarker's time may never stand still
        raw = self._tracker.track(picture, self._last)
        self.found = raw is not None
        if raw is None and not self._calibrator.seen:
            return None
        return self._calibrator.update(raw)

    def close(self) -> None:
        """Release the tracker."""
        self._tracker.close()
