"""The paper's rivals and ablations, as changes of one and the same model: what `bench/paper_tables.py` compares.

    variant = the method (`no-preference`, `ours`) + what it says in its own line, and nothing else

Every variant that trains does so from scratch, on the same conversations, with the same seed, steps and learning
rates. Some need no training: they use another variant's weights and sample otherwise. Two go on from `no-preference`
for the same further steps: `ours` with preference, `fine-tuned` without it.

What is peculiar: the rivals are no separate programs. A talking head is the model that never has a user; the window
model is one whose block is 75 frames, whose mask is bidirectional, and whose ten clean frames of context are the
frames that a stream shows again (`lookahead`); teacher forcing is another table of noise levels. All move heads as
they come out of the sampler: `steady_hz` is 0, because smoothing would hide what is compared.

Notebook: 09 (does it really react?). Source: Avatar Forcing, section 4; INFP (Zhu et al. 2024), FLOAT (Ki et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from avatar_lab.config import AvatarConfig, preset
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.model.avatar import Avatar, load
from avatar_lab.model.weights import load_tensors
from avatar_lab.motion.space import default_space
from avatar_lab.train.diffusion_forcing import ForcingConfig, train
from avatar_lab.train.loop import LoopConfig, LoopReport
from avatar_lab.train.preference import train_preference
from avatar_lab.train.recipes import LOSERS, PREFERENCE_SEED, RECIPES, preference_loop, prepare
from avatar_lab.train.windows import Conversation

STEPS, HOURS = 3_000, 4.0  # the budget of every variant, unless another is given
FURTHER: Final = 0.1  # of the steps, again, for those that go on from weights
WINDOW: Final = 50  # frames, as in the paper, for all sizes
WEIGHTS_FILE: Final = "generator.safetensors"
PAPER_GUIDANCE: Final = {"audio": 2.0, "user": 1.0}
LAST_BLOCK: Final = {"levels": "last_block", "clean_past": 0.0}  # one noisy block after a clean past


@dataclass(frozen=True)
class Variant:
    """One row of the tables: its name, whose part it plays, and how it differs from the method.

    Attributes
    ----------
    never : conditions that it never has, in training or later: keys of `ForcingConfig.dropout`.
    generator, forcing, sampler : fields of those configurations that are changed.
    stream : fields of `ForcingConfig` that are changed in the last stage of the training only.
    weights : the variant whose weights it uses; by default it trains its own.
    after : the variant whose weights it goes on from.
    losers : the variant that makes its losing samples; without one, what goes on is plain fine-tuning.
    """

    name: str
    stands_for: str
    never: tuple[str, ...] = ()
    generator: Mapping[str, Any] = field(default_factory=dict)
    forcing: Mapping[str, Any] = field(default_factory=dict)
    stream: Mapping[str, Any] = field(default_factory=dict)
    sampler: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    after: str = ""
    losers: str = ""

    def config(self, size: str = "lab") -> AvatarConfig:
        """Return the whole configuration at the size of a preset."""
        base, sampler = preset(size), dict(self.sampler)
        if "user" in self.never:
            sampler["guidance"] = {**base.sampler.guidance, "user": 0.0}
        return replace(
            base,
            generator=replace(base.generator, **{"window": WINDOW, **self.generator}),
            sampler=replace(base.sampler, **{"steady_hz": 0.0, **sampler}),
        )

    def stages(self, size: str = "lab") -> list[ForcingConfig]:
        """Return what a training step does: the preset's recipe, stage by stage, with the changes."""
        stages, forcings = RECIPES[size].stages, []
        for stage in stages:
            changes = {**self.forcing, **(self.stream if stage is stages[-1] else {})}
            dropout = {**stage.forcing.dropout, **dict.fromkeys(self.never, 1.0)}
            forcings.append(replace(stage.forcing, dropout=dropout, **changes))
        return forcings

    @property
    def needs(self) -> tuple[str, ...]:
        """The variants whose weights must exist before this one's can."""
        return tuple(name for name in (self.weights, self.after, self.losers) if name)


