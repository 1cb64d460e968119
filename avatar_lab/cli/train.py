"""`avatar-lab train`: simulate conversations or draw people, then train one part of an avatar on them.

Training goes on from the last checkpoint when the folder holds one. The same seed, data and number of steps give the
same weights; minutes are for people. Notebooks: 02 (autoencoder), 05 (generator).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from avatar_lab.cli import options

DEFAULT_MINUTES = 10.0


class Part(StrEnum):
    """What is trained."""

    generator = "generator"
    autoencoder = "autoencoder"


def train(
    preset: Annotated[str, typer.Argument(help="Size of the model: tiny, lab or paper.")] = "lab",
    part: Annotated[Part, typer.Option(help="Which network to train.")] = Part.generator,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Budget in minutes (generator).")] = None,
    conversations: Annotated[int, typer.Option(min=1, help="Simulated conversations to learn from.")] = 40,
    seconds: Annotated[float, typer.Option(min=10, help="Length of each conversation.")] = 60.0,
    people: Annotated[int, typer.Option(min=2, help="Drawn people to learn from (autoencoder).")] = 40,
    poses: Annotated[int, typer.Option(min=2, help="Pictures of each person (autoencoder).")] = 40,
    seed: options.Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for weights and log; default runs/PRESET.")] = None,
) -> None:
    """Train a generator, or the autoencoder, from scratch on simulated people."""
    from avatar_lab.cli import console
    from avatar_lab.cli.files import make_folder
    from avatar_lab.config import preset as preset_of

    config = preset_of(preset)
    folder = make_folder(out or Path("runs") / preset)
    dyads = simulate_many(conversations, seconds, seed)
    if part is Part.generator:
        if steps is None and minutes is None:
            minutes = DEFAULT_MINUTES
        report = train_generator(config, dyads, folder, steps, minutes, seed)
    else:
        report = train_autoencoder(config, dyads, folder, steps or 2000, seed, people, poses)
    loss = report.metrics.get("loss", float("nan"))
    console.out.print(f"{report.steps} steps, {report.minutes:.1f} minutes, loss {loss:.4g}", highlight=False)
    console.name_files({"weights": folder / f"{part.value}.safetensors", "log": folder / "log.jsonl"})
    if part is Part.generator:
        checkpoint = folder / "generator.safetensors"
        console.out.print(
            f"Try it: avatar-lab react USER.mp4 --preset {preset} --checkpoint {checkpoint}", soft_wrap=True
        )


def simulate_many(count: int, seconds: float, seed: int) -> list[Any]:
    """Simulate `count` conversations with seeds of their own, some of them as a poor webcam would see them."""
    from rich.progress import track

    import avatar_lab as al
    from avatar_lab.cli import console

    seeds = range(seed * 100_000, seed * 100_000 + count)
    numbers = track(seeds, "simulating conversations", console=console.err)
    return [al.simulate(seconds=seconds, seed=number) for number in numbers]


def train_generator(
    config: Any, dyads: list[Any], out: Path, steps: int | None, minutes: float | None, seed: int
) -> Any:
    """Train audio encoder and generator by diffusion forcing."""
    import numpy as np

    from avatar_lab.motion.space import MotionSpace
    from avatar_lab.train import diffusion_forcing
    from avatar_lab.train.loop import LoopConfig

    space = MotionSpace.fit(
        np.concatenate([person.face for dyad in dyads for person in (dyad.user, dyad.avatar)])
    )
    loop = LoopConfig(steps=steps, minutes=minutes, seed=seed)
    tensors = diffusion_forcing.prepare(dyads, space, config)
    _, report = diffusion_forcing.train(config, tensors, space, loop, out)
    return report


def train_autoencoder(
    config: Any, dyads: list[Any], out: Path, steps: int, seed: int, people: int, poses: int
) -> Any:
    """Train the motion autoencoder on drawn people in poses of the conversations."""
    import numpy as np

    from avatar_lab.motion.space import MotionSpace
    from avatar_lab.train import autoencoder
    from avatar_lab.train.drawn_faces import draw_faces
    from avatar_lab.train.loop import LoopConfig

    tracks = np.concatenate([person.face for dyad in dyads for person in (dyad.user, dyad.avatar)])
    settings = autoencoder.training_recipe(
        "taught", autoencoder=config.autoencoder, loop=LoopConfig(steps=steps, learning_rate=2e-3, seed=seed)
    )
    faces = draw_faces(range(people), poses, config.autoencoder.size, seed=seed, tracks=tracks)
    _, report = autoencoder.train(faces, MotionSpace.fit(tracks), settings, out=out)
    return report
