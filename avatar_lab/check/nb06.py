"""Checks of notebook 06, "Two ears and a voice": condition dropout, both forms of guidance, and what each evaluates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.flow.guidance import branches

SIZES = {"user_motion": 3, "user_audio": 4, "avatar_audio": 4}
ASKED = [("sum", 1.0, 1.0), ("nested", 1.0, 1.0), ("nested", 2.0, 2.0), ("nested", 2.0, 3.0)]
KEYS = [("0", "0"), ("a", "0"), ("0", "u"), ("a", "u")]


def dropout(function: Callable[..., Any]) -> Verdict:
    """Check `drop(signals, probability, rng)`: whole signals of single examples become zeros, independently."""
    try:
        first = function(_signals(2), 0.0, torch.Generator().manual_seed(0))
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _dropout(function))


def _signals(batch: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {name: torch.rand(batch, 5, size, generator=rng) + 1 for name, size in SIZES.items()}


def _dropout(function: Callable[..., Any]) -> str:
    signals, batch, probability = _signals(4000), 4000, 0.1
    before = {name: signal.clone() for name, signal in signals.items()}
    state = torch.get_rng_state()
    given = function(signals, probability, torch.Generator().manual_seed(3))
    if not torch.equal(state, torch.get_rng_state()):
        raise Wrong("Draw from rng, not from torch's global generator: pass generator=rng.")
    if not isinstance(given, Mapping) or set(given) != set(SIZES):
        raise Wrong(f"Return all three signals by name; expected {sorted(SIZES)}.")
    if any(not torch.equal(signals[name], before[name]) for name in SIZES):
        raise Wrong("The signals that were passed were changed in place. Make new ones.")
    gone = {}
    for name, signal in given.items():
        if signal.shape != before[name].shape:
            raise Wrong(f"{name}: shape {tuple(signal.shape)}, expected {tuple(before[name].shape)}.")
        zero = signal == 0
        gone[name] = zero.flatten(1).all(1)
        if not torch.equal(zero.flatten(1).any(1), gone[name]):
            raise Wrong(f"{name}: only parts were zeroed. Decide once per example: shape (b, 1, 1).")
        if not torch.allclose(signal[~gone[name]], before[name][~gone[name]]):
            raise Wrong(f"{name}: what is kept must stay as it is; do not rescale as nn.Dropout does.")
    praise = _rates(gone, batch, probability)
    rng = torch.Generator().manual_seed(4)
    first, second = (function(_signals(50), 0.5, rng)["user_motion"] for _ in range(2))
    if torch.equal(first, second):
        raise Wrong(
            "Two calls drop the same examples: draw from the rng that is passed, not one of your own."
        )
    return praise


def _rates(gone: Mapping[str, Tensor], batch: int, probability: float) -> str:
    for name, lost in gone.items():
        share = lost.float().mean().item()
        if abs(share - (1 - probability)) < 0.03:
            raise Wrong(f"{name}: dropped with probability {share:.2f}: keep and drop are exchanged.")
        if share in (0.0, 1.0):
            often = "always" if share else "never"
            raise Wrong(f"{name}: {often} dropped. Every signal can be; make one decision for each example.")
        if abs(share - probability) > 0.03:
            raise Wrong(f"{name}: dropped in {share:.1%} of the examples; asked for {probability:.0%}.")
    if not torch.equal(gone["user_motion"], gone["user_audio"]):
        raise Wrong("A user who is not there is neither seen nor heard: one decision for both signals.")
    both = (gone["user_motion"] & gone["avatar_audio"]).float().mean().item()
    if both > 0.5 * probability:
        raise Wrong("User and voice are always dropped together: draw a second decision for the voice.")
    return f"Right: {gone['avatar_audio'].float().mean():.1%} of {batch} voices were dropped, users by themselves."


def combine(function: Callable[..., Any]) -> Verdict:
    """Check `combine(v, w_a, w_u, form)` in the paper's form and in the nested one."""
    try:
        first = function(dict.fromkeys(KEYS, torch.ones(1)), 1.0, 1.0, "sum")
    except Exception:
        first = 0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _combine(function))


