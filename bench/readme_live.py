"""What the live benches found, as the README says it: `live.json`, and the JSON of those that need no browser."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from readme_cells import RESULTS, machine_of, number, read, row


def ms(value: float) -> str:
    """Write milliseconds, whole ones."""
    return f"{value:.0f} ms"


def live_rows(found: dict[str, Any]) -> list[tuple[str, str, str, str, bool]]:
    """Return (what, measured, floor, aim, floor reached) of a session in JupyterLab and Chromium."""
    rows = []
    for name, floors, aims in (
        ("block", (350, 550), (250, 400)),
        ("pyramid", (250, math.inf), (180, math.inf)),
    ):
        path = found[name]["path_ms"]
        for key, floor, aim in zip(("p50", "p95"), floors, aims, strict=True):
            if math.isfinite(floor):
                what = f"{name}: from your picture to its answer, {key}"
                rows.append((what, ms(path[key]), f"≤ {floor}", f"≤ {aim}", path[key] <= floor))
    fps, mirror = found["block"]["shown_fps"], found["mirror"]["glass_to_glass_ms"]
    rows.append(("pictures of the avatar a second", number(fps), "≥ 20", "", fps >= 20))
    if "p50" in mirror:
        rows.append(("mirror, pixel to pixel, p50", ms(mirror["p50"]), "≤ 150", "", mirror["p50"] <= 150))
    offset = found["block"]["offset_ms"]
    if offset["p50"] is not None:
        inside = offset["p1"] >= -125 and offset["p99"] <= 45
        measured = f"{offset['p1']:.0f} to {offset['p99']:.0f} ms"
        rows.append(("picture against sound, p1 to p99", measured, "-125 to +45", "", inside))
    heals = {name: value["back_after_s"] for name, value in found["block"]["heals_s"].items()}
    said = ", ".join("not" if back is None else f"{back:.1f} s" for back in heals.values())
    healed = all(back is not None and back <= 10 for back in heals.values())
    rows.append((f"back in time after a stall of {', '.join(heals)} (s)", said, "≤ 10 s", "", healed))
    left = found["block"]["left_over"]
    measured = f"{left['threads']} threads, {left['tracks']} camera tracks"
    rows.append(("left over after Stop", measured, "0", "", not left["threads"] and not left["tracks"]))
    if "memory" in found:
        weighed = found["memory"]
        guard = f"; Jupyter's list of message signatures {weighed['replay_guard']['mb_an_hour']:+.1f}"
        for name, what, more in (("kernel", "kernel", guard), ("page_process", "page's process", "")):
            grown, later = (weighed[f"{name}_mb_an_hour{half}"] for half in ("", "_second_half"))
            measured = f"{grown:+.0f} MB an hour (second half {later:+.0f}){more}"
            rows.append(
                (f"memory of the {what}, {weighed['minutes']:g} minutes", measured, "≤ 1", "", grown <= 1)
            )
    if found.get("barge_in", {}).get("hush_ms", {}).get("n"):
        hush = found["barge_in"]["hush_ms"]
        what = "you speak: its voice is silent after, in the page (p50, p95)"
        missed, said = found["barge_in"]["missed"], found["barge_in"]["beginnings"]
        measured = f"{ms(hush['p50'])}, {ms(hush['p95'])}" + (
            f"; missed {missed} of {said}" if missed else ""
        )
        rows.append((what, measured, "p95 ≤ 150", "", hush["p95"] <= 150 and not missed))
    return rows


def voice_rows() -> list[tuple[str, str, str, str, bool]]:
    """Return what typed text costs, and how the lips follow each voice."""
    if not (RESULTS / "voices.json").is_file():
        return []
    found = {name: voice for name, voice in read("voices.json")["voices"].items() if "missing" not in voice}
    rows = [
        (
            f"typed text to sound, {name} ({voice['sound_s']:.0f} s of speech)",
            ms(voice["ready_ms"]),
            "",
            "",
            True,
        )
        for name, voice in found.items()
        if "English" in name
    ]
    said = ", ".join(f"{name} {voice['follows']['correlation']:.2f}" for name, voice in found.items())
    late = sorted({round(voice["follows"]["late_ms"]) for voice in found.values()})
    times = " to ".join(str(value) for value in (late if len(late) < 2 else (late[0], late[-1])))
    rows.append((f"jaw against loudness, r, {times} ms late", said, "", "", True))
    return rows


def other_rows() -> list[tuple[str, str, str, str, bool]]:
    """Return the rows of the benches that need no browser."""
    rows = []
    if (RESULTS / "barge_in.json").is_file():
        found = read("barge_in.json")
        stop, said = found["stops_ms"]["corpus"]["silence"], found["backchannels"]["all"]
        measured = f"{ms(stop['p50'])}, {ms(stop['p95'])}"
        rows.append(
            (
                "you speak: its voice is silent after, without the page (p50, p95)",
                measured,
                "p95 ≤ 150",
                "",
                stop["p95"] <= 150,
            )
        )
        taken = f"{said['taken']} of {said['said']}"
        rows.append(('an "uh-huh" that takes the turn', taken, "0", "", said["taken"] == 0))
    if (RESULTS / "still_mouth.json").is_file():
        shares = read("still_mouth.json")["block"]["share_of_speech"]
        for name, said in (("silence", "in silence"), ("room", "in a noisy room")):
            share = 100 * shares[name]
            what = f"motion of its mouth {said}, of that in speech"
            rows.append((what, f"{share:.2f} %", "≤ 5 %", "", share <= 5))
    rows += voice_rows()
    if (RESULTS / "marking.json").is_file():
        found = read("marking.json")
        needed = 100 * found["innocent"]["needed_bits"] / 32
        for size, mark in found["sizes"].items():
            levels = ", ".join(level.removeprefix("crf ") for level in mark["bits"])
            mean, worst = (
                ", ".join(f"{100 * bits[kind]:.0f}" for bits in mark["bits"].values())
                for kind in ("mean", "worst")
            )
            measured = f"{mean} % (worst film {worst}; recognised from {needed:.0f} %)"
            rows.append((f"the mark, {size} px: right bits at CRF {levels}", measured, "", "", True))
            rows.append(
                (f"... its cost, {size} px", f"{mark['cpu_ms']['a_frame']:.1f} ms a frame", "", "", True)
            )
        wrong = f"{found['innocent']['false_positives']} of {found['innocent']['pieces']}"
        rows.append(("unmarked pieces of film that seem marked", wrong, "", "", True))
    return rows


def live_table() -> str:
    """Return the live targets, and what was measured."""
    if not (RESULTS / "live.json").is_file():
        return "Not measured yet: `python bench/live.py --json bench/results/live.json` on an idle machine."
    found = read("live.json")
    lines = [row("what", "measured", "floor", "aim", "reached"), row(*["---"] * 5)]
    for what, measured, floor, aim, reached in [*live_rows(found), *other_rows()]:
        verdict = ("yes" if reached else "**missed**") if floor else ""
        lines.append(row(what, measured, floor, aim, verdict))
    machine, seen = found["hardware"], ", ".join(filter(None, found["block"]["quality_seen"]))
    alone = sorted(part["picture_ms_before"] for part in found.values() if "picture_ms_before" in part)
    said = (
        f"JupyterLab, kernel, face tracker and headless Chromium {machine['browser']} with software rendering share "
        f"one machine ({machine_of(found)}); a {machine['film']} on the fake camera; "
        f"{found['block']['seconds'] / 60:.0f} minutes in block mode, {found['pyramid']['seconds'] / 60:.0f} as a "
        f"pyramid. Degraded meanwhile: {seen or 'nothing'}. Before the parts began, a picture of the avatar took "
        f"{alone[0]:.1f} to {alone[-1]:.1f} ms."
    )
    return "\n".join([*lines, "", textwrap.fill(said, 118)])
