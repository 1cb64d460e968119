"""The camera's reader: damaged pictures are counted, missing ones are not, and a smile is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_lab.data.face import FaceParams
from avatar_lab.live import camera
from avatar_lab.live.connect import Watching
from avatar_lab.live.speaker import Speaker
from avatar_lab.stream.jpeg import encode_jpeg


class Tracker:
    """Sees a resting face in every picture; keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[np.ndarray] = []

    def track(self, picture: np.ndarray, at: int) -> None:
        self.shown.append(picture)

    def close(self) -> None:
        pass


def test_only_a_picture_that_came_can_be_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "FaceTracker", Tracker)
    reader: Any = camera.CameraReader()
    assert reader.read(b"", 0.0) is None
    assert reader.damaged == 0
    assert reader.read(b"no picture", 40.0) is None
    assert reader.damaged == 1
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 250
    reader.read(encode_jpeg(red), 80.0)
    assert reader.damaged == 1
    assert reader._tracker.shown[0][..., 0].mean() > 200, "the tracker sees RGB"


def test_a_smile_is_noticed_once_and_damage_is_passed_on() -> None:
    events: list[str] = []

    class Reader:
        damaged = 3

        def read(self, jpeg: bytes, captured_ms: float) -> np.ndarray:
            return FaceParams(smile=(0.0, 0.5, 0.5, 0.0, 0.5)[int(captured_ms)]).array()

        def close(self) -> None:
            pass

    class Listener(Speaker):
        def notice(self, event: str) -> None:
            events.append(event)

    watching = Watching(Reader(), Listener())
    for at in range(5):
        watching.read(b"", float(at))
    assert events == ["smile", "smile"]
    assert watching.damaged == 3
