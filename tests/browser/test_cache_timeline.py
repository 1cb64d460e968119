"""The cache timeline of chapter 07 in a real page: it says what a cache holds, by slider, keys and at phone width."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from avatar_lab.viz.interactive import interactive

BLOCK, CONTEXT, LOOKAHEAD, BLOCKS = 5, 43, 2, 14


def rows() -> list[dict[str, float]]:
    """Return a session by the rule: l frames wait, B are written each time, the oldest go; times are made up."""
    found, held = [], 0
    for b in range(BLOCKS):
        again = LOOKAHEAD if b else 0
        written = again + BLOCK - LOOKAHEAD
        gone = max(0, held + written - CONTEXT)
        times = {"cached": 1.5, "window": min(10, b + 1) * 0.5, "whole": (b + 1) * 0.6}
        found.append(
            {"start": b * BLOCK, "held": held, "again": again, "written": written, "forgotten": gone, **times}
        )
        held += written - gone
    return found


@pytest.fixture
def open_figure(_possible: None) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(found for found in map(shutil.which, names) if found)
    figure = interactive("cache_timeline", rows=rows(), block=BLOCK, context=CONTEXT, lookahead=LOOKAHEAD)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])

        def opened(width: int) -> Any:
            page = browser.new_page(viewport={"width": width, "height": 700})
            page.on("pageerror", lambda error: pytest.fail(str(error)))
            page.set_content(f"<body style='margin:8px'>{figure.html()}</body>")
            page.wait_for_selector("canvas[aria-label^=Block]")
            return page

        yield opened
        browser.close()


def test_it_says_what_is_held_written_and_forgotten(open_figure: Any) -> None:
    page = open_figure(800)
    page.fill("input[type=range]", "12")
    said = page.inner_text("p")
    assert (
        "makes frames 60 to 64, seeing frames 15 to 57 through the cache and reading frames 58 to 59" in said
    )
    assert "writes frames 58 to 62 and forgets frames 15 to 19" in said
    assert "1.5 ms; 5.0 if the last window is read again, 7.8 with the whole past" in said
    page.fill("input[type=range]", "0")
    assert "empty cache. When it is done it writes frames 0 to 2 and forgets nothing" in page.inner_text("p")


def test_keys_step_and_the_button_plays(open_figure: Any) -> None:
    page = open_figure(800)
    page.fill("input[type=range]", "3")
    page.focus("canvas[tabindex]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.inner_text("p").startswith("Block 4 ")
    page.click("button")
    assert page.inner_text("button") == "pause"
    page.wait_for_function("document.querySelector('p').textContent.startsWith('Block 6 ')")
    page.click("button")
    assert page.inner_text("button") == "play"


def test_it_fits_a_phone(open_figure: Any) -> None:
    page = open_figure(360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    before = page.evaluate("document.querySelector('canvas').toDataURL()")
    page.select_option("select", "1")  # other numbers under the slots
    assert page.evaluate("document.querySelector('canvas').toDataURL()") != before


def test_another_theme_brings_another_ink(open_figure: Any) -> None:
    page = open_figure(800)
    ink = """() => {
        const canvas = document.querySelector('canvas[aria-label^=Block]');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return data.filter((value, i) => i % 4 < 3 && data[i - i % 4 + 3] > 200 && value > 240).length;
    }"""
    dark = page.evaluate(ink)
    page.evaluate("document.body.style.color = '#fff'; document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(f"before => ({ink})() > before", arg=dark)
    assert page.locator("input[type=range]").count() == 1, "drawn anew, not twice"
