"""Look at this machine and say, in one verdict, what will work on it.

Every check is a small function that returns one `Check`; none of them raises, downloads or changes anything.
What is peculiar: a missing extra is advice, not a failure; only what `demo` needs can fail. The same report is
printed by `avatar-lab doctor` and shown in notebooks by `al.doctor()`. Notebook: 00.
"""

from __future__ import annotations

import html
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "advice", "fail"]
SIGNS: dict[str, str] = {"ok": "✓", "advice": "–", "fail": "✗"}


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """What was found, line by line, and the verdict."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """True when everything that `demo` needs is there."""
        return all(check.status != "fail" for check in self.checks)

    @property
    def verdict(self) -> str:
        """One sentence: what works, and what to mend first."""
        failed = [check for check in self.checks if check.status == "fail"]
        advised = [check for check in self.checks if check.status == "advice" and check.advice]
        if failed:
            return f"Not ready: {failed[0].name}. {failed[0].advice}".strip()
        if advised:
            return f"Ready. Optional: {'; '.join(check.name for check in advised)}."
        return "Ready: everything is in place."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "healthy": self.healthy,
            "verdict": self.verdict,
            "checks": [asdict(check) for check in self.checks],
        }

    def __str__(self) -> str:
        lines = [
            f"{SIGNS[c.status]} {c.name}: {c.found}{'. ' + c.advice if c.advice else ''}" for c in self.checks
        ]
        return "\n".join([*lines, self.verdict])

    def _repr_html_(self) -> str:
        colour = {"ok": "#2e7d32", "advice": "#9a6700", "fail": "#c62828"}
        rows = "".join(
            f"<tr><td style='color:{colour[c.status]};font-weight:bold'>{SIGNS[c.status]}</td>"
            f"<td style='text-align:left'><b>{html.escape(c.name)}</b></td>"
            f"<td style='text-align:left'>{html.escape(c.found)}</td>"
            f"<td style='text-align:left'>{html.escape(c.advice)}</td></tr>"
            for c in self.checks
        )
        return f"<p><b>{html.escape(self.verdict)}</b></p><table>{rows}</table>"


def version_of(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def at_least(version: str, wanted: Iterable[int]) -> bool:
    """Compare the leading numbers of a version string: `at_least("7.4.0", (7,))`."""
    numbers = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    return numbers >= list(wanted)


def check_python() -> Check:
    found = f"{platform.python_version()} on {platform.platform(terse=True)}, {platform.machine()}"
    return Check("Python", "ok", found)


def check_torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "fail", str(error).splitlines()[0], "pip install torch")
    device = "cpu only"
    if torch.cuda.is_available():
        device = f"cuda, {torch.cuda.get_device_name(0)}"
    elif torch.backends.mps.is_available():
        device = "mps (Apple)"
    return Check("torch", "ok", f"{torch.__version__}, {device}, {torch.get_num_threads()} threads")


def check_machine() -> Check:
    try:
        import psutil

        total = psutil.virtual_memory().total / 2**30
        free = psutil.virtual_memory().available / 2**30
        memory = f"{total:.0f} GiB memory, {free:.0f} free"
    except ImportError:
        memory, free = "memory unknown", 4.0
    found = f"{os.cpu_count()} cores, {memory}"
    if free < 1.5:
        return Check(
            "machine", "advice", found, "Less than 1.5 GiB is free: close something before training."
        )
    return Check("machine", "ok", found)


def check_disk(folder: Path | None = None) -> Check:
    free = shutil.disk_usage(folder or Path.cwd()).free / 2**30
    if free < 1:
        return Check("disk", "fail", f"{free:.1f} GiB free here", "Free some space: 1 GiB is needed.")
    return Check("disk", "ok", f"{free:.0f} GiB free here")


def check_opencv() -> Check:
    names = (
        "opencv-python",
        "opencv-contrib-python",
        "opencv-python-headless",
        "opencv-contrib-python-headless",
    )
    wheels = {name: version for name in names if (version := version_of(name))}
    try:
        import cv2
    except (ImportError, OSError) as error:
        advice = "pip install opencv-python; on a bare Debian also: apt-get install libgl1 libglib2.0-0"
        return Check("OpenCV", "fail", str(error).splitlines()[0], advice)
    found = f"cv2 {cv2.__version__} ({', '.join(wheels) or 'not from a wheel'})"
    if len(set(wheels.values())) > 1:
        versions = ", ".join(f"{name} {version}" for name, version in wheels.items())
        return Check("OpenCV", "advice", versions, "These share one folder: install them at one version.")
    return Check("OpenCV", "ok", found)


def check_graphics() -> Check:
    """mediapipe links libEGL and libGLESv2 on Linux; elsewhere it brings its own."""
    if not sys.platform.startswith("linux"):
        return Check("graphics libraries", "ok", "part of the system")
    import ctypes

    missing = []
    for library, package in (("libEGL.so.1", "libegl1"), ("libGLESv2.so.2", "libgles2")):
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if missing:
        return Check(
            "graphics libraries",
            "advice",
            f"missing {' and '.join(missing)}",
            f"sudo apt-get install {' '.join(missing)} (face tracking needs them)",
        )
    return Check("graphics libraries", "ok", "libEGL and libGLESv2")


def check_tracker() -> Check:
    mediapipe = version_of("mediapipe")
    if mediapipe is None:
        return Check("face tracker", "advice", "mediapipe is not installed", "pip install 'avatar-lab[live]'")
    from avatar_lab.data.assets import resolve
    from avatar_lab.errors import AvatarLabError

    try:
        model = resolve("face_landmarker", download=False)
    except (AvatarLabError, OSError) as error:
        return Check("face tracker", "advice", f"mediapipe {mediapipe}, no face model", str(error))
    return Check("face tracker", "ok", f"mediapipe {mediapipe}, {model.name} verified")


def check_weights() -> Check:
    from avatar_lab.cli.files import verify_weights

    good, bad = verify_weights()
    if bad:
        return Check("weights", "fail", "; ".join(bad), "Reinstall the package, or fetch the files again.")
    if not good:
        return Check("weights", "fail", "none found", "Reinstall the package, or train: avatar-lab train")
    return Check("weights", "ok", f"{', '.join(good)} verified")


def check_published() -> Check:
    """The published weights are the user's to fetch; say what it takes to run them."""
    version = version_of("transformers")
    if version is None:
        advice = "Only for the preset paper: pip install 'avatar-lab[published]'"
        return Check("published model", "advice", "transformers is not installed", advice)
    return Check("published model", "ok", f"transformers {version}; weights: avatar-lab import-published")


