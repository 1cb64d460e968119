"""JupyterLab and a browser with a fake camera, for tests and benches of the live widget.

    with Lab(folder) as lab, Browser(media) as browser:
        page = browser.page(lab, lab.notebook("live", [CELL]))
        page.run()
        page.start("camera")
        page.report()["counts"]

What is peculiar: nothing here sleeps for luck; everything waits for a condition, with generous limits, because two
cores may carry a training beside JupyterLab, a kernel and a browser that draws in software.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
# A real person, where there is one; never committed.
FILM = Path(os.environ.get("AVATAR_LAB_FILM", REPOSITORY.parent / "shared" / "media" / "user.mp4"))
TOKEN = "live"
CAMERA_FPS = 30  # Chromium plays a fake camera's mjpeg at 30 a second
PATIENCE_S = 120.0

CELL = "import avatar_lab as al\nfrom avatar_lab.live.widget import LiveAvatar\nw = LiveAvatar({options})\nw"


WATCH = """() => {
    const view = document.querySelector('.avl').liveAvatar;
    const watch = { on: true, seen: { camera: [], avatar: [] } };
    window.__watch = watch;
    const small = () => {
        const paper = new OffscreenCanvas(16, 16).getContext('2d', { willReadFrequently: true });
        return (picture) => {
            paper.drawImage(picture, 0, 0, 16, 16);
            const data = paper.getImageData(0, 0, 16, 16).data;
            return Array.from({ length: 256 }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]);
        };
    };
    const camera = small(), avatar = small();
    const frame = (now, about) => {
        if (!watch.on) return;
        const captured = about.captureTime > 0 ? about.captureTime : now;
        watch.seen.camera.push({ at: performance.now(), captured, s: camera(view.part.video) });
        view.part.video.requestVideoFrameCallback(frame);
    };
    view.part.video.requestVideoFrameCallback(frame);
    const draw = () => {
        if (!watch.on) return;
        watch.seen.avatar.push({ at: performance.now(), s: avatar(view.part.avatar) });
        requestAnimationFrame(draw);
    };
    draw();
}"""


def events_of(pictures: np.ndarray) -> list[int]:
    """Return the rows at which small pictures (T, 256) jump: by more than a third of the largest step."""
    step = np.abs(np.diff(pictures, axis=0)).mean(axis=1)
    jumps = np.flatnonzero(step > max(step.max() / 3, 8.0)) + 1 if len(step) else []
    return [int(at) for i, at in enumerate(jumps) if i == 0 or at - jumps[i - 1] > 5]


def progress(pictures: np.ndarray) -> np.ndarray:
    """Return how far small pictures (T, 256) have gone from the first to the last: 0 to 1; nothing if they stay."""
    if len(pictures) < 6:
        return np.zeros(0)
    before, way = pictures[:3].mean(axis=0), pictures[-3:].mean(axis=0) - pictures[:3].mean(axis=0)
    length = float(way @ way)
    return (pictures - before) @ way / length if np.sqrt(length / 256) > 3.0 else np.zeros(0)


def missing() -> str:
    """Return why no browser can be driven here, or nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed: pip install playwright"
    if chromium() is None:
        return "Chromium is not installed: apt-get install chromium"
    if importlib.util.find_spec("jupyterlab") is None or importlib.util.find_spec("anywidget") is None:
        return "JupyterLab or anywidget is not installed: pip install -e '.[live,dev]'"
    return ""


def chromium() -> str | None:
    """Return the path of the system's Chromium."""
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


