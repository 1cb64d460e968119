"""Make the twelve-second sample of `demo`: `python data_samples/build_sample.py`.

Simulates lively conversations with held-out sentences, seed after seed, and cuts out the first twelve seconds
in which the user smiles, nods, laughs and asks a question, and the avatar has something to say. Writes
`sample/user.wav`, `sample/user_face.npz`, `sample/avatar.wav`, `sample/events.json` and the manifest.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from build_manifest import write_manifest

from avatar_lab.config import FPS, SAMPLES_PER_FRAME
from avatar_lab.data.conversation import simulate
from avatar_lab.data.encode import write_wav
from avatar_lab.data.face import FACE_NAMES
from avatar_lab.data.people import Person
from avatar_lab.data.performance import Dyad, Event

HERE = Path(__file__).parent
SECONDS = 12
USER = Person(voice=2, reactivity=0.95, expressiveness=1.2, warmth=2.0, talkativeness=0.6)
AVATAR = Person(voice=0, reactivity=0.9, expressiveness=1.1, warmth=1.5, talkativeness=0.5)
WANTED = {"smile", "laugh", "nod"}


def fits(dyad: Dyad, start: float) -> bool:
    """True if the window from `start` shows the user smiling, nodding, laughing and asking."""
    end = start + SECONDS
    inside = [e for e in dyad.events if start + 0.3 <= e.start and e.end <= end - 0.3]
    kinds = {e.kind for e in inside if e.who == "user"}
    asked = any(e.who == "avatar" and e.kind == "turn" and e.cause is not None for e in inside)
    whole = all(
        not (e.start < edge < e.end) for e in dyad.events if e.kind == "turn" for edge in (start, end)
    )
    return kinds >= WANTED and asked and whole


def find() -> tuple[Dyad, float]:
    """Return the first fitting conversation and where its window starts."""
    for seed in range(2000):
        dyad = simulate(60, seed, split="test", user=USER, avatar=AVATAR)
        for start in np.arange(0, 60 - SECONDS, 0.2):
            if fits(dyad, float(start)):
                return dyad, float(start)
    raise SystemExit("No conversation fits; look for other people or fewer wishes.")


def moved(event: Event, start: float) -> dict[str, Any]:
    about = asdict(event)
    about.update(start=round(event.start - start, 3), end=round(event.end - start, 3))
    del about["cause"]
    return about


def main() -> None:
    dyad, start = find()
    first, frames = round(start * FPS), SECONDS * FPS
    user, avatar = dyad.user.cut(first, frames), dyad.avatar.cut(first, frames)
    assert len(user.audio) == frames * SAMPLES_PER_FRAME
    folder = HERE / "sample"
    folder.mkdir(exist_ok=True)
    write_wav(folder / "user.wav", user.audio)
    write_wav(folder / "avatar.wav", avatar.audio)
    np.savez_compressed(folder / "user_face.npz", face=user.face, names=np.array(FACE_NAMES), fps=FPS)
    events = [moved(e, start) for e in dyad.events if start <= e.start < start + SECONDS]
    text = json.dumps({"seed": dyad.seed, "start": round(start, 2), "events": events}, indent=1)
    (folder / "events.json").write_text(text + "\n", encoding="utf-8")
    write_manifest()
    print(
        f"seed {dyad.seed}, from {start:.1f} s: {sorted({e['kind'] for e in events if e['who'] == 'user'})}"
    )


if __name__ == "__main__":
    main()