def _combine(function: Callable[..., Any]) -> str:
    rng = torch.Generator().manual_seed(0)
    for form in ("sum", "nested"):
        for w_a, w_u in ((1.0, 1.0), (2.0, 3.0), (0.0, 2.5), (1.7, 0.0)):
            v = {key: torch.randn(2, 5, 3, generator=rng) for key in KEYS}
            before = {key: value.clone() for key, value in v.items()}
            given = function(v, w_a, w_u, form)
            right = _guided(before, w_a, w_u, form)
            if not isinstance(given, Tensor) or given.shape != right.shape:
                raise Wrong(f"{form}: return a velocity of the same shape as each v, {tuple(right.shape)}.")
            if any(not torch.equal(v[key], before[key]) for key in KEYS):
                raise Wrong("The velocities that were passed were changed in place (by += ?). Make new ones.")
            if not torch.allclose(given, right, atol=1e-4):
                raise Wrong(_combine_hint(given, v, w_a, w_u, form))
    return "Right, in both forms, at weights of 0 as well."


def _guided(v: Mapping[tuple[str, str], Tensor], w_a: float, w_u: float, form: str) -> Tensor:
    names = {
        (False, False): ("0", "0"),
        (True, False): ("a", "0"),
        (False, True): ("0", "u"),
        (True, True): ("a", "u"),
    }
    found = branches({"audio": w_a, "user": w_u}, form)
    return sum((b.weight * v[names[b.avatar_audio, b.user]] for b in found), torch.zeros(()))


def _combine_hint(
    given: Tensor, v: Mapping[tuple[str, str], Tensor], w_a: float, w_u: float, form: str
) -> str:
    other = "nested" if form == "sum" else "sum"
    likely = {
        f"that is the {other} form.": _guided(v, w_a, w_u, other),
        "the two weights are exchanged.": _guided(v, w_u, w_a, form),
        "v(0,0) must be there once, with nothing taken off: it is where you start from.": (
            _guided(v, w_a, w_u, form) - v["0", "0"]
        ),
        "the user's difference starts from v(0,0) here; in the nested form the voice is present on both sides.": (
            v["0", "0"] + w_a * (v["a", "0"] - v["0", "0"]) + w_u * (v["a", "u"] - v["0", "0"])
        ),
    }
    case = f"{form}, w_a = {w_a:g}, w_u = {w_u:g}"
    for hint, value in likely.items():
        if torch.allclose(given, value, atol=1e-4):
            return f"{case}: {hint}"
    return f"{case}: right shape, wrong values. Write the equation down term by term."


def needed(answer: Any) -> Verdict:
    """Check which branches each (form, w_a, w_u) needs."""
    if is_stub(answer) or (isinstance(answer, Mapping) and all(map(is_stub, answer.values()))):
        return not_yet()
    return verdict_of(lambda: _needed(answer))


def _needed(answer: Any) -> str:
    if not isinstance(answer, Mapping) or set(answer) != set(ASKED):
        raise Wrong("Keep the four rows as they came, and replace only their dots.")
    for (form, w_a, w_u), given in answer.items():
        case = f"{form}, w_a = {w_a:g}, w_u = {w_u:g}"
        if is_stub(given):
            raise Wrong(f"{case}: not filled in yet.")
        found = branches({"audio": w_a, "user": w_u}, form)
        right = {("a" if b.avatar_audio else "0", "u" if b.user else "0") for b in found}
        if not isinstance(given, set | frozenset) or not set(given) <= set(KEYS):
            raise Wrong(f'{case}: write a set of pairs such as {{("a", "0"), ("a", "u")}}.')
        if form == "sum" and ("a", "u") in given:
            raise Wrong(f"{case}: the sum never shows voice and user together. That is its weakness.")
        if given - right:
            raise Wrong(f"{case}: one of these has the weight 0 after multiplying out; leave it out.")
        if right - given:
            raise Wrong(f"{case}: a branch is missing; its weight is not 0 after multiplying out.")
    return "Right. A branch with weight 0 is never evaluated: guidance at 1, nested, costs nothing."