def wait_for(what: Callable[[], Any], message: str, seconds: float = PATIENCE_S, every: float = 0.2) -> Any:
    """Return the first true value of `what()`; fail with `message` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{message} (waited {seconds:.0f} s; last answer {value!r})")
        time.sleep(every)


class Lab:
    """A JupyterLab on a free port, in a folder of its own; a context manager."""

    def __init__(self, folder: Path, theme: str = "JupyterLab Light") -> None:
        self.folder, self.port = folder, free_port()
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
        (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
        self.root = folder / "notebooks"
        self.root.mkdir()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Lab:
        home = {name: str(self.folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
        environment = os.environ | home | {
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "live")]),
        }  # fmt: skip
        options = [
            f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={self.root}", "--ServerApp.open_browser=False", "--allow-root",
            "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        self._log = (self.folder / "lab.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            wait_for(self._answers, "JupyterLab did not start")
        except AssertionError as error:
            self.__exit__()
            raise AssertionError((self.folder / "lab.log").read_text()[-2000:]) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._log.close()

    def notebook(self, name: str, cells: list[str]) -> str:
        """Write a notebook; return its name."""
        import nbformat
        from nbformat import v4

        book = v4.new_notebook(cells=[v4.new_code_cell(text) for text in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.root / f"{name}.ipynb")
        return f"{name}.ipynb"

    def kernels(self) -> list[dict[str, Any]]:
        """Return the running kernels."""
        return self._api("kernels")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError("JupyterLab ended at once")
        try:
            return bool(self._api("status"))
        except (urllib.error.URLError, OSError):
            return False

    def _api(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/{path}", headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Media:
    """What the fake camera and microphone play, in a loop."""

    video: Path
    audio: Path


def fake_media(folder: Path, frames: Iterator[np.ndarray], sound: np.ndarray) -> Media:
    """Write RGB frames (25 a second) as a fake camera's mjpeg, and 16 kHz sound as its wav."""
    import cv2

    from avatar_lab.data.media import write_wav

    folder.mkdir(parents=True, exist_ok=True)
    media = Media(folder / "camera.mjpeg", folder / "microphone.wav")
    written = 0
    with media.video.open("wb") as file:
        for index, frame in enumerate(frames):
            data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
            while written <= index * CAMERA_FPS / 25:
                file.write(data)
                written += 1
    write_wav(media.audio, sound)
    return media


def face_film(folder: Path, seconds: float = 12.0) -> Media:
    """Return a talking person: the real one where there is one, else a drawn one."""
    from avatar_lab.data.conversation import simulate
    from avatar_lab.data.media import read_audio, read_video
    from avatar_lab.render.picture import make_picture

    if FILM.is_file():
        with read_video(FILM, max_seconds=seconds) as reader:
            return fake_media(folder, iter(reader), read_audio(FILM, max_seconds=seconds))
    user = simulate(seconds=seconds, seed=7).user
    puppet = make_picture("puppet", 5, 480)
    return fake_media(folder, (puppet.draw(row) for row in user.face), user.audio)


