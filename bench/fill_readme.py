"""Write the table "Measured" of README.md from bench/results/first.json, so that no number there is typed by hand.

python bench/fill_readme.py           writes
python bench/fill_readme.py --check   writes nothing; exits with 1 when the table differs
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "bench" / "results" / "first.json"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MARKS = {"aim": "aim", "floor": "floor", "missed": "**missed**"}


def number(value: float) -> str:
    """Write a number with three significant digits, and no more decimals than a reader wants."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(result: dict[str, Any]) -> str:
    """Return the rows as a Markdown table, with the machine below."""
    lines = ["| what | measured | floor | aim | reached |", "|---|---|---|---|---|"]
    for row in result["rows"]:
        bound = "≥" if row["higher_is_better"] else "≤"
        lines.append(
            f"| {row['name']} | {number(row['value'])} {row['unit']} | {bound} {number(row['floor'])} "
            f"| {bound} {number(row['aim'])} | {MARKS[row['verdict']]} |"
        )
    machine = result["hardware"]
    where = (
        f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']} on {machine['device']}"
    )
    return "\n".join([*lines, "", f"Measured on: {where}."])


def filled(readme: str) -> str:
    """Return the README with its table renewed."""
    body = "Nothing yet: run `make bench`."
    if RESULTS.is_file():
        body = table(json.loads(RESULTS.read_text("utf-8")))
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise SystemExit(f"README.md must hold {BEGIN} ... {END} exactly once.")
    return pattern.sub(lambda _: f"{BEGIN}\n{body}\n{END}", readme)


def main() -> int:
    """Write the table or compare it."""
    old = README.read_text("utf-8")
    new = filled(old)
    if old == new:
        return 0
    if "--check" in sys.argv[1:]:
        print(
            "The table in README.md differs from bench/results/first.json. Run: python bench/fill_readme.py"
        )
        return 1
    README.write_text(new, encoding="utf-8", newline="\n")
    print("wrote README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
