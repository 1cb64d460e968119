"""The live widget in JupyterLab and Chromium, timed: from a face to its answer, in step with its voice, after stalls.

    python bench/live.py --minutes 10 --json bench/results/live_MACHINE.json

It drives what `tests/browser` drives: a fake camera plays a film of a face (a real person where `../shared/media` has
one, else a drawn one), and the page's own clock takes the times. Browser, JupyterLab, kernel and face tracking share
the machine, and pictures are drawn in software. The JSON holds

    picture_ms_before in each part: a picture of the avatar, drawn while nothing else runs (a rented machine is not
                      equally fast at all hours)
    block, pyramid    path_ms: from the capture of a camera picture to the first shown picture that could depend on it,
                      for every picture, so the wait for its block is in it. stages_ms: where it goes, for the newest
                      picture of each block. shown_fps. offset_ms: picture against its sound, + is sound first (ITU-R
                      BT.1359 allows +45 to -125). underruns, dropped. memory: resident megabytes of the kernel and
                      their slope. heals_s: seconds until the path is within 50 ms of its median again, after the
                      mover stood still for 0.2, 1 and 5 s, and after ten seconds in which every piece came up to
                      0.3 s late (`jitter`)
    barge_in          hush_ms: from the first loud sound of the fake microphone to the end of the fade of the avatar's
                      voice, in the page; the avatar was speaking. missed: it spoke on for a second
    memory            only with `--memory-minutes N` (the target: 30): megabytes of the kernel and of the page's process
                      (all that Chromium holds for it), weighed from outside while no driver is attached, their slopes,
                      and the page's JavaScript heap at the end. replay_guard: what of the kernel's growth is Jupyter's
                      list of message signatures (its protection against replay; it ends at 65536)
    mirror            glass_to_glass_ms: pixel to pixel, with a mirror in the place of the model
    left_over         threads of the session and tracks of the camera after Stop
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from emit import arguments_of, emit, keep

from avatar_lab.cli.hardware import hardware
from avatar_lab.data.face import neutral
from avatar_lab.render.picture import make_picture

WARM_UP_S, MIRROR_S, LOOK_S, SETTLED_MS, FADE_MS, DEAF_MS = 15.0, 40.0, 10.0, 50.0, 20.0, 1000.0
PARTS = ["block", "pyramid", "memory", "barge_in", "mirror"]
PYRAMID = "schedule='pyramid', nfe=4"
STALLS_S, JITTER_S = (0.2, 1.0, 5.0), 10.0
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
def _jitter(seconds):
    import random
    chance, until = random.Random(0), _time.monotonic() + seconds
    mover = w._desk.keeper.pipeline._mover
    usual = mover.move
    def late(*arguments):
        if _time.monotonic() > until:
            mover.move = usual
        else:
            _time.sleep(chance.uniform(0.0, 0.3))
        return usual(*arguments)
    mover.move = late
"""
QUIET = "responder=type('Quiet', (), {'on_turn': lambda self, sound, events: None})()"
TALK = """
import numpy as _np
from avatar_lab.data.speech import load_corpus
_said = _np.concatenate([_np.array(c.audio) for c in load_corpus("all").clips if c.voice == 3][:40])
_speaker = w._desk.keeper.pipeline._speaker
def _talk():
    if _speaker.state == "listening":
        _speaker.say(_said)
"""
EAR = """() => {
    const { session } = document.querySelector('.avl').liveAvatar;
    const watch = { on: true, onsets: [], cuts: [] };
    window.__barge = watch;
    const context = new AudioContext();
    const ear = context.createAnalyser();
    ear.fftSize = 256;
    context.createMediaStreamSource(session.microphone.stream).connect(ear);
    const wave = new Float32Array(256);
    let loud = performance.now();
    const look = setInterval(() => {
        if (!watch.on) {
            clearInterval(look);
            context.close();
            return;
        }
        ear.getFloatTimeDomainData(wave);
        const now = performance.now();
        if (Math.sqrt(wave.reduce((all, v) => all + v * v, 0) / wave.length) < 0.002) return;
        if (now - loud > 1000) watch.onsets.push({ at: now, speaking: session.turn === 'speaking' });
        loud = now;
    }, 4);
    const cut = session.player.cut.bind(session.player);
    session.player.cut = () => {
        watch.cuts.push(performance.now());
        cut();
    };
}"""
MEMORY = "import psutil; print(psutil.Process().memory_info().rss / 1e6)"
GUARD = """import sys
_guard = get_ipython().kernel.session.digest_history
print(len(_guard), (sys.getsizeof(_guard) + sum(map(sys.getsizeof, _guard))) / 1e6)"""
THREADS = "import threading; print(sum(t.name.startswith('avatar') for t in threading.enumerate()))"
FIGURES_HEAP = "() => performance.memory ? performance.memory.usedJSHeapSize / 1e6 : 0"
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


