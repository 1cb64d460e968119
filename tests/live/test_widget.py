"""The widget without a browser: messages in, messages out, and no thread left behind."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'avatar-lab[live]'")

from avatar_lab.clock import FakeClock
from avatar_lab.errors import ConfigError, MediaError
from avatar_lab.live import keeper as keepers
from avatar_lab.live import widget as widgets
from avatar_lab.live.keeper import Keeper
from avatar_lab.live.widget import LiveAvatar, join_parts

_spec = spec_from_file_location("stub", Path(__file__).with_name("stub.py"))
assert _spec is not None
assert _spec.loader is not None
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
stub = _module.stub


def eventually(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.01)
    assert value, "it never came true"
    return value


class Page:
    """Stands for the browser: sends messages to a widget and keeps what comes back."""

    def __init__(self, widget: LiveAvatar, session: str = "s1") -> None:
        self.widget, self.session = widget, session
        self.got: list[tuple[dict[str, Any], list[Any]]] = []
        widget.send = lambda content, buffers=None: self.got.append((content, list(buffers or [])))  # type: ignore[method-assign]

    def say(self, kind: str, *buffers: bytes, session: str | None = None, **rest: Any) -> None:
        message = {"type": kind, "session": session or self.session, **rest}
        self.widget._handle_custom_msg(message, [memoryview(b) for b in buffers])

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [m for m, _ in self.got if m["type"] == kind]


@pytest.fixture
def made() -> list[Any]:
    return []


@pytest.fixture
def page(made: list[Any]) -> Iterator[Page]:
    before = set(threading.enumerate())
    widget = LiveAvatar(open_pipeline=stub(0.001, draw=False, made=made))
    page = Page(widget)
    yield page
    widget.close()
    eventually(lambda: not (set(threading.enumerate()) - before))


def test_a_session_starts_streams_and_stops(page: Page, made: list[Any]) -> None:
    page.say("start", user="camera", microphone=True)
    ready = eventually(lambda: page.of("ready"))[0]
    assert ready["block_ms"] == 200
    assert ready["session"] == "s1"
    sound = np.arange(640, dtype=np.int16).tobytes()
    page.say("tick", b"jpeg", sound, seq=0, captured=40.0, samples=640, has=["picture", "sound"])
    page.say("want", seq=0, buffered_ms=0, now=50.0)
    block = eventually(lambda: page.of("block"))[0]
    assert block["captured"] == 40.0
    assert page.of("seen")[0]["seq"] == 0
    assert page.widget.running
    page.say("stop")
    eventually(lambda: not page.widget.running)
    assert made[0]._over


def test_what_threads_send_belongs_to_the_pages_last_message(page: Page) -> None:
    shell = ContextVar("shell", default="the cell that runs")  # as ipykernel keeps the message being answered
    seen: list[str] = []
    page.widget.send = lambda content, buffers=None: seen.append(shell.get())  # type: ignore[method-assign]
    for name in ("first", "second"):
        asked = copy_context()
        asked.run(shell.set, name)
        asked.run(page.say, "start", user="camera", session=name)
        eventually(lambda name=name: name in seen)
    assert "the cell that runs" not in seen


def test_messages_of_another_session_are_not_ours(page: Page, made: list[Any]) -> None:
    page.say("start", user="camera")
    eventually(lambda: page.of("ready"))
    page.say("tick", b"x", seq=0, captured=1.0, has=["picture"], session="other")
    page.say("stop", session="other")
    assert page.widget.running
    assert [name for name, _ in made[0].calls] == ["start"]


def test_settings_and_jobs_reach_the_pipeline(page: Page, made: list[Any]) -> None:
    page.say("start", user="sample")
    eventually(lambda: page.of("ready"))
    page.say("set", name="liveliness", value=0.9)
    page.say("say", text="hello")
    page.say("voice", b"RIFF1234")
    eventually(lambda: len(made[0].calls) == 4)
    assert made[0].calls[1:] == [("liveliness", 0.9), ("say", []), ("voice", [8])]


def test_the_pipeline_hears_when_a_block_was_drawn(page: Page, made: list[Any]) -> None:
    page.say("start", user="sample")
    eventually(lambda: page.of("ready"))
    page.say("drawn", seq=0, captured=10.0, drawn=300.0)
    assert made[0].calls[-1] == ("drawn", 300.0)


def test_a_pipeline_that_ends_by_itself_ends_the_session(page: Page, made: list[Any]) -> None:
    page.say("start", user="sample")
    eventually(lambda: page.of("ready"))
    made[0]._over = True
    eventually(lambda: not page.widget.running)


def test_a_page_that_keeps_alive_sends_no_pictures(page: Page, made: list[Any]) -> None:
    page.say("start", user="camera")
    eventually(lambda: page.of("ready"))
    page.say("tick", seq=-1, captured=1.0, has=[])
    assert [name for name, _ in made[0].calls] == ["start"]


def test_a_second_view_takes_the_first_ones_place(page: Page, made: list[Any]) -> None:
    page.say("start", user="camera")
    eventually(lambda: page.of("ready"))
    page.say("start", user="camera", session="s2")
    eventually(lambda: len(page.of("ready")) == 2)
    assert page.of("ended")[0]["session"] == "s1"
    eventually(lambda: made[0]._over)
    page.say("stop", session="s2")


def test_what_cannot_start_is_refused_with_its_reason() -> None:
    def fail(*_: Any) -> Any:
        raise MediaError("There is no face model. Install it.")

    widget = LiveAvatar(open_pipeline=fail)
    page = Page(widget)
    page.say("start", user="camera")
    refused = eventually(lambda: page.of("refused"))[0]
    assert "no face model" in refused["reason"]
    eventually(lambda: not widget.running)
    page.say("start", user="camera", session="s2")  # and it can be tried again
    eventually(lambda: len(page.of("refused")) == 2)
    widget.close()


def test_a_wish_that_fails_does_not_end_the_conversation(page: Page, made: list[Any]) -> None:
    page.say("start", user="camera")
    eventually(lambda: page.of("ready"))

    def fail(*_: Any) -> None:
        raise ValueError("no such voice")

    made[0].job = fail
    page.say("say", text="hello")
    assert "no such voice" in eventually(lambda: page.of("notice"))[0]["text"]
    assert page.widget.running


def test_a_silent_page_is_gone(made: list[Any]) -> None:
    clock = FakeClock()
    said: list[dict[str, Any]] = []
    keeper = Keeper(
        {"session": "s"}, [], stub(0.001, draw=False, made=made), lambda m, b: said.append(m), clock
    )
    eventually(lambda: any(m["type"] == "ready" for m in said))
    clock.advance(keepers.SILENCE_S - 1)
    keeper.deliver({"type": "tick", "seq": -1}, [])
    clock.advance(keepers.SILENCE_S - 1)
    time.sleep(2 * keepers.LOOK_S)
    assert not keeper.over
    clock.advance(2)
    eventually(lambda: keeper.over)
    assert any(m["type"] == "ended" for m in said)


def test_the_handler_returns_at_once_while_the_session_opens() -> None:
    gate = threading.Event()
    inner = stub(0.001, draw=False)

    def slow(*arguments: Any) -> Any:
        gate.wait(10)
        return inner(*arguments)

    widget = LiveAvatar(open_pipeline=slow)
    page = Page(widget)
    begun = time.monotonic()
    page.say("start", user="camera")
    page.say("tick", b"x", seq=0, captured=1.0, has=["picture"])
    page.say("stop")
    assert time.monotonic() - begun < 1.0
    assert page.of("opening"), "it is alive, and says so"
    gate.set()
    eventually(lambda: not widget.running)
    assert not page.of("ready")
    widget.close()


def test_a_closed_widget_leaves_nothing_behind() -> None:
    before = threading.active_count()
    widget = LiveAvatar(open_pipeline=stub(0.001, draw=False))
    page = Page(widget)
    page.say("start", user="camera")
    eventually(lambda: page.of("ready"))
    widget.close()
    assert threading.active_count() == before
    page.say("start", user="camera", session="late")  # a message that comes too late starts nothing
    assert threading.active_count() == before
    ghost = weakref.ref(widget)
    del widget, page
    gc.collect()
    assert ghost() is None


def test_a_forgotten_widget_ends_its_threads(made: list[Any]) -> None:
    widget = LiveAvatar(open_pipeline=stub(0.001, draw=False, made=made))
    widget._handle_custom_msg({"type": "start", "session": "s", "user": "camera"}, [])
    eventually(lambda: made)
    import ipywidgets.widgets.widget as registry

    registry._instances.pop(widget.model_id, None)  # the two places that hold a widget that nobody closed
    widget.comm.on_msg(None)
    ghost = weakref.ref(widget)
    del widget
    gc.collect()
    assert ghost() is None
    eventually(lambda: made[0]._over)


def test_sessions_come_and_go_without_threads_piling_up(page: Page) -> None:
    before = threading.active_count()
    for turn in range(10):
        page.say("start", user="camera", session=f"s{turn}")
        eventually(lambda turn=turn: len(page.of("ready")) == turn + 1)
        page.say("stop", session=f"s{turn}")
        eventually(lambda: not page.widget.running)
    assert threading.active_count() == before


def test_unknown_engines_and_places_without_widgets() -> None:
    with pytest.raises(ConfigError, match="avatar, mirror"):
        LiveAvatar(engine="paper")
    widget = LiveAvatar(open_pipeline=stub(draw=False))
    assert "needs a notebook" in repr(widget)
    widget.close()


def test_the_page_is_one_module_that_needs_no_network() -> None:
    module = join_parts()
    assert module.count("export default") == 1
    assert "import " not in module.replace("// important ", "")
    assert "http://" not in module
    assert "https://" not in module
    assert "http" not in (widgets.STATIC / "live.css").read_text()


def test_the_options_name_what_the_page_shows() -> None:
    widget = LiveAvatar(open_pipeline=stub(draw=False), character=43, nfe=4)
    assert widget._options["values"]["character"] == 3
    assert widget._options["values"]["nfe"] == 4
    assert widget._poster[:2] == b"\xff\xd8"
    widget.close()
