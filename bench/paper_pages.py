"""The pages of `paper_tables.py`: the paper's tables beside ours, and what held of its claims.

    python bench/paper_pages.py --json bench/results/paper_tables_lab.json --pages book
    ... --beside bench/results/paper_tables_quick.json      # a second run: tables of its own, and its verdicts

Every figure of ours comes from the JSON, every figure of the paper's from `paper_figures.PAPER`. Verdicts are computed
by `what_held.py`, whose rules stand on the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paper_figures import BASE, interval, number, published, table
from what_held import page_of_claims, seeds_of

MAIN: Final = ("audio-only", "window", "no-user-motion", BASE, "fine-tuned", "ours")
MASKS: Final = (
    "mask-frame-causal", "mask-block-causal", BASE, "mask-lookahead-frames", "mask-lookahead-blocks", "steady"
)  # fmt: skip
BLOCKS: Final = ("block-2", BASE, "block-10", "block-25", "pyramid")
DRIFTING: Final = (BASE, "ours", "self-forced", "block-10", "teacher-forced")
OTHERS: Final = (BASE, "loss-l1", "guidance-sum", "guidance-nested", "pyramid")

Report = Mapping[str, Any]
WARNINGS: Final = {
    "smoke": "**A smoke run: it shows that everything runs. No figure on this page means anything.**",
    "quick": "**The quick mode: a small model with a small budget. The full run says more.**",
    "full": "",
}


WAITING: Final = (
    "Buffering is frames that must be waited for; compute is one piece. (The paper's 2.4 s of FLOAT are a window of "
    "50 frames; our talking head streams in blocks, so that it differs in its user alone.)"
)
WORDS: Final = (
    "*Contingency*: how much more the avatar reacts to its own user than the same avatar, voice and noise react "
    "to a stranger, all reactions together, as a share of what real (simulated) avatars do: 1 is a person. "
    "*Lips*: correlation of the jaw with the true one while speaking. *Var*, *jerk*: against the truth, 1 is "
    "alike. *Seams*: steps across block borders over steps inside. *SID*, *FD*: of face parameters. FID, FVD, "
    "CSIM and LSE need networks that were trained on films of real people: drawn faces have no such figures here."
)


ONE_ROW: Final = 3  # line breaks in a table of two rows


class Page:
    """Reads the report: one short method for each kind of cell."""

    def __init__(self, report: Report) -> None:
        self.report, self.rows = report, report["variants"]

    def there(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that were measured."""
        return [name for name in names if name in self.rows]

    def measure(self, name: str, what: str, digits: int = 2) -> str:
        """Return a measure with its interval."""
        return interval(self.rows[name]["intervals"].get(what), digits)

    def plain(self, name: str, what: str, digits: int = 2) -> str:
        """Return a number without one."""
        return number(self.rows[name]["numbers"].get(what), digits)

    def seconds(self, name: str) -> list[str]:
        """Return buffering, compute and their sum, in seconds."""
        times = self.rows[name]["latency"]
        return [number(times[f"{part}_ms"] / 1000, 3) for part in ("buffer", "compute", "total")]

    def difference(self, name: str, what: str, other: str = BASE) -> str:
        """Return what `name` has more than `other`."""
        found = self.report["differences"].get(f"{name} minus {other}")
        return interval(found[what]) if found else "-"


def latency_table(page: Page) -> str:
    """Where the time goes: buffering and compute, the paper's sum beside it."""
    head = ["variant", "what it is", "waits for, frames", "buffering, s", "compute, s", "sum, s", "paper, s"]
    names = page.there([*MAIN, "block-2", "block-10", "block-25", "pyramid"])
    rows = [
        [
            f"`{name}`",
            page.rows[name]["stands_for"],
            str(page.rows[name]["latency"]["waits_frames"]),
            *page.seconds(name),
            published(name, "latency, s"),
        ]
        for name in names
    ]
    return table(head, rows)


def main_table(page: Page) -> str:
    """Lips, contingency, and rPCC in both variants in circulation."""
    head = ["variant", "lips", "contingency", "... each seed"]
    for part in ("expression", "pose"):
        head += [f"rPCC {part}: mean of clips", "all at once", "paper"]
    rows = []
    for name in page.there(MAIN):
        row = [f"`{name}`", page.measure(name, "lips"), page.measure(name, "contingency")]
        row.append(", ".join(number(value) for value in page.rows[name]["seeds"]["contingency"]))
        for part in ("expression", "pose"):
            row += [page.measure(name, f"rpcc {part}", 3), page.plain(name, f"rpcc {part}, flattened", 3)]
            row.append(published(name, f"rPCC {part}"))
        rows.append(row)
    return table(head, rows)


