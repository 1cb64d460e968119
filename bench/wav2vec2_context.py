"""What listening live costs: wav2vec2 over a rolling window against wav2vec2 over the whole file.

    python bench/wav2vec2_context.py --json bench/results/wav2vec2_context.json [--checkpoint DIR]

The network is bidirectional over whatever it is given, so features of a whole file know the future, and a stream
cannot have them. For every left context (seconds before the block) and right context (frames after it, which would be
waited for) the JSON holds `error`: the root mean square gap to the whole file, relative to how much its features
vary; and `ms`, the time of one block. Without `--checkpoint` the weights are random: the figures then show the
mechanism (how an answer depends on context at all), not what the trained network would lose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from emit import arguments_of, emit
from torch import Tensor

from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder, wav2vec2_network
from avatar_lab.cli.hardware import hardware
from avatar_lab.clock import SystemClock
from avatar_lab.config import FPS, SAMPLES_PER_FRAME, preset
from avatar_lab.data.sound import read_audio

CLOCK = SystemClock()
VOICE = Path(__file__).parents[1] / "data_samples" / "sample" / "avatar.wav"


def random_encoder() -> Wav2Vec2Encoder:
    """The published size with seeded random weights."""
    torch.manual_seed(0)
    return Wav2Vec2Encoder(preset("paper").audio, 12 * 768, wav2vec2_network()).eval()


def trained_encoder(folder: Path) -> Wav2Vec2Encoder:
    """The published weights."""
    from avatar_lab.model.released_files import open_published

    encoder = open_published(folder).audio_encoder
    assert encoder is not None
    return encoder


@torch.inference_mode()
def windowed(
    encoder: Wav2Vec2Encoder, wave: Tensor, block: int, left: int, right: int
) -> tuple[Tensor, list[float]]:
    """Features block by block, each from `left` frames before it to `right` frames after it, and their times."""
    frames, rows, times = wave.shape[1] // SAMPLES_PER_FRAME, [], []
    for start in range(0, frames - frames % block, block):
        first, last = max(0, start - left), min(frames, start + block + right)
        began = CLOCK.now()
        found = encoder.whole(wave[:, first * SAMPLES_PER_FRAME : last * SAMPLES_PER_FRAME], last - first)
        times.append(1e3 * (CLOCK.now() - began))
        rows.append(found[:, start - first : start - first + block])
    return torch.cat(rows, dim=1), times


def main() -> None:
    parser = arguments_of(__doc__)
    parser.add_argument("--checkpoint", type=Path, help="released folder, or the file imported from it")
    parser.add_argument("--voice", type=Path, default=VOICE)
    arguments = parser.parse_args()
    encoder = trained_encoder(arguments.checkpoint) if arguments.checkpoint else random_encoder()
    wave = torch.from_numpy(np.ascontiguousarray(read_audio(arguments.voice)))[None]
    frames, block = wave.shape[1] // SAMPLES_PER_FRAME, preset("paper").generator.block
    with torch.inference_mode():
        whole = encoder.whole(wave[:, : frames * SAMPLES_PER_FRAME], frames)
    table: list[dict[str, Any]] = []
    for left_s in (0, 1, 2, 4, 8):
        for right in (0, 2, 5):
            found, times = windowed(encoder, wave, block, left_s * FPS, right)
            gap = (found - whole[:, : found.shape[1]]).square().mean().sqrt()
            error = float(gap / whole.std(dim=1).square().mean().sqrt())
            table.append(
                {"left_s": left_s, "right_frames": right, "error": error, "ms": float(np.median(times))}
            )
    report = {
        "hardware": hardware("cpu"),
        "weights": "published" if arguments.checkpoint else "random",
        "voice": arguments.voice.name,
        "seconds": frames / FPS,
        "block_frames": block,
        "live": {"left_s": preset("paper").audio.context_frames / FPS, "right_frames": 0},
        "rows": table,
    }
    emit(report, arguments.json)


if __name__ == "__main__":
    main()
