"""The live session: nothing piles up, the present wins, dials turn without a restart, faults are told, no leaks."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from avatar_lab.clock import FakeClock
from avatar_lab.config import SAMPLES_PER_FRAME, preset
from avatar_lab.data.face import FACE_DIM, FACE_INDEX, neutral
from avatar_lab.errors import ConfigError, StreamError
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.motion.space import default_space
from avatar_lab.stream import admission as module
from avatar_lab.stream.jpeg import decode_jpeg, encode_jpeg
from avatar_lab.stream.live_settings import LiveSettings, shaped
from avatar_lab.stream.mover import AvatarMover, MirrorMover, Moved
from avatar_lab.stream.session import Session

SMILE = FACE_INDEX["smile"]


class User:
    """A reader without a camera: the face is the time; `broken` makes it fail."""

    def __init__(self) -> None:
        self.broken, self.closed = False, 0

    def read(self, jpeg: bytes, captured_ms: float) -> np.ndarray | None:
        if self.broken:
            raise StreamError("The picture was damaged.")
        row = neutral(1)[0]
        row[SMILE] = (captured_ms / 10_000) % 1
        return row

    def close(self) -> None:
        self.closed += 1


class Slow:
    """A mover that takes its time on a fake clock: `ms` for each step."""

    frames = 5

    def __init__(self, clock: FakeClock, ms: float) -> None:
        self.clock, self.ms, self.nfe = clock, ms, [0]

    def set(self, settings: LiveSettings) -> None:
        pass

    def move(self, rows: np.ndarray, heard: np.ndarray, voice: np.ndarray, nfe: int) -> Moved:
        self.clock.advance(self.ms * nfe / 1000)
        self.nfe.append(nfe)
        return Moved(rows.copy(), voice)

    def hold(self, voice: np.ndarray) -> np.ndarray:
        return voice


class Blank:
    """A picture that costs nothing."""

    size = 16

    def draw(self, face: np.ndarray) -> np.ndarray:
        return np.zeros((16, 16, 3), np.uint8)

    def draw_track(self, face: np.ndarray) -> np.ndarray:
        return np.zeros((len(face), 16, 16, 3), np.uint8)


class Page:
    """Collects what a session sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.buffers: list[Sequence[bytes]] = []

    def __call__(self, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        self.sent.append(message)
        self.buffers.append(buffers)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [m for m in self.sent if m["type"] == kind]


class Gone:
    """The last session to leave: whoever is still in the room has been forgotten."""

    is_over = True


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AVATAR_LAB_SESSIONS", "2")
    gc.collect()
    yield
    module._OPEN.clear()
    module.leave(Gone())


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return build(preset("tiny"), default_space())


def opened(mover: Any = None, **options: Any) -> tuple[Session, Page, User]:
    page, user = Page(), User()
    options = {"threads": False, "pictures": lambda _: Blank(), "clock": FakeClock(), **options}
    options["settings"] = options.get("settings", LiveSettings(twin=False))
    return Session(mover or MirrorMover(), user, page, **options), page, user


def tick(session: Session, seq: int, captured: float, sound: int = 0) -> None:
    samples = np.full(sound, 1000, np.int16) if sound else None
    session.tick({"seq": seq, "captured": captured}, b"jpeg", samples)


def test_the_newest_picture_wins_and_the_lost_one_gets_its_credit_back() -> None:
    session, page, _ = opened()
    for seq in range(3):
        tick(session, seq, 40.0 * seq)
    assert [m["seq"] for m in page.of("lost")] == [0, 1]
    assert session.see_once()
    assert not session.see_once()
    assert [m["seq"] for m in page.of("seen")] == [2]
    assert page.of("seen")[0]["found"]


def test_one_piece_for_each_want_and_never_more_than_two_in_waiting() -> None:
    session, page, _ = opened()
    assert not session.move_once()
    for seq in range(4):
        session.want({"seq": seq})
    while session.move_once():
        pass
    assert [m["seq"] for m in page.of("block")] == [0, 1]
    assert session.stats()["counts"]["refused"] == 2


@pytest.mark.parametrize("stall_ms", [200, 1000, 5000])
def test_after_a_stall_the_next_piece_looks_at_the_present(stall_ms: float) -> None:
    clock = FakeClock()
    session, page, _ = opened(Slow(clock, 1.0), clock=clock)
    now = 0.0
    for seq in range(10):
        now = 40.0 * seq
        tick(session, seq, now, sound=640)
        session.see_once()
    now += stall_ms  # nobody reads, nobody asks; the page goes on sending
    for seq in range(10, 10 + round(stall_ms / 40)):
        tick(session, seq, 40.0 * seq, sound=640)
    newest = 40.0 * (9 + round(stall_ms / 40))
    session.see_once()
    session.want({"seq": 0})
    session.move_once()
    assert page.of("block")[0]["captured"] == newest


def test_sound_that_piled_up_is_skipped_and_counted() -> None:
    session, _, _ = opened()
    for seq in range(25):
        tick(session, seq, 40.0 * seq, sound=640)
    session.want({"seq": 0})
    session.move_once()
    assert session.stats()["skipped_sound"] == 24 * 640


def test_a_block_carries_its_pictures_its_sound_and_its_times() -> None:
    clock = FakeClock()
    session, page, _ = opened(Slow(clock, 2.0), clock=clock)
    tick(session, 0, 40.0)
    session.see_once()
    session.want({"seq": 7})
    clock.advance(0.03)
    session.move_once()
    block, rest = page.of("block")[0], page.of("pictures")[0]
    buffers, others = page.buffers[-2:]
    assert (block["seq"], rest["seq"]) == (7, 7)
    assert (block["frames"], block["pictures"], block["every"]) == (5, 2, 1)
    assert len(buffers) == block["pictures"] + 1
    assert len(others) == 3
    assert len(buffers[-1]) == 2 * block["samples"] == 2 * 5 * SAMPLES_PER_FRAME
    assert block["timing"]["wait"] == pytest.approx(30)
    assert block["timing"]["total"] == pytest.approx(16)
    assert block["quality"] == "full"
    assert len(block["face"]["smile"]) == 5


class Taker:
    """A recorder that remembers what it was given."""

    def __init__(self, taken: list[np.ndarray]) -> None:
        self.taken = taken

    def add(self, frames: np.ndarray, audio: np.ndarray) -> None:
        self.taken.append(frames)


def test_a_machine_that_is_late_draws_one_picture_for_two_frames() -> None:
    clock = FakeClock()
    session, page, _ = opened(Slow(clock, 200.0), clock=clock)
    taken: list[np.ndarray] = []
    session.recorder = Taker(taken)
    for seq in range(10):
        session.want({"seq": seq})
        session.move_once()
    block = page.of("block")[-1]
    assert (block["quality"], block["frames"], block["pictures"], block["every"]) == (
        "fewer pictures",
        5,
        1,
        2,
    )
    first, rest = (page.buffers[page.sent.index(page.of(kind)[-1])] for kind in ("block", "pictures"))
    assert (len(first), len(rest)) == (2, 2), "frames 0, 2 and 4, and the sound"
    assert all(len(frames) == 5 for frames in taken), "a film has them all"


def test_the_process_is_frugal_while_somebody_is_live() -> None:
    before = cv2.getNumThreads(), sys.getswitchinterval()
    session, _, _ = opened()
    other, _, _ = opened()
    assert cv2.getNumThreads() == 1
    assert sys.getswitchinterval() < before[1]
    session.stop()
    assert cv2.getNumThreads() == 1, "another one is live"
    other.stop()
    other.stop()
    assert (cv2.getNumThreads(), sys.getswitchinterval()) == before


def test_a_slow_machine_gives_up_steps_then_motion_and_comes_back() -> None:
    clock = FakeClock()
    mover = Slow(clock, 30.0)  # 8 steps: 240 ms of 200
    session, page, _ = opened(mover, clock=clock)

    def run(count: int) -> list[dict[str, Any]]:
        before = len(page.of("block"))
        for seq in range(count):
            session.want({"seq": seq})
            session.move_once()
        return page.of("block")[before:]

    assert [b["nfe"] for b in run(6)] == [8, 8, 8, 4, 4, 4]
    assert page.of("block")[-1]["quality"] == "fewer steps"
    mover.ms = 200.0
    held = run(13)
    assert [b["quality"] for b in held][3:12] == 3 * ["fewer steps"] + 6 * ["fewer pictures"]
    assert held[-1]["quality"] == "holding"
    assert held[-1]["nfe"] == 0
    mover.ms = 1.0
    assert run(80)[-1]["quality"] == "full"


def test_dials_turn_between_two_pieces(avatar: Avatar) -> None:
    session, page, _ = opened(AvatarMover(avatar, LiveSettings()), settings=LiveSettings(twin=False))
    for name, value in (("nfe", 2), ("guidance_user", 5.0), ("guidance_audio", 1.0), ("schedule", "pyramid"),
                        ("nfe", 3), ("seed", 4), ("schedule", "block"), ("guidance_user", 1.0)):  # fmt: skip
        session.change(name, value)
        session.want({"seq": 0})
        assert session.move_once(), name
    blocks = page.of("block")
    assert [b["frames"] for b in blocks[2:6]] == [5, 2, 2, 2]
    sounds = [sent[-1] for m, sent in zip(page.sent, page.buffers, strict=True) if m["type"] == "block"]
    assert all(2 * b["samples"] == len(sound) for b, sound in zip(blocks, sounds, strict=True))
    with pytest.raises(ConfigError, match=r"nfe must lie in 1\.\.16"):
        session.change("nfe", 99)
    with pytest.raises(ConfigError, match="no live setting 'colour'"):
        session.change("colour", 1)
    with pytest.raises(ConfigError, match="schedule must be one of"):
        session.change("schedule", "spiral")
    with pytest.raises(ConfigError, match="must be a number"):
        session.change("liveliness", "very")


def test_turning_a_dial_does_not_restart_the_motion(avatar: Avatar) -> None:
    mover, quiet = AvatarMover(avatar, LiveSettings()), np.zeros(5 * 640, np.float32)
    for _ in range(4):
        mover.move(neutral(5), quiet, quiet, 8)
    blocks = mover._state.blocks
    mover.set(LiveSettings(guidance_user=1.0, guidance_audio=1.0))
    mover.move(neutral(5), quiet, quiet, 8)
    assert mover._state.blocks == blocks + 1
    last = mover._last.copy()
    mover.set(LiveSettings(guidance_user=1.0, guidance_audio=1.0, seed=9))
    first = mover.move(neutral(5), quiet, quiet, 8).face[0]
    assert mover._state.blocks == 1
    sudden = AvatarMover(avatar, LiveSettings(guidance_user=1.0, guidance_audio=1.0, seed=9))
    sudden._lead = 0
    jump = np.abs(sudden.move(neutral(5), quiet, quiet, 8).face[0] - last)
    assert (np.abs(first - last) <= 0.15 * jump + 1e-3).all(), "the face is led over, it does not jump"


def test_a_pyramid_keeps_voice_and_face_together(avatar: Avatar) -> None:
    mover = AvatarMover(avatar, LiveSettings(schedule="pyramid", nfe=4))
    voice = np.arange(20 * 640, dtype=np.float32)
    said = [
        mover.move(neutral(2), np.zeros(1280, np.float32), voice[at : at + 1280], 4).voice
        for at in range(0, len(voice), 1280)
    ]
    together = np.concatenate(said)
    assert len(together) == len(voice)
    late = 3 * 640  # a stair of four steps: frame 0 leaves with frame 3
    assert not together[:late].any()
    np.testing.assert_array_equal(together[late:], voice[:-late])


def test_a_pose_that_is_held_keeps_the_pyramids_voice_in_order(avatar: Avatar) -> None:
    mover = AvatarMover(avatar, LiveSettings(schedule="pyramid", nfe=4))
    voice = np.arange(12 * 640, dtype=np.float32)
    said = []
    for at in range(0, len(voice), 1280):
        piece = voice[at : at + 1280]
        held = at // 1280 in (3, 4)
        said.append(
            mover.hold(piece) if held else mover.move(neutral(2), np.zeros_like(piece), piece, 4).voice
        )
    np.testing.assert_array_equal(np.concatenate(said)[3 * 640 :], voice[: -3 * 640])


def test_stillness_and_the_look_into_the_camera() -> None:
    face = neutral(3)
    face[:, SMILE], face[:, FACE_INDEX["yaw"]], face[:, FACE_INDEX["jaw_open"]] = 0.4, 10.0, 0.5
    still = shaped(face, LiveSettings(liveliness=0.0))
    assert still[0, SMILE] == 0
    assert still[0, FACE_INDEX["jaw_open"]] == pytest.approx(0.5)
    assert shaped(face, LiveSettings(liveliness=1.0))[0, SMILE] == pytest.approx(0.6)
    np.testing.assert_array_equal(shaped(face, LiveSettings()), face)
    looking = shaped(face, LiveSettings(gaze_to_camera=True))
    assert looking[0, FACE_INDEX["gaze_yaw"]] == pytest.approx(-10.0)


def test_faults_are_told_once_and_end_the_session_when_they_do_not_stop() -> None:
    session, page, user = opened()
    user.broken = True
    for seq in range(12):
        tick(session, seq, 40.0 * seq)
        session.step("see")
    assert [m["text"] for m in page.of("notice")] == ["The picture was damaged."]
    assert "failed too often" in page.of("ended")[0]["reason"]
    assert len(page.of("ended")) == 1
    assert session.is_over
    assert len(page.of("seen")) == 12, "each picture gives its credit back"
    assert not any(m["found"] for m in page.of("seen"))


def test_faults_that_come_and_go_do_not_end_it_and_are_told_now_and_then() -> None:
    clock = FakeClock()
    session, page, user = opened(clock=clock)
    for seq in range(500):  # 20 seconds
        user.broken = seq % 2 == 0
        tick(session, seq, 40.0 * seq)
        session.step("see")
        clock.advance(0.04)
    assert not session.is_over
    assert len(page.of("notice")) == 4


def test_a_piece_that_failed_is_answered_and_does_not_hide_behind_a_reader_that_works() -> None:
    clock = FakeClock()
    session, page, _ = opened(Slow(clock, 1.0), clock=clock)

    def round_(seq: int) -> None:
        tick(session, seq, 40.0 * seq)
        session.step("see")
        session.want({"seq": seq})
        session.step("move")

    round_(1)
    session._mover.move = lambda *_: 1 / 0  # pyright: ignore[reportAttributeAccessIssue]
    round_(2)
    good, bad = page.of("block")
    assert (bad["seq"], bad["frames"], bad["quality"], bad["nfe"]) == (2, 5, "holding", 0)
    assert bad["captured"] == good["captured"] == 40.0, "nothing newer is shown"
    sent = page.buffers[page.sent.index(bad)]
    assert sent[0] == page.buffers[page.sent.index(page.of("pictures")[0])][-1]
    assert [len(b) for b in sent[1:]] == [2 * bad["samples"]] == [2 * 5 * SAMPLES_PER_FRAME]
    assert "ZeroDivisionError" in page.of("notice")[0]["text"]
    for seq in range(3, 20):
        round_(seq)
    assert session.is_over
    assert len(page.of("ended")) == 1


def test_an_ear_that_fails_does_not_cost_pictures() -> None:
    session, page, _ = opened()
    session._speaker.hear = lambda *_: 1 / 0  # pyright: ignore[reportAttributeAccessIssue]
    for seq in range(30):
        tick(session, seq, 40.0 * seq, sound=640)
        assert session.see_once()
    assert len(page.of("seen")) == 30
    assert not session.is_over
    assert len(page.of("notice")) == 1


def test_a_page_that_is_gone_ends_the_session_quietly() -> None:
    session, page, _ = opened()
    session._emit = lambda *_: 1 / 0  # pyright: ignore[reportAttributeAccessIssue]
    for seq in range(12):
        session.want({"seq": seq})
        session.step("move")
    assert session.is_over
    assert not page.sent


def test_damaged_pictures_are_told_once() -> None:
    session, page, user = opened()
    user.read = lambda *_: None  # pyright: ignore[reportAttributeAccessIssue]
    for seq in range(9):
        user.damaged = seq  # pyright: ignore[reportAttributeAccessIssue]
        tick(session, seq, 40.0 * seq)
        session.see_once()
    assert len(page.of("notice")) == 1
    assert decode_jpeg(b"") is decode_jpeg(b"no picture at all") is None
    picture = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    back = decode_jpeg(encode_jpeg(picture))
    assert back is not None
    np.testing.assert_allclose(back, picture, atol=6)
    half = encode_jpeg(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[:900]
    assert decode_jpeg(half) is None or decode_jpeg(half).shape == (64, 64, 3)  # pyright: ignore[reportOptionalMemberAccess]


def test_a_picture_that_cannot_be_had_leaves_the_old_one_on() -> None:
    def pictures(settings: LiveSettings) -> Blank:
        if settings.picture == "portrait":
            raise ConfigError("There is no portrait yet.")
        return Blank()

    session, page, _ = opened(pictures=pictures)
    session.change("character", 9)
    session.want({"seq": 0})
    session.move_once()
    session.change("picture", "portrait")
    session.want({"seq": 0})
    session.move_once()
    assert [m["text"] for m in page.of("notice")] == ["There is no portrait yet."]
    assert (session.settings.picture, session.settings.character) == ("puppet", 9)
    assert page.of("block")[1]["quality"] == "full"


def test_the_path_is_measured_on_the_page_s_clock() -> None:
    session, _, _ = opened()
    assert session.stats()["path"] is None
    for captured, drawn in ((100.0, 300.0), (100.0, 900.0), (300.0, 620.0), (500.0, 90.0), (0.0, 5.0)):
        session.drawn({"seq": 0, "captured": captured, "drawn": drawn})
    assert session.stats()["path"]["p50_ms"] == pytest.approx(260.0), "held poses and odd stamps do not count"


def test_numbers_can_be_read_while_they_are_written() -> None:
    session, _, _ = opened()
    faults, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                session.stats()
            except RuntimeError as error:  # a deque that changed meanwhile
                faults.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    for seq in range(1500):
        tick(session, seq, 40.0 * seq)
        session.see_once()
        session.want({"seq": seq})
        session.move_once()
    done.set()
    watcher.join()
    assert not faults
    assert {"track", "see", "draw", "encode", "wait", "total"} <= session.stats()["stages"].keys()


def test_no_more_sessions_than_the_machine_can_carry() -> None:
    first, _, user = opened()
    second, _, _ = opened()
    with pytest.raises(StreamError, match="2 live sessions are open"):
        opened()
    first.stop()
    first.stop()
    assert user.closed == 1
    third, _, _ = opened()
    del second, third
    gc.collect()
    opened()


def test_a_session_that_could_not_be_made_takes_no_place() -> None:
    def broken(_: LiveSettings) -> Blank:
        raise ConfigError("No such picture.")

    kept = []
    for _ in range(5):
        with pytest.raises(ConfigError) as fault:
            opened(pictures=broken)
        kept.append(fault)  # as a notebook keeps the last traceback
    opened()


def test_a_session_that_is_over_takes_no_place() -> None:
    sessions = [opened()[0] for _ in range(2)]
    sessions[0]._over.set()
    opened()


def test_a_session_that_nobody_holds_ends_by_itself() -> None:
    before = threading.active_count()
    user = User()
    session = Session(
        MirrorMover(), user, Page(), pictures=lambda _: Blank(), settings=LiveSettings(twin=False)
    )
    threads, left = session._threads, weakref.ref(session)
    assert threading.active_count() == before + 2
    del session
    gc.collect()
    for thread in threads:
        thread.join(5)
    assert left() is None
    assert threading.active_count() == before
    assert user.closed == 1
    opened()
    opened()


def test_threads_end_and_nothing_grows() -> None:
    before = threading.active_count()
    page, user = Page(), User()
    session = Session(
        MirrorMover(), user, page, pictures=lambda _: Blank(), settings=LiveSettings(twin=False)
    )
    assert threading.active_count() == before + 2
    for seq in range(5):
        tick(session, seq, 40.0 * seq)
        session.want({"seq": seq})
    session.stop()
    assert threading.active_count() == before
    assert user.closed == 1


def test_memory_is_constant() -> None:
    session, page, _ = opened()

    def run(count: int) -> None:
        for seq in range(count):
            tick(session, seq, 40.0 * seq, sound=640)
            session.see_once()
            session.want({"seq": seq})
            session.move_once()
            page.sent.clear()
            page.buffers.clear()

    run(400)
    gc.collect()
    tracemalloc.start()
    run(200)
    small = tracemalloc.get_traced_memory()[0]
    run(1500)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - small
    tracemalloc.stop()
    assert grown < 150_000
    assert neutral(1).shape[1] == FACE_DIM


def test_real_threads_answer_wants() -> None:
    page, user = Page(), User()
    done = threading.Event()

    def emit(message: dict[str, Any], buffers: Sequence[bytes]) -> None:
        page(message, buffers)
        if message["type"] == "block" and message["seq"] == 3:
            done.set()

    session = Session(
        MirrorMover(), user, emit, pictures=lambda _: Blank(), settings=LiveSettings(twin=False)
    )
    try:
        for seq in range(4):
            tick(session, seq, 40.0 * seq)
            while session.stats()["counts"]["blocks"] < seq:
                done.wait(0.005)
            session.want({"seq": seq})
        assert done.wait(10)
    finally:
        session.stop()
    assert [m["seq"] for m in page.of("block")] == [0, 1, 2, 3]


def test_the_first_piece_after_a_stall_waits_for_the_picture_that_came_with_it() -> None:
    page, user = Page(), User()
    done = threading.Event()
    read = user.read

    def slow(jpeg: bytes, captured_ms: float) -> np.ndarray | None:
        done.wait(0.03)
        return read(jpeg, captured_ms)

    user.read = slow  # pyright: ignore[reportAttributeAccessIssue]
    session = Session(
        MirrorMover(), user, page, pictures=lambda _: Blank(), settings=LiveSettings(twin=False)
    )
    try:
        for seq, captured in enumerate((40.0, 5040.0)):
            tick(session, seq, captured)
            session.want({"seq": seq})
            while len(page.of("block")) <= seq:
                done.wait(0.005)
    finally:
        session.stop()
    assert [m["captured"] for m in page.of("block")][1] == 5040.0


def test_a_mirror_waits_for_the_next_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avatar_lab.stream.session.CATCH_UP_S", 30.0)  # a busy machine does not end the wait
    page, pause = Page(), threading.Event()
    session = Session(
        MirrorMover(), User(), page, pictures=lambda _: Blank(), settings=LiveSettings(twin=False)
    )
    try:
        for seq, captured in enumerate((40.0, 80.0)):
            session.want({"seq": seq})
            pause.wait(0.1)  # long enough for a session that would show the last face again
            tick(session, seq, captured)
            while len(page.of("block")) <= seq:
                pause.wait(0.005)
    finally:
        session.stop()
    assert [m["captured"] for m in page.of("block")] == [40.0, 80.0]
