"""Checks of notebook 02, "A face as motion": orthonormal directions, cross-reenactment, and a probe for leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import AutoencoderConfig
from avatar_lab.motion.autoencoder import MotionAutoencoder

D, K = 24, 5


def _open(call: Callable[[], Any]) -> bool:
    try:
        return is_stub(call())
    except Exception:
        return False


def directions(basis_of: Callable[..., Any], read_off: Callable[..., Any]) -> Verdict:
    """Check `directions(free)` and `read_off(motion, basis)`."""
    free = torch.eye(D)[:, :K]
    if _open(lambda: basis_of(free)) or _open(lambda: read_off(torch.zeros(2, D), free)):
        return not_yet()
    return verdict_of(lambda: _directions(basis_of, read_off))


def _directions(basis_of: Callable[..., Any], read_off: Callable[..., Any]) -> str:
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        free = torch.randn(D, K, generator=rng) + torch.randn(D, 1, generator=rng)
        basis = basis_of(free.clone())
        if not isinstance(basis, Tensor):
            raise Wrong(f"directions: return the basis alone, a tensor; got {type(basis).__name__}.")
        if basis.shape != (D, K):
            raise Wrong(
                f"directions: shape {tuple(basis.shape)}, expected ({D}, {K}): one column per direction."
            )
        gram = basis.T @ basis
        if not torch.allclose(gram.diagonal(), torch.ones(K), atol=1e-4):
            raise Wrong("directions: the columns do not have length 1.")
        if not torch.allclose(gram, torch.eye(K), atol=1e-4):
            raise Wrong("directions: the columns lean on each other. Length 1 is not enough: use QR.")
        inside = basis @ (basis.T @ free)
        if not torch.allclose(inside, free, atol=1e-3):
            raise Wrong("directions: orthonormal, but not a basis of the columns of `free`.")
        a = torch.randn(3, K, generator=rng)
        found = _read(read_off, a @ basis.T, basis)
        if not isinstance(found, Tensor) or found.shape != a.shape:
            raise Wrong(f"read_off: return coefficients of shape {tuple(a.shape)}.")
        if not torch.allclose(found, a, atol=1e-4):
            raise Wrong("read_off: wrong values. For orthonormal columns it is one product with the basis.")
    return "Right: motion = a @ Q.T, and a = motion @ Q."


def _read(read_off: Callable[..., Any], motion: Tensor, basis: Tensor) -> Any:
    """Return what was read off; the formula has one motion as a column, a batch has motions as rows."""
    try:
        return read_off(motion, basis)
    except RuntimeError as error:
        raise Wrong(
            f"read_off: your code raised {type(error).__name__}: {error}. "
            "In a batch every *row* is a motion: which product of (b, D) and (D, K) is (b, K)?"
        ) from error


def tiny_autoencoder(seed: int = 0) -> MotionAutoencoder:
    """Return a small untrained autoencoder: enough to tell whether latents and features come from the right picture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MotionAutoencoder(
            AutoencoderConfig(
                size=16, channels=8, max_channels=16, latent_dim=16, coefficients=4, reader=(8, 16)
            )
        )
    rng = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():  # nothing may be hidden by a zero
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=rng)
    return model.eval()


def reenact(function: Callable[..., Any]) -> Verdict:
    """Check `reenact(autoencoder, source, driving)`."""
    model, (source, driving) = tiny_autoencoder(), _pictures()
    if _open(lambda: function(model, source, driving)):
        return not_yet()
    return verdict_of(lambda: _reenact(function))


def _pictures() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 16, 16, generator=rng) * 2 - 1, torch.rand(2, 3, 16, 16, generator=rng) * 2 - 1


