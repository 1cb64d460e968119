"""The live widget in a real browser: it streams, stays bounded, and lets go of everything.

They assert behaviour, never a time: two cores may carry a training beside them. Times are taken by
`python bench/live.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("playwright", reason="Playwright is not installed: pip install playwright")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

STUB = "from stub import stub\nfrom avatar_lab.live.widget import LiveAvatar\nw = LiveAvatar(open_pipeline=stub({}))\nw"
REAL = "from avatar_lab.live.widget import LiveAvatar\nw = LiveAvatar({})\nw"
THREADS = (
    "import threading; print(sum(t.name.startswith(('avatar-live', 'stub', 'see', 'move', 'avatar'))"
    " for t in threading.enumerate()))"
)


def threads_gone(page: Any, wait_for: Any) -> None:
    wait_for(lambda: page.execute(THREADS) == "0", "the session's threads are still there")


@pytest.fixture
def wait_for() -> Any:
    import harness  # registered by conftest.py

    return harness.wait_for


def stream(page: Any, wait_for: Any, seconds: float) -> dict[str, Any]:
    """Let it run for so long; look at the queues again and again."""
    began = page.report()["seconds"]

    def enough() -> bool:
        report = page.report()
        assert report["state"] == "running", report
        assert report["in_flight"]["ticks"] <= 3
        assert report["in_flight"]["wants"] <= 2
        assert report["in_flight"]["queue"] <= 60
        return report["seconds"] - began >= seconds

    wait_for(enough, "the session did not last", every=1.0)
    return page.report()


def test_twenty_seconds_with_a_camera(open_page: Any, wait_for: Any) -> None:
    page = open_page(REAL.format(""))
    page.start("camera")
    first = page.report()
    report = stream(page, wait_for, 20)
    counts = report["counts"]
    assert counts["blocks"] > first["counts"]["blocks"] + 20
    assert counts["frames"] > 100
    assert counts["seen"] > 50
    assert counts["most_ticks"] <= 3
    assert counts["most_wants"] <= 2
    assert report["path"]["n"] > 10
    assert report["sounding"]
    assert page.tracks() == 2
    page.stop()
    assert page.tracks() == 0
    threads_gone(page, wait_for)
    page.start("sample")  # and it starts again, with somebody else
    stream(page, wait_for, 3)
    page.stop()
    threads_gone(page, wait_for)


@pytest.mark.parametrize("user", ["sample", "synthetic"])
def test_users_without_a_camera(open_page: Any, wait_for: Any, user: str) -> None:
    page = open_page(REAL.format("preset='lab', size=128"))
    page.start(user)
    report = stream(page, wait_for, 5)
    assert report["user"] == user
    assert report["counts"]["seen"] > 10
    assert page.tracks() == 0
    page.stop()
    threads_gone(page, wait_for)


def test_controls_act_without_a_restart(open_page: Any, wait_for: Any) -> None:
    page = open_page(REAL.format(""))
    page.start("sample")
    page.tab.click("[aria-label='Next character']")
    page.tab.click(".avl-fold summary")
    page.tab.fill(".avl input[type=number]", "5")
    page.tab.press(".avl input[type=number]", "Enter")
    for label in ("Liveliness", "Steps", "Guidance: own voice", "Guidance: the user"):
        slider = page.tab.locator(f"input[type=range][aria-label='{label}']")
        if slider.is_enabled():
            slider.focus()
            slider.press("ArrowLeft")
    page.tab.locator(".avl input[role=switch]").check()
    page.tab.select_option(".avl select", "pyramid")
    stream(page, wait_for, 3)
    page.tab.select_option(".avl select", "block")
    page.tab.click(".avl-tool:has-text('Mute')")
    stream(page, wait_for, 2)
    notice, stage = page.tab.locator(".avl-message"), page.tab.locator(".avl-stage")
    assert notice.get_attribute("data-level") != "error"
    page.execute("w._desk.keeper.emit({'type': 'notice', 'level': 'info', 'text': 'Look here'})")
    wait_for(lambda: notice.inner_text() == "Look here", "a notice was not shown")
    told, seen = notice.bounding_box(), stage.bounding_box()
    assert seen["y"] <= told["y"] <= seen["y"] + seen["height"] / 2, "over the pictures, where people look"
    page.stop()


def test_a_slow_engine_stays_bounded(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format("delay=1.0"))
    page.start("camera", ready=False)
    wait_for(lambda: page.report().get("counts", {}).get("blocks", 0) > 5, "no blocks came")
    report = page.report()
    assert report["counts"]["most_wants"] <= 2
    assert report["counts"]["most_ticks"] <= 3
    assert report["in_flight"]["queue"] <= 10
    page.stop()
    threads_gone(page, wait_for)


def test_a_stall_heals(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format("made=made").replace("w =", "made = []\nw ="))
    page.start("camera")
    stream(page, wait_for, 8)
    calm = page.report()["path"]["p50"]
    page.execute("made[-1].delay = 3.0")
    wait_for(lambda: page.report()["counts"]["underruns"] > 0, "the stall was not felt")
    page.execute("made[-1].delay = 0.02")
    wait_for(lambda: page.report()["path"]["p50"] < calm + 250, "the delay did not return")
    page.stop()


def test_a_busy_cell_does_not_stop_the_conversation(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    before = page.report()["counts"]["blocks"]
    page.tab.evaluate(
        """() => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                   kernel.requestExecute({code: "import time; time.sleep(8)"}); }"""
    )
    stream(page, wait_for, 7)
    assert page.report()["counts"]["blocks"] > before + 10
    page.stop()


def test_a_kernel_restart_switches_the_camera_off(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    assert page.tracks() == 2
    page.tab.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart() }"
    )
    wait_for(lambda: page.tracks() == 0, "the camera is still on")
    told = page.tab.locator(".avl-problem").inner_text()
    assert "not answered" in told or "connection to the kernel is gone" in told
    page.wait_kernel()
    page.run()
    page.tab.wait_for_timeout(500)
    page.start("camera")
    page.stop()


def test_a_reload_leaves_nothing_running(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    page.open()
    threads_gone(page, wait_for)
    page.run()
    page.start("sample")
    page.stop()


def test_running_the_cell_again_ends_the_old_view(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    assert page.tracks() == 2
    page.command("notebook:run-all-cells")
    wait_for(lambda: page.tracks() == 0, "the camera is still on")
    page.tab.wait_for_selector(".avl-start:visible")
    threads_gone(page, wait_for)
    page.start("camera")
    page.stop()


def test_clearing_the_output_ends_the_session(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    page.command("notebook:clear-all-cell-outputs")
    wait_for(lambda: page.tracks() == 0, "the camera is still on")
    threads_gone(page, wait_for)


def test_closing_the_widget_in_the_kernel_ends_the_session(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("camera")
    page.execute("w.close()")
    wait_for(lambda: page.tracks() == 0, "the camera is still on")
    threads_gone(page, wait_for)


def test_a_mirror_shows_the_cameras_event(lab: Any, face: Any, tmp_path: Any) -> None:
    import harness

    with harness.Browser(harness.event_film(tmp_path / "events")) as browser:
        page = browser.page(lab, lab.notebook("mirror", [REAL.format("engine='mirror'")]))
        page.run()
        page.start("camera")
        seen = page.glass_to_glass(30.0)
        page.stop()
        page.shut_kernel()
        page.close()
        assert not page.errors
    assert seen["events"] >= 10
    assert len(seen["delays"]) >= seen["events"] // 2
    assert all(0 < delay < 1300 for delay in seen["delays"])


def test_two_widgets_do_not_disturb_each_other(open_page: Any, wait_for: Any) -> None:
    page = open_page(STUB.format(""), STUB.format("").replace("w =", "v =").replace("\nw", "\nv"))
    page.tab.wait_for_function("() => document.querySelectorAll('.avl').length === 2")
    for i in range(2):
        page.tab.locator(".avl-choice[data-user=sample]").nth(i).click()
    script = "() => [...document.querySelectorAll('.avl')].map(e => e.liveAvatar.report())"

    def both() -> bool:
        reports = page.tab.evaluate(script)
        return all(r.get("counts", {}).get("frames", 0) > 30 for r in reports)

    wait_for(both, "both should stream")
    page.tab.locator(".avl-tool:has-text('Stop'):visible").first.click()
    wait_for(lambda: sum(r["state"] == "running" for r in page.tab.evaluate(script)) == 1, "one should go on")
    page.execute("w.close(); v.close()")
    threads_gone(page, wait_for)


def test_every_control_can_be_reached_by_keyboard_and_has_a_name(open_page: Any) -> None:
    page = open_page(STUB.format(""))
    page.start("sample")
    page.tab.click(".avl-fold summary")
    page.tab.locator(".avl-tool").first.focus()
    names = []
    for _ in range(17):
        names.append(
            page.tab.evaluate(
                """() => { const e = document.activeElement;
                    return e.closest('.avl') ? (e.getAttribute('aria-label') || e.labels?.[0]?.innerText
                        || e.innerText || '').trim() : null; }"""
            )
        )
        page.tab.keyboard.press("Tab")
    inside = [name for name in names if name is not None]
    assert len(inside) >= 15
    assert all(inside)
    page.stop()
