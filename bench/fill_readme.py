"""Write the tables of README.md and of the model card from bench/results, so that no number is typed by hand.

python bench/fill_readme.py           writes
python bench/fill_readme.py --check   writes nothing; exits with 1 when a table differs

`first.json` fills "Measured", `parity.json` "The published model"; `paper_size_cpu.json`, `streaming.json`,
`lab_prices.json` and `wav2vec2_context.json` fill "Speed and its price"; `evaluate_lab.json`, `preference.json` and
`real_person.json` fill "Does it react?"; `latent.json` fills "Pixels in, pixels out"; `live.json`,
`barge_in.json`, `still_mouth.json`, `voices.json` and `marking.json` fill "How fast it answers".
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from readme_cells import machine_of, number, read, row, share
from readme_latent import latent_table
from readme_live import live_table

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CARD = ROOT / "avatar_lab" / "weights" / "lab" / "MODEL_CARD.md"
MARKS = {"aim": "aim", "floor": "floor", "missed": "**missed**"}


def first_table() -> str:
    """Return the rows of first.json as a Markdown table, with the machine below."""
    result = read("first.json")
    lines = [row("what", "measured", "floor", "aim", "reached"), row(*["---"] * 5)]
    for r in result["rows"]:
        bound = "≥" if r["higher_is_better"] else "≤"
        value, limits = (
            f"{number(r['value'])} {r['unit']}",
            (f"{bound} {number(r[k])}" for k in ("floor", "aim")),
        )
        lines.append(row(r["name"], value, *limits, MARKS[r["verdict"]]))
    return "\n".join([*lines, "", f"Measured on: {machine_of(result)}."])


def paper_table(paper: dict[str, Any]) -> list[str]:
    """Return what a block of the published size costs: plainly, here, and in forms that change the numbers."""
    account, plain, best = paper["ledger"], paper["block"]["plain"], paper["block"][paper["fastest"]]
    gflop = [f"{account['total'][side]:.1f} GFLOP" for side in ("plain", "ours")]
    share = [f"{100 * side['of_ceiling']:.0f} %" for side in (plain, best)]
    time = [f"{number(side['ms'])} ms" for side in (plain, best)]
    gain = f"{paper['speedup'][paper['fastest']]:.2f} x faster; numbers differ by {best['gap']:.0e}"
    fewer = (
        f"the released program counts {account['released']:.1f}: {account['released_over_ours']:.2f} x ours"
    )
    lines = [
        row("published size, moving for 400 ms", "plain loop", "here", ""),
        row(*["---"] * 4),
        row("arithmetic", *gflop, fewer),
        row("time, exact", *time, gain),
        row("share of the fastest matrix product", *share, ""),
    ]
    for name, r in paper["inexact"].items():
        if name != "exact":
            price = f"{r['speedup']:.1f} x faster; numbers change by up to {r['largest_gap']:.2g}"
            lines.append(row(f"inexact: {name}", "", f"{number(r['ms'])} ms", price))
    for name, r in paper["pictures"].items():
        lines.append(row(f"{name} a 512 px picture", "", f"{number(r['ms'])} ms", ""))
    stages = paper["live"]["stages"]
    named = {
        "hear": ["listen"],
        "see": ["see"],
        "move": ["condition", "denoise", "remember"],
        "draw": ["draw"],
    }
    spent = ", ".join(
        f"{name} {number(sum(stages[part] for part in parts))}" for name, parts in named.items()
    )
    whole = f"{number(stages['total'])} ms"
    return [*lines, row("a whole live block, exact, with pictures", "", whole, f"{spent} ms")]


def lab_table(prices: dict[str, Any]) -> list[str]:
    """Return what the `lab` size pays for speed."""
    lines = [row("`lab` size, moving for 200 ms", "ms", "lips", "reaction (95 %)"), row(*["---"] * 4)]
    for name, r in prices["variants"].items():
        smile = r["smile_contingency"]
        reaction = f"{smile['mean']:.2f} ({smile['low']:.2f} to {smile['high']:.2f})"
        lines.append(row(name, number(r["ms"]), f"{r['lips']:.2f}", reaction))
    return lines


def sentences(prices: dict[str, Any], long: dict[str, Any], ears: dict[str, Any]) -> list[str]:
    """Say what an hour, skipped pictures and a live ear cost."""
    ms, memory = (long[key] for key in ("block_ms", "resident_mb"))
    first, last = (number(ms[f"{which} minute, median"]) for which in ("first", "last"))
    start, end = number(memory["1"]), number(memory[list(memory)[-1]])
    error = {every: f"{r['error']:.2f}" for every, r in prices["user_every"].items()}
    left = ears["live"]["left_s"]
    live = next(r for r in ears["rows"] if r["left_s"] == left and r["right_frames"] == 0)
    session = (
        f"- A `lab` session of {number(long['minutes'])} minutes: a block takes {first} ms in the first minute and "
        f"{last} ms in the last; the process holds {start} MB after one minute and {end} MB at the end."
    )
    pictures = (
        f"- Reading every 2nd or 3rd picture of the user (`user_every`): error {error['2']} and {error['3']} against "
        f"{error['1']} when all are read, in standard deviations of a coefficient (drawn people, 64 px)."
    )
    hearing = (
        f"- wav2vec2 over the last {number(left)} s instead of the whole file: gap {live['error']:.2f} of what the "
        f"features vary ({ears['weights']} weights)."
    )
    return [textwrap.fill(text, 118, subsequent_indent="  ") for text in (session, pictures, hearing)]


def speed_table() -> str:
    """Return all of "Speed and its price"."""
    paper, prices, long, ears = (
        read(f"{n}.json") for n in ("paper_size_cpu", "lab_prices", "streaming", "wav2vec2_context")
    )
    machines = [
        f"{what}: {machine_of(r)}, threads: {r['hardware']['threads']}"
        for r, what in ((paper, "published size, random weights"), (prices, "`lab`"))
    ]
    parts = [paper_table(paper), lab_table(prices), sentences(prices, long["lab"], ears)]
    body = [line for part in parts for line in (*part, "")]
    return "\n".join([*body, textwrap.fill(f"Measured on: {'; '.join(machines)}.", 118)])


def parity_table() -> str:
    """Return the largest gap to the released program's numbers, file by file."""
    lines = [row("released numbers", "largest difference"), row("---", "---")]
    for name, gaps in read("parity.json").items():
        worst = max(gaps, key=lambda what: gaps[what])
        found = "none" if gaps[worst] == 0 else f"{gaps[worst]:.0e} ({worst})"
        lines.append(row(f"`{name}`", found))
    return "\n".join(lines)


