"""`avatar-lab evaluate`: does the avatar speak with its lips and answer its user? On conversations it never saw.

What is peculiar: every conversation is streamed with its own user, with a stranger and with nobody, same voice and same
seed; only what disappears with the user is a reaction. The work is done by `avatar_lab.stream.evaluate`; this is the
table. Notebook: 09.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from avatar_lab.cli import options

HELD_OUT_SEED = 900


def evaluate(
    conversations: Annotated[
        int, typer.Option(min=2, help="Held-out conversations of a minute to judge by.")
    ] = 8,
    preset: options.Preset = "lab",
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    precision: options.Precision = "auto",
    fast: options.Fast = False,
    seed: options.Seed = 0,
    nfe: options.Nfe = None,
    guidance_audio: options.GuidanceAudio = None,
    guidance_user: options.GuidanceUser = None,
    json_file: options.Json = None,
) -> None:
    """Judge the avatar on held-out conversations, with its user, with a stranger and with nobody."""
    import avatar_lab as al
    from avatar_lab.cli import console
    from avatar_lab.cli.files import check_json, write_json
    from avatar_lab.cli.hardware import hardware
    from avatar_lab.stream.engine import sampler_with
    from avatar_lab.stream.evaluate import evaluate as judge
    from avatar_lab.train.recipes import CLIP_SECONDS
    from avatar_lab.train.recipes import conversations as simulated

    check_json(json_file)
    weights = {"audio": guidance_audio, "user": guidance_user}
    guidance = {name: weight for name, weight in weights.items() if weight is not None} or None
    avatar = al.load(preset, device=device, checkpoint=checkpoint, precision=precision, fast=fast)
    sampler = sampler_with(avatar.config.sampler, {"nfe": nfe, "guidance": guidance})
    dyads = list(simulated(conversations * CLIP_SECONDS / 3600, HELD_OUT_SEED, split="test"))
    scores = judge(avatar, dyads, seed=seed, sampler=sampler, progress=True)
    show(scores)
    if json_file is not None:
        settings = {
            "preset": preset,
            "fast": fast,
            "conversations": len(dyads),
            "seed": seed,
            "nfe": sampler.nfe,
        }
        result = {"scores": scores, "settings": settings, "hardware": hardware(str(avatar.device))}
        write_json(json_file, result)
        console.name_files({"numbers": json_file})


def rows(scores: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, value, 95 % interval) for the table."""

    def with_interval(name: str, numbers: dict[str, Any]) -> tuple[str, str, str]:
        return name, f"{numbers['mean']:.3f}", f"{numbers['low']:.3f} to {numbers['high']:.3f}"

    rise, recall = scores["smile_rise"], scores["smile_recall"]
    return [
        ("lips: correlation of the jaw with the truth", f"{scores['lip_correlation']:.3f}", ""),
        ("mouth in silence: mean opening", f"{scores['mouth_in_silence']:.3f}", ""),
        with_interval("smile after the user's smile: rise", rise["true_user"]),
        with_interval("  with a stranger as user", rise["shuffled_user"]),
        with_interval("  with nobody", rise["no_user"]),
        with_interval("  in the truth", rise["truth"]),
        with_interval("reaction: own user minus stranger", scores["smile_contingency"]),
        (
            "smiles answered",
            f"{100 * recall['true_user']['share']:.0f} %",
            f"{recall['true_user']['delay_ms']:.0f} ms later",
        ),
        (
            "  in the truth",
            f"{100 * recall['truth']['share']:.0f} %",
            f"{recall['truth']['delay_ms']:.0f} ms later",
        ),
    ]


def show(scores: dict[str, Any]) -> None:
    """Print the scores as a table."""
    from rich.table import Table

    from avatar_lab.cli import console

    title = f"{scores['dyads']} held-out conversations, {scores['seconds']:.0f} s"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for row in rows(scores):
        table.add_row(*row)
    console.out.print(table)
