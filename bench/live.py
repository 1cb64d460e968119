"""The live widget in JupyterLab and Chromium, timed: from a face to its answer, in step with its voice, after stalls.

    python bench/live.py --minutes 10 --json bench/results/live_MACHINE.json

It drives what `tests/browser` drives: a fake camera plays a film of a face (a real person where `../shared/media` has
one, else a drawn one), and the page's own clock takes the times. Browser, JupyterLab, kernel and face tracking share
the machine, and pictures are drawn in software. The JSON holds

    block, pyramid    path_ms: from the capture of a camera picture to the first shown picture that could depend on it,
                      for every picture, so the wait for its block is in it. stages_ms: where it goes, for the newest
                      picture of each block. shown_fps. offset_ms: picture against its sound, + is sound first (ITU-R
                      BT.1359 allows +45 to -125). underruns, dropped. memory: resident megabytes of the kernel and
                      their slope. heals_s: seconds until the path is within 50 ms of its median again, after the
                      mover stood still for 0.2, 1 and 5 s
    mirror            glass_to_glass_ms: pixel to pixel, with a mirror in the place of the model
    left_over         threads of the session and tracks of the camera after Stop
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware

WARM_UP_S, MIRROR_S, LOOK_S, SETTLED_MS = 15.0, 40.0, 10.0, 50.0
STALLS_S = (0.2, 1.0, 5.0)
CELL = "from avatar_lab.live.widget import LiveAvatar\nw = LiveAvatar({})\nw"
STALL = """
import time as _time
def _stall(seconds):
    mover = w._desk.keeper.pipeline._mover
    usual = mover.move
    def once(*arguments):
        mover.move = usual
        _time.sleep(seconds)
        return usual(*arguments)
    mover.move = once
"""
MEMORY = "import psutil; print(psutil.Process().memory_info().rss / 1e6)"
THREADS = "import threading; print(sum(t.name.startswith('avatar') for t in threading.enumerate()))"
FORGET = """() => {
    const { glass, session } = document.querySelector('.avl').liveAvatar;
    glass.clear();
    session.player.offset.items = [];
    window.__began = performance.now();
    window.__counts = { ...session.player.counts, lost: session.counts.lost };
}"""
FIGURES = """() => {
    const { glass, session } = document.querySelector('.avl').liveAvatar;
    const counts = { ...session.player.counts, lost: session.counts.lost };
    for (const name in counts) counts[name] -= window.__counts[name];
    return {
        now: performance.now(), seconds: (performance.now() - window.__began) / 1000, counts,
        path: glass.all.items.map(i => [i.at, i.value]),
        offset: session.player.offset.items.map(i => i.value),
        sound_late: (session.player.clock.now() - session.player.clock.heard()) * 1000,
        heap: performance.memory ? performance.memory.usedJSHeapSize / 1e6 : null,
        quality: session.player.face?.block.message.quality ?? '',
    };
}"""


def load_harness() -> ModuleType:
    """Return the browser tests' harness."""
    path = Path(__file__).resolve().parents[1] / "tests" / "browser" / "harness.py"
    spec = importlib.util.spec_from_file_location("harness", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"bench/live.py: {path} is missing. Run it in a checkout.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    return module


def spread(values: list[float]) -> dict[str, float | int]:
    """Return median, p95 and p99 of some milliseconds."""
    if not values:
        return {"n": 0}
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "n": len(values)}


def slope(times: list[float], values: list[float]) -> float:
    """Return the slope of a straight line through them, per hour."""
    return float(3600 * np.polyfit(times, values, 1)[0]) if len(times) > 2 else float("nan")


