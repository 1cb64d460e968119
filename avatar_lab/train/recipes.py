"""From nothing to shipped weights: what `avatar-lab train PRESET` runs.

A recipe says how much conversation to simulate, who the avatar is in it, and how long to train. Everything
follows from the seed.

Notebook: 05 (train the generator).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tqdm.auto import tqdm

from avatar_lab.config import preset
from avatar_lab.data.conversation import simulate
from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import Avatar, load
from avatar_lab.motion.space import MotionSpace, default_space
from avatar_lab.train.diffusion_forcing import ForcingConfig, train
from avatar_lab.train.loop import LoopConfig, LoopReport
from avatar_lab.train.one_branch import distil
from avatar_lab.train.preference import PreferenceConfig, train_preference
from avatar_lab.train.windows import Conversation, to_conversation

CLIP_SECONDS = 60
ONE_BRANCH_HOURS = 4.0
PREFERENCE_HOURS = 1.0
LIVELY = (0.75, 1.0)  # reactivity of the avatars that are learned from; most simulated listeners are stiff


@dataclass(frozen=True)
class Stage:
    """One part of a training: its share of the steps, and what a step does."""

    name: str
    share: float
    learning_rate: float
    forcing: ForcingConfig


@dataclass(frozen=True)
class Recipe:
    """How a preset is trained: data, budget and stages, each of which starts from the one before."""

    hours: float
    steps: int
    stages: tuple[Stage, ...]


def two_stages(forcing: ForcingConfig, learning_rate: float) -> tuple[Stage, ...]:
    """Return the paper's diffusion forcing, then the same with the noise levels that a stream sees."""
    stream = replace(forcing, clean_past=0.6, cue_share=0.3)
    return (
        Stage("forcing", 2 / 3, learning_rate, forcing),
        Stage("stream", 1 / 3, learning_rate / 2, stream),
    )


RECIPES: dict[str, Recipe] = {
    "tiny": Recipe(0.2, 600, two_stages(ForcingConfig(batch=8, history=40), 2e-3)),
    "lab": Recipe(8.0, 10_500, two_stages(ForcingConfig(), 1e-3)),
}


def conversations(hours: float, seed: int, split: str = "train") -> Iterator[Dyad]:
    """Simulate `hours` of conversation in clips of a minute, with lively avatars and imperfect recordings."""
    rng = np.random.default_rng([seed, 77])
    for index in range(max(1, round(hours * 3600 / CLIP_SECONDS))):
        yield simulate(
            CLIP_SECONDS,
            seed=int(seed * 1_000_000 + index),
            split=split,  # pyright: ignore[reportArgumentType]
            reactivity=float(rng.uniform(*LIVELY)),
            noise=float(rng.uniform(0, 0.6)),
        )


def prepare(name: str, hours: float, seed: int, progress: bool) -> list[Conversation]:
    """Simulate and featurise the training data of a preset."""
    space, bands = default_space(), preset(name).audio.bands
    total = max(1, round(hours * 3600 / CLIP_SECONDS))
    dyads = tqdm(conversations(hours, seed), total=total, disable=not progress, unit="min", desc="simulate")
    return [to_conversation(dyad, space, bands) for dyad in dyads]


def train_generator(
    name: str,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float | None = None,
    seed: int = 0,
    progress: bool = True,
    **forcing: Any,
) -> tuple[Avatar, LoopReport]:
    """Train the generator of preset `name`, stage after stage; resumes when `out` holds checkpoints.

    Parameters
    ----------
    steps, minutes : budget of all stages together; the recipe's steps when neither is given.
    hours : of simulated conversation.
    forcing : fields of `ForcingConfig` to override in every stage.
    """
    if name not in RECIPES:
        raise ConfigError(f"There is no training recipe for {name!r}; choose one of {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    if steps is None and minutes is None:
        steps = recipe.steps
    data = prepare(name, hours or recipe.hours, seed, progress)
    avatar, total = None, LoopReport()
    for stage in recipe.stages:
        loop = LoopConfig(
            steps=max(1, round(steps * stage.share)) if steps else None,
            minutes=minutes * stage.share if minutes else None,
            learning_rate=stage.learning_rate,
            seed=seed,
        )
        avatar, report = train(
            preset(name),
            data,
            default_space(),
            loop,
            out / stage.name,
            replace(stage.forcing, **forcing),
            initial=avatar,
            progress=progress,
        )
        total = LoopReport(total.steps + report.steps, total.minutes + report.minutes, 1.0, report.metrics)
    assert avatar is not None
    meta = {"steps": total.steps, "minutes": round(total.minutes, 1), "seed": seed}
    avatar.save(out / "generator.safetensors", meta)
    return avatar, total


def prefer(
    name: str,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float = PREFERENCE_HOURS,
    seed: int = 0,
    checkpoint: Path | None = None,
    config: PreferenceConfig | None = None,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Run the paper's last stage on a generator; resumes when `out` holds a checkpoint.

    It starts from the shipped generator of preset `name`, or from the file `checkpoint`; the losing samples are its own
    with the user dropped.
    """
    loop = LoopConfig(
        steps=steps or (None if minutes else 1_000), minutes=minutes, learning_rate=5e-5, warmup=50, seed=seed
    )
    base = load(name, device="cpu", checkpoint=checkpoint)
    data = prepare(name, hours, seed + 70, progress)
    return train_preference(base, data, loop, out, config, progress=progress)


def train_one_branch(
    name: str,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float = ONE_BRANCH_HOURS,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Distil guidance into one pass; resumes when `out` holds a checkpoint.

    The teacher is the shipped generator of preset `name`, or the file `checkpoint` that `avatar-lab train` wrote.
    """
    guided = load(name, device="cpu", checkpoint=checkpoint)
    loop = LoopConfig(
        steps=steps or (None if minutes else 2_000), minutes=minutes, learning_rate=4e-4, seed=seed
    )
    # Conversations that the teacher was not trained on: its answers, not its memories, are to be copied.
    data = prepare(name, hours, seed + 50, progress)
    return distil(guided, data, loop, out, progress=progress)


def fit_default_space(path: Path, minutes: int = 60, seed: int = 5) -> MotionSpace:
    """Fit the shared motion space on simulated people and write it to `path`."""
    tracks = [simulate(60, seed=seed * 1_000_000 + i) for i in range(minutes)]
    faces = np.concatenate([person.face for dyad in tracks for person in (dyad.user, dyad.avatar)])
    space = MotionSpace.fit(faces)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(space.tensors(), path)
    return space