_BASE: Final = "no-preference"
_ALL: Final = (
    # (a) to (e): the main table, and the ablation of user motion and preference
    Variant("audio-only", "a talking head that never has a user (FLOAT's part)", never=("user",)),
    Variant("window", "bidirectional, waits for 75 frames, 10 of context (INFP's part)",
            generator={"mask": "bidirectional", "block": 75, "lookahead": 10, "window": 85,
                       "cross_within_block": False}, forcing=LAST_BLOCK),
    Variant("no-user-motion", "hears its user and never sees them", never=("user_motion",)),
    Variant(_BASE, "the method without preference: what all below differ from"),
    Variant("fine-tuned", "trained on as long as `ours`, without preference", after=_BASE),
    Variant("ours", "the whole method", after=_BASE, losers="audio-only"),
    # (f) what a past is made of
    Variant("teacher-forced", "autoregressive diffusion: 4 clean blocks and a noisy one",
            generator={"block": 10}, forcing=LAST_BLOCK),
    Variant("self-forced", "ends its training on pasts that it made itself", stream={"self_forced": 0.5}),
    # (g) masks; the method's is `released`: a frame sees two later ones
    Variant("mask-frame-causal", "no later frame", generator={"mask": "frame_causal", "lookahead": 0}),
    Variant("mask-block-causal", "the own block", generator={"mask": "block_causal", "lookahead": 0}),
    Variant("mask-lookahead-frames", "the own block and two frames: the paper's prose",
            generator={"mask": "block_lookahead_frames"}),
    Variant("mask-lookahead-blocks", "the own block and two blocks: its Eq. 5",
            generator={"mask": "block_lookahead_blocks"}),
    # (h) frames of a block; the method's are 5
    Variant("block-2", "blocks of 2 frames", generator={"block": 2}),
    Variant("block-10", "blocks of 10 frames, as in the paper", generator={"block": 10}),
    Variant("block-25", "blocks of 25 frames", generator={"block": 25}),
    # (i) the loss; the method's is the square here
    Variant("loss-l1", "absolute error, as in the paper", forcing={"loss": "l1"}),
    # (j), (k): the same weights, sampled otherwise
    Variant("pyramid", "each frame one step cleaner than the next", weights=_BASE,
            sampler={"schedule": "pyramid"}),
    Variant("guidance-sum", "the paper's sum, 2 and 1", weights=_BASE,
            sampler={"guidance_form": "sum", "guidance": PAPER_GUIDANCE}),
    Variant("guidance-nested", "nested, 2 and 1", weights=_BASE,
            sampler={"guidance_form": "nested", "guidance": PAPER_GUIDANCE}),
    Variant("steady", "slow movements smoothed, as the shipped avatar's", weights=_BASE,
            sampler={"steady_hz": 2.5}),
)  # fmt: skip
VARIANTS: Final[Mapping[str, Variant]] = {variant.name: variant for variant in _ALL}


