"""Where the shipped files are, and whether they are whole."""

from __future__ import annotations

import json
from pathlib import Path


def sample_files() -> dict[str, Path]:
    """Return the embedded sample: a recorded user (track and sound) and a voice for the avatar."""
    from avatar_lab.data.speech import samples_dir

    folder = samples_dir() / "sample"
    return {"user": folder / "user.npz", "speech": folder / "avatar.ogg"}


def make_folder(path: Path) -> Path:
    """Create a folder for results; raise MediaError when it cannot be made."""
    from avatar_lab.errors import MediaError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"Cannot create the folder {path}: {error.strerror}. Choose another one.") from error
    return path


def check_json(path: Path | None) -> None:
    """Raise MediaError when numbers could not be written to `path`; None is fine."""
    if path is not None:
        from avatar_lab.data.media import check_writable

        check_writable(path, (".json",))


def verify_weights() -> tuple[list[str], list[str]]:
    """Hash every file in the manifests of the shipped weights; return (good names, complaints)."""
    from avatar_lab.errors import CheckpointError
    from avatar_lab.model.weights import MANIFEST, WEIGHTS_DIR, verify

    good, bad = [], []
    for manifest in sorted(WEIGHTS_DIR.glob(f"*/{MANIFEST}")):
        for name in json.loads(manifest.read_text("utf-8")):
            try:
                verify(manifest.parent / name)
                good.append(f"{manifest.parent.name}/{name}")
            except CheckpointError as error:
                bad.append(str(error))
    return good, bad


def read_sample(path: Path) -> object:
    return path
