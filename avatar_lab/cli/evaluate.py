"""`avatar-lab evaluate`: does the avatar speak with its lips and answer its user? On conversations it never saw.

What is peculiar: every conversation is streamed with its own user, with a stranger and with nobody, same voice and same
seed; only what disappears with the user is a reaction. The work is done by `avatar_lab.stream.evaluate` and
`avatar_lab.metrics.report`; this is the table. Notebook: 09.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from avatar_lab.cli import options

HELD_OUT_SEED = 900
LONG_SECONDS = 600.0
PICTURE_SIZE, MOST_PICTURES = 256, 2500  # Inception's 2048 features want as many pictures


def evaluate(
    preset: Annotated[str, typer.Argument(help="Size of the model: tiny, lab or paper.")] = "lab",
    dyads: Annotated[int, typer.Option(min=2, help="Held-out conversations to judge by.")] = 8,
    seconds: Annotated[float, typer.Option(min=8, help="Length of each, in seconds.")] = 60.0,
    long: Annotated[
        int, typer.Option(min=0, help="Ten-minute streams to look for drift in; 0 for none.")
    ] = 0,
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    precision: options.Precision = "auto",
    fast: options.Fast = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Processes that stream, one core each (CPU); same numbers.")
    ] = 1,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="FID and CSIM as well, where their weights can be had.")
    ] = False,
    picture_weights: Annotated[
        Path | None,
        typer.Option(
            envvar="AVATAR_LAB_PICTURE_WEIGHTS",
            exists=True,
            file_okay=False,
            help="Folder of the weights that --pictures needs; it says which.",
        ),
    ] = None,
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
    from avatar_lab.clock import SystemClock
    from avatar_lab.stream.engine import sampler_with
    from avatar_lab.stream.evaluate import long_drift, measure, stream_with_controls
    from avatar_lab.train.recipes import conversations

    check_json(json_file)
    clock = SystemClock()
    weights = {"audio": guidance_audio, "user": guidance_user}
    guidance = {name: weight for name, weight in weights.items() if weight is not None} or None
    avatar = al.load(preset, device=device, checkpoint=checkpoint, precision=precision, fast=fast)
    sampler = sampler_with(avatar.config.sampler, {"nfe": nfe, "guidance": guidance})
    block = avatar.config.generator.block / 25
    length = max(1, round(seconds / block)) * block  # whole blocks
    held_out = list(conversations(dyads * length / 3600, HELD_OUT_SEED, "test", length))
    began = clock.now()
    tracks = stream_with_controls(avatar, held_out, seed=seed, sampler=sampler, progress=True, jobs=jobs)
    scores = measure(avatar, tracks, held_out, seed)
    if long:
        talks = conversations(long * LONG_SECONDS / 3600, HELD_OUT_SEED + 1, "test", LONG_SECONDS)
        scores["drift"] = long_drift(avatar, talks, seed=seed, sampler=sampler)
    if pictures:
        from avatar_lab.metrics.pictures import picture_scores

        truth = [dyad.avatar.face for dyad in held_out]
        scores["pictures"] = picture_scores(drawn(tracks["true_user"], truth), picture_weights)
    show(scores)
    if json_file is not None:
        settings = {
            "preset": preset,
            "fast": fast,
            "dyads": len(held_out),
            "seconds": length,
            "jobs": jobs,
            "seed": seed,
            "nfe": sampler.nfe,
            "guidance": dict(sampler.guidance),
            "minutes": round((clock.now() - began) / 60, 1),
        }
        result = {"scores": scores, "settings": settings, "hardware": hardware(str(avatar.device))}
        write_json(json_file, result)
        console.name_files({"numbers": json_file})


def drawn(made: Iterable[Any], true: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Draw generated and true tracks as one character, a picture a second or fewer, one batch a conversation."""
    from avatar_lab.render.picture import make_picture

    artist = make_picture("puppet", 0, PICTURE_SIZE)
    every = max(25, -(-sum(map(len, true)) // MOST_PICTURES))
    for faces in zip(made, true, strict=True):
        ours, theirs = (artist.draw_track(face[every // 2 :: every]) for face in faces)
        yield ours, theirs


def rows(scores: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, value, 95 % interval) for the table."""

    def ranged(name: str, numbers: dict[str, Any], unit: str = "") -> tuple[str, str, str]:
        size = 100 if unit == "%" else 1
        form = "{:.0f} %" if unit == "%" else "{:.3f}"
        value, low, high = (form.format(size * numbers[key]) for key in ("mean", "low", "high"))
        return name, value, f"{low} to {high}"

    table = [
        ranged(f"lips: correlation of {name} with the truth", lips) for name, lips in scores["lips"].items()
    ]
    table.append(("mouth in silence: mean opening", f"{scores['mouth_in_silence']:.3f}", ""))
    for name, found in scores["reactions"].items():
        answered = found["answered"]
        table += [
            ranged(
                f"{name}: rise after the user's cue ({found['events']} of them)", found["rise"]["true_user"]
            ),
            ranged("  with a stranger as user", found["rise"]["shuffled_user"]),
            ranged("  in the truth", found["rise"]["truth"]),
            ranged("  reaction: own user minus stranger", found["contingency"]),
            *(
                [ranged("  ... as a share of the truth's", share, "%")]
                if (share := found["share_of_truth"])
                else []
            ),
            (
                "  answered (truth)",
                f"{100 * answered['true_user']['recall']:.0f} % ({100 * answered['truth']['recall']:.0f} %)",
                f"after {answered['true_user']['lag_ms']:.0f} ms ({answered['truth']['lag_ms']:.0f} ms)",
            ),
        ]
    table += [ranged(f"variance against the truth: {n}", r) for n, r in scores["variance_ratio"].items()]
    table.append(ranged("jerk against the truth", scores["jerk_ratio"]))
    made, real = scores["habits"]["true_user"], scores["habits"]["truth"]
    table += [(f"{n.replace('_', ' ')} (truth)", f"{made[n]:.2f} ({real[n]:.2f})", "") for n in made]
    if "drift" in scores:
        table += [
            (f"drift: change of {what.replace('_', ' ')} (truth)", "{:.3f} ({:.3f})".format(*both), "")
            for what in ("variance", "mean_pose")
            if (both := [scores["drift"][f"{what}_{whose}"] for whose in ("generated", "truth")])
        ]
    for name, found in scores.get("pictures", {}).items():
        if name != "pictures":
            value = found["value"]
            table.append((f"{name.upper()} of pictures", "-" if value is None else f"{value:.3f}", ""))
    return table


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
    for name, found in scores.get("pictures", {}).items():
        if name != "pictures":
            for file, digest in found.get("weights", {}).items():
                console.out.print(f"{file}: SHA-256 {digest}", soft_wrap=True, highlight=False)
            if found["value"] is None:
                console.out.print(
                    f"No {name.upper()}. {found['why']}", soft_wrap=True, highlight=False, markup=False
                )