@torch.no_grad()
def _reenact(function: Callable[..., Any]) -> str:
    model, (source, driving) = tiny_autoencoder(), _pictures()
    given, right = function(model, source, driving), model.swap(source, driving)
    if not isinstance(given, Tensor) or given.shape != right.shape:
        raise Wrong(f"Return pictures of shape {tuple(right.shape)}.")
    if torch.allclose(given, right, atol=1e-4):
        return "Right: the source's identity and features, the driving picture's motion."
    a, b = model.encode(source), model.encode(driving)
    move = model.directions
    likely = {
        "source and driving are exchanged.": model.swap(driving, source),
        "the person moves as before: take the coefficients of the driving picture.": model.swap(
            source, source
        ),
        "the features are those of the driving picture: its face would show through.": (
            model.decode(a.identity + move(b.coefficients), b.features)
        ),
        "the identity is missing: the latent is identity plus motion.": (
            model.decode(move(b.coefficients), a.features)
        ),
        "the motion is missing: the latent is identity plus motion.": model.decode(a.identity, a.features),
        "the source's own motion is in it, too; only the driving one belongs there.": (
            model.decode(a.identity + a.motion + b.motion, a.features)
        ),
        "coefficients count from the identity, not from the source's pose: no difference is needed.": (
            model.decode(a.identity + move(b.coefficients - a.coefficients), a.features)
        ),
        "the identity is that of the driving picture.": (
            model.decode(b.identity + move(b.coefficients), a.features)
        ),
    }
    for hint, value in likely.items():
        if torch.allclose(given, value, atol=1e-4):
            raise Wrong(hint[0].upper() + hint[1:])
    raise Wrong(
        "Right shape, wrong pictures. Who gives the identity, who the features, who the coefficients?"
    )


def leak(function: Callable[..., Any]) -> Verdict:
    """Check `leak(coefficients, colour)`: R squared of a linear probe, judged on the second half."""
    rng = np.random.default_rng(0)
    if _open(lambda: function(rng.standard_normal((20, 3)), rng.standard_normal(20))):
        return not_yet()
    return verdict_of(lambda: _leak(function))


def _parts(x: np.ndarray, y: np.ndarray, offset: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    half = len(y) // 2
    x = np.column_stack([x, np.ones(len(y))]) if offset else x
    fit, *_ = np.linalg.lstsq(x[:half], y[:half], rcond=None)
    return x @ fit, y, np.arange(len(y)) >= half


def _r2(guess: np.ndarray, y: np.ndarray, rows: np.ndarray, around: float | None = None) -> float:
    mean = y[rows].mean() if around is None else around
    return float(1 - ((y - guess)[rows] ** 2).sum() / ((y[rows] - mean) ** 2).sum())


def _leak(function: Callable[..., Any]) -> str:
    rng = np.random.default_rng(3)
    for strength in (0.0, 1.0, 3.0):
        x = rng.standard_normal((60, 6))
        y = strength * x[:, 0] + rng.standard_normal(60) + 4.0
        given = function(x.copy(), y.copy())
        guess, _, late = _parts(x, y)
        if isinstance(given, bool) or not isinstance(given, int | float | np.floating):
            raise Wrong(f"Return one number; got {type(given).__name__}.")
        if abs(given - _r2(guess, y, late)) < 1e-6:
            continue
        everything = np.ones(len(y), bool)
        whole = np.column_stack([x, np.ones(len(y))])
        all_fit = whole @ np.linalg.lstsq(whole, y, rcond=None)[0]
        likely = {
            "judged on the rows that it was fitted on: every probe looks good there.": _r2(guess, y, ~late),
            "judged on all rows, those it was fitted on among them.": _r2(guess, y, everything),
            "fitted on all rows; the second half must be unseen.": _r2(all_fit, y, late),
            "the offset is missing: add a column of ones.": _r2(_parts(x, y, offset=False)[0], y, late),
            "the spread is taken about the mean of the half that is judged.": _r2(
                guess, y, late, around=float(y[~late].mean())
            ),
            "that is the squared correlation, which forgives a wrong scale; use the formula.": (
                float(np.corrcoef(guess[late], y[late])[0, 1] ** 2)
            ),
            "below zero is a finding, too: do not cut it off.": max(0.0, _r2(guess, y, late)),
            "that is the share that is *not* explained: one minus it.": 1 - _r2(guess, y, late),
        }
        for hint, value in likely.items():
            if abs(given - value) < 1e-6:
                raise Wrong(hint[0].upper() + hint[1:])
        raise Wrong(f"R squared is not {given:.3f} here. Fit on the first half, judge on the second.")
    return "Right. Below zero means: worse than guessing the mean, so nothing was found."
