"""Write `manifest.json`: sha256, size, origin and licence of every sample file.

Run it after anything in `speech/` or `sample/` has changed; the build scripts call it themselves.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent
ORIGIN = "synthesised for this project with piper-tts and the voice en_US-joe-medium (CC0)"


def write_manifest() -> None:
    files = sorted(p for folder in ("speech", "sample") for p in (HERE / folder).glob("*.*"))
    entries = {
        p.relative_to(HERE).as_posix(): {
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
            "bytes": p.stat().st_size,
            "origin": ORIGIN,
            "licence": "CC0-1.0",
        }
        for p in files
    }
    (HERE / "manifest.json").write_text(json.dumps({"files": entries}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_manifest()
