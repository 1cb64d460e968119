"""Checks of notebook 03, "Flow matching": the training pair, Euler steps with an exact count, the order of a solver."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.flow import path

# Three threes first: there a level on the wrong axis fits, and can be told from other mistakes.
SHAPES: Final = ((3, 3, 3), (4, 1, 2), (2, 7, 5))


def _normal(shape: Sequence[int], seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _open(call: Callable[[], Any]) -> bool:
    try:
        first = call()
    except Exception:
        return False
    return is_stub(first) or (isinstance(first, tuple) and all(is_stub(part) for part in first))


def training_pair(function: Callable[..., Any]) -> Verdict:
    """Check `training_pair(clean, noise, sigma)`: the noisy motion and the velocity to learn."""
    cases = [_case(shape, seed) for seed, shape in enumerate(SHAPES)]
    if _open(lambda: function(*cases[0])):
        return not_yet()
    return verdict_of(lambda: _training_pair(function, cases))


def _case(shape: Sequence[int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    sigma = torch.rand(*shape[:2], generator=torch.Generator().manual_seed(seed))
    return _normal(shape, 10 + seed), _normal(shape, 20 + seed), sigma


def _training_pair(function: Callable[..., Any], cases: list[tuple[Tensor, Tensor, Tensor]]) -> str:
    for clean, noise, sigma in cases:
        case = f"(b, t, d) = {tuple(clean.shape)}"
        given = function(clean.clone(), noise.clone(), sigma.clone())
        if not isinstance(given, tuple) or len(given) != 2:
            raise Wrong("Return two things, the noisy motion and the velocity: return noisy, velocity.")
        if _swapped(given, clean, noise, sigma):
            raise Wrong("The two are exchanged: return noisy, velocity.")
        for name, part in zip(("noisy", "velocity"), given, strict=True):
            if not isinstance(part, Tensor) or part.shape != clean.shape:
                got = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
                raise Wrong(f"{case}: {name} must have the shape of clean; got {got}.")
        _explain("noisy", given[0], _noisy_answers(clean, noise, sigma), case)
        _explain("velocity", given[1], _velocity_answers(clean, noise, given[0]), case)
    clean, noise, _ = cases[0]
    if not function(clean, noise, torch.zeros(clean.shape[:2]))[1].isfinite().all():
        raise Wrong("At sigma 0 your velocity is 0 / 0. It needs no division: derive noisy by sigma.")
    return "Right: a straight path, and one velocity along the whole of it."


def _swapped(given: tuple[Any, ...], clean: Tensor, noise: Tensor, sigma: Tensor) -> bool:
    right = path.velocity_target(clean, noise), path.interpolate(clean, noise, sigma)
    return all(
        isinstance(part, Tensor) and part.shape == clean.shape and torch.allclose(part, value, atol=1e-5)
        for part, value in zip(given, right, strict=True)
    )


def _noisy_answers(clean: Tensor, noise: Tensor, sigma: Tensor) -> dict[str, Tensor]:
    level = sigma[..., None]
    answers = {
        "": path.interpolate(clean, noise, sigma),
        "at sigma 1 yours is clean. Sigma is the share of noise: 1 noise, 0 clean.": (
            level * clean + (1 - level) * noise
        ),
        "all of the clean motion is still there; it fades as the noise comes: (1 - sigma) clean.": (
            clean + level * noise
        ),
        "those are the weights of a variance-preserving diffusion; this path is straight, without roots.": (
            (1 - level).sqrt() * clean + level.sqrt() * noise
        ),
    }
    if len(set(clean.shape)) == 1:
        answers["the levels lie along the wrong axis: write sigma[..., None], shape (b, t, 1)."] = (
            1 - sigma
        ) * clean + sigma * noise
    return answers


def _velocity_answers(clean: Tensor, noise: Tensor, noisy: Tensor) -> dict[str, Tensor]:
    return {
        "": path.velocity_target(clean, noise),
        "the sign is the paper's, which walks from noise to clean. Here sigma grows towards noise: noise - clean.": (
            clean - noise
        ),
        "that is noisy - clean: the way gone so far, sigma times the velocity. It must not depend on sigma.": (
            noisy - clean
        ),
        "that is noise - noisy: the way still to go. The velocity is that of the whole path, from 0 to 1.": (
            noise - noisy
        ),
        "that is the noise itself. Derive noisy by sigma: both of its terms change.": noise,
    }


def _explain(name: str, given: Tensor, answers: dict[str, Tensor], case: str) -> None:
    for hint, value in answers.items():
        if torch.allclose(given, value, atol=1e-5):
            if hint:
                raise Wrong(f"{case}, {name}: {hint}")
            return
    raise Wrong(f"{case}, {name}: right shape, wrong values. Write the equation down term by term.")


class _Counted:
    """A velocity field that counts its calls, notes where it was asked, and is strict about sigma's shape."""

    def __init__(self, field: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.field = field
        self.levels: list[float] = []

    def __call__(self, noisy: Tensor, sigma: Any) -> Tensor:
        if not isinstance(sigma, Tensor) or sigma.shape != noisy.shape[:2]:
            got = tuple(sigma.shape) if isinstance(sigma, Tensor) else type(sigma).__name__
            raise Wrong(
                f"velocity wants one level per frame, {tuple(noisy.shape[:2])}; got {got}. "
                "Use torch.full(noisy.shape[:2], level)."
            )
        self.levels.append(round(float(sigma.flatten()[0]), 4))
        return self.field(noisy, sigma)


def _bent(noisy: Tensor, sigma: Tensor) -> Tensor:
    return 0.5 * noisy + torch.cos(3 * sigma)[..., None]


LEVELS: Final = {
    "four equal steps": [1.0, 0.75, 0.5, 0.25, 0.0],
    "one step": [1.0, 0.0],
    "unequal steps": [1.0, 0.9, 0.5, 0.0],
    "a table that rests twice": [1.0, 0.5, 0.5, 0.25, 0.0, 0.0],
}


def euler(function: Callable[..., Any]) -> Verdict:
    """Check `euler(velocity, noise, levels)`: the sample, and the number of evaluations it took."""
    grid = torch.tensor(LEVELS["one step"])
    if _open(lambda: function(lambda noisy, sigma: noisy, _normal((2, 3, 2), 0), grid)):
        return not_yet()
    return verdict_of(lambda: _euler(function))


def _euler(function: Callable[..., Any]) -> str:
    for name, levels in LEVELS.items():
        noise, field = _normal((2, 3, 2), 5), _Counted(_bent)
        before = noise.clone()
        given = function(field, noise, torch.tensor(levels))
        if not isinstance(given, tuple) or len(given) != 2:
            raise Wrong("Return two things, the sample and the count: return noisy, evaluations.")
        sample, count = given
        if not isinstance(sample, Tensor) or sample.shape != noise.shape:
            raise Wrong(f"{name}: the sample must have the shape of noise, {tuple(noise.shape)}.")
        if not torch.equal(noise, before):
            raise Wrong("The noise that was passed was changed in place: write noisy = noisy + ..., not +=.")
        _bill(name, levels, field.levels, count)
        _landing(name, levels, field.levels, sample, noise)
    return "Right, and the bill is honest: one evaluation for each step that moves."


def _bill(name: str, levels: list[float], asked: list[float], count: Any) -> None:
    moves = sum(a != b for a, b in itertools.pairwise(levels))
    if isinstance(count, bool) or not isinstance(count, int):
        raise Wrong(f"{name}: the count is a whole number (int); got {type(count).__name__}.")
    if len(asked) == moves + 1 and len(levels) == moves + 1 and asked[-1] == levels[-1]:
        raise Wrong(f"{name}: evaluated at the last level, too; there one has arrived, and no step follows.")
    if len(asked) == len(levels) - 1 > moves:
        raise Wrong(
            f"{name}: two equal levels make a step of length 0. It changes nothing: do not pay for it."
        )
    if len(asked) != moves:
        raise Wrong(f"{name}: the velocity was evaluated {len(asked)} times; {moves} steps move.")
    if count != len(asked):
        raise Wrong(f"{name}: you say {count} evaluations, but the velocity was called {len(asked)} times.")


def _landing(name: str, levels: list[float], asked: list[float], sample: Tensor, noise: Tensor) -> None:
    def walk(sign: float, late: bool) -> Tensor:
        noisy = noise
        for now, then in itertools.pairwise(levels):
            if now != then:
                sigma = torch.full(noise.shape[:2], then if late else now)
                noisy = noisy + sign * (then - now) * _bent(noisy, sigma)
        return noisy

    if torch.allclose(sample, walk(1, False), atol=1e-5):
        return
    if torch.allclose(sample, walk(-1, False), atol=1e-5):
        raise Wrong(f"{name}: you walk away from the face. Sigma falls: the step, then - now, is negative.")
    if asked and asked[0] != levels[0]:
        raise Wrong(
            f"{name}: first asked at sigma {asked[0]:g}. Euler asks where it stands, here at {levels[0]:g}."
        )
    raise Wrong(f"{name}: right count, wrong place. Each step is (then - now) times the velocity at now.")


def order(function: Callable[..., Any]) -> Verdict:
    """Check `order(steps, errors)`: the power with which an error falls."""
    if _open(lambda: function([1, 2, 4], [1.0, 0.5, 0.25])):
        return not_yet()
    return verdict_of(lambda: _order(function))


def _order(function: Callable[..., Any]) -> str:
    cases = [
        ("errors 1/n", [4, 8, 16, 32], [1 / n for n in (4, 8, 16, 32)]),
        ("errors 3/n^2", [4, 8, 16, 32], [3 / n**2 for n in (4, 8, 16, 32)]),
        ("steps that do not double", [3, 5, 12, 40], [2 / n**2 for n in (3, 5, 12, 40)]),
        ("a wavy line", [4, 8, 16, 32, 64], [0.5, 0.1, 0.12, 0.01, 0.03]),
    ]
    for name, steps, errors in cases:
        try:
            given = float(function(list(steps), list(errors)))
        except (TypeError, ValueError) as error:
            raise Wrong(f"{name}: return one number, and take plain lists ({error}).") from None
        right = -_slope([math.log(n) for n in steps], [math.log(e) for e in errors])
        if abs(given - right) > 0.02:
            raise Wrong(f"{name}: {_order_hint(given, right, steps, errors)}")
    return "Right: twice the steps, 2^p times less error."


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    across, up = sum(x) / len(x), sum(y) / len(y)
    return sum((a - across) * (b - up) for a, b in zip(x, y, strict=True)) / sum((a - across) ** 2 for a in x)


def _order_hint(given: float, right: float, steps: list[int], errors: list[float]) -> str:
    x, y = [math.log(n) for n in steps], [math.log(e) for e in errors]
    halvings = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    likely = {
        "the line falls, but an order is a positive number: minus the slope.": -right,
        "fit the logarithms: a power law is a straight line only there.": -_slope(steps, errors),
        "take the logarithm of the steps, too.": -_slope(steps, y),
        "take the logarithm of the errors, too.": -_slope(x, errors),
        "the axes are exchanged: errors are fitted against steps.": -_slope(y, x),
        "only the first and the last point count in yours; fit a line through all.": -(y[-1] - y[0])
        / (x[-1] - x[0]),
        "you compare neighbours as if each had twice the steps of the last.": sum(halvings) / len(halvings),
    }
    for hint, value in likely.items():
        if abs(abs(given) - abs(value)) < 1e-3 and (given * value > 0 or "falls" not in hint):
            return hint
    return f"expected about {right:.1f} there, got {given:.2f}. Draw log error against log steps."
