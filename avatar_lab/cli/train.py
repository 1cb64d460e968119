"""`avatar-lab train`: simulate conversations or draw people, then train one part of an avatar on them.

Training goes on from the last checkpoint when the folder holds one. The same seed, data and number of steps give the
same weights; minutes are for people. At every checkpoint of the generator, panel.png shows the loss and what the avatar
does by now. `torchrun --nproc-per-node 2 -m avatar_lab train lab` shares the generator's batches among two processes;
only the first one writes and speaks. Notebooks: 02 (autoencoder), 05 (generator).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from avatar_lab.cli import options


class Part(StrEnum):
    """What is trained."""

    generator = "generator"
    autoencoder = "autoencoder"
    one_branch = "one-branch"
    preference = "preference"


class Losers(StrEnum):
    """Who makes the losing samples of preference training."""

    dropped = "dropped"
    audio_only = "audio-only"
    aligned = "aligned"
    online = "online"
    pulled = "pulled"


LATER_PARTS = (Part.one_branch, Part.preference)  # they start from a trained generator
SHOWN_SECONDS, SHOWN_SEED = 12, 900_000_023  # a short conversation in which both smile and the avatar speaks


def train(
    preset: Annotated[
        str,
        typer.Argument(
            help="Size of the model: tiny or lab; lab-latent: lab on what is read from pictures; or a rival of the "
            "paper's tables, of size lab, such as audio-only, window or teacher-forced (avatar_lab.train.baselines)."
        ),
    ] = "lab",
    part: Annotated[Part, typer.Option(help="Which network to train.")] = Part.generator,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Budget in steps; by default the recipe's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Budget in minutes (not for the autoencoder).")
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="Hours of simulated conversation.")] = None,
    people: Annotated[int, typer.Option(min=2, help="Drawn people to learn from (autoencoder).")] = 40,
    poses: Annotated[int, typer.Option(min=2, help="Pictures of each person (autoencoder).")] = 40,
    seed: options.Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="The generator to start from (one-branch, preference: by default the shipped one); "
            "for the generator itself, weights to go on from: its last stage alone."
        ),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(
            help="Folder of more sentences to train the generator on, made by data_samples/build_speech.py --more."
        ),
    ] = None,
    self_forcing: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share (0 to 1) of the examples with a clean past that continue the generator's own past instead of "
            "the true one, against drift; together with --checkpoint.",
        ),
    ] = None,
    losers: Annotated[
        Losers,
        typer.Option(
            help="Losing samples (preference): the model without its user; one that never had a user; without its "
            "user, from the half noised truth; made anew on the way; against winners pulled towards the user."
        ),
    ] = Losers.dropped,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights and log; default runs/PRESET-PART.")
    ] = None,
) -> None:
    """Train the generator, prefer its reactions, distil it into one branch, or train the autoencoder."""
    from avatar_lab.cli import console
    from avatar_lab.cli.files import make_folder
    from avatar_lab.config import preset as preset_of
    from avatar_lab.errors import ConfigError
    from avatar_lab.model.avatar import LATENT
    from avatar_lab.train import baselines, parallel, recipes
    from avatar_lab.train.latent import train_latent

    if preset in baselines.VARIANTS:
        if part is not Part.generator or minutes or checkpoint or speech:
            raise ConfigError(
                f"{preset!r} is a rival with one budget for all: it takes --steps, --hours, --seed and --out only."
            )
        train_baseline(preset, make_folder(out or Path("runs") / "baselines"), steps, hours, seed)
        return
    if preset == LATENT:
        if part is not Part.generator or checkpoint or speech or self_forcing:
            raise ConfigError(f"{preset!r} takes --steps or --minutes, --hours, --seed and --out only.")
        folder = make_folder(out or Path("runs") / LATENT)
        _, report = train_latent(folder, steps=steps, minutes=minutes, hours=hours, seed=seed)
        loss = report.metrics["loss"]
        console.out.print(
            f"{report.steps} steps, {report.minutes:.1f} minutes, loss {loss:.4g}", highlight=False
        )
        console.name_files({"weights": folder / "generator.safetensors"})
        return
    config = preset_of(preset)
    if preset not in recipes.RECIPES:
        raise ConfigError(f"There is no recipe for {preset!r}; choose one of {', '.join(recipes.RECIPES)}.")
    if checkpoint is not None and part is Part.autoencoder:
        raise ConfigError(
            "--checkpoint names a generator to start from: for --part generator, one-branch or preference."
        )
    if self_forcing is not None and part is not Part.generator:
        raise ConfigError(
            f"--self-forcing is a way to train the generator: for --part generator, not {part.value}."
        )
    if self_forcing and checkpoint is None:
        raise ConfigError("--self-forcing needs weights to go on from: give --checkpoint FILE.")
    if part is Part.autoencoder and minutes is not None:
        raise ConfigError(
            "The autoencoder's budget is given in steps, because its recipe changes on the way."
        )
    team = parallel.join() if part is Part.generator else parallel.alone()
    folder = make_folder(out or Path("runs") / f"{preset}-{part.value}")
    if part is Part.generator:
        overrides: dict[str, Any] = {} if self_forcing is None else {"self_forced": self_forcing}
        _, report = recipes.train_generator(
            preset,
            folder,
            steps=steps,
            minutes=minutes,
            hours=hours,
            seed=seed,
            checkpoint=checkpoint,
            speech=speech,
            on_save=panel_writer(folder),
            team=team,
            **overrides,
        )
    elif part in LATER_PARTS:
        train_later, usual_hours = {
            Part.one_branch: (recipes.train_one_branch, recipes.ONE_BRANCH_HOURS),
            Part.preference: (recipes.prefer, recipes.PREFERENCE_HOURS),
        }[part]
        _, report = train_later(
            preset,
            folder,
            steps=steps,
            minutes=minutes,
            hours=hours or usual_hours,
            seed=seed,
            checkpoint=checkpoint,
            **({"losers": losers.value} if part is Part.preference else {}),
        )
    else:
        report = train_autoencoder(
            config.autoencoder, folder, steps or 2000, hours or 0.5, seed, people, poses
        )
    if not team.leads:
        return
    loss = report.metrics.get("loss", float("nan"))
    console.out.print(f"{report.steps} steps, {report.minutes:.1f} minutes, loss {loss:.4g}", highlight=False)
    weights = folder / ("autoencoder.safetensors" if part is Part.autoencoder else "generator.safetensors")
    files = {"weights": weights, "log": folder / "log.jsonl", "panel": folder / "panel.png"}
    console.name_files({what: path for what, path in files.items() if path.exists()})
    if part is not Part.autoencoder:
        console.out.print(
            f"Try it: avatar-lab react USER.mp4 --preset {preset} --checkpoint {weights}", soft_wrap=True
        )


def train_baseline(name: str, out: Path, steps: int | None, hours: float | None, seed: int) -> None:
    """Train one of the paper's rivals or ablations, and what it builds on, in folders of `out`."""
    from avatar_lab.cli import console
    from avatar_lab.train import baselines

    budget = {"steps": steps or baselines.STEPS, "hours": hours or baselines.HOURS}
    _, report = baselines.train_variant(name, out, **budget, seed=seed)
    loss = report.metrics["loss"]
    console.out.print(f"{report.steps} steps, {report.minutes:.1f} minutes, loss {loss:.4g}", highlight=False)
    console.name_files({"weights": baselines.folder_of(name, seed, out) / baselines.WEIGHTS_FILE})


