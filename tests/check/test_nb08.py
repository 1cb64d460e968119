"""Notebook 08: right answers pass, wrong ones fail with the message that helps, its table is the recorded one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avatar_lab.check import nb08
from avatar_lab.flow.path import block_sigma
from avatar_lab.metrics.votes import wilson as library_wilson

ROOT = Path(__file__).parents[2]


def right_wilson(won: float, count: int) -> tuple[float, float]:
    found = library_wilson(won, count)
    return found.low, found.high


def school(won: float, count: int) -> tuple[float, float]:
    share = won / count
    half = 1.96 * (share * (1 - share) / count) ** 0.5
    return share - half, share + half


def undivided(won: float, count: int) -> tuple[float, float]:
    low, high = library_wilson(won, count).low, library_wilson(won, count).high
    whole = 1 + 1.96**2 / count
    return low * whole, high * whole


def uncentred(won: float, count: int) -> tuple[float, float]:
    found = library_wilson(won, count)
    half = (found.high - found.low) / 2
    return won / count - half, won / count + half


def test_right_interval_passes() -> None:
    assert nb08.wilson(right_wilson).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (school, "school interval"),
        (undivided, "divided by 1"),
        (uncentred, "the centre is not the share"),
        (lambda won, count: tuple(reversed(right_wilson(won, count))), "low is above high"),
        (lambda won, count: won / count, "two numbers"),
        (lambda won, count: (0.0, 1.0), "half width first"),
        (lambda won, count: tuple(round(x, 2) for x in right_wilson(won, count)), "nothing is rounded"),
        (lambda won, count: tuple(100 * x for x in right_wilson(won, count)), "between 0 and 1"),
    ],
)
def test_wrong_interval_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb08.wilson(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def gap_of(winner: Any, loser: Any) -> Tensor:
    return (winner[0] - winner[1]) - (loser[0] - loser[1])


def mean(frames: Tensor, counts: Tensor) -> Tensor:
    return (frames * counts).sum() / counts.sum()


def right_dpo(winner: Any, loser: Any, counts: Tensor, beta: float) -> Tensor:
    return mean(-F.logsigmoid(-beta * gap_of(winner, loser)), counts)


def test_right_loss_passes() -> None:
    assert nb08.loss(right_dpo).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda w, m, c, b: -F.logsigmoid(-b * mean(gap_of(w, m), c)), "classic mistake 1"),
        (lambda w, m, c, b: right_dpo(m, w, c, b), "prefers the losing motion"),
        (lambda w, m, c, b: mean(-F.logsigmoid(-b * (w[0] - m[0])), c), "reference is missing"),
        (lambda w, m, c, b: right_dpo(w, m, c, 1.0), "beta is missing"),
        (lambda w, m, c, b: b * right_dpo(w, m, c, 1.0), "beta stands outside"),
        (lambda w, m, c, b: right_dpo(w, m, torch.ones_like(c), b), "counts 0 took part"),
        (lambda w, m, c, b: (-F.logsigmoid(-b * gap_of(w, m)) * c).mean(), "divide by counts.sum()"),
        (lambda w, m, c, b: -right_dpo(w, m, c, b), "sign of the whole"),
        (lambda w, m, c, b: mean(-torch.log(torch.sigmoid(-b * gap_of(w, m))), c), "underflows"),
        (lambda w, m, c, b: -F.logsigmoid(-b * gap_of(w, m)), "one number"),
        (lambda w, m, c, b: torch.tensor(1.0), "wrong value"),
        (lambda w, m, c, b: right_dpo(w, m, c, b).detach(), "no gradient reaches"),
        (lambda w, m, c, b: right_dpo(w, [e.detach() for e in m], c, b), "errors on the loser"),
        (
            lambda w, m, c, b: -F.logsigmoid(-b * (gap_of(w, m) * c).sum(1) / c.sum(1)).mean(),
            "an example's frames is inside",
        ),
        (
            lambda w, m, c, b: ((-F.logsigmoid(-b * gap_of(w, m)) * c).sum(1) / c.sum(1)).mean(),
            "one mean over all frames",
        ),
    ],
)
def test_wrong_loss_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb08.loss(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_frozen(policy: nn.Module) -> nn.Module:
    return deepcopy(policy).requires_grad_(False)


def errors(model: Any, motion: Tensor, condition: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    level = sigma[..., None]
    predicted = model((1 - level) * motion + level * noise, sigma, condition)
    return (predicted - (noise - motion)).abs().mean(-1)


def judged(
    *,
    noises: int = 1,
    sigmas: int = 1,
    of_models: int = 1,
    drop: bool = False,
    free: bool = False,
    order: Callable[[list[list[Tensor]]], Any] = lambda found: found,
    seeded: bool = True,
) -> Callable[..., Any]:
    """Make an answer, right or wrong, from what it draws how often."""

    def pair_errors(policy: Any, reference: Any, winner: Tensor, loser: Tensor, condition: Tensor, rng: Any):
        source = rng if seeded else None
        noise = [torch.randn(winner.shape, generator=source) for _ in range(max(noises, of_models))]
        sigma = [block_sigma(len(winner), winner.shape[1], 5, rng) for _ in range(sigmas)]
        keep = torch.rand(len(winner), 1, 1, generator=rng) >= 0.3 if drop else torch.ones(1)
        found = []
        for member, motion in enumerate((winner, loser)):
            row = []
            for number, model in enumerate((policy, reference)):
                drawn = noise[number % of_models] if of_models > 1 else noise[member % noises]
                with torch.set_grad_enabled(free or model is policy):
                    row.append(errors(model, motion, condition * keep, sigma[member % sigmas], drawn))
            found.append(row)
        return order(found)

    return pair_errors


def batched(policy: Any, reference: Any, winner: Tensor, loser: Tensor, condition: Tensor, rng: Any) -> Any:
    """Judge both members in one call, as the library does."""
    sigma = block_sigma(len(winner), winner.shape[1], 5, rng).repeat(2, 1)
    noise = torch.randn(winner.shape, generator=rng).repeat(2, 1, 1)
    both, seen = torch.cat([winner, loser]), condition.repeat(2, 1, 1)
    found = [errors(m, both, seen, sigma, noise).chunk(2) for m in (policy, reference)]
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("right", [judged(), batched])
def test_right_pair_passes(right: Callable[..., Any]) -> None:
    assert nb08.pair(right_frozen, right).passed


@pytest.mark.parametrize(
    ("frozen", "pair_errors", "words"),
    [
        (right_frozen, judged(noises=2), "different noise (classic mistake 2)"),
        (right_frozen, judged(sigmas=2), "different sigmas (classic mistake 2)"),
        (right_frozen, judged(of_models=2), "must see the same noisy motion"),
        (right_frozen, judged(drop=True), "classic mistake 4"),
        (lambda policy: policy, judged(), "classic mistake 3"),
        (copy.copy, judged(), "classic mistake 3"),
        (deepcopy, judged(), "could still be trained"),
        (lambda policy: deepcopy(policy.requires_grad_(False)), judged(), "policy itself was frozen"),
        (lambda policy: type(policy)(0.1).requires_grad_(False), judged(), "begin with the policy's weights"),
        (right_frozen, judged(seeded=False), "global generator"),
        (right_frozen, judged(order=lambda f: list(zip(*f, strict=True))), "Grouped by model"),
        (right_frozen, judged(order=lambda f: f[::-1]), "Winner and loser are exchanged"),
        (right_frozen, judged(order=lambda f: [[e.square() for e in row] for row in f]), "Wrong values"),
        (right_frozen, judged(order=lambda f: f[0][0]), "two pairs"),
        (right_frozen, judged(order=lambda f: (*f[0], *f[1])), "two pairs"),
        (right_frozen, lambda p, r, *rest: judged()(p, p, *rest), "never asked"),
        (
            right_frozen,
            lambda p, r, w, m, c, g: judged()(p, r, w, m, c, torch.Generator().manual_seed(0)),
            "not one of your own",
        ),
        (right_frozen, judged(order=lambda f: [[e.mean() for e in row] for row in f]), "mean over coef"),
        (right_frozen, judged(order=lambda f: [[e.detach() for e in row] for row in f]), "reach the policy"),
        (right_frozen, lambda p, r, w, m, c, g: ((p(w, w[..., 0], c),) * 2,) * 2, "each member"),
    ],
)
def test_wrong_pair_names_the_mistake(
    frozen: Callable[..., Any], pair_errors: Callable[..., Any], words: str
) -> None:
    verdict = nb08.pair(frozen, pair_errors)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_beta(gaps: Tensor, share: float, limit: float) -> float:
    return float(limit / torch.quantile(gaps.abs().flatten(), 1 - share))


def test_right_beta_passes() -> None:
    assert nb08.beta(right_beta).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda g, s, m: float(m / torch.quantile(g, 1 - s)), "gaps"),
        (lambda g, s, m: float(m / torch.quantile(g.abs(), s)), "the other end"),
        (lambda g, s, m: float(m / g.abs().mean()), "mean gap"),
        (lambda g, s, m: float(m / g.abs().max()), "single largest gap"),
        (lambda g, s, m: float(m / g.mean()), "must be positive"),
        (lambda g, s, m: 1000.0, "smaller beta is needed"),
        (lambda g, s, m: 1.0, "larger beta is allowed"),
    ],
)
def test_wrong_beta_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb08.beta(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb08.wilson(lambda won, count: ...).state == "open"
    assert nb08.wilson(lambda won, count: (..., ...)).state == "open"
    assert nb08.loss(lambda *_: None).state == "open"
    assert nb08.pair(lambda policy: ..., lambda *_: ...).state == "open"
    assert nb08.pair(right_frozen, lambda *_: ...).state == "open"
    assert nb08.beta(lambda *_: ...).state == "open"


ROWS = {
    "base": "the shipped weights",
    "guidance": "*pull*",
    "sft": "plain fine-tuning",
    "dropped": "`dropped`, β 100",
    "dropped, beta 30, anchor": "`dropped`, β 30, anchor",
    "audio-only": "`audio-only`, the paper's losers",
    "aligned": "`aligned`",
    "pulled": "`pulled`",
}


def percent(interval: dict[str, float], sign: str = "") -> str:
    low, mean, high = (f"{100 * interval[k]:{s}.0f}" for k, s in (("low", ""), ("mean", sign), ("high", "")))
    return f"{mean} % ({low} to {high})"


def row(name: str, title: str, found: dict[str, Any]) -> str:
    """Return a variant's row of the notebook's table, as recorded by bench/preference.py."""
    training = [seed["training"] for seed in found["seeds"]]
    cells = [title, "", "", percent(found["contingency_share_of_truth"]), "", "", ""]
    if "saturated" in training[0]:
        count = len(training)
        cells[1] = f"{100 * sum(t['saturated'] for t in training) / count:.0f} %"
        cells[2] = f"{1000 * sum(t['winner_change'] for t in training) / count:+.1f}"
    if name not in ("base", "sft"):
        cells[4] = percent(found["against sft"]["share_of_truth_gained"], "+")
    if name != "base":
        against = found["against base"]
        cells[5] = percent(against["wins by contingency"])
        cells[6] = percent(against["wins by critic, own user minus stranger"])
    return f"# | {' | '.join(cells)} |"


def test_the_table_is_the_recorded_one() -> None:
    recorded = json.loads((ROOT / "bench/results/preference.json").read_text("utf-8"))
    source = (ROOT / "notebooks/source/08_preference.py").read_text("utf-8")
    for name, title in ROWS.items():
        assert row(name, title, recorded["variants"][name]) in source
    assert (recorded["steps"], recorded["seeds"], recorded["conversations"]) == (300, 3, 12)


def test_what_is_said_about_the_table_is_so() -> None:
    """The conclusions of the notebook, one by one: if a new record says otherwise, the text must be rewritten."""
    variants = json.loads((ROOT / "bench/results/preference.json").read_text("utf-8"))["variants"]
    dropped, tuned = variants["dropped"], variants["sft"]
    assert round(12 * dropped["against base"]["wins by contingency"]["mean"]) == 10
    assert [round(100 * x) for x in right_wilson(10, 12)] == [55, 95]
    assert round(100 * tuned["against base"]["wins by contingency"]["mean"]) == 58
    assert round(100 * dropped["against sft"]["wins by contingency"]["mean"]) == 50
    taught = ("dropped", "dropped, beta 30, anchor", "audio-only", "aligned", "online", "pulled")
    gained = {name: variants[name]["against sft"]["share_of_truth_gained"] for name in taught}
    assert all(interval["low"] <= 0 for interval in gained.values())
    assert [name for name in taught if gained[name]["high"] < 0] == ["aligned"]
    assert dropped["against base"]["wins by critic, own user minus stranger"]["mean"] < 0.5
    assert all(seed["training"]["winner_change"] > 0 for seed in dropped["seeds"])
    assert all(seed["training"]["saturated"] > 0.6 for seed in dropped["seeds"])
    anchored = variants["dropped, beta 30, anchor"]["seeds"]
    assert all(seed["training"]["winner_change"] < 0 for seed in anchored)
    assert all(seed["training"]["saturated"] < 0.15 for seed in anchored)
    shares = [variants[name]["contingency_share_of_truth"]["mean"] for name in ("guidance", "dropped")]
    assert [round(100 * share) for share in shares] == [53, 46]
    assert variants["guidance"]["against base"]["share_of_truth_gained"]["low"] > 0
