"""Write the tables of README.md from bench/results, so that no number there is typed by hand.

python bench/fill_readme.py           writes
python bench/fill_readme.py --check   writes nothing; exits with 1 when a table differs

`first.json` fills "Measured", `parity.json` "The published model"; `paper_size_cpu.json`, `streaming.json`,
`lab_prices.json` and `wav2vec2_context.json` fill "Speed and its price".
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "bench" / "results"
MARKS = {"aim": "aim", "floor": "floor", "missed": "**missed**"}


def number(value: float) -> str:
    """Write a number with three significant digits, and no more decimals than a reader wants."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(*cells: object) -> str:
    """Write one row of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def machine_of(result: dict[str, Any]) -> str:
    """Name the machine a result came from."""
    machine = result["hardware"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']} on {machine['device']}"
    )


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


def read(name: str) -> dict[str, Any]:
    """Read one result."""
    return json.loads((RESULTS / name).read_text("utf-8"))


TABLES = {"bench": first_table, "parity": parity_table, "speed": speed_table}


def filled(readme: str) -> str:
    """Return the README with its tables renewed."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if len(pattern.findall(readme)) != 1:
            raise SystemExit(f"README.md must hold {begin} ... {end} exactly once.")
        body = table()
        readme = pattern.sub(lambda _, b=begin, t=body, e=end: f"{b}\n{t}\n{e}", readme)
    return readme


def main() -> int:
    """Write the table or compare it."""
    old = README.read_text("utf-8")
    new = filled(old)
    if old == new:
        return 0
    if "--check" in sys.argv[1:]:
        print("A table in README.md differs from bench/results. Run: python bench/fill_readme.py")
        return 1
    README.write_text(new, encoding="utf-8", newline="\n")
    print("wrote README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
