"""Gather and execute what the book shows, then check that the finished pages need no network.

`python book/build.py` copies the pages and pictures to book/_build/source and executes notebooks/solutions there (in
this environment; jupyter-book itself lives in another). `--publish` comes after jupyter-book: it fails when a page
asks for anything from outside, and moves the pages to book/_build/html.

Widgets need a kernel, so their views are taken out of the pages; every notebook shows a picture beside its widget.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pages

BOOK = Path(__file__).resolve().parent
sys.path.append(str(BOOK.parent / "bench"))
from run_notebook import run  # noqa: E402

SOLUTIONS = BOOK.parent / "notebooks" / "solutions"
SOURCE, PAGES, HTML = (
    BOOK / "_build" / "source",
    BOOK / "_build" / "out" / "_build" / "html",
    BOOK / "_build" / "html",
)
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_SECONDS = 100 if os.environ.get("AVATAR_LAB_FAST") == "1" else 600  # chapter 06 streams for minutes
WORKERS = min(2, os.cpu_count() or 1)  # kernels at once
# What a browser would fetch by itself when the page opens; links that a reader may click are fine.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video)\b[^>]*?\bsrc\s*=\s*["']((?:https?:)?//[^"']+)"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["'](?:stylesheet|preload|icon|preconnect)["'])[^>]*?\bhref\s*=\s*["']((?:https?:)?//[^"']+)""",
    re.IGNORECASE,
)


def execute(path: Path, target: Path) -> None:
    """Run one notebook and write it with its outputs, widget views removed."""
    notebook = run(path, CELL_SECONDS).notebook
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.pop("attachments", None):  # the book has these pictures itself
            cell.source = cell.source.replace("](attachment:", "](../images/")
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
    nbformat.write(notebook, target)


def gather() -> None:
    """Assemble the sources of the book."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    (SOURCE / "notebooks").mkdir(parents=True)
    for page in (*BOOK.glob("*.md"), *BOOK.glob("_*.yml")):
        shutil.copy2(page, SOURCE)
    for folder in ("images", "_static"):
        shutil.copytree(BOOK / folder, SOURCE / folder)
    pages.write(SOURCE)
    os.environ["AVATAR_LAB_STRICT"] = "1"  # a solution that fails its check has no place in a book
    notebooks = sorted(SOLUTIONS.glob("*.ipynb"))
    threads = (os.cpu_count() or 1) // WORKERS  # more than there are cores would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        targets = [SOURCE / "notebooks" / notebook.name for notebook in notebooks]
        for notebook, _ in zip(notebooks, pool.map(execute, notebooks, targets), strict=True):
            print(f"executed {notebook.name}", flush=True)


def outside(html: str) -> list[str]:
    """List what a page would fetch from elsewhere."""
    return [first or second for first, second in FETCHED.findall(html)]


def publish() -> int:
    """Move the pages to their place; return 1 when one of them needs the network."""
    faults = [
        f"{page.relative_to(PAGES)}: {link}"
        for page in sorted(PAGES.rglob("*.html"))
        for link in outside(page.read_text("utf-8"))
    ]
    if faults:
        print("These pages fetch from the network:", *faults, sep="\n  ", file=sys.stderr)
        return 1
    shutil.rmtree(HTML, ignore_errors=True)
    shutil.move(PAGES, HTML)
    print(f"The book: {HTML / 'index.html'}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--publish", action="store_true", help="check and move the pages that jupyter-book built"
    )
    sys.exit(publish() if parser.parse_args().publish else gather())
