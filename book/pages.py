"""The book's generated pages: from the paper to the code, benchmarks, the model card, the API, troubleshooting's links.

`write(folder)` is called by `build.py`. Nothing here is typed twice: figures come from bench/results through
`bench/fill_readme.py`, descriptions from docstrings, and each row of "from the paper to the code" is checked: a name
that cannot be imported, or a test or notebook that is not there, is an error.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "avatar_lab" / "weights" / "lab" / "MODEL_CARD.md"
SOURCES = ROOT / "notebooks" / "source"


class Link(NamedTuple):
    """One idea of the paper, and where it lives."""

    paper: str
    name: str  # below avatar_lab, dotted
    test: str  # below tests/
    chapter: int


IDEAS = (
    Link("3.1, motion latents", "motion.autoencoder.MotionAutoencoder", "motion/test_autoencoder.py", 2),
    Link("3.1, motion directions", "motion.directions.MotionDirections", "motion/test_directions.py", 2),
    Link("3, flow path and velocity", "flow.path.interpolate", "flow/test_path.py", 3),
    Link("Euler sampling, NFE", "flow.solver.sample", "flow/test_solver.py", 3),
    Link("3.2, causal transformer", "model.generator.Generator", "model/test_generator.py", 4),
    Link("Eq. 5, masks with look-ahead", "model.masks.self_attention_mask", "model/test_masks.py", 4),
    Link("3.3, one noise level a block", "flow.path.block_sigma", "flow/test_path.py", 5),
    Link("3.3, diffusion forcing", "train.diffusion_forcing.train", "train/test_diffusion_forcing.py", 5),
    Link("schedules of noise", "flow.schedule.make_schedule", "flow/test_schedule.py", 5),
    Link("named as future work: self-forcing", "train.self_forcing", "train/test_self_forcing.py", 5),
    Link("3.2, dual motion encoder", "model.condition.DualMotionEncoder", "model/test_condition.py", 6),
    Link("Eq. 14, guidance", "flow.guidance.branches", "flow/test_guidance.py", 6),
    Link("Algorithm 2, one block", "model.block_sampler.BlockSampler", "model/test_block_sampler.py", 7),
    Link("Algorithm 2, a whole session", "stream.engine.AvatarEngine", "stream/test_engine.py", 7),
    Link(
        "3.4, preference without labels", "train.preference.train_preference", "train/test_preference.py", 8
    ),
    Link("3.4, synthetic losing samples", "train.losers.losing_tracks", "train/test_preference.py", 8),
    Link("4, is it reactive?", "metrics.reaction.judge", "metrics/test_metrics.py", 9),
    Link("4, rivals and ablations", "train.baselines.VARIANTS", "train/test_baselines.py", 9),
    Link("the released weights", "model.published", "model/test_published.py", 12),
)


def chapters() -> dict[int, str]:
    """Return the notebooks that exist, by number."""
    return {int(path.stem[:2]): path.stem for path in sorted(SOURCES.glob("[0-9][0-9]_*.py"))}


def found(name: str) -> Any:
    """Import a module of the package, or an attribute of one; raises ImportError or AttributeError."""
    try:
        return importlib.import_module(f"avatar_lab.{name}")
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(f"avatar_lab.{module}"), attribute)


def paper_to_code() -> str:
    """Return the page that leads from equations and algorithms to functions, tests and chapters."""
    there = chapters()
    lines = [
        "# From the paper to the code",
        "",
        "Where an idea of *Avatar Forcing* lives (below `avatar_lab`), which test guards it (below `tests`), and which",
        "chapter explains it.",
        "",
        "| the paper | here | test | chapter |",
        "|---|---|---|---|",
    ]
    for idea in IDEAS:
        found(idea.name)
        if not (ROOT / "tests" / idea.test).is_file():
            raise FileNotFoundError(
                f"tests/{idea.test}, which the book names for {idea.paper}, is not there."
            )
        chapter = (
            f"{{doc}}`{idea.chapter:02d} <notebooks/{there[idea.chapter]}>`" if idea.chapter in there else ""
        )
        lines.append(f"| {idea.paper} | `{idea.name}` | `{idea.test}` | {chapter} |")
    return "\n".join(lines) + "\n"


def benchmarks() -> str:
    """Return what was measured: the README's tables, written from the same files by the same code."""
    readme = (ROOT / "README.md").read_text("utf-8")
    parts = {
        "bench": "On a laptop",
        "reaction": "Does it react?",
        "live": "How fast it answers",
        "latent": "Pixels in, pixels out",
        "speed": "Speed and its price",
    }
    lines = [
        "# Benchmarks",
        "",
        "Every figure comes from a JSON file in `bench/results` that a script of `bench` wrote; its hardware stands",
        "beside it.",
    ]
    for mark, title in parts.items():
        table = re.search(rf"<!-- {mark}:begin -->\n(.*?)<!-- {mark}:end -->", readme, re.DOTALL)
        if table is None:
            raise ValueError(f"README.md has no part between <!-- {mark}:begin --> and <!-- {mark}:end -->.")
        inside = re.sub(r"!\[(.*?)\]\(book/", r"![\1](", table.group(1)).strip()
        lines += ["", f"## {title}", "", inside]
        if mark == "latent":
            lines += ["", "![A user's pictures, and the avatar's as decoded](images/latent.webp)"]
    return "\n".join(lines) + "\n"


def model_card() -> str:
    """Return the card of the shipped weights."""
    return CARD.read_text("utf-8").replace("](book/", "](")


def members() -> Iterator[tuple[str, Any]]:
    """Yield the public names of the front door, in its order."""
    import avatar_lab as al

    for name in al.__all__:
        yield f"al.{name}", getattr(al, name)


def api() -> str:
    """Return signatures and docstrings of the front door."""
    lines = ["# The front door: `import avatar_lab as al`", "", "Names are loaded when first used.", ""]
    for name, thing in members():
        lines += [f"## `{name}`", ""]
        if callable(thing):
            lines += ["```python", signature(name, thing), "```", ""]
            lines += ["```text", inspect.getdoc(thing) or "", "```", ""]
        else:
            lines += ["```python", f"{name} = {thing!r}", "```", ""]
    return "\n".join(lines)


def signature(name: str, thing: Any) -> str:
    """Return a call as one reads it, one argument a line where it is long."""
    try:
        given = inspect.signature(thing)
    except ValueError:
        return name
    text = bare(f"{name}{given}")
    if len(text) <= 88:
        return text
    inside = [bare(str(p)) for p in given.parameters.values()]
    return f"{name}(\n    " + ",\n    ".join(inside) + ",\n)"


def bare(text: str) -> str:
    """Take the quotes off annotations, which are strings only because they are evaluated late."""
    return re.sub(r"(: |-> )(?:'([^']*)'|\"([^\"]*)\")", lambda m: m[1] + (m[2] or m[3]), text)


PAGES = {"paper_to_code": paper_to_code, "benchmarks": benchmarks, "model_card": model_card, "api": api}


def write(folder: Path) -> None:
    """Write all generated pages to `folder`."""
    for name, page in PAGES.items():
        (folder / f"{name}.md").write_text(page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
