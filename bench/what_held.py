"""What held of the paper's claims, and what did not: each claim, its evidence, a verdict by rule, and the catch.

A claim that says "A has more than B" is `held` when the 95 % interval of A - B, on the same conversations, lies above
0; it `did not hold` when it lies below; else it is `not shown`: the bench cannot tell. Nothing here is written by hand
after seeing the numbers: the rules below, and the words around them, are the same for every run. What was not run is
`not measured`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paper_figures import BASE, PAPER, interval, number, published, table

HELD, IN_PART, NOT_SHOWN, FAILED = "held", "held in part", "not shown", "did not hold"
UNMEASURED: Final = "not measured"
LIPS_ALIKE: Final = 0.05  # of correlation: lips that are worse by less count as equal
Report = Mapping[str, Any]
Found = Mapping[str, Any]


class Missing(KeyError):
    """The report lacks what a claim needs: a variant was not run, or an interval could not be had."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper. `judge` returns the evidence in words, and the verdict that `rule` describes."""

    says: str
    rule: str
    judge: Callable[[Report], tuple[str, str]]
    caveat: str


def above(found: Found, bar: float = 0.0) -> str:
    """Say whether an interval lies above `bar`."""
    return HELD if found["low"] > bar else FAILED if found["high"] < bar else NOT_SHOWN


def below(found: Found, bar: float = 0.0) -> str:
    """Say whether an interval lies below `bar`."""
    return HELD if found["high"] < bar else FAILED if found["low"] > bar else NOT_SHOWN


def complete(found: Found | None) -> Found:
    """Return an interval, or raise Missing where it is none."""
    if not found or any(found.get(key) is None for key in ("mean", "low", "high")):
        raise Missing
    return found


def more(report: Report, first: str, second: str, kind: str) -> Found:
    """Return what `first` has more than `second`, whichever way round the report keeps it."""
    kept = report["differences"]
    if f"{first} minus {second}" in kept:
        return complete(kept[f"{first} minus {second}"][kind])
    if f"{second} minus {first}" not in kept:
        raise Missing
    found = complete(kept[f"{second} minus {first}"][kind])
    return {"mean": -found["mean"], "low": -found["high"], "high": -found["low"]}


def variant(report: Report, name: str) -> Mapping[str, Any]:
    """Return a variant's row; raises Missing."""
    if name not in report["variants"]:
        raise Missing
    return report["variants"][name]


def alike(report: Report, kind: str, *names: str) -> list[float]:
    """Return a number without an interval of several variants, from the trainings that all have; raises Missing."""
    rows = [variant(report, name) for name in names]
    trainings = [row["seeds"].get(kind, [row["numbers"][kind]]) for row in rows]
    shared = [values[: min(map(len, trainings))] for values in trainings]
    if any(value is None for values in shared for value in values):
        raise Missing
    return [sum(values) / len(values) for values in shared]


def moved(report: Report, name: str, kind: str) -> Found:
    """Return a figure of drift; raises Missing."""
    rows = (report["drift"] or {"rows": {}})["rows"]
    if kind not in rows.get(name, {}):
        raise Missing
    return complete(rows[name][kind])


def latency(report: Report) -> tuple[str, str]:
    """Six times faster than a window, with lips as good?"""
    ours, window = (variant(report, name)["latency"] for name in ("ours", "window"))
    ratio, claimed = window["total_ms"] / ours["total_ms"], _claimed_ratio()
    pieces = window["waits_frames"] / ours["piece_frames"]
    equal = (window["buffer_ms"] + window["compute_ms"]) / (window["buffer_ms"] + pieces * ours["compute_ms"])
    lips = more(report, "ours", "window", "lips")
    text = (
        f"{number(window['total_ms'] / 1000)} s ({number(window['buffer_ms'] / 1000)} waiting) against "
        f"{number(ours['total_ms'] / 1000)} s ({number(ours['buffer_ms'] / 1000)} waiting): {ratio:.1f} "
        "times. Lips, "
        f"ours minus window: {interval(lips)}. Were both to wait for {window['waits_frames']} frames: "
        f"{equal:.2f} times."
    )
    for frames, whose in ((10, ", as in the paper"), (2, "")):
        if found := report["differences"].get(f"block-{frames} minus window"):
            faster = window["total_ms"] / variant(report, f"block-{frames}")["latency"]["total_ms"]
            text += f" With blocks of {frames}{whose}: {faster:.1f} times, lips {interval(found['lips'])}."
    if ratio < claimed:
        return text, FAILED
    return text, HELD if lips["low"] > -LIPS_ALIKE else IN_PART