def event_film(folder: Path, holds: int = 34, events: int = 8) -> Media:
    """Return a person who jumps to the side and back: an event every `holds` frames, and nothing else moves."""
    from avatar_lab.data.face import FaceParams
    from avatar_lab.data.media import read_video
    from avatar_lab.render.picture import make_picture

    if FILM.is_file():
        with read_video(FILM, max_seconds=1.0) as reader:
            here = next(iter(reader))
        by = here.shape[1] // 8
        there = np.concatenate([np.repeat(here[:, :1], by, axis=1), here[:, :-by]], axis=1)
    else:
        puppet = make_picture("puppet", 5, 480)
        here, there = (puppet.draw(FaceParams(x=x, smile=0.2).array()) for x in (-0.1, 0.15))
    frames = ((here, there)[index // holds % 2] for index in range(2 * holds * (events // 2)))
    return fake_media(folder, frames, np.zeros(16_000, np.float32))


def speech_film(folder: Path, silence_s: float = 3.0) -> Media:
    """Return a person who sits still and says a sentence after every `silence_s`."""
    from avatar_lab.data.face import neutral
    from avatar_lab.data.speech import load_corpus
    from avatar_lab.render.picture import make_picture

    gap = np.zeros(round(silence_s * 16_000), np.float32)
    said = [clip.audio for clip in load_corpus("all").clips if clip.kind == "question"][::20][:6]
    sound = np.concatenate([part for audio in said for part in (gap, np.array(audio))])
    picture = make_picture("puppet", 5, 320).draw(neutral(1)[0])
    return fake_media(folder, (picture for _ in range(25)), sound)


class _Driver:
    """Playwright, once for all browsers that are open: two at a time in one thread are not allowed."""

    running: Any = None
    borrowers = 0

    @classmethod
    def borrow(cls) -> Any:
        from playwright.sync_api import sync_playwright

        if cls.running is None:
            cls.running = sync_playwright().start()
        cls.borrowers += 1
        return cls.running

    @classmethod
    def give_back(cls) -> None:
        cls.borrowers -= 1
        if cls.borrowers == 0:
            cls.running.stop()
            cls.running = None


class Browser:
    """Chromium with a fake camera and microphone; a context manager."""

    def __init__(self, media: Media, *, allow: bool = True, ask: bool = False) -> None:
        self._media, self._allow, self._ask = media, allow, ask

    def __enter__(self) -> Browser:
        self._browser = _Driver.borrow().chromium.launch(
            executable_path=chromium(),
            ignore_default_args=["--mute-audio"],
            args=_flags(self._media, self._allow),
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        _Driver.give_back()

    @property
    def version(self) -> str:
        """Chromium's version."""
        return str(self._browser.version)

    def page(
        self, lab: Lab, notebook: str, width: int = 1180, height: int = 1500, **options: Any
    ) -> LivePage:
        """Open a notebook in a fresh context."""
        context = self._browser.new_context(viewport={"width": width, "height": height}, **options)
        return LivePage(context, lab, notebook)


class LoneBrowser:
    """Chromium that goes on while nobody drives it, for weighing it; a context manager.

    A driver that is attached keeps what its page receives, and so does the page for the driver.
    """

    def __init__(self, folder: Path, media: Media) -> None:
        self._port = free_port()
        self._command = [
            str(chromium()), "--headless=new", f"--user-data-dir={folder}", "--no-first-run", "--window-size=1180,1500",
            f"--remote-debugging-port={self._port}", *_flags(media, allow=True), "about:blank",
        ]  # fmt: skip

    def __enter__(self) -> LoneBrowser:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet, start_new_session=True)
        wait_for(self._listens, "Chromium did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    @contextlib.contextmanager
    def driven(self) -> Iterator[Any]:
        """Attach a driver; yield the browser's only context, and leave everything open at the end."""
        browser = _Driver.borrow().chromium.connect_over_cdp(f"http://127.0.0.1:{self._port}")
        try:
            yield browser.contexts[0]
        finally:
            browser.close()  # lets go of a browser that it did not start
            _Driver.give_back()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
            return True
        return False


def _flags(media: Media, allow: bool) -> list[str]:
    return [
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={media.video}",
        f"--use-file-for-fake-audio-capture={media.audio}",
        "--no-sandbox",
        "--autoplay-policy=user-gesture-required",
        *(["--use-fake-ui-for-media-stream"] if allow else []),
    ]


class LivePage:
    """One notebook in one tab, and the widget in it."""

    def __init__(self, context: Any, lab: Lab, notebook: str) -> None:
        self.context, self.lab, self.notebook = context, lab, notebook
        opened = [tab for tab in context.pages if notebook in tab.url]
        self.tab = opened[0] if opened else context.new_page()
        self.errors: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        if not opened:
            self.open()

    def open(self) -> None:
        """Load the notebook and wait until its kernel is ready."""
        self.tab.goto(f"{self.lab.url}/doc/tree/{self.notebook}?token={TOKEN}", timeout=PATIENCE_S * 1000)
        self.tab.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE_S * 1000)
        self.wait_kernel()

    def wait_kernel(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.tab.wait_for_function(
            "() => window.jupyterapp && window.jupyterapp.shell.currentWidget"
            " && window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=PATIENCE_S * 1000,
        )

    def command(self, name: str) -> None:
        """Run one of JupyterLab's commands."""
        self.tab.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def run(self) -> None:
        """Run all cells and wait for the widget."""
        self.command("notebook:run-all-cells")
        self.tab.wait_for_selector(".avl-start", timeout=PATIENCE_S * 1000)

    def execute(self, code: str) -> str:
        """Run code in the kernel beside the notebook's cells; return what it printed."""
        script = """async code => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({code, silent: false, store_history: false});
            let text = "";
            future.onIOPub = m => {
                if (m.header.msg_type === "stream") text += m.content.text;
                if (m.header.msg_type === "error") text += m.content.ename + ": " + m.content.evalue;
            };
            await future.done;
            return text.trim();
        }"""
        return str(self.tab.evaluate(script, code))

    def start(self, user: str = "camera", *, ready: bool = True) -> None:
        """Press a button of the first screen and wait for the first blocks."""
        self.tab.click(f".avl-choice[data-user={user}]")
        if ready:
            wait_for(
                lambda: self.report()["counts"]["frames"] > 5 if self.live() else False, "no blocks came"
            )

    def live(self) -> bool:
        """Whether a session runs in the page."""
        return self.report().get("state") == "running"

    def report(self) -> dict[str, Any]:
        """Return the page's own figures."""
        return self.tab.evaluate(
            "() => document.querySelector('.avl')?.liveAvatar?.report() ?? {state: 'none'}"
        )

    def stop(self) -> None:
        """Press Stop and wait for the first screen."""
        self.tab.click(".avl-tool:has-text('Stop')")
        self.tab.wait_for_selector(".avl-start:visible", timeout=PATIENCE_S * 1000)

    def tracks(self) -> int:
        """Return how many camera and microphone tracks are alive in the page."""
        return int(
            self.tab.evaluate("() => (window.__tracks ?? []).filter(t => t.readyState === 'live').length")
        )

    def watch_tracks(self) -> None:
        """Remember every track that getUserMedia gives from now on."""
        self.tab.evaluate(
            """() => {
            if (window.__tracks) return;
            window.__tracks = [];
            const media = navigator.mediaDevices;
            const original = media.getUserMedia.bind(media);
            media.getUserMedia = async (wish) => {
                const stream = await original(wish);
                window.__tracks.push(...stream.getTracks());
                return stream;
            };
        }"""
        )

    def glass_to_glass(self, seconds: float) -> dict[str, Any]:
        """Watch the camera's pictures and the avatar's for a while; return the delays (ms) between their events.

        `delays` begins when the camera took the picture, `from_screen` when this page could have shown it; both end
        with the screen refresh at which the avatar has gone a quarter of its way.
        """
        self.tab.evaluate(WATCH)
        time.sleep(seconds)
        seen = self.tab.evaluate("() => { window.__watch.on = false; return window.__watch.seen; }")
        camera, avatar = (np.array([row["s"] for row in seen[name]], float) for name in ("camera", "avatar"))
        shown = np.array([row["at"] for row in seen["avatar"]])
        delays, from_screen = [], []
        for first in events_of(camera):
            row = seen["camera"][first]
            around = (shown > row["at"] - 300) & (shown < row["at"] + 1000)
            done = progress(avatar[around])
            came = np.flatnonzero((done > 0.25) & (shown[around] >= row["at"])) if len(done) else []
            if len(came):
                at = float(shown[around][came[0]])
                delays.append(at - row["captured"])
                from_screen.append(at - row["at"])
        return {"events": len(events_of(camera)), "delays": delays, "from_screen": from_screen}

    def shut_kernel(self) -> None:
        """End this notebook's kernel, so that kernels do not pile up."""
        with contextlib.suppress(Exception):
            self.tab.evaluate("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown()")

    def close(self) -> None:
        """Close the tab."""
        with contextlib.suppress(Exception):
            self.context.close()
