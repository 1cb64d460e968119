"""`avatar-lab demo`: the main job on the sample that comes with the package, and where to go from there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_lab.cli import options


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    device: options.Device = "auto",
    seed: options.Seed = 0,
    character: options.Character = 3,
    size: options.Size = 256,
) -> None:
    """Let the avatar answer the recorded user that comes with the package."""
    from avatar_lab.cli import console
    from avatar_lab.cli.files import load_sample, make_folder
    from avatar_lab.cli.job import Job, perform, summary, write_strip

    make_folder(out)
    user, speech = load_sample()
    job = Job(
        user=user,
        speech=speech,
        out=out / "demo.mp4",
        tracks=out / "demo_tracks.npz",
        device=device,
        character=character,
        size=size,
        seed=seed,
    )
    with console.stages() as report:
        reaction, written = perform(job, report)
    written["strip"] = write_strip(out / "demo_strip.png", reaction)
    console.out.print(f"\n{summary(reaction)}.\nWritten:", highlight=False)
    console.name_files(written)
    console.out.print(
        "\nYour own video:  avatar-lab react USER.mp4 --speech VOICE.wav --out out.mp4", highlight=False
    )
    console.out.print("The notebooks:   make lab   (or: jupyter lab notebooks)", highlight=False)