def _claimed_ratio() -> float:
    return PAPER["window"]["latency, s"] / PAPER["ours"]["latency, s"]


def reacts_more(first: str, second: str) -> Callable[[Report], tuple[str, str]]:
    """Is the first more contingent on its user than the second?"""

    def judge(report: Report) -> tuple[str, str]:
        found = more(report, first, second, "contingency")
        shares = [
            f"`{name}` {interval(variant(report, name)['intervals']['contingency'])}"
            for name in (first, second)
        ]
        trained = [variant(report, name)["seeds"]["contingency"] for name in (first, second)]
        pairs = zip(*trained, strict=False)  # one of them may have more trainings
        gains = [a - b for a, b in pairs if a is not None and b is not None]
        each = ", ".join(number(gain) for gain in gains)
        text = (
            f"Contingency, share of the truth's: {', '.join(shares)}; difference {interval(found)}; in each "
        )
        verdict = above(found)
        if verdict == HELD and min(gains, default=0) <= 0:
            verdict = IN_PART
        return f"{text}training {each}.", verdict

    return judge


def richer(report: Report) -> tuple[str, str]:
    """Does preference bring variance nearer to the truth?"""
    found = more(report, "ours", BASE, "gap of variance expression")
    sid = [variant(report, name)["numbers"]["sid expression, generated"] for name in ("ours", BASE)]
    truth = variant(report, "ours")["numbers"]["sid expression, truth"]
    text = (
        f"Gap of expression's variance to the truth, ours minus `{BASE}`: {interval(found)}. SID "
        f"{number(sid[0])} against "
        f"{number(sid[1])} (truth {number(truth)})."
    )
    return text, below(found)


def rpcc_sees(report: Report) -> tuple[str, str]:
    """Does rPCC get worse when the avatar answers somebody else?"""
    kinds = ("expression", "pose")
    found = [complete(variant(report, "ours")["intervals"][f"rpcc {kind}, stranger more"]) for kind in kinds]
    text = "rPCC of `ours` that saw a stranger, minus that of `ours` that saw its user: " + "; ".join(
        f"{kind} {interval(one, 3)}" for kind, one in zip(kinds, found, strict=True)
    )
    verdicts = [above(one) for one in found]
    if verdicts[0] == verdicts[1]:
        return f"{text}.", verdicts[0]
    return f"{text}.", IN_PART if HELD in verdicts else FAILED


def drifts_less(report: Report) -> tuple[str, str]:
    """Less than half the drift of teacher forcing?"""
    kind = "drift minus 0.25 of teacher-forced"
    name = "ours" if "ours" in (report["drift"] or {"rows": {}})["rows"] else BASE
    found, rival = moved(report, name, kind), moved(report, "teacher-forced", "drift")
    far = {who: interval(moved(report, who, "moved")) for who in (name, "teacher-forced", "truth")}
    text = (
        f"Mean pose moved by {far[name]} deviations (`{name}`), by {far['teacher-forced']} with teacher forcing, by "
        f"{far['truth']} in the truth. Squared and beyond the truth, `{name}` minus a quarter of teacher forcing: "
        f"{interval(found)}; teacher forcing alone: {interval(rival)}."
    )
    if "block-10" in report["drift"]["rows"]:
        text += f" Diffusion forcing with the same blocks of 10: {interval(moved(report, 'block-10', kind))}."
    return text, below(found) if above(rival) == HELD else NOT_SHOWN


def self_forcing(report: Report) -> tuple[str, str]:
    """Does self-forcing drift less than diffusion forcing alone?"""
    found = moved(report, "self-forced", f"drift minus 1 of {BASE}")
    far = [interval(moved(report, name, "moved")) for name in ("self-forced", BASE)]
    text = f"Mean pose moved by {far[0]} deviations, without by {far[1]}; difference of the squares: "
    return text + f"{interval(found)}.", below(found)


def look_ahead(report: Report) -> tuple[str, str]:
    """Is motion smoother with a look-ahead than with blocks alone?"""
    found = more(report, BASE, "mask-block-causal", "jerk")
    seams = [number(value) for value in alike(report, "seams", BASE, "mask-block-causal")]
    text = f"Jerk (1 is the truth's), `{BASE}` minus `mask-block-causal`: {interval(found)}. "
    return text + f"Seams {seams[0]} against {seams[1]}.", below(found)


