"""Figures that can be touched, with a kernel and without one.

    interactive("latency_waterfall", block_ms=200.0)       # avatar_lab/viz/static/latency_waterfall.js

A figure is a small ES module, `export default { render({ model, el }) }` as anywidget wants it, and data. It shows
itself as HTML that carries both: it needs no kernel and no network, so JupyterLab and the book show the same thing.
`Figure.widget()` makes a real anywidget of it, for whoever wants to turn its data from Python.

What is peculiar: the module sees data only through `model.get(name)`. In the page, a few lines stand in for that model.

Notebook: every one with an interactive figure.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from avatar_lab.errors import ConfigError

STATIC: Final = Path(__file__).parent / "static"
LARGEST: Final = 3_000_000  # characters of a page; a notebook with several figures must stay light
PAGE: Final = """<div class="avatar-lab-figure" data-figure="{key}"></div>
<script type="module">
const source = {source}, data = {data};
const model = {{ get: (name) => data[name], set: (name, value) => {{ data[name] = value; }},
  on() {{}}, off() {{}}, send() {{}}, save_changes() {{}} }};
const url = URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }}));
const figure = (await import(url)).default;
const show = (el) => {{
  let undo = figure.render({{ model, el }});
  const again = () => requestAnimationFrame(() => {{
    if (!el.isConnected) return watch.disconnect();
    if (typeof undo === "function") undo();
    el.replaceChildren();
    undo = figure.render({{ model, el }});
  }});
  const watch = new MutationObserver(again); // what is drawn on a canvas keeps the ink of the old theme
  watch.observe(document.documentElement, {{ attributes: true, attributeFilter: ["data-theme"] }});
  watch.observe(document.body, {{ attributes: true, attributeFilter: ["data-jp-theme-light"] }});
}};
for (const el of document.querySelectorAll('[data-figure="{key}"]:empty')) show(el);
</script>"""


class Figure:
    """One interactive figure; returned from a cell, it shows itself."""

    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name, self.data, self._source = name, data, source_of(name)
        size = len(self.html())
        if size > LARGEST:
            raise ConfigError(
                f"The figure {name} would weigh {size / 1e6:.1f} MB; at most {LARGEST / 1e6:.0f} MB are shown. "
                "Hand over fewer or smaller pictures."
            )

    def __repr__(self) -> str:
        return f"interactive figure {self.name!r}"

    def html(self) -> str:
        """Return the figure as HTML that needs neither kernel nor network."""
        source, data = script(self._source), script(self.data)
        key = hashlib.sha256((source + data).encode()).hexdigest()[:16]
        return PAGE.format(key=key, source=source, data=data)

    def widget(self) -> Any:
        """Return the figure as an anywidget, to be composed with others; its data are traits of the same names.

        Raises ConfigError where anywidget is missing.
        """
        if find_spec("anywidget") is None:
            raise ConfigError(
                "Widgets need anywidget: pip install 'avatar-lab[live]'. Figures show without it, too."
            )
        return widget_class(self.name, tuple(self.data))(**self.data)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self.html()}


def interactive(name: str, **data: Any) -> Figure:
    """Return the figure of `static/NAME.js` with `data`, which must be JSON-ready.

    Raises ConfigError for a figure that is not there, data that JSON cannot hold, or too much of it.
    """
    return Figure(name, data)


def figures() -> tuple[str, ...]:
    """Return the names of all figures."""
    return tuple(sorted(path.stem for path in STATIC.glob("*.js")))


@cache
def source_of(name: str) -> str:
    """Return the module of a figure."""
    if name not in figures():
        raise ConfigError(f"There is no figure {name!r}; there are {', '.join(figures())}.")
    return (STATIC / f"{name}.js").read_text("utf-8")


def script(value: Any) -> str:
    """Return a value as a JavaScript literal that may stand inside a script element."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"A figure's data must be JSON-ready: {error}. Convert arrays with .tolist()."
        ) from error
    return text.replace("<", "\\u003c")


@cache
def widget_class(name: str, traits: tuple[str, ...]) -> Any:
    """Return an anywidget class whose traits are the figure's data."""
    import anywidget
    import traitlets

    taken = [trait for trait in traits if hasattr(anywidget.AnyWidget, trait)]
    if taken:
        raise ConfigError(
            f"A widget has a trait {taken[0]!r} of its own. Give the figure's data another name."
        )
    values = {trait: traitlets.Any().tag(sync=True) for trait in traits}
    return type("FigureWidget", (anywidget.AnyWidget,), {"_esm": source_of(name), **values})
