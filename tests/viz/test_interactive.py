"""Interactive figures carry everything with them, and say what is wrong with their data."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from avatar_lab.errors import ConfigError
from avatar_lab.viz import interactive as module
from avatar_lab.viz.interactive import STATIC, figures, interactive


def test_the_page_holds_module_and_data_and_fetches_nothing() -> None:
    figure = interactive("latency_waterfall", block_ms=200.0, note="</script><b>")
    page = figure._repr_mimebundle_()["text/html"]
    assert page.count("</script>") == 1, "data must not end the script"
    literal = re.search(r"data = (\{.*?\});", page)
    assert literal
    assert json.loads(literal.group(1)) == figure.data
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert repr(figure) == "interactive figure 'latency_waterfall'"


def test_the_same_figure_twice_is_the_same_page() -> None:
    assert interactive("latency_waterfall", a=1).html() == interactive("latency_waterfall", a=1).html()
    assert interactive("latency_waterfall", a=1).html() != interactive("latency_waterfall", a=2).html()


def test_every_figure_exports_what_anywidget_wants() -> None:
    assert figures()
    for name in figures():
        source = (STATIC / f"{name}.js").read_text("utf-8")
        assert "export default" in source, name
        assert "render" in source, name
        assert not re.search(r"import .* from|https?://(?!www\.w3\.org)", source), (
            f"{name} needs more than itself"
        )


def test_a_widget_has_the_data_as_traits() -> None:
    pytest.importorskip("anywidget")
    widget = interactive("latency_waterfall", block_ms=200.0).widget()
    assert widget.block_ms == 200.0
    assert "latency" in widget._esm or "stall" in widget._esm
    widget.close()
    with pytest.raises(ConfigError, match="trait 'layout' of its own"):
        interactive("latency_waterfall", layout=1).widget()


def test_bad_figures_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"there are .*latency_waterfall"):
        interactive("latency")
    with pytest.raises(ConfigError, match="tolist"):
        interactive("latency_waterfall", values=np.zeros(3))
    with pytest.raises(ConfigError, match="JSON-ready"):
        interactive("latency_waterfall", value=float("nan"))
    monkeypatch.setattr(module, "LARGEST", 1000)
    with pytest.raises(ConfigError, match="Hand over fewer"):
        interactive("latency_waterfall", value=1)