def longer_blocks(report: Report) -> tuple[str, str]:
    """Does quality grow with the block?"""
    names = (BASE, "block-10", "block-25")
    distances = [alike(report, f"fd {kind}", *names) for kind in ("expression", "pose")]
    text = "; ".join(
        f"FD {kind} {', '.join(number(value) for value in series)}"
        for kind, series in zip(("expression", "pose"), distances, strict=True)
    )
    times = [number(variant(report, name)["latency"]["total_ms"] / 1000) for name in names]
    text += f"; latency {', '.join(times)} s."
    trainings = variant(report, BASE)["seeds"].get("fd expression", [])
    if len(trainings) > 1:
        each = ", ".join(number(value) for value in trainings)
        text += f" (FD expression of each training with blocks of 5: {each}.)"
    if all(series[0] > series[1] > series[2] for series in distances):
        return text, HELD
    return text, IN_PART if all(series[0] > series[2] for series in distances) else FAILED


def asked_nobody(report: Report) -> tuple[str, str]:
    """People were not asked."""
    raise Missing


def _figures(what: str, *names: str) -> str:
    return " against ".join(published(name, what) for name in names)


ABOVE_ZERO: Final = (
    "held if the interval of the difference lies above 0 and the difference does in every training; in part if "
    "only the interval does"
)
CLAIMS: Final = (
    Claim(
        f"Latency is {_claimed_ratio():.1f} times lower than a bidirectional window model's "
        f"({_figures('latency, s', 'ours', 'window')} s), at equal quality.",
        "held if the sums of waiting and computing differ by that factor, and lips are worse by less than "
        f"{LIPS_ALIKE} (lower end of the interval); in part if only the factor is there",
        latency,
        "Latency is buffering + compute, and the factor is nearly all buffering: 75 frames against a few. With "
        "equal windows little of it can be left (see above), and only its training ties the rival to 75 frames.",
    ),
    Claim(
        "Seeing the user's motion makes the avatar more reactive (rPCC expression "
        f"{_figures('rPCC expression', BASE, 'no-user-motion')}).",
        ABOVE_ZERO,
        reacts_more(BASE, "no-user-motion"),
        "In this world most causes of a reaction are visible and some audible (laughs, cues in the voice).",
    ),
    Claim(
        "The whole method reacts more than a talking head without a user (rPCC expression "
        f"{_figures('rPCC expression', 'ours', 'audio-only')}).",
        ABOVE_ZERO,
        reacts_more("ours", "audio-only"),
        "What never sees a user cannot be contingent on one: whatever looks at all wins this line.",
    ),
    Claim(
        "It also reacts more than the bidirectional window model (rPCC expression "
        f"{_figures('rPCC expression', 'ours', 'window')}).",
        ABOVE_ZERO,
        reacts_more("ours", "window"),
        "The window model sees the user's future and answers a window later, which nobody notices on a "
        "recording. `ours` has trained a tenth longer.",
    ),
    Claim(
        "Preference without labels makes the avatar more reactive (rPCC expression "
        f"{_figures('rPCC expression', 'ours', BASE)}).",
        ABOVE_ZERO,
        reacts_more("ours", BASE),
        "More steps alone may do the same: see the next line.",
    ),
    Claim(
        "... and not only because it was trained for longer.",
        ABOVE_ZERO,
        reacts_more("ours", "fine-tuned"),
        "The paper does not report this control: plain fine-tuning on the same windows for as many steps.",
    ),
    Claim(
        f"Preference makes motion richer (Var {_figures('Var', 'ours', BASE)}, truth "
        f"{published('truth', 'Var')}; SID {_figures('SID', 'ours', BASE)}).",
        "held if the gap of the expression's variance to the truth became smaller (interval below 0)",
        richer,
        "Var is good only near the truth: the largest in the paper's table is its worst row's. So is SID.",
    ),
    Claim(
        "rPCC measures reactiveness.",
        "held if rPCC is worse (interval above 0) when the avatar saw a stranger, on expression and on pose; in "
        "part if on one of them",
        rpcc_sees,
        "rPCC compares average correlations, which an avatar may match without looking at its user. It gates "
        "nothing unless the stranger stands beside it, as here.",
    ),
    Claim(
        "Diffusion forcing is stabler than autoregressive diffusion.",
        "drift is how much further the mean pose moves over a long stream than people's, squared; held if it is "
        "less than a quarter of teacher forcing's (interval of the excess below 0), which must itself drift",
        drifts_less,
        "Teacher forcing has the paper's geometry, four clean blocks of 10 frames and a noisy one, and learns "
        "from one block a window where diffusion forcing learns from all. There are few long streams.",
    ),
    Claim(
        "Training on own rollouts would reduce drift (named as future work).",
        "held if the mean pose moves less than without (interval of the difference of squares below 0)",
        self_forcing,
        "Own pasts start from the half noised truth: this is scheduled sampling, not the published Self Forcing.",
    ),
    Claim(
        "A look-ahead in the mask makes motion smoother than block-causal attention.",
        "held if jerk is smaller (interval below 0)",
        look_ahead,
        "Three readings of the look-ahead are in circulation; this is the released one. Smoothing of slow "
        "movements is off in all rows but `steady`, which shows what it does to the same trembling.",
    ),
    Claim(
        f"Longer blocks buy quality with latency (FVD {_figures('FVD', 'block-5', 'block-10', 'block-25')}).",
        "held if FD of expression and of pose fall from 5 to 10 to 25 frames; in part if both fall from 5 to 25",
        longer_blocks,
        "FD of face parameters stands for FVD, and has no interval.",
    ),
    Claim(
        f"People prefer it ({published('ours', 'preferred, %')} % of the votes in the paper's study).",
        "none: people must be asked",
        asked_nobody,
        "No people were asked here. The package has pages for blind votes; they are not part of this bench.",
    ),
)