def reaction_rows(scores: dict[str, Any]) -> list[tuple[str, str, float, float, float, bool]]:
    """Return (what, measured, value, floor, aim, higher is better) of an evaluation."""
    smile, nod = scores["reactions"]["smile"], scores["reactions"]["nod"]
    plain = "{mean:.2f} ({low:.2f} to {high:.2f})".format
    rows = [
        ("lips: jaw against the truth, r", scores["lips"]["jaw_open"], 0.90, 0.95, True, plain),
        ("lips: pucker against the truth, r", scores["lips"]["pucker"], 0.93, 0.97, True, plain),
        (
            "smile after a smile, share of the truth's rise",
            smile["rise_share_of_truth"],
            0.8,
            0.9,
            True,
            None,
        ),
        ("... that a stranger does not get (contingency)", smile["share_of_truth"], 0.7, 0.95, True, None),
        ("nods after a cue, contingency, share of the truth's", nod["share_of_truth"], 0.5, 0.9, True, None),
    ]
    for name, label in (("brow", "raised brows"), ("frown", "frowns"), ("laugh", "laughs")):
        found = scores["reactions"][name]["share_of_truth"]
        rows.append((f"{label}, contingency, share of the truth's", found, 0.7, 0.95, True, None))
    rows += [
        (f"variance of {group} against the truth", scores["variance_ratio"][group], 0.8, 0.9, True, plain)
        for group in ("expression", "pose")
    ]
    rows.append(("jerk against the truth", scores["jerk_ratio"], 1.3, 1.1, False, plain))
    table = [
        (what, (form or (lambda **n: share(n)))(**numbers), numbers["mean"], floor, aim, higher)
        for what, numbers, floor, aim, higher, form in rows
    ]
    error = smile["lag_error_ms"]
    table.append(("smile: error of the median delay", f"{error:.0f} ms", error, 150, 80, False))
    if "drift" in scores:
        for key, what in (("variance", "variance"), ("mean_pose", "mean pose, in deviations")):
            found, real = (scores["drift"][f"{key}_{whose}"] for whose in ("generated", "truth"))
            text = f"{found:+.2f} (truth {real:+.2f})"
            table.append((f"drift in ten minutes: {what}", text, abs(found), 0.10, 0.03, False))
    return table