def richness_table(page: Page) -> str:
    """How much the face does: SID and variance, which are good near the truth."""
    head = ["variant", "SID expression", "SID pose", "paper", "Var expression", "Var pose", "paper"]
    kinds = ("expression", "pose")
    rows = [
        [
            f"`{name}`",
            *(page.plain(name, f"sid {kind}, generated") for kind in kinds),
            published(name, "SID"),
            *(page.measure(name, f"variance {kind}") for kind in kinds),
            published(name, "Var"),
        ]
        for name in page.there(MAIN)
    ]
    if names := page.there(MAIN):
        sids = [page.plain(names[0], f"sid {kind}, truth") for kind in kinds]
        rows.append(["truth", *sids, "-", "1", "1", published("truth", "Var")])
    return table(head, rows)


def control_table(page: Page) -> str:
    """The same avatar, voice and noise with other users."""
    users = ("own user", "stranger", "nobody", "truth")
    head = ["variant", *(f"smile, {who}" for who in users), "answered", "(truth)", "lag, ms", "(truth)"]
    head += ["rPCC expression, own user", "stranger"]
    rows = [
        [
            f"`{name}`",
            *(page.measure(name, f"rise of smiles, {who}") for who in users),
            *(page.plain(name, f"smiles recall, {who}") for who in ("true_user", "truth")),
            *(page.plain(name, f"smiles lag_ms, {who}", 0) for who in ("true_user", "truth")),
            page.measure(name, "rpcc expression", 3),
            page.measure(name, "rpcc expression, stranger", 3),
        ]
        for name in page.there(MAIN)
    ]
    return table(head, rows)


def difference_table(page: Page) -> str:
    """What the whole method has more than each of the others, on the same conversations."""
    head = [
        "`ours` minus",
        "contingency",
        "lips",
        "jerk",
        "rPCC expression",
        "rPCC pose",
        "gap of Var expression",
    ]
    kinds = ("contingency", "lips", "jerk", "rpcc expression", "rpcc pose", "gap of variance expression")
    others = [name for name in page.there(MAIN) if name != "ours"]
    return table(head, [[f"`{n}`", *(page.difference("ours", k, n) for k in kinds)] for n in others])


def ablation_table(page: Page, names: Sequence[str], kinds: Sequence[str]) -> str:
    """Rows of one ablation: measures, their difference from the method, seams."""
    head = ["variant", "what it is", *kinds, *(f"{kind}, more than `{BASE}`" for kind in kinds), "seams"]
    rows = [
        [
            f"`{name}`",
            page.rows[name]["stands_for"],
            *(page.measure(name, kind) for kind in kinds),
            *("" if name == BASE else page.difference(name, kind) for kind in kinds),
            page.plain(name, "seams"),
        ]
        for name in page.there(names)
    ]
    return table(head, rows)


def block_table(page: Page) -> str:
    """Block length: what waiting buys."""
    head = ["variant", "sum, s", "paper, s", "FD expression", "FD pose", "paper: FVD", "jerk", "contingency"]
    rows = [
        [
            f"`{name}`",
            page.seconds(name)[2],
            published("block-5" if name == BASE else name, "latency, s"),
            page.plain(name, "fd expression"),
            page.plain(name, "fd pose"),
            published("block-5" if name == BASE else name, "FVD"),
            page.measure(name, "jerk"),
            page.measure(name, "contingency"),
        ]
        for name in page.there(BLOCKS)
    ]
    return table(head, rows)


def drift_table(page: Page) -> str:
    """From the first to the last quarter of long streams."""
    drift = page.report["drift"]
    head = ["variant", "what it is", "mean pose moved, deviations", "squared, beyond the truth"]
    head += ["shared by all streams", "variance changed, share"]
    rows = [
        [
            f"`{name}`" if name in page.rows else name,
            page.rows[name]["stands_for"] if name in page.rows else "",
            *(interval(found[kind]) for kind in ("moved", "drift", "shared", "variance")),
        ]
        for name, found in drift["rows"].items()
    ]
    return table(head, rows)


def turn_table(page: Page) -> str:
    """The same conversations, cut by whose turn it is."""
    head = ["variant", "talking: lips", "Var expression", "Var pose", "FD expression"]
    head += ["listening: Var expression", "Var pose", "FD expression", "rPCC expression", "rPCC pose"]
    rows = [
        [
            f"`{name}`",
            page.measure(name, "lips"),
            page.measure(name, "talking variance expression"),
            page.measure(name, "talking variance pose"),
            page.plain(name, "talking fd expression"),
            page.measure(name, "listening variance expression"),
            page.measure(name, "listening variance pose"),
            page.plain(name, "listening fd expression"),
            page.measure(name, "listening rpcc expression", 3),
            page.measure(name, "listening rpcc pose", 3),
        ]
        for name in page.there(MAIN)
    ]
    return table(head, rows)


def guidance(page: Page) -> str:
    """Compare the two forms of guidance at the same weights."""
    found = page.difference("guidance-nested", "contingency", "guidance-sum")
    return f"Contingency, nested guidance minus the sum, both with weights 2 and 1: {found}."


