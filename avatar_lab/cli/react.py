"""`avatar-lab react`: a user's video and a voice for the avatar in, a film and tracks out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_lab.cli import options


def react(
    user: Annotated[
        Path, typer.Argument(help="The user's video: anything that ffmpeg reads.", metavar="USER")
    ],
    speech: Annotated[Path | None, typer.Option(help="What the avatar says; silence when left out.")] = None,
    out: Annotated[Path, typer.Option(help="The film to write.")] = Path("out.mp4"),
    tracks: Annotated[Path | None, typer.Option(help="Write the face tracks here (.npz).")] = None,
    preset: options.Preset = "lab",
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    precision: options.Precision = "auto",
    fast: options.Fast = False,
    seed: options.Seed = 0,
    character: options.Character = 0,
    picture: options.Picture = options.PictureKind.puppet,
    size: options.Size = 256,
    nfe: options.Nfe = None,
    guidance_audio: options.GuidanceAudio = None,
    guidance_user: options.GuidanceUser = None,
    schedule: options.Schedule = None,
    portrait: options.Portrait = None,
    user_every: options.UserEvery = 1,
    compile: options.Compile = False,
) -> None:
    """Let the avatar answer a recorded user."""
    from avatar_lab.cli import console
    from avatar_lab.cli.job import Job, perform, quality_lines, summary

    job = Job(
        user=user,
        speech=speech,
        out=out,
        tracks=tracks,
        preset=preset,
        device=device,
        checkpoint=checkpoint,
        precision=precision,
        fast=fast,
        character=character,
        picture=None if picture is options.PictureKind.none else picture.value,
        size=size,
        seed=seed,
        nfe=nfe,
        guidance_audio=guidance_audio,
        guidance_user=guidance_user,
        schedule=schedule,
        portrait=portrait,
        user_every=user_every,
        compile=compile,
    )
    with console.stages() as report:
        reaction, written = perform(job, report)
    console.out.print(summary(reaction), highlight=False)
    for line in [*quality_lines(reaction.user), *reaction.notes]:
        console.out.print(line, highlight=False)
    console.name_files(written)
