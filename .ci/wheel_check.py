"""Look into the installed wheel: it must run away from the repository, with its samples and its weights."""

from __future__ import annotations

import sys
from pathlib import Path

import avatar_lab

root = Path(avatar_lab.__file__).parent
expected = ["_data_samples/manifest.json", "weights/lab/manifest.json", "py.typed"]
expected += ["_notebooks/00_meet_the_avatar.ipynb", "_notebooks/solutions/00_meet_the_avatar.ipynb"]
missing = [name for name in expected if not (root / name).is_file()]
missing += [] if list(root.glob("weights/lab/*.safetensors")) else ["weights/lab/*.safetensors"]
if Path.cwd() not in root.parents:
    sys.exit(f"not the installed wheel: {root}")
if missing:
    sys.exit(f"the wheel lacks {', '.join(missing)}")
print(f"wheel holds {sum(1 for p in root.rglob('*') if p.is_file())} files, samples and weights among them")
