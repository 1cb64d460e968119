"""`avatar-lab import-published`: the released files, checked and converted once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_published(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with flow_transformer.pth, motion_autoencoder.pth and wav2vec2-base-960h.",
            metavar="DIR",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("published.safetensors"),
) -> None:
    """Convert the published weights into one safetensors file that can hold no code and opens fast."""
    from avatar_lab.cli import console
    from avatar_lab.data.media import check_writable
    from avatar_lab.model.released_files import LICENCE, import_published

    check_writable(out, (".safetensors",))
    model = import_published(folder, out)
    parts = {
        "flow transformer": model.generator,
        "audio": model.audio_encoder,
        "autoencoder": model.autoencoder,
    }
    for name, part in parts.items():
        count = sum(p.numel() for p in part.parameters()) if part is not None else 0
        console.out.print(f"{name}: {count:,} weights", highlight=False)
    if model.audio_encoder is None or model.audio_encoder.network is None:
        console.out.print("wav2vec2 is not among them: this avatar will not hear.", highlight=False)
    console.out.print(f"Licence: {LICENCE}", highlight=False, soft_wrap=True)
    console.name_files({"weights": out})
