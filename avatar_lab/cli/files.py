"""Where the shipped files are, whether they are whole, and whether results can be written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from avatar_lab.data.performance import Performance, fit_audio
from avatar_lab.errors import CheckpointError, MediaError


def sample_files() -> dict[str, Path]:
    """Return the embedded sample: a recorded user (face track and sound) and a voice for the avatar."""
    from avatar_lab.data.speech import samples_dir

    folder = samples_dir() / "sample"
    return {"face": folder / "user_face.npz", "sound": folder / "user.wav", "speech": folder / "avatar.wav"}


def load_sample() -> tuple[Performance, Path]:
    """Return the user of the sample, and the file with the avatar's voice; raise MediaError if it is not there."""
    import numpy as np

    from avatar_lab.data.face import check_track
    from avatar_lab.data.media import read_audio

    files = sample_files()
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise MediaError(
            f"The sample lacks {', '.join(missing)} in {files['face'].parent}. Reinstall avatar-lab."
        )
    with np.load(files["face"]) as arrays:
        face = check_track(arrays["face"], "the sample's face")
    return Performance(face, fit_audio(read_audio(files["sound"]), len(face))), files["speech"]


def make_folder(path: Path) -> Path:
    """Create a folder for results; raise MediaError when it cannot be made."""
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


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write numbers; what is not a number (no event happened) becomes null."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: clean(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    path.write_text(json.dumps(clean(values), indent=2) + "\n", encoding="utf-8")


def verify_weights() -> tuple[list[str], list[str]]:
    """Hash every file in the manifests of the shipped weights; return (good names, complaints)."""
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