def verdict(value: float, floor: float, aim: float, higher: bool) -> str:
    """Say whether a figure reaches its aim, its floor or neither; more than the truth by a sixth is no aim."""
    sign = 1 if higher else -1
    if higher and value > 7 / 6:
        return "floor (more than people)"
    return MARKS[
        "aim" if sign * value >= sign * aim else "floor" if sign * value >= sign * floor else "missed"
    ]


def reaction_table() -> str:
    """Return "Does it react?": the shipped weights on held-out people, a real person, and preference training."""
    result = read("evaluate_lab.json")
    scores = result["scores"]
    lines = [row("what", "measured (95 %)", "floor", "aim", "reached"), row(*["---"] * 5)]
    for what, measured, value, floor, aim, higher in reaction_rows(scores):
        bound = "≥" if higher else "≤"
        limits = (f"{bound} {number(limit)}" for limit in (floor, aim))
        lines.append(row(what, measured, *limits, verdict(value, floor, aim, higher)))
    made, real = scores["habits"]["true_user"], scores["habits"]["truth"]
    smile = scores["reactions"]["smile"]["answered"]
    said = (
        f"{scores['dyads']} held-out conversations of {number(result['settings']['seconds'])} s, streamed freely from "
        f"the first frame: {100 * smile['true_user']['recall']:.0f} % of the user's smiles are answered (people "
        f"{100 * smile['truth']['recall']:.0f} %, a stranger's smile {100 * smile['shuffled_user']['recall']:.0f} %) "
        f"after {smile['true_user']['lag_ms']:.0f} ms ({smile['truth']['lag_ms']:.0f} ms). Blinks a minute "
        f"{made['blinks_a_minute']:.0f} ({real['blinks_a_minute']:.0f}), nods {made['nods_a_minute']:.1f} "
        f"({real['nods_a_minute']:.1f}). "
        f"Measured in {number(result['settings']['minutes'])} minutes on {machine_of(result)}."
    )
    return "\n".join([*lines, "", textwrap.fill(said, 118), "", *preference_table(), "", person_sentence()])


def preference_table() -> list[str]:
    """Return every variant of preference training beside the base and plain fine-tuning."""
    result = read("preference.json")
    lines = [
        row(
            "variant",
            "all reactions, share of truth",
            "more than `sft`",
            "beats the base: reactions",
            "critic, raw",
            "critic, own minus stranger",
            "lips",
            "variance",
        ),
        row(*["---"] * 8),
    ]
    for name, r in result["variants"].items():
        against, fine = r.get("against base"), r.get("against sft")
        lips, lively = (
            [seed[group][key] for seed in r["seeds"]]
            for group, key in (("lips", "jaw_open"), ("variance_ratio", "expression"))
        )
        lines.append(
            row(
                name,
                share(r["contingency_share_of_truth"]),
                share(fine["share_of_truth_gained"]) if fine else "",
                share(against["wins by contingency"]) if against else "",
                share(against["wins by critic"]) if against else "",
                share(against["wins by critic, own user minus stranger"]) if against else "",
                f"{sum(lips) / len(lips):.3f}",
                f"{sum(lively) / len(lively):.2f}",
            )
        )
    critic = result["critic"]
    said = (
        f"{result['seeds']} seeds, {result['steps']} steps each on {number(60 * result['hours'])} minutes of "
        f"conversation; {result['conversations']} held-out minutes. The critic tells matched from shuffled pairs in "
        f"{100 * critic['accuracy']:.0f} % of its windows."
    )
    return [*lines, "", textwrap.fill(said, 118)]


