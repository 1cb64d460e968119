"""Train the synchrony critic: true pairs against pairs with the avatar of another conversation.

    loss = log-loss of  critic(user_i, avatar_i) -> 1,  critic(user_i, avatar_j) -> 0      same time, same window

What is peculiar: it learns from conversations of seeds that no generator is trained or judged on. Its accuracy, on
held-out people and sentences, belongs to every number that it gives.

Notebook: 09 (does it really react?).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from avatar_lab.data.performance import Dyad
from avatar_lab.errors import ConfigError
from avatar_lab.metrics.critic import Critic, win_rate
from avatar_lab.train.loop import LoopConfig, fit
from avatar_lab.train.recipes import conversations

TRAIN_SEED, TEST_SEED = 310, 930  # nobody else's
WINDOW, BATCH, NOISE = 150, 48, 0.1  # frames, pairs of each kind, deviations
TEST_MINUTES = 24


def pairs_of(dyads: Sequence[Dyad]) -> tuple[Tensor, Tensor]:
    """Return users and avatars of conversations of one length, (n, t, P) each."""
    return tuple(  # pyright: ignore[reportReturnType]
        torch.from_numpy(np.stack([getattr(d, who).face for d in dyads])) for who in ("user", "avatar")
    )


def train_critic(
    out: Path,
    *,
    steps: int = 600,
    hours: float = 5.0,
    seed: int = 0,
    dyads: tuple[Sequence[Dyad], Sequence[Dyad]] | None = None,
    progress: bool = True,
) -> tuple[Critic, dict[str, Any]]:
    """Train the critic in `out`, or read it when it is there, and return it with how often it is right.

    One that is there must have been trained with the same settings; else ConfigError. Whether the simulator itself has
    changed since, nobody can tell from them: delete the file then.

    Parameters
    ----------
    dyads : conversations to learn from and to be tested on, instead of simulated ones (`hours`).

    Returns
    -------
    The critic, and `accuracy` (windows of 6 s on the right side of zero) and `accuracy_of_pairs` (whole conversations:
    the true avatar scores above a stranger's), on held-out people and sentences.
    """
    path = out / "critic.safetensors"
    settings = {
        "steps": steps,
        "seed": seed,
        **({"hours": hours} if dyads is None else {"dyads": fingerprint(dyads)}),
        "window": WINDOW,
        "batch": BATCH,
        "noise": NOISE,
        "seeds_of_conversations": [TRAIN_SEED, TEST_SEED],
    }
    if path.exists():
        return read_critic(path, settings)
    if dyads is None:
        dyads = (
            list(conversations(hours, TRAIN_SEED)),
            list(conversations(TEST_MINUTES / 60, TEST_SEED, "test")),
        )
    if min(map(len, dyads)) < 2:
        raise ConfigError(f"Shuffled pairs need two conversations or more; got {[len(d) for d in dyads]}.")
    users, avatars = pairs_of(dyads[0])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        critic = Critic()
    critic.fit_scale(torch.cat([users, avatars]))

    def compute_loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        user, avatar = draw(users, avatars, generator)
        noisy = [
            face + NOISE * critic.get_buffer("deviation") * torch.randn(face.shape, generator=generator)
            for face in (user, avatar)
        ]
        together, apart = critic(*noisy), critic(noisy[0], noisy[1].roll(1, 0))
        right = torch.cat([together > 0, apart <= 0]).float().mean()
        logits, truth = torch.cat([together, apart]), torch.ones(2 * len(user))
        truth[len(user) :] = 0
        return binary_cross_entropy_with_logits(logits, truth), {"accuracy": float(right)}

    loop = LoopConfig(steps=steps, learning_rate=2e-3, weight_decay=0.02, ema=0.99, seed=seed)
    report = fit(critic, compute_loss, loop, out, progress=progress)
    critic.eval()
    found = accuracy(critic, dyads[1])
    meta = {**found, "steps": steps, "minutes": round(report.minutes, 1), "conversations": len(users)}
    meta["settings"] = settings
    critic.save(path, meta)
    return critic, meta


def read_critic(path: Path, settings: Mapping[str, Any]) -> tuple[Critic, dict[str, Any]]:
    """Read a critic that was trained with these settings; raises ConfigError that names those that differ."""
    critic, meta = Critic.read(path)
    found = meta.get("settings")
    way_out = "Choose another folder, or delete the file to train anew."
    if not isinstance(found, dict):
        raise ConfigError(f"{path} does not say with which settings it was trained. {way_out}")
    differ = [
        f"{name}: expected {settings.get(name, 'none')}, found {found.get(name, 'none')}"
        for name in sorted({*settings, *found})
        if settings.get(name) != found.get(name)
    ]
    if differ:
        raise ConfigError(f"{path} was trained with other settings: {'; '.join(differ)}. {way_out}")
    return critic, meta


def fingerprint(dyads: tuple[Sequence[Dyad], Sequence[Dyad]]) -> str:
    """Return a short name of these conversations' faces, to know them again."""
    known = hashlib.sha256()
    for part in dyads:
        known.update(f"{len(part)} conversations".encode())
        for dyad in part:
            known.update(np.stack([dyad.user.face, dyad.avatar.face]).tobytes())
    return known.hexdigest()[:16]


def draw(users: Tensor, avatars: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut windows of different conversations at one time, so that a stranger is one at the same time of a talk."""
    count, window = min(BATCH, len(users)), min(WINDOW, users.shape[1])
    chosen = torch.randperm(len(users), generator=generator)[:count]
    start = int(torch.randint(users.shape[1] - window + 1, (1,), generator=generator))
    return users[chosen, start : start + window], avatars[chosen, start : start + window]


@torch.inference_mode()
def accuracy(critic: Critic, dyads: Sequence[Dyad]) -> dict[str, float]:
    """Return how often the critic is right on windows, and on whole conversations."""
    users, avatars = pairs_of(dyads)
    window = min(WINDOW, users.shape[1])
    right = []
    for start in range(0, users.shape[1] - window + 1, window):
        user, avatar = users[:, start : start + window], avatars[:, start : start + window]
        right += [critic(user, avatar) > 0, critic(user, avatar.roll(1, 0)) <= 0]
    scores = [critic.score(users.numpy(), a.numpy()) for a in (avatars, avatars.roll(1, 0))]
    return {
        "accuracy": float(torch.cat(right).float().mean()),
        "accuracy_of_pairs": win_rate(scores[0], scores[1]).mean,
    }