def stream(page: Any, seconds: float) -> dict[str, Any]:
    """Let a session run; return its figures."""
    time.sleep(WARM_UP_S)
    page.tab.evaluate(FORGET)
    began, times, kernel, heap, stages, quality = time.monotonic(), [], [], [], [], []
    while time.monotonic() - began < seconds:
        time.sleep(min(LOOK_S, max(0.0, seconds - (time.monotonic() - began))))
        times.append(time.monotonic() - began)
        kernel.append(float(page.execute(MEMORY)))
        figures = page.tab.evaluate(FIGURES)
        heap.append(figures["heap"] or 0.0)
        stages.append(page.report()["stages"])
        quality.append(figures["quality"])
    offset = np.percentile(figures["offset"], (1, 50, 99)).tolist() if figures["offset"] else [None] * 3
    counts = figures["counts"]
    return {
        "seconds": figures["seconds"],
        "path_ms": spread([value for _, value in figures["path"]]),
        "stages_ms": {
            name: {q: float(np.nanmedian([s[name][q] or np.nan for s in stages])) for q in ("p50", "p95")}
            for name in stages[0]
        },
        "shown_fps": counts["frames"] / figures["seconds"],
        "offset_ms": dict(zip(("p1", "p50", "p99"), offset, strict=True)),
        "sound_card_ms": figures["sound_late"],
        "underruns": counts["underruns"],
        "dropped": {"camera": counts["lost"], "avatar": counts["late"]},
        "quality_seen": sorted(set(quality)),
        "memory": {
            "kernel_mb": kernel[-1],
            "kernel_mb_an_hour": slope(times, kernel),
            "page_heap_mb": heap[-1],
        },
    }


def heal(page: Any, seconds: float, usual_ms: float) -> dict[str, float]:
    """Let the mover stand still once; return how long the delay took to be what it was."""
    page.execute(f"_stall({seconds})")
    time.sleep(seconds + 12.0)
    figures = page.tab.evaluate(FIGURES)
    path = np.array([p for p in figures["path"] if p[0] > figures["now"] - 1000 * (seconds + 12.0)])
    if len(path) == 0:
        return {"back_after_s": float("nan")}
    worst = int(path[:, 1].argmax())  # the first picture after the stall is the oldest one
    after = path[worst:]
    end = float(after[0, 0])
    back = float("nan")
    for at in np.arange(end, end + 10_000, 100.0):
        window = after[(after[:, 0] >= at) & (after[:, 0] < at + 1000), 1]
        if len(window) and np.median(window) <= usual_ms + SETTLED_MS:
            back = (at - end) / 1000
            break
    return {"worst_ms": float(path[worst, 1]), "back_after_s": back}


def session(harness: Any, lab: Any, browser: Any, options: str, seconds: float) -> dict[str, Any]:
    """Measure one notebook with a camera."""
    page = browser.page(lab, lab.notebook(f"live_{time.monotonic_ns()}", [CELL.format(options)]))
    page.run()
    page.watch_tracks()
    page.start("camera")
    made = stream(page, seconds)
    page.execute(STALL)
    made["heals_s"] = {f"{s:g}": heal(page, s, made["path_ms"].get("p50", np.nan)) for s in STALLS_S}
    page.stop()
    harness.wait_for(lambda: page.execute(THREADS) == "0", "threads are left", seconds=30)
    made["left_over"] = {"tracks": page.tracks(), "threads": int(page.execute(THREADS))}
    made["errors"] = page.errors
    page.shut_kernel()
    page.close()
    return made


def mirror(harness: Any, lab: Any, folder: Path) -> dict[str, Any]:
    """Time a mirror, pixel to pixel."""
    with harness.Browser(harness.event_film(folder)) as browser:
        page = browser.page(lab, lab.notebook("mirror", [CELL.format("engine='mirror'")]))
        page.run()
        page.start("camera")
        time.sleep(WARM_UP_S)
        seen = page.glass_to_glass(MIRROR_S)
        report = page.report()
        page.stop()
        page.shut_kernel()
        page.close()
    return {
        "events": seen["events"],
        "glass_to_glass_ms": spread(seen["delays"]),
        "from_the_page_s_own_camera_picture_ms": spread(seen["from_screen"]),
        "shown_fps": report["fps"],
    }


def main() -> None:
    """Measure block, pyramid and mirror."""
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of block mode; the others take less")
    arguments = parser.parse_args()
    harness = load_harness()
    if why := harness.missing():
        raise SystemExit(f"bench/live.py: {why}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with harness.Lab(folder) as lab:
            with harness.Browser(harness.face_film(folder / "face")) as browser:
                report: dict[str, Any] = {
                    "hardware": {
                        **hardware(),
                        "browser": browser.version,
                        "load_before": os.getloadavg()[0],
                        "film": "real person" if harness.FILM.is_file() else "drawn person",
                    },
                    "block": session(harness, lab, browser, "", 60 * arguments.minutes),
                    "pyramid": session(
                        harness, lab, browser, "schedule='pyramid', nfe=4", min(60 * arguments.minutes, 120)
                    ),
                }
            report["mirror"] = mirror(harness, lab, folder / "events")
    report["hardware"]["load_after"] = os.getloadavg()[0]
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
