"""Importing is cheap and knows its place: heavy libraries are loaded only where they are used."""

from __future__ import annotations

import importlib.util
import pkgutil
import subprocess
import sys

import pytest

FRONT_DOOR_BLOCKED = ("matplotlib", "anywidget", "librosa", "mediapipe", "cv2", "IPython", "transformers")
BARE_BLOCKED = (*FRONT_DOOR_BLOCKED, "av", "soundfile", "pooch", "rich", "typer", "ipywidgets", "sklearn")
BARE_ROOMS = ("flow", "model", "motion", "train", "stream")

BLOCK = """
import importlib.abc, sys
blocked = {blocked!r}
class Wall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{{name}} is walled off in this test", name=name)
sys.meta_path.insert(0, Wall())
import importlib
for module in {modules!r}:
    importlib.import_module(module)
print("ok")
"""


def modules_of(room: str) -> list[str]:
    """Names of all modules in one room of the package."""
    spec = importlib.util.find_spec(f"avatar_lab.{room}")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    found = pkgutil.walk_packages(list(spec.submodule_search_locations), f"avatar_lab.{room}.")
    return [f"avatar_lab.{room}", *(info.name for info in found)]


def import_behind_wall(modules: list[str], blocked: tuple[str, ...]) -> None:
    code = BLOCK.format(blocked=blocked, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "ok"


def test_front_door_is_light() -> None:
    import_behind_wall(["avatar_lab"], FRONT_DOOR_BLOCKED)


@pytest.mark.parametrize("room", BARE_ROOMS)
def test_rooms_import_on_a_bare_machine(room: str) -> None:
    import_behind_wall(modules_of(room), BARE_BLOCKED)


def test_every_module_imports() -> None:
    spec = importlib.util.find_spec("avatar_lab")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    names = [
        info.name for info in pkgutil.walk_packages(list(spec.submodule_search_locations), "avatar_lab.")
    ]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    assert len(names) > 10


def test_the_wall_works() -> None:
    with pytest.raises(AssertionError, match="walled off"):
        import_behind_wall(["json", "rich"], ("rich",))