def panel_writer(folder: Path) -> Callable[[Any], None]:
    """Return a function that draws `folder/panel.png` for an avatar in training, on one held-out conversation."""
    from avatar_lab.data.conversation import simulate
    from avatar_lab.stream.evaluate import stream_faces
    from avatar_lab.train.recipes import logs_of
    from avatar_lab.viz.training_panel import training_panel

    dyad = simulate(SHOWN_SECONDS, seed=SHOWN_SEED, split="test", reactivity=0.9)

    def write(avatar: Any) -> None:
        user, true = dyad.user.face, dyad.avatar.face
        made = stream_faces(avatar, user[None], dyad.user.audio[None], dyad.avatar.audio[None])[0]
        title = f"{avatar.config.name}, in {folder}"
        training_panel(logs_of(folder), user, true, made, title).savefig(folder / "panel.png", dpi=130)

    return write


def train_autoencoder(
    config: Any, out: Path, steps: int, hours: float, seed: int, people: int, poses: int
) -> Any:
    """Train the motion autoencoder on drawn people, every other one in a pose of a simulated conversation."""
    import numpy as np

    from avatar_lab.motion.space import default_space
    from avatar_lab.train import autoencoder
    from avatar_lab.train.drawn_faces import TRAIN_PEOPLE, draw_faces
    from avatar_lab.train.loop import LoopConfig
    from avatar_lab.train.recipes import conversations

    tracks = np.concatenate([p.face for dyad in conversations(hours, seed) for p in (dyad.user, dyad.avatar)])
    cast = range(TRAIN_PEOPLE, TRAIN_PEOPLE + people)  # neither the demo's characters nor the held-out people
    loop = LoopConfig(steps=steps, learning_rate=1.2e-3, seed=seed)
    settings = autoencoder.training_recipe("taught", autoencoder=config, loop=loop)
    faces = draw_faces(cast, poses, config.size, seed=seed, tracks=tracks)
    _, report = autoencoder.train(faces, default_space(), settings, out=out)
    return report
