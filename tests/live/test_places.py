"""Where no camera can be had: the reason, and what stands in for it."""

from __future__ import annotations

from typing import Any

import pytest

from avatar_lab.live import places
from avatar_lab.live.places import camera_place, heard

GOOD = {"host": "browser", "secure": True, "camera": True}


@pytest.mark.parametrize(
    ("environment", "page", "devices", "words"),
    [
        ({"VSCODE_PID": "1"}, {}, 1, "VS Code"),
        ({}, {**GOOD, "host": "vscode"}, 1, "VS Code"),
        ({"COLAB_RELEASE_TAG": "x"}, {}, 1, "Colab"),
        ({}, {**GOOD, "host": "colab"}, 1, "Colab"),
        ({}, {**GOOD, "secure": False, "camera": False}, 1, "insecure origin"),
        ({}, {**GOOD, "camera": False}, 1, "this browser"),
        ({}, {}, 0, "no camera on this computer"),
    ],
)
def test_why_there_is_none_and_what_to_do(
    environment: dict[str, str], page: dict[str, Any], devices: int, words: str
) -> None:
    place = camera_place(environment, page, devices)
    assert not place.lent
    assert place.found.startswith(words)
    assert "Recorded user" in place.instead


def test_where_there_is_one() -> None:
    assert camera_place({}, {}, 1).lent
    assert camera_place({}, GOOD, 0).lent, "the browser's own camera counts, not this computer's"


def test_what_the_page_said_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_PAGE", {})
    assert camera_place({}, devices=1).lent
    heard({"host": "browser", "secure": False, "camera": False})
    assert "insecure" in camera_place({}, devices=1).found
