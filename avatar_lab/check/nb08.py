"""Checks of notebook 08, "Preference without labels": votes, the loss, a fair pair, and the steepness beta.

The four classic mistakes of preference training are told apart: the mean inside the log-sigmoid (`loss`), different
noise or sigma for the two members, a reference that is the policy, and a condition dropped inside a pair (`pair`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.flow.path import interpolate, velocity_target
from avatar_lab.metrics.votes import wilson as library_wilson

SATURATED = 4.0  # |beta * gap| from which the slope hardly changes: settled, or hopeless
Errors = tuple[Tensor, Tensor]


def wilson(function: Callable[..., Any]) -> Verdict:
    """Check `wilson(won, count)`: (low, high) of the 95 % interval."""
    if _open(lambda: function(3, 4)) or _open(lambda: function(3, 4)[0]):
        return not_yet()
    return verdict_of(lambda: _wilson(function))


def _wilson(function: Callable[..., Any]) -> str:
    for won, count in ((3, 4), (10, 12), (5, 10), (0, 6), (12, 12), (83, 100), (2.5, 4)):
        given, right = function(won, count), library_wilson(won, count)
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise Wrong("Return a tuple of two numbers, (low, high).")
        low, high = (float(x) for x in given)
        if not math.isclose(low, right.low, abs_tol=2e-3) or not math.isclose(high, right.high, abs_tol=2e-3):
            raise Wrong(f"{won:g} of {count}: {_wilson_hint(low, high, won, count)}")
    return "Right. Twelve of twelve is [0.76, 1]: even a clean sweep of twelve leaves a quarter in doubt."


def _wilson_hint(low: float, high: float, won: float, count: int) -> str:
    share, z = won / count, 1.96
    plain = z * math.sqrt(share * (1 - share) / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    likely = {
        "that is the school interval, share ± 1.96 deviations. It knows no doubt at 0 and 1; Wilson's does.": (
            share - plain,
            share + plain,
        ),
        "the whole must be divided by 1 + z²/n, half width and centre alike.": (
            share + z * z / (2 * count) - half,
            share + z * z / (2 * count) + half,
        ),
        "the centre is not the share: it is pulled towards one half, by z²/2n before the division.": (
            share - half / (1 + z * z / count),
            share + half / (1 + z * z / count),
        ),
    }
    for hint, (a, b) in likely.items():
        if any(
            math.isclose(low, x, abs_tol=2e-3) and math.isclose(high, y, abs_tol=2e-3)
            for x, y in ((a, b), (max(0.0, a), min(1.0, b)))
        ):
            return hint
    if low > high:
        return "low is above high."
    if high > 1.5:
        return f"got [{low:.2f}, {high:.2f}]. Shares lie between 0 and 1. Mind the brackets of z²/(2n) and z²/(4n²)."
    return (
        f"got [{low:.3f}, {high:.3f}]. Compute the half width first: z times the root, over 1 + z²/n. "
        "z is 1.96, and nothing is rounded."
    )


def loss(function: Callable[..., Any]) -> Verdict:
    """Check `dpo(winner, loser, counts, beta)`: the loss of a batch of pairs."""
    if _open(lambda: function(*_errors(0), 1.0)):
        return not_yet()
    return verdict_of(lambda: _loss(function))


def _errors(seed: int, spread: float = 0.1) -> tuple[Errors, Errors, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    drawn = [0.3 + spread * torch.randn(3, 8, generator=rng) for _ in range(4)]
    counts = (torch.rand(3, 8, generator=rng) < 0.7).float()
    return (drawn[0], drawn[1]), (drawn[2], drawn[3]), counts


def _loss(function: Callable[..., Any]) -> str:
    for seed in range(20):
        beta = (10.0, 100.0, 1.0)[seed % 3]
        winner, loser, counts = _errors(seed)
        given, right = function(winner, loser, counts, beta), _dpo(winner, loser, counts, beta)
        if not isinstance(given, Tensor) or given.ndim != 0:
            raise Wrong("Return one number for the batch, a tensor of shape ().")
        if not torch.allclose(given, right, rtol=1e-4):
            raise Wrong(_loss_hint(given, winner, loser, counts, beta))
    _reached(function)
    far = function(*_errors(0, spread=50.0), 1000.0)
    if not torch.isfinite(far):
        raise Wrong("Infinite for large gaps: log of sigmoid underflows to log 0. F.logsigmoid does not.")
    same = torch.full((1, 4), 0.2)
    start = float(function((same, same), (same, same), torch.ones(1, 4), 100.0))
    return f"Right: {start:.3f} = log 2 where the policy is its reference, whatever beta."


def _reached(function: Callable[..., Any]) -> None:
    winner, loser, counts = _errors(0)
    watched = {"winner": winner[0].requires_grad_(), "loser": loser[0].requires_grad_()}
    with torch.enable_grad():
        given = function(winner, loser, counts, 10.0)
    if given.requires_grad:
        given.backward()
    for name, policy in watched.items():
        if policy.grad is None:
            raise Wrong(
                f"The right value, but no gradient reaches the policy's errors on the {name}: nothing would be "
                "learned there. No detach, .item() or new tensor on the way."
            )


def _dpo(winner: Errors, loser: Errors, counts: Tensor, beta: float) -> Tensor:
    gap = (winner[0] - winner[1]) - (loser[0] - loser[1])
    return (-F.logsigmoid(-beta * gap) * counts).sum() / counts.sum()


def _loss_hint(given: Tensor, winner: Errors, loser: Errors, counts: Tensor, beta: float) -> str:
    gap = (winner[0] - winner[1]) - (loser[0] - loser[1])
    held = -F.logsigmoid(-beta * gap)

    def mean(frames: Tensor) -> Tensor:
        return (frames * counts).sum() / counts.sum()

    likely = {
        "the mean is inside the log-sigmoid (classic mistake 1): one frame that is decided silences all others. "
        "First -logsigmoid of every frame, then the mean.": -F.logsigmoid(-beta * mean(gap)),
        "the mean of an example's frames is inside the log-sigmoid (classic mistake 1). First -logsigmoid of every "
        "frame, then one mean.": -F.logsigmoid(-beta * ((gap * counts).sum(1) / counts.sum(1))).mean(),
        "each example has a mean of its own here; take one mean over all frames that count.": (
            (held * counts).sum(1) / counts.sum(1)
        ).mean(),
        "that prefers the losing motion: D is an error, so smaller is better. Mind the minus before beta.": (
            mean(-F.logsigmoid(beta * gap))
        ),
        "the reference is missing: D is the policy's error minus the reference's.": mean(
            -F.logsigmoid(-beta * (winner[0] - loser[0]))
        ),
        "beta is missing inside the log-sigmoid.": mean(-F.logsigmoid(-gap)),
        "beta stands outside; it belongs inside the log-sigmoid.": beta * mean(-F.logsigmoid(-gap)),
        "frames with counts 0 took part. They are clean: nothing was predicted there.": held.mean(),
        "frames with counts 0 were divided by: divide by counts.sum().": (held * counts).mean(),
        "that is the sum; take the mean over the frames that count.": (held * counts).sum(),
        "the sign of the whole is wrong: a loss is minus the log-sigmoid.": -mean(held),
    }
    for hint, value in likely.items():
        if torch.allclose(given, value, rtol=1e-3, atol=1e-6):
            return f"Right shape, wrong value: {hint}"
    return "Right shape, wrong value. Write D(winner), D(loser), their gap, then -F.logsigmoid(-beta * gap)."


class _Watched(nn.Module):
    """A toy policy that keeps what it was shown."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, noisy: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        self.seen.append((noisy.detach().clone(), sigma.detach().clone(), condition.detach().clone()))
        return self.scale * noisy + condition

    def shown(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return everything seen, in the order it came: (noisy, sigma, condition)."""
        noisy, sigma, condition = zip(*self.seen, strict=True)
        return torch.cat(noisy), torch.cat(sigma), torch.cat(condition)


def pair(frozen: Callable[..., Any], pair_errors: Callable[..., Any]) -> Verdict:
    """Check `frozen(policy)` and `pair_errors(policy, reference, winner, loser, condition, rng)` together."""
    if _open(lambda: frozen(_Watched(0.5))) or _open(lambda: _call(pair_errors, 0)[0]):
        return not_yet()
    return verdict_of(lambda: _frozen(frozen) or _pair(pair_errors))


def _frozen(frozen: Callable[..., Any]) -> None:
    policy = _Watched(0.5)
    reference = frozen(policy)
    if not isinstance(reference, nn.Module):
        raise Wrong("frozen must return a module: a copy of the policy.")
    own = {p.data_ptr() for p in policy.parameters()}
    if reference is policy or own & {p.data_ptr() for p in reference.parameters()}:
        raise Wrong(
            "The reference shares its weights with the policy (classic mistake 3): it would move along, and D stays 0. "
            "deepcopy the policy."
        )
    if not all(p.requires_grad for p in policy.parameters()):
        raise Wrong("The policy itself was frozen: requires_grad_(False) belongs to the copy.")
    if any(p.requires_grad for p in reference.parameters()):
        raise Wrong("The copy could still be trained: add requires_grad_(False).")
    if any(not torch.equal(a, b) for a, b in zip(policy.parameters(), reference.parameters(), strict=True)):
        raise Wrong("The reference must begin with the policy's weights.")


def _call(pair_errors: Callable[..., Any], seed: int) -> tuple[Any, _Watched, _Watched, tuple[Tensor, ...]]:
    rng = torch.Generator().manual_seed(seed)
    winner, loser, condition = (torch.randn(4, 20, 3, generator=rng) for _ in range(3))
    policy, reference = _Watched(0.5), _Watched(0.2).requires_grad_(False)
    given = pair_errors(policy, reference, winner, loser, condition, torch.Generator().manual_seed(seed))
    return given, policy, reference, (winner, loser, condition)


def _pair(pair_errors: Callable[..., Any]) -> str:
    state, drawn = torch.get_rng_state(), torch.zeros(0)
    for seed in range(10):
        given, policy, reference, (winner, loser, condition) = _call(pair_errors, seed)
        if not torch.equal(state, torch.get_rng_state()):
            raise Wrong("Draw from rng, not from torch's global generator: pass generator=rng.")
        noise, sigma = _shown_alike(policy, reference, winner, loser, condition)
        _right_values(given, (policy, reference), (winner, loser), condition, noise, sigma)
        if torch.equal(sigma, drawn):
            raise Wrong("Another rng, the same noise: draw from the rng that is passed, not one of your own.")
        drawn = sigma
    return "Right: same noise, same sigma, a reference of its own, the whole condition - a fair pair."


def _shown_alike(
    policy: _Watched, reference: _Watched, winner: Tensor, loser: Tensor, condition: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the noise and sigma of the pair; complain when they differ between members or models."""
    both = len(winner) + len(loser)
    if not reference.seen and policy.seen and len(policy.shown()[0]) == 2 * both:
        raise Wrong("The reference was never asked. Both models look at both members: four errors.")
    for name, model in (("policy", policy), ("reference", reference)):
        if not model.seen or len(model.shown()[0]) != both:
            raise Wrong(f"The {name} must look at each member of the pair once, the winner and the loser.")
    noisy, sigma, given = policy.shown()
    if sigma.shape != (both, winner.shape[1]):
        raise Wrong(f"sigma must have shape (b, t) = {tuple(winner.shape[:2])}: one level a frame.")
    if not torch.equal(given, condition.repeat(2, 1, 1)) or not torch.equal(reference.shown()[2], given):
        raise Wrong(
            "The condition was changed or dropped inside the pair (classic mistake 4). Where the user is dropped, "
            "the loser is the right answer, even if it is dropped for all four. Pass it whole, four times."
        )
    if not torch.equal(*sigma.chunk(2)):
        raise Wrong(
            "The members got different sigmas (classic mistake 2): the noisier one loses. Draw sigma once."
        )
    level = sigma.clamp_min(1e-3)[..., None]

    def noise_of(motions: Tensor) -> Tensor:
        return (noisy - (1 - sigma[..., None]) * motions) / level

    noises = [noise_of(torch.cat(order)).chunk(2) for order in ((winner, loser), (loser, winner))]
    certain = (sigma.chunk(2)[0] > 0.05)[..., None]
    alike = [n for n in noises if torch.allclose(n[0] * certain, n[1] * certain, atol=1e-3)]
    if not alike:
        raise Wrong(
            "The members got different noise (classic mistake 2): luck is then larger than the preference. Draw it "
            "once, and mix with (1 - sigma) * motion + sigma * noise."
        )
    if any(not torch.allclose(a, b) for a, b in zip(policy.shown()[:2], reference.shown()[:2], strict=True)):
        raise Wrong("Policy and reference must see the same noisy motion: draw noise and sigma once for all.")
    return alike[0][0], sigma.chunk(2)[0]


def _right_values(
    given: Any,
    models: tuple[_Watched, _Watched],
    members: tuple[Tensor, Tensor],
    condition: Tensor,
    noise: Tensor,
    sigma: Tensor,
) -> None:
    right = [[_error(m, motion, condition, noise, sigma) for m in models] for motion in members]
    try:
        found = [[given[i][j] for j in (0, 1)] for i in (0, 1)]
        if len(given) != 2 or any(len(row) != 2 for row in given):
            raise TypeError
    except (TypeError, IndexError, KeyError):
        raise Wrong(
            "Return two pairs: (policy, reference) on the winner, then the same on the loser."
        ) from None
    if any(not isinstance(e, Tensor) or e.shape != sigma.shape for row in found for e in row):
        raise Wrong(f"Each error must have shape (b, t) = {tuple(sigma.shape)}: mean over coefficients only.")
    level = sigma > 0.05  # where the noise could be told from the noisy motion

    def fits(order: Callable[[int, int], Tensor]) -> bool:
        return all(
            torch.allclose(found[i][j].detach()[level], order(i, j)[level], atol=5e-3)
            for i in (0, 1)
            for j in (0, 1)
        )

    if fits(lambda i, j: right[i][j]):
        if any(row[1].requires_grad or not row[0].requires_grad for row in found):
            raise Wrong(
                "Gradients must reach the policy, and only it: the reference alone goes under no_grad."
            )
        return
    if fits(lambda i, j: right[j][i]):
        raise Wrong(
            "Grouped by model. Group by member: (policy, reference) on the winner, then on the loser."
        )
    if fits(lambda i, j: right[1 - i][j]):
        raise Wrong("Winner and loser are exchanged.")
    if fits(lambda i, j: right[i][1 - j]):
        raise Wrong("Policy and reference are exchanged.")
    raise Wrong("Wrong values: the error is the mean of |predicted - (noise - motion)| over coefficients.")


@torch.no_grad()
def _error(model: _Watched, motion: Tensor, condition: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    predicted = deepcopy(model)(interpolate(motion, noise, sigma), sigma, condition)
    return (predicted - velocity_target(motion, noise)).abs().mean(-1)


def beta(function: Callable[..., Any]) -> Verdict:
    """Check `largest_beta(gaps, share, limit)`: the steepest beta that leaves at most `share` saturated."""
    rng = torch.Generator().manual_seed(0)
    if _open(lambda: function(0.03 * torch.randn(200, generator=rng), 0.15, SATURATED)):
        return not_yet()
    return verdict_of(lambda: _beta(function))


def _beta(function: Callable[..., Any]) -> str:
    found = 0.0
    for seed, share in ((1, 0.15), (2, 0.15), (3, 0.4), (4, 0.05)):
        rng = torch.Generator().manual_seed(seed)
        gaps = 0.04 * torch.randn(2000, generator=rng) - 0.03
        found, size = float(function(gaps, share, SATURATED)), gaps.abs()
        case = f"share {share:.0%}, beta {found:.0f}"
        if not math.isfinite(found) or found <= 0:
            raise Wrong(
                f"{case}: beta must be positive. Gaps have both signs; saturation asks for |beta * gap|."
            )
        likely = {
            "that follows the signed gaps; a frame saturates on either side: use |gap|.": torch.quantile(
                gaps, 1 - share
            ),
            "that is the other end: share is how many frames may lie above, so take the quantile 1 - share.": (
                torch.quantile(size, share)
            ),
            "that is for the mean gap; half of the frames may lie above it. Use a quantile.": size.mean(),
            "that saturates nobody at all, for the sake of the single largest gap; some may.": size.max(),
        }
        above = float((found * size > SATURATED).float().mean())
        if abs(above - share) <= 0.01:
            continue
        for hint, value in likely.items():
            if math.isclose(found, SATURATED / float(value), rel_tol=1e-3):
                raise Wrong(f"{case}: {hint}")
        verb = (
            "saturated; a smaller beta is needed" if above > share else "saturated; a larger beta is allowed"
        )
        raise Wrong(
            f"{case}: {above:.0%} of the frames are {verb}. Solve beta * |gap| = limit for the quantile."
        )
    return "Right: beta is a ruler for the gaps, nothing more. Wider gaps want a smaller one."


def _open(call: Callable[[], Any]) -> bool:
    """Whether an answer is still a stub; one that raises is not."""
    try:
        return is_stub(call())
    except Exception:
        return False
