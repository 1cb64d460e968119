"""`LiveAvatar`: talk to the avatar in a notebook.

    import avatar_lab as al
    al.live.LiveAvatar()

The page (static/*.js) owns camera, microphone, loudspeaker and the clock; the kernel owns the avatar. Messages are
JSON with binary buffers over the widget's own channel; what each holds stands in `static/session.js` and `keeper.py`.

What is peculiar:
- The JavaScript is several plain files that are joined here: no build step, nothing from a network.
- The message handler only hands on and returns. Since ipykernel 7 it may run beside a busy cell, on another thread.
- Whatever our threads send is sent as an answer to the page's last message. Else ipykernel takes it for output of the
  cell that runs, and (since 7.4) keeps the page's next messages until that cell has finished.
- One session at a time for each widget: a second view that starts takes the first one's place.
- The widget is found by its sessions only through a weak reference, so that it can be forgotten.

Notebooks: 10 (real time), 11 (talk to it).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from avatar_lab.config import preset as preset_config
from avatar_lab.errors import ConfigError
from avatar_lab.live.keeper import Emit, Keeper, Message, Open
from avatar_lab.live.places import heard

STATIC: Final = Path(__file__).parent / "static"
PARTS: Final = ("base", "capture", "player", "glass", "view", "controls", "session", "live")
ENGINES: Final = ("avatar", "mirror")
CHARACTERS: Final = 40
PICTURE: Final = 256  # pixels of the poster on the first screen


def join_parts() -> str:
    """Return the page's one ES module."""
    return "\n".join((STATIC / f"{name}.js").read_text("utf-8") for name in PARTS)


