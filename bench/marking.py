"""Does the invisible mark survive re-encoding, is it invisible, what does it cost, and does it accuse the innocent?

    python bench/marking.py --json bench/results/marking.json

The JSON in `results` states how many characters and seconds it is from. `cpu_ms`: processor time of one frame, over all
frames of a film (`a_frame`) and over those that carry the pattern (`a_marked_frame`); other load does not change it.

Films of the drawn avatar are marked, written as the package writes them, encoded again at CRF 18, 23 and 28 without
their metadata, and read. `bits` is the share of right bits (`data.marking.agreement`, out of 32).
Unmarked films are cut to short pieces, and each is read as a film of its own: `false_positives` of `innocent`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from emit import arguments_of, emit

from avatar_lab.cli.hardware import hardware
from avatar_lab.data.conversation import simulate
from avatar_lab.data.marking import ENOUGH, PERIOD, RUN, agreement, marked, read_bits
from avatar_lab.data.media import read_video, write_video
from avatar_lab.render.puppet import Puppet

SIZES, CRFS, PIECE = (256, 512), (18, 23, 28), 16


def encoded_again(source: Path, target: Path, crf: int) -> Path:
    """Encode a film anew."""
    with av.open(str(target), "w") as out, read_video(source) as reader:
        stream: Any = None
        for frame in reader:
            if stream is None:
                stream = out.add_stream("libx264", rate=25, options={"crf": str(crf)})
                stream.width, stream.height, stream.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return target


def robustness(characters: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return right bits by size and CRF, how visible the mark is, and what it costs."""
    rows: dict[str, Any] = {}
    for size in SIZES:
        bits: dict[int, list[float]] = {crf: [] for crf in CRFS}
        noise, ms, ms_marked = [], [], []
        for character in range(characters):
            face = simulate(seconds=seconds, seed=40 + character).avatar.face
            frames = Puppet(character, size).draw_track(face)
            list(marked(frames[:1]))  # the first one loads the library
            began = time.process_time()
            out = np.stack(list(marked(frames)))
            took = 1000 * (time.process_time() - began)
            carrying = np.arange(len(frames)) % PERIOD < RUN
            ms.append(took / len(frames))
            ms_marked.append(took / carrying.sum())
            noise.append(np.mean((out[carrying].astype(float) - frames[carrying]) ** 2))
            film = write_video(folder / "film.mp4", iter(out))
            for crf in CRFS:
                again = encoded_again(film, folder / "again.mp4", crf)
                with read_video(again) as reader:
                    bits[crf].append(agreement(read_bits(reader)) / 32)
        rows[str(size)] = {
            "bits": {
                f"crf {crf}": {"mean": float(np.mean(b)), "worst": float(np.min(b))}
                for crf, b in bits.items()
            },
            "psnr_db": float(10 * np.log10(255**2 / np.mean(noise))),
            "cpu_ms": {"a_frame": float(np.mean(ms)), "a_marked_frame": float(np.mean(ms_marked))},
        }
    return rows


def innocent(characters: int, seconds: float) -> dict[str, Any]:
    """Read pieces of films that carry no mark."""
    best = []
    for character in range(characters):
        for size in SIZES[:1]:
            face = simulate(seconds=2 * seconds, seed=80 + character).avatar.face
            bits = read_bits(Puppet(character, size).draw_track(face))
            best += [agreement(bits[at : at + PIECE]) for at in range(0, len(bits) - PIECE, PIECE)]
    return {
        "pieces": len(best),
        "most_bits": int(max(best)),
        "needed_bits": ENOUGH,
        "false_positives": int(sum(b >= ENOUGH for b in best)),
    }


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--characters", type=int, default=20)
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="of each film; 2 is the period of the pattern"
    )
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        marks = robustness(max(1, a.characters // 4), a.seconds, Path(folder))
    report = {"hardware": hardware("cpu"), "characters": a.characters, "seconds": a.seconds, "sizes": marks}
    emit(report | {"innocent": innocent(a.characters, a.seconds)}, a.json)


if __name__ == "__main__":
    main()