def judged(report: Report) -> list[tuple[Claim, str, str]]:
    """Return every claim with its evidence and its verdict."""
    rows = []
    for claim in CLAIMS:
        try:
            rows.append((claim, *claim.judge(report)))
        except Missing:
            rows.append((claim, "-", UNMEASURED))
    return rows


def counted(rows: Sequence[tuple[Claim, str, str]]) -> str:
    """Say how many claims have which verdict."""
    return ", ".join(
        f"{count} {verdict}"
        for verdict in (HELD, IN_PART, NOT_SHOWN, FAILED, UNMEASURED)
        if (count := sum(found == verdict for _, _, found in rows))
    )


def seeds_of(settings: Mapping[str, Any]) -> str:
    """Say how many trainings the rows had."""
    every, main = settings["seeds"], settings.get("main_seeds", 0)
    return f"{every} seed(s)" + (f", {main} for the rows of the main table" if main > every else "")


def about_run(report: Report) -> str:
    """Say how large a run was."""
    s = report["settings"]
    return (
        f"size `{s['size']}`, {s['steps']} steps, {seeds_of(s)}, {s['conversations']} held-out conversations of "
        f"{s['seconds']:g} s"
    )


def page_of_claims(report: Report, beside: Report | None = None) -> str:
    """Return the page "what held and what did not"; a run `beside` it, of another size, is judged by the same rules."""
    rows, second = judged(report), judged(beside) if beside else []
    about = (
        f"Written by `bench/what_held.py` from a *{report['mode']}* run of `bench/paper_tables.py`: "
        f"{about_run(report)}, in a simulated world whose truth is known. Verdicts follow the rule beside them; nobody "
        "edits them. What does not hold here may hold for real films and a model a hundred times as large, "
        "and the other way round."
    )
    blocks = ["# What held and what did not", about, f"**{counted(rows)}.**"]
    head = ["claim", "verdict"]
    if beside:
        size = beside["settings"]["size"]
        blocks.append(f"The same was run at another size: {about_run(beside)}. **{counted(second)}.**")
        head = ["claim", f"verdict, `{report['settings']['size']}`", f"verdict, `{size}`"]
    if report["mode"] == "smoke":
        blocks.insert(1, "**A smoke run: no verdict on this page means anything.**")
    verdicts = [[f"**{found}**" for _, _, found in each] for each in (rows, second) if each]
    blocks.append(
        table(head, [[claim.says, *found] for (claim, _, _), *found in zip(rows, *verdicts, strict=True)])
    )
    for number_of, (claim, evidence, found) in enumerate(rows, start=1):
        again = second[number_of - 1] if second else (claim, "", UNMEASURED)
        elsewhere = (
            [f"**The same at the other size: {again[2]}.** {again[1]}"] if again[2] != UNMEASURED else []
        )
        blocks += [
            f"## {number_of}. {found[0].upper()}{found[1:]}",
            f"**The claim.** {claim.says}",
            f"**Evidence.** {evidence}",
            *elsewhere,
            f"**Rule.** {claim.rule}.",
            f"**Caveat.** {claim.caveat}",
        ]
    return "\n\n".join(blocks) + "\n"