def picture_ms() -> float:
    """Return how long a picture of the avatar takes when nothing else runs: a measure of the machine at this hour."""
    puppet, times = make_picture("puppet", 3, 256), []
    for _ in range(50):
        began = time.perf_counter()
        puppet.draw(neutral(1)[0])
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


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


def heal(page: Any, what: str, seconds: float, usual_ms: float) -> dict[str, float]:
    """Disturb the mover (`_stall` or `_jitter`) for so long; return how long the delay took to be what it was."""
    page.execute(f"{what}({seconds})")
    time.sleep(seconds + 12.0)
    figures = page.tab.evaluate(FIGURES)
    over = figures["now"] - 12_000
    path = np.array([p for p in figures["path"] if p[0] > over - 1000 * seconds]).reshape(-1, 2)
    if len(path) == 0:
        return {"back_after_s": float("nan")}  # written as null: not within ten seconds
    # The first picture after a stall is the oldest one; after a jitter, time counts from its end.
    worst = int(path[:, 1].argmax())
    end = float(path[worst, 0]) if what == "_stall" else over
    after, back = path[path[:, 0] >= end], float("nan")
    for at in np.arange(end, end + 10_000, 100.0):
        window = after[(after[:, 0] >= at) & (after[:, 0] < at + 1000), 1]
        if len(window) and np.median(window) <= usual_ms + SETTLED_MS:
            back = (at - end) / 1000
            break
    return {"worst_ms": float(path[worst, 1]), "back_after_s": back}


def session(harness: Any, lab: Any, faces: Any, options: str, seconds: float) -> dict[str, Any]:
    """Measure one notebook with a camera."""
    with harness.Browser(faces) as browser:
        return watched(harness, lab, browser, options, seconds)


def watched(harness: Any, lab: Any, browser: Any, options: str, seconds: float) -> dict[str, Any]:
    """Do so in an open browser."""
    page = browser.page(lab, lab.notebook(f"live_{time.monotonic_ns()}", [CELL.format(options)]))
    page.run()
    page.watch_tracks()
    page.start("camera")
    made = stream(page, seconds)
    page.execute(STALL)
    usual = made["path_ms"].get("p50", np.nan)
    made["heals_s"] = {f"{s:g}": heal(page, "_stall", s, usual) for s in STALLS_S}
    made["heals_s"]["jitter"] = heal(page, "_jitter", JITTER_S, usual)
    page.stop()
    harness.wait_for(lambda: page.execute(THREADS) == "0", "threads are left", seconds=30)
    made["left_over"] = {"tracks": page.tracks(), "threads": int(page.execute(THREADS))}
    made["errors"] = page.errors
    page.shut_kernel()
    page.close()
    return made


def barge_in(harness: Any, lab: Any, folder: Path, seconds: float) -> dict[str, Any]:
    """Interrupt the avatar, from a fake microphone to the fade of its voice."""
    with harness.Browser(harness.speech_film(folder)) as browser:
        page = browser.page(lab, lab.notebook("barge_in", [CELL.format(QUIET)]))
        page.run()
        page.tab.uncheck(".avl-options label:has-text('Echo') input")  # it would mangle a file's sound
        page.start("camera")
        page.execute(TALK)
        page.tab.evaluate(EAR)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.execute("_talk()")
            time.sleep(0.5)
        heard = page.tab.evaluate("() => { window.__barge.on = false; return window.__barge; }")
        page.stop()
        page.shut_kernel()
        page.close()
    delays, missed = [], 0
    for onset in heard["onsets"]:
        cut = next((at for at in heard["cuts"] if at >= onset["at"]), np.inf)
        if onset["speaking"] and cut - onset["at"] < DEAF_MS:
            delays.append(cut - onset["at"] + FADE_MS)
        else:
            missed += bool(onset["speaking"])
    return {"hush_ms": spread(delays), "missed": missed, "beginnings": len(heard["onsets"])}


