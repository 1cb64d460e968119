"""Rules of the house that no linter knows: where threads, clocks, randomness and printing may live."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "avatar_lab"
FILES = sorted(PACKAGE.rglob("*.py"))
MAY_THREAD = (
    "stream/session.py",
    "stream/mailbox.py",
    "live/",
    "stream/processes.py",  # for whole processes only
)
MAY_READ_CLOCK = ("clock.py", "stream/clock.py")
MAY_PRINT = ("cli/", "__main__.py")
GENERATOR_MAKERS = {"default_rng", "Generator", "SeedSequence", "PCG64", "BitGenerator"}
TORCH_RANDOM = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"}
TORCH_RANDOM |= {"rand_like", "randn_like", "randint_like"}
THREAD_MODULES = {"threading", "multiprocessing", "concurrent", "asyncio"}
MAX_LINES = 400


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for nested attributes, or "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def initial_weights(tree: ast.AST) -> set[ast.AST]:
    """Everything inside `nn.Parameter(...)`: initial weights follow torch's own seeding, like `nn.Linear`."""
    makers = [node for call, node in calls(tree) if call.endswith("Parameter")]
    return {inner for maker in makers for inner in ast.walk(maker)}


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def faults(source: str, name: str) -> list[str]:
    """List every broken rule in one file."""
    found: list[str] = []
    modules = imported(source)
    if modules & THREAD_MODULES and not name.startswith(MAY_THREAD):
        found.append(
            "threads belong to stream/session.py, stream/mailbox.py and live/, processes to stream/processes.py"
        )
    if "random" in modules:
        found.append("randomness comes from a passed generator, not from the module random")
    if "time" in modules and not name.startswith(MAY_READ_CLOCK):
        found.append("the clock is read only in clock.py")
    tree = ast.parse(source)
    weights = initial_weights(tree)
    for call, node in calls(tree):
        keywords = {k.arg for k in node.keywords}
        head, _, tail = call.rpartition(".")
        if head in ("np.random", "numpy.random") and tail not in GENERATOR_MAKERS:
            found.append(f"{call}: global randomness")
        if tail == "default_rng" and not node.args and not keywords:
            found.append("default_rng() without a seed")
        if head == "torch" and tail in TORCH_RANDOM and "generator" not in keywords and node not in weights:
            found.append(f"{call} without generator=")
        if call in ("torch.manual_seed", "np.random.seed") and "fork_rng" not in source:
            found.append(f"{call} changes global state")
        if call == "torch.load" and "weights_only" not in keywords:
            found.append("torch.load without weights_only")
        if call == "print" and not name.startswith(MAY_PRINT):
            found.append("print in the library")
        if head == "datetime" or call.endswith("datetime.now"):
            found.append(f"{call}: the clock is read only in clock.py")
    return found


@pytest.mark.parametrize("path", FILES, ids=where)
def test_house_rules(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert faults(source, where(path)) == []
    assert len(source.splitlines()) <= MAX_LINES, "split this file: it does more than one thing"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import threading", "threads"),
        ("from time import perf_counter", "clock"),
        ("import numpy as np\nnp.random.rand(3)", "global randomness"),
        ("import numpy as np\nnp.random.default_rng()", "without a seed"),
        ("import torch\ntorch.randn(3)", "without generator"),
        ("import torch\ntorch.manual_seed(0)", "global state"),
        ("import torch\ntorch.load('x')", "weights_only"),
        ("print('hello')", "print"),
        ("import torch\ntorch.nn.Linear(torch.rand(3))", "without generator"),
        ("import random", "passed generator"),
    ],
)
def test_a_broken_rule_is_found(source: str, message: str) -> None:
    assert any(message in fault for fault in faults(source, "flow/path.py"))


def test_rooms_keep_their_rights() -> None:
    assert faults("nn.Parameter(torch.randn(3) * 0.1)", "model/generator.py") == []
    assert faults("import threading", "stream/session.py") == []
    assert faults("import time", "stream/clock.py") == []