def training_table(page: Page) -> str:
    """What every training took."""
    head = ["variant", "seeds", "steps", "minutes each", "loss at the end", "where"]
    rows = []
    for name, row in page.rows.items():
        runs = row["trained"]
        if not runs:
            continue
        where = sorted(
            {f"{run['hardware']['processor']}, {run['hardware']['threads']} thread" for run in runs}
        )
        minutes, losses = (
            ", ".join(number(run[key], digits) for run in runs)
            for key, digits in (("minutes", 1), ("loss", 3))
        )
        rows.append([f"`{name}`", str(len(runs)), str(runs[0]["steps"]), minutes, losses, "; ".join(where)])
    return table(head, rows)


PICTURES: Final = ("strip", "tracks", "curves")
SIDE_BY_SIDE: Final = """## Side by side

One held-out conversation, from the first seed's trainings: the same user, voice and noise for all. Written by
`bench/paper_strip.py`.

```{image} images/paper_strip.png
:alt: Nine moments around a smile of the user, drawn for the user, six variants and the true avatar.
```

```{image} images/paper_tracks.png
:alt: Tracks of smile, jaw and pitch of the user, three variants and the true avatar; the user's smile is shaded.
```

```{image} images/paper_curves.png
:alt: Training loss over steps of the five variants that train from scratch, in two stages.
```

The last picture: how those trained that start from scratch, stage after stage. Who sees a user can hardly be read from
a loss; it takes the table of contingency. `window` and `teacher-forced` train on other levels of noise; their losses
cannot be compared with the others'."""


def page_of_tables(report: Report, pictures: bool = False) -> str:
    """Return the page that sets the paper's figures beside ours; `pictures`: with those of `paper_strip.py`."""
    page, s, machine = Page(report), report["settings"], report["hardware"]
    about = (
        f"Every variant trained from scratch: size `{s['size']}`, {s['steps']} steps, {s['hours']:g} hours of "
        f"conversation, {seeds_of(s)}; then streamed on {s['conversations']} held-out conversations of "
        f"{s['seconds']:g} s. Latency: {machine['processor']}, one thread, one session, one run. In brackets: "
        "95 % intervals, from drawing conversations again and again; trainings are averaged first, so how they "
        "differ is not in them. Two rows are compared from the seeds that both have; where a cell has no brackets, "
        "it is the mean of that row's trainings."
    )
    parts: list[tuple[str, str, str]] = [
        ("Latency", WAITING, latency_table(page)),
        ("Main table", "The paper's figures (RealTalk, real films) stand beside ours.", main_table(page)),
        ("Richness", "Close to the truth is good; large is not.", richness_table(page)),
        ("Contingency and its controls", "Rise of the smile after the user's.", control_table(page)),
        ("User motion and preference", "Above 0: `ours` has more.", difference_table(page)),
        ("Block sizes", "The paper's quality is FVD, ours FD.", block_table(page)),
        ("Masks and jitter", "", ablation_table(page, MASKS, ("jerk", "contingency"))),
        (
            "Loss, guidance, schedule",
            guidance(page),
            ablation_table(page, OTHERS, ("contingency", "lips", "jerk")),
        ),
        ("Talking only, listening only", "Frames in which the avatar speaks, or not.", turn_table(page)),
        (
            "Trainings",
            "Minutes by the clock: an upper bound where the machine did other work, too.",
            training_table(page),
        ),
    ]
    if report["drift"]:
        long = (
            f"{report['drift']['conversations']} streams of {report['drift']['seconds']:g} s, seeds together."
        )
        parts.insert(7, ("Drift", long, drift_table(page)))
    size = "in small" if report["mode"] != "full" else f"size `{s['size']}`"
    blocks = [f"# The paper's tables, {size}", WARNINGS[report["mode"]], about, WORDS]
    for title, text, cells in parts:
        if cells.count("\n") < ONE_ROW:  # whatever it was to be compared with was not run
            continue
        blocks += [f"## {title}", text, cells]
        if title == "Main table" and pictures:
            blocks.append(SIDE_BY_SIDE)
    return "\n\n".join(block for block in blocks if block) + "\n"


def write_pages(report: Report, folder: Path, beside: Report | None = None) -> list[Path]:
    """Write the pages into `folder` and return where they are; a run `beside` it has tables of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = all((folder / "images" / f"paper_{name}.png").is_file() for name in PICTURES)
    texts = {
        "paper_tables.md": page_of_tables(report, pictures),
        "what_held.md": page_of_claims(report, beside),
    }
    if beside:
        texts[f"paper_tables_{beside['settings']['size']}.md"] = page_of_tables(beside)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in texts]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--beside", type=Path, help="the JSON of a second run, of another size")
    a = parser.parse_args()
    report, beside = (path and json.loads(path.read_text("utf-8")) for path in (a.json, a.beside))
    print(*write_pages(report, a.pages, beside), sep="\n")


if __name__ == "__main__":
    main()