def weights(kernel: Any) -> tuple[float, float]:
    """Return the resident megabytes of the kernel, and of the largest page that Chromium holds, graphics and all."""
    import psutil

    pages = [p.info for p in psutil.process_iter(["cmdline", "memory_info"])]
    found = [p["memory_info"].rss for p in pages if "--type=renderer" in " ".join(p["cmdline"] or ())]
    return kernel.memory_info().rss / 1e6, max(found, default=0) / 1e6


def memory(harness: Any, lab: Any, folder: Path, faces: Any, minutes: float) -> dict[str, Any]:
    """Let a session run for long; return what kernel and page hold, and how fast it grows after a warm-up.

    Both are weighed from outside, with no driver attached: a driver makes the page keep what it receives, and code
    that asks the kernel for its memory grows it.
    """
    import psutil

    notebook, rows = lab.notebook("memory", [CELL.format("")]), []
    with harness.LoneBrowser(folder, faces) as browser:
        with browser.driven() as context:
            page = harness.LivePage(context, lab, notebook)
            page.run()
            page.start("camera")
            kernel = psutil.Process(int(page.execute("import os; print(os.getpid())")))
            first, since = page.execute(GUARD).split(), time.monotonic()
        time.sleep(min(180.0, 12 * minutes))
        began = time.monotonic()
        while time.monotonic() - began < 60 * minutes:
            time.sleep(LOOK_S)
            rows.append((time.monotonic() - began, *weights(kernel)))
        with browser.driven() as context:
            page = harness.LivePage(context, lab, notebook)
            if not page.live():
                raise SystemExit(f"bench/live.py: the session ended before it was weighed: {page.report()}")
            heap, report = page.tab.evaluate(FIGURES_HEAP), page.report()
            last, hours = page.execute(GUARD).split(), (time.monotonic() - since) / 3600
            page.stop()
            page.shut_kernel()
    times, kernels, pages = (list(column) for column in zip(*rows, strict=True))
    later = [row for row in rows if row[0] > rows[-1][0] / 2]
    late_times, late_kernels, late_pages = (list(column) for column in zip(*later, strict=True))
    return {
        "minutes": minutes,
        "kernel_mb": kernels[-1],
        "kernel_mb_an_hour": slope(times, kernels),
        "kernel_mb_an_hour_second_half": slope(late_times, late_kernels),
        "replay_guard": {
            "signatures": int(last[0]),
            "mb": float(last[1]),
            "mb_an_hour": (float(last[1]) - float(first[1])) / hours,
        },
        "page_heap_mb": float(heap or 0.0),
        "page_process_mb": pages[-1],
        "page_process_mb_an_hour": slope(times, pages),
        "page_process_mb_an_hour_second_half": slope(late_times, late_pages),
        "shown_fps": report["fps"],
        "each_minute": [
            {"minute": round(at / 60, 1), "kernel_mb": round(k, 1), "page_process_mb": round(p, 1)}
            for at, k, p in rows[:: round(60 / LOOK_S)]
        ],
    }


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
    """Measure the parts, one after the other."""
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of block mode; the others take less")
    parser.add_argument("--memory-minutes", type=float, default=0.0, help="of a session that is only weighed")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="measure these; the others stay"
    )
    arguments = parser.parse_args()
    harness = load_harness()
    if why := harness.missing():
        raise SystemExit(f"bench/live.py: {why}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    old = arguments.json if arguments.json and arguments.only != PARTS else None
    report: dict[str, Any] = json.loads(old.read_text("utf-8")) if old and old.is_file() else {}
    film = "real person" if harness.FILM.is_file() else "drawn person"
    seconds = 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with harness.Lab(folder) as lab:
            faces = harness.face_film(folder / "face")
            with harness.Browser(faces) as browser:
                report["hardware"] = {**hardware(), "browser": browser.version, "film": film}
            measure: dict[str, Callable[[], dict[str, Any]]] = {
                "block": lambda: session(harness, lab, faces, "", seconds),
                "pyramid": lambda: session(harness, lab, faces, PYRAMID, min(seconds, 120)),
                "memory": lambda: memory(harness, lab, folder / "lone", faces, arguments.memory_minutes),
                "barge_in": lambda: barge_in(harness, lab, folder / "speech", max(MIRROR_S, seconds / 2)),
                "mirror": lambda: mirror(harness, lab, folder / "events"),
            }
            for part in arguments.only:
                if part == "memory" and not arguments.memory_minutes:
                    continue
                before = {"load_before": os.getloadavg()[0], "picture_ms_before": picture_ms()}
                report[part] = measure[part]() | before
                keep(report, arguments.json)
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