def check_samples() -> Check:
    from avatar_lab.cli.files import sample_files

    missing = [path.name for path in sample_files().values() if not path.is_file()]
    if missing:
        return Check("sample", "fail", f"missing {', '.join(missing)}", "Reinstall the package.")
    return Check("sample", "ok", "a talking user and a voice for the avatar")


def check_jupyter() -> Check:
    lab, kernel = version_of("jupyterlab"), version_of("ipykernel")
    if lab is None or kernel is None:
        return Check("Jupyter", "advice", "JupyterLab or ipykernel is missing", "pip install jupyterlab")
    found = f"JupyterLab {lab}, ipykernel {kernel}"
    if not at_least(kernel, (7,)):
        return Check(
            "Jupyter", "advice", found, "ipykernel 7 keeps widgets alive while a cell runs: upgrade it."
        )
    return Check("Jupyter", "ok", found)


def check_widget() -> Check:
    version = version_of("anywidget")
    if version is None:
        return Check("anywidget", "advice", "not installed", "pip install 'avatar-lab[live]'")
    return Check("anywidget", "ok", version)


def check_camera(environment: Mapping[str, str] | None = None) -> Check:
    """The browser owns the camera; say where it will not be had, why, and what stands in for it."""
    from avatar_lab.live.places import camera_place

    place = camera_place(os.environ if environment is None else environment)
    return Check("camera", "ok" if place.lent else "advice", place.found, place.instead)


CHECKS: tuple[Callable[[], Check], ...] = (
    check_python,
    check_torch,
    check_machine,
    check_disk,
    check_opencv,
    check_graphics,
    check_tracker,
    check_weights,
    check_published,
    check_samples,
    check_jupyter,
    check_widget,
    check_camera,
)


def doctor() -> Report:
    """Examine this machine. Takes a second or two (it imports torch and OpenCV); changes nothing."""
    return Report(tuple(check() for check in CHECKS))
