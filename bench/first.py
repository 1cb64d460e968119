"""Measure what the README promises of pictures and speed. Prints a table and writes JSON.

    python bench/first.py --json bench/results/first.json [--quick] [--video USER.mp4]

Every row says what was measured, against which floor and aim. The JSON holds

    hardware   the machine, as `avatar-lab doctor` names it
    rows       {key, name, unit, value, floor, aim, higher_is_better, verdict}
    details    the whole evaluation reports behind the rows

Speed is measured on as many threads as torch takes, except where a row says "one core". The autoencoder's quality is
copied from the report that `bench/autoencoder.py` wrote. Rows about a real video need `--video` (never a file of
this repository) and are left out without it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import avatar_lab as al
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.data.face import FACE_SPECS, clamp

CLOCK = SystemClock()
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One promise and what came of it."""

    key: str
    name: str
    unit: str
    value: float
    floor: float
    aim: float
    higher_is_better: bool

    @property
    def verdict(self) -> str:
        sign = 1 if self.higher_is_better else -1
        if sign * self.value >= sign * self.aim:
            return "aim"
        return "floor" if sign * self.value >= sign * self.floor else "missed"


def median_ms(action: Callable[[], object], repeat: int) -> float:
    """Return the median time of `action` in milliseconds, after one warm-up."""
    action()
    times = []
    for _ in range(repeat):
        began = CLOCK.now()
        action()
        times.append(1000 * (CLOCK.now() - began))
    return float(np.median(times))


def random_poses(count: int) -> np.ndarray:
    """Return natural poses: small departures from rest in every parameter."""
    rng = np.random.default_rng(0)
    spread = np.array([(s.high - s.low) / 6 for s in FACE_SPECS])
    rest = np.array([s.neutral for s in FACE_SPECS])
    return clamp((rest + spread * rng.standard_normal((count, len(rest)))).astype(np.float32))


def puppet_rows(repeat: int) -> Iterator[Row]:
    """Time the drawn character on one core."""
    import cv2

    cv2.setNumThreads(1)
    for size, floor, aim in ((128, 20, 8), (256, 35, 15)):
        puppet, poses = al.Puppet(3, size), iter(random_poses(repeat + 1))
        ms = median_ms(lambda p=puppet, q=poses: p.draw(next(q)), repeat)
        yield Row(f"puppet_{size}", f"puppet, {size} px, one core", "ms a frame", ms, floor, aim, False)
    cv2.setNumThreads(-1)


def engine_row(avatar: al.Avatar, blocks: int) -> Row:
    """Time one block of the lab avatar: generate 200 ms and draw its five frames at 128 px."""
    dyad = al.simulate(seconds=blocks * 0.2, seed=11)
    timing = al.react(avatar, dyad.user, dyad.avatar.audio, size=128).timing
    ms = timing["compute_p50_ms"]
    return Row("block", "one 200 ms block: 8 guided steps and 5 frames at 128 px", "ms", ms, 140, 60, False)


def import_row() -> Row:
    """Time `import avatar_lab` in a fresh interpreter, the interpreter's own start taken off."""

    def start(code: str) -> float:
        return median_ms(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)

    seconds = (start("import avatar_lab") - start("pass")) / 1000
    return Row("import", "import avatar_lab", "s", seconds, 2.0, 1.0, False)


def simulator_row() -> Row:
    """Time the conversation simulator without pictures."""
    al.simulate(seconds=5, seed=0)
    began = CLOCK.now()
    al.simulate(seconds=300, seed=1)
    speed = 300 / (CLOCK.now() - began)
    return Row("simulate", "simulator without pictures", "x real time", speed, 100, 100, True)


def video_rows(avatar: al.Avatar, video: Path) -> tuple[list[Row], dict[str, Any]]:
    """Time tracking and the whole main job on a real video."""
    from avatar_lab.data.calibration import Calibrator
    from avatar_lab.data.media import read_video
    from avatar_lab.data.tracker import FaceTracker

    frames, calibrator = list(read_video(video, max_seconds=8)), Calibrator()
    with FaceTracker() as tracker:
        times = []
        for index, frame in enumerate(frames):
            began = CLOCK.now()
            avatar.face_space.encode(calibrator.update(tracker.track(frame, index * 40))[None])
            times.append(1000 * (CLOCK.now() - began))
    began = CLOCK.now()
    user = al.ingest(video)
    al.react(avatar, user, size=128)
    wall = CLOCK.now() - began
    rows = [
        Row("tracker", "tracker to coefficients", "ms a frame", float(np.median(times)), 25, 16, False),
        Row(
            "react",
            "main job on a real video, wall clock over its length",
            "x length",
            wall / user.seconds,
            40 / 15.8,
            1.0,
            False,
        ),
    ]
    return rows, {"seconds": user.seconds, "wall_s": wall, "quality": user.quality}


def autoencoder_rows(path: Path) -> list[Row]:
    """Read what `bench/autoencoder.py` measured."""
    if not path.is_file():
        return []
    report = json.loads(path.read_text("utf-8"))
    all_poses = report["all"]
    table = [
        (
            "psnr",
            "autoencoder, held-out people: whole picture",
            "dB",
            all_poses["psnr_whole_db"],
            25,
            28,
            True,
        ),
        ("psnr_face", "autoencoder, held-out people: face", "dB", all_poses["psnr_face_db"], 22, 25, True),
        (
            "leak",
            "identity leak: skin colour from motion",
            "R2",
            report["identity_leak_r2"],
            0.15,
            0.05,
            False,
        ),
    ]
    bounds = {"pose": (0.9, 0.97), "jaw_blink": (0.8, 0.92), "smile_brow": (0.6, 0.85), "gaze": (0.3, 0.7)}
    for group, (floor, aim) in bounds.items():
        name = f"image encoder: {group.replace('_', ', ')}"
        table.append((f"r2_{group}", name, "R2", all_poses["r2"][f"group_{group}"], floor, aim, True))
    return [Row(*row) for row in table]


def show(rows: list[Row]) -> None:
    """Print the table."""
    for row in rows:
        bounds = f"floor {row.floor:g}, aim {row.aim:.3g}"
        print(f"{row.verdict:>7}  {row.name:<58} {row.value:9.3f} {row.unit:<12} ({bounds})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument(
        "--video", type=Path, help="a real video of a talking person, for the rows that need one"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    chosen = parser.parse_args()
    avatar = al.load("lab", device="cpu")
    rows = [*puppet_rows(20 if chosen.quick else 100), engine_row(avatar, 20 if chosen.quick else 100)]
    rows += [import_row(), simulator_row()]
    details: dict[str, Any] = {}
    if chosen.video:
        found, details["video"] = video_rows(avatar, chosen.video)
        rows += found
    rows += autoencoder_rows(RESULTS / "autoencoder.json")
    show(rows)
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "hardware": hardware() | {"load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None},
            "threads": torch.get_num_threads(),
            "rows": [asdict(row) | {"verdict": row.verdict} for row in rows],
            "details": details,
        }
        chosen.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
