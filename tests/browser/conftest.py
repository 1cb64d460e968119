"""Fixtures of the browser tests: one JupyterLab and one Chromium for all of them, or a skip that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_spec = spec_from_file_location("harness", Path(__file__).with_name("harness.py"))
assert _spec is not None
assert _spec.loader is not None
harness: Any = module_from_spec(_spec)
import sys

sys.modules["harness"] = harness  # dataclasses look their module up by name
_spec.loader.exec_module(harness)


@pytest.fixture(scope="session")
def _possible() -> None:
    why = harness.missing()
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def lab(_possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running JupyterLab."""
    with harness.Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def face(_possible: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A talking person for the fake camera."""
    return harness.face_film(tmp_path_factory.mktemp("face"))


@pytest.fixture(scope="module")
def browser(face: Any) -> Iterator[Any]:
    """Chromium that lends its fake camera to whoever asks."""
    with harness.Browser(face) as running:
        yield running


@pytest.fixture
def open_page(lab: Any, browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return a function that opens and runs a notebook; its tabs are closed, and its errors are ours."""
    pages: list[Any] = []

    def opened(*cells: str, run: bool = True, **options: Any) -> Any:
        name = lab.notebook(
            f"{request.node.name[:40]}_{len(pages)}".replace("[", "_").replace("]", ""), list(cells)
        )
        page = browser.page(lab, name, **options)
        pages.append(page)
        if run:
            page.run()
        page.watch_tracks()
        return page

    yield opened
    for page in pages:
        page.shut_kernel()
        page.close()
    assert not [error for page in pages for error in page.errors]
