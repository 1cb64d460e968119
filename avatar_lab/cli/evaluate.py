"""`avatar-lab evaluate`: does the avatar speak with its lips and answer its user? On conversations it never saw.

What is peculiar: every conversation is streamed twice with the same seed, once with its own user and once with a
stranger's; only what disappears with the stranger is a reaction. Differences carry a bootstrap interval over
conversations. Notebook: 09. Source: METHOD section 8 (the controls).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from avatar_lab.cli import options

HELD_OUT_SEED = 9_000_000


def evaluate(
    conversations: Annotated[int, typer.Option(min=2, help="Simulated conversations to judge by.")] = 6,
    seconds: Annotated[float, typer.Option(min=10, help="Length of each conversation.")] = 60.0,
    preset: options.Preset = "lab",
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    seed: options.Seed = 0,
    nfe: options.Nfe = None,
    guidance_audio: options.GuidanceAudio = None,
    guidance_user: options.GuidanceUser = None,
    json_file: options.Json = None,
) -> None:
    """Judge the avatar on held-out conversations, with the true user and with a stranger."""
    import avatar_lab as al
    from avatar_lab.cli import console
    from avatar_lab.cli.files import check_json
    from avatar_lab.cli.hardware import hardware

    check_json(json_file)
    given = {"audio": guidance_audio, "user": guidance_user}
    guidance = {name: weight for name, weight in given.items() if weight is not None} or None
    avatar = al.load(preset, device=device, checkpoint=checkpoint)
    dyads = [al.simulate(seconds=seconds, seed=HELD_OUT_SEED + i, split="test") for i in range(conversations)]
    with console.stages() as report:

        def answer(user: Any, voice: Any, done: int) -> Any:
            face = al.react(avatar, user, voice, picture=None, seed=seed, nfe=nfe, guidance=guidance).face
            report("stream conversations", done, 2 * conversations)
            return face

        result = judge(dyads, answer)
    result |= {
        "settings": {"preset": preset, "conversations": conversations, "seconds": seconds, "seed": seed},
        "hardware": hardware(str(avatar.device)),
    }
    show(result)
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        console.name_files({"numbers": json_file})


def judge(dyads: list[Any], answer: Callable[[Any, Any, int], Any]) -> dict[str, Any]:
    """Stream every dyad with its own user and with a stranger; return all scores.

    `answer(user, voice, done)` returns the avatar's face track.
    """
    from avatar_lab.metrics.controls import derangement

    rows = []
    for i, stranger in enumerate(derangement(len(dyads))):
        dyad = dyads[i]
        own = answer(dyad.user, dyad.avatar.audio, 2 * i + 1)
        other = answer(dyads[stranger].user, dyad.avatar.audio, 2 * i + 2)
        rows.append(score(dyad, own, other))
    return {"scores": {name: interval([row[name] for row in rows]) for name in rows[0]}}


def score(dyad: Any, own: Any, other: Any) -> dict[str, float]:
    """Return the numbers of one conversation: `own` answers its user, `other` a stranger, same voice and seed."""
    import numpy as np

    from avatar_lab.metrics.reaction import column, event_rise, onsets
    from avatar_lab.metrics.richness import temporal_variance
    from avatar_lab.metrics.sync import correlation, speaking

    truth = dyad.avatar.face
    smiles = onsets(dyad.events, ("smile", "laugh"))
    voiced = speaking(dyad.avatar.audio)

    def rise(face: Any) -> float:
        rises = event_rise(column(face, "smile"), smiles)
        return float(np.mean(rises)) if len(rises) else float("nan")

    return {
        "lips: correlation of the jaw with the truth": correlation(
            column(own, "jaw_open")[voiced], column(truth, "jaw_open")[voiced]
        ),
        "smile rise after the user's smile": rise(own),
        "the same, a stranger as user": rise(other),
        "difference: what is a reaction": rise(own) - rise(other),
        "the same in the truth": rise(truth),
        "variance over time, share of the truth": temporal_variance(own) / temporal_variance(truth),
    }


def interval(values: list[float]) -> dict[str, float | int]:
    """Return mean and 95 % bootstrap interval over conversations; empty when nothing happened in any of them."""
    import numpy as np

    from avatar_lab.metrics.controls import bootstrap

    if not np.isfinite(values).any():
        return {"count": 0}
    found = bootstrap(np.array(values, float))
    return {"mean": found.mean, "low": found.low, "high": found.high, "count": found.count}


def show(result: dict[str, Any]) -> None:
    """Print the scores as a table."""
    from rich.table import Table

    from avatar_lab.cli import console

    table = Table(title="held-out conversations, mean and 95 % interval", title_justify="left")
    for heading in ("", "mean", "from", "to"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, numbers in result["scores"].items():
        cells = [f"{numbers[k]:.3f}" if k in numbers else "-" for k in ("mean", "low", "high")]
        table.add_row(name, *cells)
    console.out.print(table)