def variant_of(name: str) -> Variant:
    """Return the variant called `name`; raises ConfigError that lists the names."""
    if name not in VARIANTS:
        raise ConfigError(f"There is no variant {name!r}; choose one of {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def buffer_frames(config: AvatarConfig) -> int:
    """Return how many frames of the user are waited for before the first of them can be answered on the screen.

    A block waits for its last frame. In a pyramid a frame is clean after as many rounds as it takes steps, and every
    round waits for one more frame of the user.
    """
    return config.sampler.nfe if config.sampler.schedule == "pyramid" else config.generator.block


def folder_of(name: str, seed: int, out: Path) -> Path:
    """Return where the weights of a variant lie, be they its own or another's."""
    return out / f"{variant_of(name).weights or name}-seed{seed}"


@lru_cache(maxsize=2)
def talks(size: str, hours: float, seed: int) -> list[Conversation]:
    """Simulate the conversations that all variants of one seed learn from, once a process."""
    return prepare(size, hours, seed, progress=False)


def train_variant(
    name: str,
    out: Path,
    *,
    steps: int = STEPS,
    hours: float = HOURS,
    seed: int = 0,
    size: str = "lab",
    progress: bool = True,
) -> tuple[Avatar, LoopReport]:
    """Train a variant, and before it those that it builds on, in folders of `out`; what is finished is read.

    Parameters
    ----------
    out : shared by all variants: each has `NAME-seedSEED` in it. An interrupted training goes on.
    steps, hours : the budget, the same for all that are to be compared: of training, of conversation.

    Raises
    ------
    ConfigError : no such variant or size.
    CheckpointError : the folder holds a finished training with another budget.
    """
    variant, folder = variant_of(name), folder_of(name, seed, out)
    if size not in RECIPES:
        raise ConfigError(f"Variants have the sizes {', '.join(RECIPES)}; got {size!r}.")
    budget: dict[str, Any] = {"steps": steps, "hours": hours, "seed": seed, "size": size}
    others = {need: train_variant(need, out, **budget, progress=progress)[0] for need in variant.needs}
    if not variant.weights and _finished(folder, budget) is None:
        if variant.after:
            avatar, report = _go_on(variant, others, folder, budget, progress)
        else:
            avatar, report = _from_scratch(variant, folder, budget, progress)
        loss = report.metrics.get("loss", float("nan"))
        meta = {"minutes": round(report.minutes, 2), "loss": round(loss, 4), "all_steps": report.steps}
        avatar.save(folder / WEIGHTS_FILE, {"variant": name, "budget": budget} | meta)
        for checkpoint in folder.rglob("checkpoint.safetensors"):
            checkpoint.unlink()  # large, and of use to an unfinished training only
    return read_variant(name, out, **budget)


def read_variant(
    name: str, out: Path, *, steps: int, hours: float, seed: int = 0, size: str = "lab"
) -> tuple[Avatar, LoopReport]:
    """Read a finished variant; raises CheckpointError when it is missing or of another budget."""
    folder = folder_of(name, seed, out)
    meta = _finished(folder, {"steps": steps, "hours": hours, "seed": seed, "size": size})
    if meta is None:
        raise CheckpointError(
            f"{folder} holds no finished training of {name!r}. Train it with train_variant."
        )
    avatar = load(size, device="cpu", checkpoint=folder / WEIGHTS_FILE, precision="float32")
    avatar.config = replace(avatar.config, sampler=variant_of(name).config(size).sampler)
    return avatar, LoopReport(meta["all_steps"], meta["minutes"], 1.0, {"loss": meta["loss"]})


def _finished(folder: Path, budget: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is known about the finished training in `folder`; None when there is none yet."""
    path = folder / WEIGHTS_FILE
    meta = load_tensors(path)[1] if path.exists() else {}
    if "budget" not in meta:
        return None  # nothing, or the half of a training
    if meta["budget"] != budget:
        raise CheckpointError(
            f"{folder} holds a training with the budget {meta['budget']}; asked was {budget}. "
            "Choose another folder, or the same budget."
        )
    return meta


def _from_scratch(
    variant: Variant, folder: Path, budget: dict[str, Any], progress: bool
) -> tuple[Avatar, LoopReport]:
    """Run the preset's stages one after the other, each from the weights before it."""
    size, avatar, total = budget["size"], None, LoopReport()
    data, config = talks(size, budget["hours"], budget["seed"]), variant.config(size)
    for stage, forcing in zip(RECIPES[size].stages, variant.stages(size), strict=True):
        loop = LoopConfig(
            steps=max(1, round(budget["steps"] * stage.share)),
            learning_rate=stage.learning_rate,
            seed=budget["seed"],
        )
        avatar, report = train(
            config,
            data,
            default_space(),
            loop,
            folder / stage.name,
            forcing,
            initial=avatar,
            progress=progress,
        )
        total = LoopReport(total.steps + report.steps, total.minutes + report.minutes, 1.0, report.metrics)
    assert avatar is not None
    return avatar, total


def _go_on(
    variant: Variant, others: Mapping[str, Avatar], folder: Path, budget: dict[str, Any], progress: bool
) -> tuple[Avatar, LoopReport]:
    """Train on from finished weights, on conversations of their own: with preference, or plainly."""
    loser, preference = others.get(variant.losers), LOSERS["audio-only"]
    if loser is None:
        preference = replace(preference, weight=0.0)
    loop = preference_loop(max(1, round(FURTHER * budget["steps"])), seed=budget["seed"])
    data = talks(budget["size"], FURTHER * budget["hours"], budget["seed"] + PREFERENCE_SEED)
    start = replace(others[variant.after], config=variant.config(budget["size"]))
    return train_preference(start, data, loop, folder, preference, loser=loser, progress=progress)
