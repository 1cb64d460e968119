"""The live widget in a real browser: how late it is, how smooth, how soon it is back after a stall, whether it grows.

    python bench/live.py --minutes 10 --json bench/results/live.json
    python bench/live.py --minutes 0.5

JupyterLab, its kernel and Chromium (headless, drawing in software) run on this machine, with a fake camera and
microphone that play a talking face: a real one where `tests/browser/harness.py` finds its film, else a drawn one.
`--minutes` are shared by three runs: blocks, pyramid, and a mirror, which copies the user's newest face at once: the
delay of everything but the model. Path latency is the page's own: from the capture of a picture to the first picture
shown that could depend on it, every picture counted. Stalls are injected by stopping the kernel's process; recovered is
the time until the median of the last pictures is within 100 ms of what it was.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock

BROWSER = Path(__file__).parents[1] / "tests" / "browser"
RUNS = {
    "block": "LiveAvatar()",
    "pyramid": "LiveAvatar(schedule='pyramid', nfe=4)",
    "mirror": "LiveAvatar(engine='mirror')",
}
STALLS_S = (0.2, 1.0, 5.0)
NEAR_MS, GIVE_UP_S = 100.0, 30.0
CLOCK = SystemClock()


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return what one run showed."""
    counts, path = report["counts"], report["path_all"]
    return {
        "seconds": report["seconds"],
        "path_ms": {"p50": path["p50"], "p95": path["p95"], "pictures": path["n"]},
        "stages_ms": {name: {"p50": s["p50"], "p95": s["p95"]} for name, s in report["stages"].items()},
        "shown_fps": counts["frames"] / max(report["seconds"], 1e-6),
        "av_offset_ms": {
            "p1": report["offset"]["low"],
            "p50": report["offset"]["p50"],
            "p99": report["offset"]["high"],
        },
        "underruns": counts["underruns"],
        "lost_pictures": counts["lost"],
        "most_in_flight": {"ticks": counts["most_ticks"], "wants": counts["most_wants"]},
    }


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def stall(page: Any, pid: int, seconds: float) -> dict[str, float]:
    """Stop the kernel for a while; return how long the delay took to come back."""
    calm = page.report()["path"]["p50"]
    os.kill(pid, signal.SIGSTOP)
    page.tab.wait_for_timeout(1000 * seconds)
    os.kill(pid, signal.SIGCONT)
    began = CLOCK.now()
    page.tab.wait_for_timeout(500)
    while CLOCK.now() - began < GIVE_UP_S:
        if page.report()["path"]["p50"] < calm + NEAR_MS and page.live():
            break
        page.tab.wait_for_timeout(250)
    return {"stall_s": seconds, "calm_ms": calm, "recovered_s": CLOCK.now() - began}


def run(harness: Any, lab: Any, browser: Any, name: str, seconds: float) -> dict[str, Any]:
    """Stream one kind of avatar for a while."""
    cell = f"from avatar_lab.live.widget import LiveAvatar\nw = {RUNS[name]}\nw"
    page = browser.page(lab, lab.notebook(name, [cell]))
    try:
        page.run()
        page.start("camera")
        pid = int(page.execute("import os; print(os.getpid())"))
        page.tab.wait_for_timeout(1000 * min(20.0, seconds / 3))
        warm, at = resident_mb(pid), CLOCK.now()
        page.tab.wait_for_timeout(1000 * seconds)
        found = summary(page.report())
        found["memory_mb"] = {"after_warm_up": warm, "at_the_end": resident_mb(pid)}
        found["memory_mb"]["per_hour"] = 3600 * (found["memory_mb"]["at_the_end"] - warm) / (CLOCK.now() - at)
        if name == "block":
            found["stalls"] = [stall(page, pid, length) for length in STALLS_S]
        page.stop()
        harness.wait_for(
            lambda: (
                page.execute(
                    "import threading; print(sum('avatar' in t.name for t in threading.enumerate()))"
                )
                == "0"
            ),
            "threads are left after stop",
        )
        found["tracks_left"] = page.tracks()
        return found
    finally:
        page.shut_kernel()
        page.close()


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of streaming, all runs together")
    parser.add_argument("--only", choices=sorted(RUNS))
    a = parser.parse_args()
    sys.path.insert(0, str(BROWSER))
    import harness  # pyright: ignore[reportMissingImports]

    why = harness.missing()
    if why:
        raise SystemExit(why)
    names = [a.only] if a.only else list(RUNS)
    with tempfile.TemporaryDirectory() as folder, harness.Lab(Path(folder)) as lab:
        media = harness.face_film(Path(folder) / "media")
        with harness.Browser(media) as browser:
            found = {name: run(harness, lab, browser, name, 60 * a.minutes / len(names)) for name in names}
    user = "real" if harness.FILM.is_file() else "drawn"
    emit({"hardware": hardware("cpu"), "user": user, "minutes": a.minutes, "runs": found}, a.json)


if __name__ == "__main__":
    main()
