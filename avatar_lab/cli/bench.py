"""`avatar-lab bench`: how fast this machine runs the avatar, stage by stage.

What is peculiar: only the avatar's own work is timed, block by block (p50 and p95); tracking, encoding and waiting are
not in it. `bench/first.py` in the repository measures those, too.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from avatar_lab.cli import options


def bench(
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Length of the conversation.")] = 20.0,
    preset: options.Preset = "lab",
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    precision: options.Precision = "auto",
    fast: options.Fast = False,
    picture: options.Picture = options.PictureKind.puppet,
    size: options.Size = 128,
    nfe: options.Nfe = None,
    json_file: options.Json = None,
) -> None:
    """Measure how fast the avatar answers on this machine."""
    from avatar_lab.cli import console
    from avatar_lab.cli.files import check_json, write_json

    check_json(json_file)
    kind = None if picture is options.PictureKind.none else picture.value
    with console.stages() as report:
        result = measure(
            seconds, preset, device, checkpoint, kind, size, nfe, report, precision=precision, fast=fast
        )
    show(result)
    if json_file is not None:
        write_json(json_file, result)
        console.name_files({"numbers": json_file})


def measure(
    seconds: float,
    preset: str,
    device: str,
    checkpoint: Any,
    picture: str | None,
    size: int,
    nfe: int | None,
    report: Any,
    **variant: Any,
) -> dict[str, Any]:
    """Stream a simulated conversation and return what the clock said, with the hardware."""
    import avatar_lab as al
    from avatar_lab.cli.hardware import hardware
    from avatar_lab.clock import SystemClock

    clock = SystemClock()
    began = clock.now()
    avatar = al.load(preset, device=device, checkpoint=checkpoint, **variant)
    loaded = clock.now()
    face = al.Puppet(0, 512).draw(al.FaceParams().array()) if avatar.sees_pictures else None
    dyad = al.simulate(seconds=seconds, seed=7)
    simulated = clock.now()
    reaction = al.react(
        avatar,
        user=dyad.user,
        speech=dyad.avatar.audio,
        picture=picture,
        size=size,
        nfe=nfe,
        portrait=face,
        progress=lambda done, total: report("stream a conversation", done, total),
    )
    ended = clock.now()
    return {
        "hardware": hardware(str(avatar.device)),
        "settings": {"preset": preset, "seconds": seconds, **reaction.settings},
        "parameters": avatar.parameters_total,
        "load_s": loaded - began,
        "simulate_times_real_time": seconds / (simulated - loaded),
        "react_times_real_time": seconds / (ended - simulated),
        "timing": reaction.timing,
    }


def show(result: dict[str, Any]) -> None:
    """Print the stages of a block as a table."""
    from rich.table import Table

    from avatar_lab.cli import console

    timing = result["timing"]
    table = Table(title=f"one block: {timing['buffer_ms']:.0f} ms", title_justify="left")
    for column in ("stage", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, ms in timing["stages"].items():
        table.add_row(stage, f"{ms['p50_ms']:.1f}", f"{ms['p95_ms']:.1f}")
    console.out.print(table)
    machine = result["hardware"]
    console.out.print(
        f"{timing['nfe']} steps, {timing['guidance_branches']} guidance branches, "
        f"real-time factor {timing['rtf']:.2f}; load {result['load_s']:.2f} s\n"
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"torch {machine['torch']} on {machine['device']}",
        highlight=False,
    )