class LiveAvatar(anywidget.AnyWidget):
    """The live demo as a widget.

    Parameters
    ----------
    avatar : as returned by `avatar_lab.load`; by default `preset` is loaded when a session starts.
    preset : which one to load.
    engine : "avatar", or "mirror": a mirror that copies the user's newest face, to measure the delay of all but the
        model.
    character, seed, size, schedule, nfe, guidance : see `AvatarEngine`.
    liveliness : 0 still to 1 lively.
    open_pipeline : for tests: what opens a session instead of the real thing.

    Raises ConfigError for options that do not exist.
    """

    _esm = join_parts()
    _css = (STATIC / "live.css").read_text(
        "utf-8"
    )  # as text: anywidget would keep every widget alive for a path
    _options = traitlets.Dict().tag(sync=True)
    _poster = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        avatar: Any = None,
        preset: str = "lab",
        *,
        engine: str = "avatar",
        character: int = 3,
        seed: int = 0,
        size: int = 256,
        schedule: str = "block",
        nfe: int | None = None,
        guidance: Mapping[str, float] | None = None,
        liveliness: float = 0.5,
        speaker: Any = None,
        responder: Any = None,
        open_pipeline: Open | None = None,
    ) -> None:
        if engine not in ENGINES:
            raise ConfigError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}.")
        config = avatar.config if avatar is not None else preset_config(preset)
        sampler = config.sampler
        values = {
            "seed": int(seed),
            "nfe": sampler.nfe if nfe is None else int(nfe),
            "schedule": schedule,
            "guidance_audio": float({**sampler.guidance, **(guidance or {})}.get("audio", 1.0)),
            "guidance_user": float({**sampler.guidance, **(guidance or {})}.get("user", 1.0)),
            "liveliness": float(liveliness),
            "gaze_to_camera": False,
            "mute": False,
            "character": int(character) % CHARACTERS,
        }
        super().__init__(
            _options=page_options(values, distilled=sampler.distilled), _poster=draw_poster(int(character))
        )
        self.page: dict[str, Any] = {}  # what the page said it can do
        self._asked = copy_context()  # of the page's last message
        if open_pipeline is None:
            from avatar_lab.live.connect import Connector

            open_pipeline = Connector(avatar, preset, engine, values, size, speaker, responder)
        self._desk = Desk(open_pipeline, self._emitter())
        self.on_msg(self._receive)
        self._finish = weakref.finalize(self, self._desk.close)

    def close(self) -> None:
        """End the session, its threads and the widget."""
        desk = getattr(self, "_desk", None)
        if desk is not None:
            desk.close()
        super().close()

    def stop(self) -> None:
        """End the running session, if there is one, and wait for its threads; the widget can start another."""
        self._desk.stop("Stopped from the notebook.")

    @property
    def running(self) -> bool:
        """Whether a session is being kept."""
        return self._desk.keeper is not None

    def __repr__(self) -> str:
        return (
            "LiveAvatar: needs a notebook that shows widgets (JupyterLab, Notebook 7, VS Code). "
            "Without one, `avatar-lab react` makes a film of the avatar's answer."
        )

    def _receive(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
        if not isinstance(content, Mapping):
            return
        self._asked = copy_context()
        if content.get("type") == "hello":
            self.page = {k: content.get(k) for k in ("secure", "camera", "host")}
            heard(self.page)
        else:
            self._desk.take(content, buffers or ())

    def _emitter(self) -> Emit:
        me = weakref.ref(self)

        def emit(message: dict[str, Any], buffers: Sequence[bytes]) -> None:
            widget = me()
            if widget is not None and widget.comm is not None:
                widget._asked.copy().run(widget.send, message, list(buffers))

        return emit


class Desk:
    """Where a widget's messages go: starts a keeper, hands on to it, and lets go of it."""

    def __init__(self, open_pipeline: Open, emit: Emit) -> None:
        self._open, self._emit = open_pipeline, emit
        self._keeper: Keeper | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def keeper(self) -> Keeper | None:
        """The keeper of the running session."""
        keeper = self._keeper
        return None if keeper is None or keeper.over else keeper

    def take(self, message: Message, buffers: Sequence[Any]) -> None:
        """Take a message from the page; returns at once."""
        with self._lock:
            if self._closed:
                return
            if message.get("type") == "start":
                self._start(message, buffers)
                return
            keeper = self._keeper
        if keeper is not None and keeper.session == message.get("session"):
            keeper.deliver(message, buffers)

    def _start(self, message: Message, buffers: Sequence[Any]) -> None:
        if self._keeper is not None:
            self._keeper.leave("Another view of this widget has started a session.")
        data = [bytes(b) for b in buffers]
        self._keeper = Keeper(message, data, self._open, self._emit)

    def stop(self, reason: str | None = None) -> None:
        """End the running session and wait for it."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.leave(reason)
            keeper.stop()

    def close(self) -> None:
        """End the running session for good."""
        self._closed = True
        self.stop("The widget was closed in the notebook.")


def page_options(values: Mapping[str, Any], *, distilled: bool = False) -> dict[str, Any]:
    """Return what the page must know before anything runs; an empty reason means: can be had."""
    camera = why_no_tracking()
    return {
        "values": dict(values),
        "ranges": {"nfe": [1, 16], "guidance": [0, 5]},
        "characters": CHARACTERS,
        "schedules": ["block", "pyramid"],
        "fixed_guidance": "The guidance of these weights was distilled into them." if distilled else "",
        "no_portrait": camera and "A portrait needs face tracking: pip install 'avatar-lab[live]'.",
        "users": {"camera": camera, "sample": "", "synthetic": "", "file": camera},
        "say_hint": "Say something …",
    }


def why_no_tracking() -> str:
    """Return why faces cannot be tracked on this machine, or nothing. Imports nothing heavy."""
    from importlib.util import find_spec

    if find_spec("mediapipe") is None:
        return "Face tracking is not installed: pip install 'avatar-lab[live]'."
    return ""


def draw_poster(character: int) -> bytes:
    """Return a JPEG of the character for the first screen."""
    import cv2

    from avatar_lab.data.face import FaceParams
    from avatar_lab.render.picture import make_picture

    face = FaceParams(smile=0.55, yaw=-7, pitch=2, roll=2, brow_raise=0.2, gaze_yaw=4).array()
    picture = make_picture("puppet", character, 2 * PICTURE).draw(face)
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data.tobytes() if ok else b""
