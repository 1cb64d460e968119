"""The options that several commands share, spelled once; names and meanings are those of the Python functions."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class PictureKind(StrEnum):
    """How the avatar is drawn; `none` computes the motion only."""

    puppet = "puppet"
    neural = "neural"
    none = "none"


Preset = Annotated[str, typer.Option(help="Size of the model: tiny, lab or paper.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the avatar's motion.")]
Character = Annotated[int, typer.Option(min=0, help="Who is drawn.")]
Picture = Annotated[PictureKind, typer.Option(help="How the avatar is drawn.")]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Side of the picture in pixels.")]
Nfe = Annotated[int | None, typer.Option(min=1, max=1000, help="Denoising steps per block.")]
GuidanceAudio = Annotated[float | None, typer.Option(help="Weight of the avatar's own voice.")]
GuidanceUser = Annotated[float | None, typer.Option(help="Weight of the user.")]
Schedule = Annotated[str | None, typer.Option(help="Noise schedule of the sampler.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Weights written by `avatar-lab train`; for paper, the released folder or its import."),
]
Precision = Annotated[str, typer.Option(help="auto, float32, bfloat16, or int8 (CPU only).")]
Fast = Annotated[
    bool, typer.Option("--fast", help="The distilled lab weights: one guidance branch instead of three.")
]
UserEvery = Annotated[
    int, typer.Option(min=1, help="Read every n-th picture of the user only (preset paper).")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Let torch compile the network first: slower to start.")
]
Portrait = Annotated[
    Path | None,
    typer.Option(help="A picture of one face, worn by the avatar; use one only of somebody who agreed."),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write all numbers to this file, too.")]
