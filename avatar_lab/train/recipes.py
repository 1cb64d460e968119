"""From nothing to shipped weights: what `avatar-lab train PRESET` runs.

A recipe says how much conversation to simulate, who the avatar is in it, and how long to train. Everything
follows from the seed.

Notebook: 05 (train the generator).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tqdm.auto import tqdm

from avatar_lab.config import preset
from avatar_lab.data.conversation import simulate
from avatar_lab.data.performance import Dyad
from avatar_lab.data.speech import Corpus, with_more
from avatar_lab.errors import ConfigError
from avatar_lab.model.avatar import Avatar, build, load
from avatar_lab.motion.space import MotionSpace, default_space
from avatar_lab.train.diffusion_forcing import ForcingConfig, train
from avatar_lab.train.loop import LoopConfig, LoopReport
from avatar_lab.train.one_branch import distil
from avatar_lab.train.parallel import Team, alone
from avatar_lab.train.preference import PreferenceConfig, train_preference
from avatar_lab.train.windows import Conversation, to_conversation

CLIP_SECONDS = 60
ONE_BRANCH_HOURS = 4.0
PREFERENCE_HOURS, PREFERENCE_STEPS, PREFERENCE_SEED = 0.5, 300, 70
# Losing samples: the same model without its user; one that never had a user (published); without its user, from the
# half noised truth; without its user, made anew by the policy on its way; without its user, against winners that the
# same model made with a stronger pull towards the user than usual.
LOSERS = {
    "dropped": PreferenceConfig(),
    "audio-only": PreferenceConfig(),
    "aligned": PreferenceConfig(loser_level=0.7),
    "online": PreferenceConfig(refresh=100),
    "pulled": PreferenceConfig(winner_pull=6.0),
}
FURTHER = "further"  # the last stage again, from weights that exist
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


TINY, LAB = ForcingConfig(batch=8, history=40), ForcingConfig()
RECIPES: dict[str, Recipe] = {
    "tiny": Recipe(0.2, 600, two_stages(TINY, 2e-3)),
    "lab": Recipe(8.0, 10_500, two_stages(LAB, 1e-3)),
}
# From weights that exist, on conversations of another seed: the last stage alone, in a folder of its own.
FURTHER_RECIPES: dict[str, Recipe] = {
    "tiny": Recipe(0.4, 300, (replace(two_stages(TINY, 2e-3)[-1], name=FURTHER, share=1.0),)),
    "lab": Recipe(
        20.0, 6_000, (replace(two_stages(LAB, 1e-3)[-1], name=FURTHER, share=1.0, learning_rate=6e-4),)
    ),
}


def conversations(
    hours: float,
    seed: int,
    split: str = "train",
    seconds: float = CLIP_SECONDS,
    corpus: Corpus | None = None,
) -> Iterator[Dyad]:
    """Simulate `hours` of conversation in clips of `seconds`, with lively avatars and imperfect recordings.

    The sentences are those of `split`, or of `corpus`.
    """
    rng = np.random.default_rng([seed, 77])
    for index in range(max(1, round(hours * 3600 / seconds))):
        yield simulate(
            seconds,
            seed=int(seed * 1_000_000 + index),
            split=split,
            corpus=corpus,
            reactivity=float(rng.uniform(*LIVELY)),
            noise=float(rng.uniform(0, 0.6)),
        )


def prepare(
    name: str, hours: float, seed: int, progress: bool, speech: Path | None = None
) -> list[Conversation]:
    """Simulate and featurise the training data of a preset; `speech` is a corpus to be added to the shipped one."""
    space, bands = default_space(), preset(name).audio.bands
    total = max(1, round(hours * 3600 / CLIP_SECONDS))
    talks = conversations(hours, seed, corpus=None if speech is None else with_more(speech))
    dyads = tqdm(talks, total=total, disable=not progress, unit="min", desc="simulate")
    return [to_conversation(dyad, space, bands) for dyad in dyads]


def train_generator(
    name: str,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    speech: Path | None = None,
    progress: bool = True,
    on_save: Callable[[Avatar], None] | None = None,
    team: Team | None = None,
    **forcing: Any,
) -> tuple[Avatar, LoopReport]:
    """Train the generator of preset `name`, stage after stage; resumes when `out` holds checkpoints.

    Parameters
    ----------
    steps, minutes : budget of all stages together; the recipe's steps when neither is given.
    hours : of simulated conversation.
    checkpoint : weights that `avatar-lab train` wrote, to go on from: only the last stage is run (`FURTHER_RECIPES`).
    speech : folder of a second corpus (`data.speech.with_more`): more sentences, better lips.
    on_save, team : see `diffusion_forcing.train`.
    forcing : fields of `ForcingConfig` to override in every stage, such as `self_forced` (needs `checkpoint`).

    Raises
    ------
    ConfigError : no recipe of that name, weights of another preset, a share that is none, or a batch that the team
        cannot share evenly.
    CheckpointError : `checkpoint` cannot be read.
    """
    if name not in RECIPES:
        raise ConfigError(f"There is no training recipe for {name!r}; choose one of {', '.join(RECIPES)}.")
    recipe, team = (FURTHER_RECIPES if checkpoint else RECIPES)[name], team or alone()
    stages = [replace(stage, forcing=replace(stage.forcing, **forcing)) for stage in recipe.stages]
    for stage in stages:
        team.rows(stage.forcing.batch)  # complain now, not after an hour of simulating
    avatar = None if checkpoint is None else start_from(name, checkpoint)
    if steps is None and minutes is None:
        steps = recipe.steps
    data = prepare(name, hours or recipe.hours, seed, progress and team.leads, speech)
    total = LoopReport()
    for stage in stages:
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
            stage.forcing,
            initial=avatar,
            progress=progress,
            on_save=on_save,
            team=team,
        )
        total = LoopReport(total.steps + report.steps, total.minutes + report.minutes, 1.0, report.metrics)
    assert avatar is not None
    meta = {"steps": total.steps, "minutes": round(total.minutes, 1), "seed": seed}
    if team.leads:
        avatar.save(out / "generator.safetensors", meta)
    return avatar, total


def start_from(name: str, checkpoint: Path) -> Avatar:
    """Read a generator to go on from; raises ConfigError when it is of another size, distilled, or moves otherwise.

    One from before `hop_width` and `sound_lags` gets those parts, which change nothing until they have learned.
    """
    avatar = load(name, device="cpu", checkpoint=checkpoint, precision="float32")
    found, wanted, space = avatar.config, preset(name), default_space().tensors()
    grown = replace(
        found,
        audio=replace(found.audio, hop_width=wanted.audio.hop_width),
        generator=replace(found.generator, sound_lags=wanted.generator.sound_lags),
    )
    if (found.audio.hop_width, found.generator.sound_lags) == (0, ()) and grown != found:
        whole = build(grown, avatar.face_space)
        whole.generator.load_state_dict(avatar.generator.state_dict(), strict=False)
        whole.audio_encoder.load_state_dict(avatar.audio_encoder.state_dict(), strict=False)
        avatar, found = whole, grown
    if (found.generator, found.audio) != (wanted.generator, wanted.audio):
        fault = f"one of preset {found.name!r}"
    elif found.sampler.distilled:
        fault = "one with its guidance distilled into it"
    elif any(not np.array_equal(avatar.space.tensors()[part], value) for part, value in space.items()):
        fault = "one of another motion space"
    else:
        return avatar
    raise ConfigError(
        f"Training goes on from a plain generator of preset {name!r}; {checkpoint} holds {fault}. "
        f"Pass a file that `avatar-lab train {name}` wrote."
    )


def logs_of(out: Path) -> list[Path]:
    """Return the logs that a training left in `out`, in the order in which its stages ran; maybe none."""
    stages = [stage.name for stage in RECIPES["lab"].stages] + [FURTHER]
    logs = [out / "log.jsonl", *(out / name / "log.jsonl" for name in stages)]
    return [path for path in logs if path.is_file()]


def preference_loop(steps: int | None = None, minutes: float | None = None, seed: int = 0) -> LoopConfig:
    """Return how preference is trained: short and gently, from weights that are good already."""
    steps = steps or (None if minutes else PREFERENCE_STEPS)
    return LoopConfig(
        steps=steps, minutes=minutes, learning_rate=8e-5, warmup=30, ema=0.99, log_every=25, seed=seed
    )


def prefer(
    name: str,
    out: Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    hours: float = PREFERENCE_HOURS,
    seed: int = 0,
    checkpoint: Path | None = None,
    losers: str = "dropped",
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Run the paper's last stage on a generator; resumes when `out` holds a checkpoint.

    It starts from the shipped generator of preset `name`, or from the file `checkpoint`. `losers` names who makes the
    losing samples, one of `LOSERS`.
    """
    if losers not in LOSERS:
        raise ConfigError(f"losers must be one of {', '.join(LOSERS)}; got {losers!r}.")
    base = load(name, device="cpu", checkpoint=checkpoint)
    data, loser = prepare(name, hours, seed + PREFERENCE_SEED, progress), None
    if losers == "audio-only":
        loser, _ = train_audio_only(
            name, out / "audio_only", hours=hours, seed=seed, initial=base, progress=progress
        )
    loop = preference_loop(steps, minutes, seed)
    return train_preference(base, data, loop, out, LOSERS[losers], loser=loser, progress=progress)


def train_audio_only(
    name: str,
    out: Path,
    *,
    steps: int = PREFERENCE_STEPS,
    hours: float = PREFERENCE_HOURS,
    seed: int = 0,
    initial: Avatar | None = None,
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Train a talking head that never has a user, from `initial` (by default the shipped generator of preset `name`).

    It makes the published kind of losing samples, and is what most talking heads are.
    """
    config = preset(name)
    stage = RECIPES[name].stages[-1]
    deaf = replace(stage.forcing, dropout={**stage.forcing.dropout, "user": 1.0}, cue_share=0.0)
    loop = LoopConfig(steps=steps, learning_rate=stage.learning_rate / 2, ema=0.99, seed=seed)
    start = initial or load(name, device="cpu")
    data = prepare(name, hours, seed + 60, progress)
    return train(config, data, default_space(), loop, out, deaf, initial=start, progress=progress)


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
