"""Ways in without a local install: Binder, development containers, Colab. Files parse and name what exists."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER, CONTAINER = ROOT / ".binder", ROOT / ".devcontainer"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")
SECRETS = re.compile(r"://|token|password|secret|index-url|@git", re.IGNORECASE)


def name_of(requirement: str) -> str:
    """Return a requirement's package in its canonical spelling."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement.strip())[0]).lower()


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return {name_of(line) for line in lines if line and not line.startswith("#")}


def named(requirements: str) -> set[str]:
    """Return the packages that a requirements file names, those of this project's extras included."""
    found: set[str] = set()
    for line in requirements.splitlines():
        local = re.fullmatch(r"-e \.(?:\[([\w,-]+)\])?", line)
        if local:
            found |= {name_of(one) for one in PROJECT["dependencies"]}
            for extra in filter(None, (local.group(1) or "").split(",")):
                found |= {name_of(one) for one in PROJECT["optional-dependencies"][extra]}
        elif line and not line.startswith(("#", "-c ")):
            assert not line.startswith("-"), f"an option that this test does not know: {line}"
            found.add(name_of(line))
    return found


def system_packages() -> set[str]:
    return set((BINDER / "apt.txt").read_text("utf-8").split())


def test_binder_names_pinned_packages_only() -> None:
    text = (BINDER / "requirements.txt").read_text("utf-8")
    (constraints,) = re.findall(r"^-c (.+)$", text, re.MULTILINE)
    assert (BINDER / constraints).resolve() == ROOT / "constraints.txt"
    assert {"torch", "jupyterlab", "mediapipe"} <= named(text) <= pinned()


def test_an_unpinned_package_would_be_found() -> None:
    assert not named("-e .\nnot-a-pinned-package>=1") <= pinned()
    with pytest.raises(KeyError):
        named("-e .[no-such-extra]")


def test_binders_python_is_one_that_the_package_takes() -> None:
    version = (BINDER / "runtime.txt").read_text("utf-8").strip()
    assert version == "python-" + PROJECT["requires-python"].removeprefix(">=")


def test_the_container_file_parses_and_builds_on_what_is_here() -> None:
    container = json.loads((CONTAINER / "devcontainer.json").read_text("utf-8"))
    recipe = (CONTAINER / container["build"]["dockerfile"]).read_text("utf-8")
    assert set(recipe.split()) >= system_packages()
    command, target = container["postCreateCommand"].split()
    assert command == "make"
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    settings = container["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
    for opened in container["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / opened).is_file()


def test_system_libraries_are_those_that_the_readme_names() -> None:
    (line,) = re.findall(r"`sudo apt-get install ([^`]+)`", README)
    assert set(line.split()) == system_packages()


@pytest.mark.parametrize("path", [*BINDER.iterdir(), *CONTAINER.iterdir()], ids=lambda path: path.name)
def test_nothing_secret_is_needed(path: Path) -> None:
    assert not SECRETS.search(path.read_text("utf-8"))


def test_the_readme_names_the_three_ways() -> None:
    for way in (".binder", ".devcontainer", "Colab"):
        assert way in README
    assert 'pip install -q "avatar-lab[live] @ git+' in README
