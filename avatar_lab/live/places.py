"""Where a notebook gets no camera, why, and what stands in for it.

A camera belongs to the browser, so the kernel can only guess from its surroundings, until a widget has been shown:
from then on the page's own word counts (`heard`), which knows its address and its browser. The same reasons, in the
page's words, stand in `static/base.js`.

Notebook: 11 (talk to it).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

INSTEAD: Final = "Press Recorded user, Synthetic user or Open a file in the widget"


class Place(NamedTuple):
    """What is known about the camera here.

    Attributes
    ----------
    lent : whether the widget can ask for it.
    found : where the notebook is, and why there is no camera.
    instead : what to do.
    """

    lent: bool
    found: str
    instead: str


_PAGE: dict[str, Any] = {}


def heard(page: Mapping[str, Any]) -> None:
    """Remember what the newest page said of itself: host, secure, camera."""
    _PAGE.clear()
    _PAGE.update(page)


def camera_place(
    environment: Mapping[str, str], page: Mapping[str, Any] | None = None, devices: int | None = None
) -> Place:
    """Say whether a camera can be had, from the environment of this process and what a page said.

    `devices` : cameras of this computer; by default they are counted, where that is possible.
    """
    page = _PAGE if page is None else page
    if page.get("host") == "vscode" or "VSCODE_PID" in environment or "VSCODE_IPC_HOOK_CLI" in environment:
        why = "VS Code shows notebooks in a frame that is never given a camera"
        return Place(False, f"VS Code: {why}", f"{INSTEAD}, or open the notebook in JupyterLab for your own.")
    if page.get("host") == "colab" or "COLAB_RELEASE_TAG" in environment:
        why = "the kernel is on another machine, and your camera stays on yours"
        return Place(False, f"Colab: {why}", f"{INSTEAD}, or run the notebook at home for your own.")
    if page and not page.get("secure"):
        why = "this page came by plain http from afar; browsers lend the camera to https or localhost"
        tunnel = "ssh -L 8888:localhost:8888 MACHINE, then http://localhost:8888"
        return Place(False, f"insecure origin: {why}", f"{INSTEAD}, or come through a tunnel: {tunnel}.")
    if page and not page.get("camera"):
        return Place(False, "this browser offers no camera to web pages", f"{INSTEAD}.")
    if page:
        return Place(True, "the page may ask for it", "")
    if "BINDER_SERVICE_HOST" in environment:
        return Place(True, "Binder, over https: the browser may lend it, but pictures go to that machine", "")
    here = len(list(Path("/dev").glob("video*"))) if devices is None else devices
    if here == 0 and (devices is not None or sys.platform.startswith("linux")):
        return Place(
            False,
            "no camera on this computer",
            f"{INSTEAD}. A browser on another computer has its own: come by https, or through a tunnel to localhost.",
        )
    return Place(True, "the browser asks for it, on localhost and https", "")