def person_sentence() -> str:
    """Say what happened with a real person."""
    r = read("real_person.json")
    gain, voice = r["contingency"], r["voice"]
    said = (
        f"A real person on video ({r['seconds']:.0f} s, {len(r['smiles_of_the_user_s'])} rises of the tracked smile, "
        f"{r['seeds']} seeds): the avatar's smile rises by {r['rise']['as filmed']['mean']:.3f} after them, by "
        f"{r['rise']['shifted']['mean']:.3f} when the same video is shifted in time; difference {gain['mean']:.3f} "
        f"({gain['low']:.3f} to {gain['high']:.3f}). Mouth open {voice['jaw_in_silence']:.3f} in the voice's silence, "
        f"{voice['jaw_while_speaking']:.3f} in speech."
    )
    return textwrap.fill(said, 118)


def self_forcing_sentences() -> str:
    """Say what training on its own pasts did to the drift, and what it cost."""
    found = read("self_forcing.json")
    drift, short, used = found["drift"], found["short"], found["settings"]
    rows = {name: (drift[name], short[name]) for name in ("before", "after")}
    lips, jerk, seams, variance, pose = (
        {name: pick(*row) for name, row in rows.items()}
        for pick in (
            lambda d, s: s["lips"]["jaw_open"]["mean"],
            lambda d, s: s["jerk_ratio"]["mean"],
            lambda d, s: s["seam_ratio"],
            lambda d, s: d["variance"],
            lambda d, s: d["mean_pose"],
        )
    )
    truth = drift["truth"]
    said = (
        "Self-forcing (a past that the network made itself) against as many steps without it, over "
        f"{used['streams']} streams of {used['seconds'] / 60:.0f} minutes: "
        f"the variance changes by {variance['after']:+.2f} instead of {variance['before']:+.2f} "
        f"(truth {truth['variance']:+.2f}), "
        f"the mean pose by {pose['after']:.2f} deviations instead of {pose['before']:.2f} "
        f"(truth {truth['mean_pose']:.2f}). "
        f"It costs: jerk {jerk['after']:.2f} instead of {jerk['before']:.2f}, "
        f"steps at the seams {seams['after']:.2f} instead of {seams['before']:.2f}; "
        f"lips {lips['after']:.2f} and {lips['before']:.2f}. So the shipped weights do without it ({used['trained']})."
    )
    return textwrap.fill(said, 118)


TABLES = {
    "bench": first_table,
    "reaction": reaction_table,
    "parity": parity_table,
    "speed": speed_table,
    "self-forcing": self_forcing_sentences,
    "latent": latent_table,
    "live": live_table,
}


PAGES = {README: tuple(TABLES), CARD: ("reaction", "latent")}


def filled(page: Path) -> str:
    """Return a page with its tables renewed."""
    text = page.read_text("utf-8")
    for name in PAGES[page]:
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"{page.name} must hold {begin} ... {end} exactly once.")
        body = TABLES[name]()
        text = pattern.sub(lambda _, b=begin, t=body, e=end: f"{b}\n{t}\n{e}", text)
    return text


def main() -> int:
    """Write the tables or compare them."""
    renewed = {page: text for page in PAGES if (text := filled(page)) != page.read_text("utf-8")}
    names = ", ".join(page.name for page in renewed)
    if renewed and "--check" in sys.argv[1:]:
        print(f"A table in {names} differs from bench/results. Run: python bench/fill_readme.py")
        return 1
    for page, text in renewed.items():
        page.write_text(text, encoding="utf-8", newline="\n")
    if renewed:
        print(f"wrote {names}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
