"""Notebook 02: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from avatar_lab.check import nb02
from avatar_lab.motion.neural_picture import lab_autoencoder
from avatar_lab.viz.directions import STEPS, direction_sliders


def right_basis(free: torch.Tensor) -> torch.Tensor:
    return torch.linalg.qr(free).Q


def right_reading(motion: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    return motion @ basis


def test_right_directions_pass() -> None:
    assert nb02.directions(right_basis, right_reading).passed


@pytest.mark.parametrize(
    ("basis", "reading", "words"),
    [
        (lambda f: f / f.norm(dim=0), right_reading, "lean on each other"),
        (lambda f: f, right_reading, "length 1"),
        (lambda f: torch.linalg.qr(f), right_reading, "the basis alone"),
        (lambda f: torch.linalg.qr(f).Q.T, right_reading, "one column per direction"),
        (lambda f: torch.eye(len(f))[:, : f.shape[1]], right_reading, "not a basis of the columns"),
        (right_basis, lambda m, q: 2 * m @ q, "one product"),
        (right_basis, lambda m, q: q.T @ m, "every *row* is a motion"),
        (right_basis, lambda m, q: m, "return coefficients"),
    ],
)
def test_wrong_directions_name_the_mistake(
    basis: Callable[..., Any], reading: Callable[..., Any], words: str
) -> None:
    verdict = nb02.directions(basis, reading)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_reenactment(model: Any, source: Any, driving: Any) -> Any:
    a, b = model.encode(source), model.encode(driving)
    return model.decode(a.identity + model.directions(b.coefficients), a.features)


def test_right_reenactment_passes() -> None:
    assert nb02.reenact(right_reenactment).passed


def by_difference(model: Any, source: Any, driving: Any) -> Any:
    a, b = model.encode(source), model.encode(driving)
    return model.decode(a.identity + model.directions(b.coefficients - a.coefficients), a.features)


def mixed(identity: int, motion: int, features: int) -> Callable[..., Any]:
    """Take identity, motion and features from picture 0 (source) or 1 (driving); -1 leaves it out."""

    def reenact(model: Any, source: Any, driving: Any) -> Any:
        read = [model.encode(source), model.encode(driving)]
        latent = 0 * read[0].identity
        latent = latent + (read[identity].identity if identity >= 0 else 0)
        latent = latent + (model.directions(read[motion].coefficients) if motion >= 0 else 0)
        return model.decode(latent, read[features].features)

    return reenact


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (mixed(1, 0, 1), "exchanged"),
        (mixed(0, 0, 0), "moves as before"),
        (mixed(0, 1, 1), "show through"),
        (mixed(-1, 1, 0), "identity is missing"),
        (mixed(0, -1, 0), "motion is missing"),
        (mixed(1, 1, 0), "identity is that of the driving"),
        (by_difference, "no difference is needed"),
        (lambda m, s, d: s, "wrong pictures"),
        (lambda m, s, d: s[:, :1], "shape"),
    ],
)
def test_wrong_reenactments_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb02.reenact(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_leak(x: np.ndarray, y: np.ndarray, fit: slice | None = None, judge: slice | None = None) -> float:
    half = len(y) // 2
    fit, judge = fit or slice(half), judge or slice(half, None)
    x = np.column_stack([x, np.ones(len(y))])
    guess = x @ np.linalg.lstsq(x[fit], y[fit], rcond=None)[0]
    return 1 - ((y - guess)[judge] ** 2).sum() / ((y[judge] - y[judge].mean()) ** 2).sum()


def about_the_first_mean(x: np.ndarray, y: np.ndarray) -> float:
    half = len(y) // 2
    spread = [((y[half:] - mean) ** 2).sum() for mean in (y[:half].mean(), y[half:].mean())]
    return 1 - (1 - right_leak(x, y)) * spread[1] / spread[0]


def squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    half = len(y) // 2
    x = np.column_stack([x, np.ones(len(y))])
    guess = x[half:] @ np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    return float(np.corrcoef(guess, y[half:])[0, 1] ** 2)


def test_right_probe_passes() -> None:
    assert nb02.leak(right_leak).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x, y: right_leak(x, y, judge=slice(len(y) // 2)), "looks good there"),
        (lambda x, y: right_leak(x, y, judge=slice(None)), "among them"),
        (lambda x, y: right_leak(x, y, fit=slice(None)), "must be unseen"),
        (lambda x, y: 1 - right_leak(x, y), "one minus it"),
        (lambda x, y: max(0, right_leak(x, y)), "do not cut it off"),
        (about_the_first_mean, "mean of the half that is judged"),
        (squared_correlation, "squared correlation"),
        (lambda x, y: 0.5, "judge on the second"),
        (lambda x, y: "none", "one number"),
    ],
)
def test_wrong_probes_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb02.leak(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb02.directions(lambda f: ..., right_reading).state == "open"
    assert nb02.directions(right_basis, lambda m, b: None).state == "open"
    assert nb02.reenact(lambda *_: ...).state == "open"
    assert nb02.leak(lambda *_: None).state == "open"


def test_the_sliders_have_a_film_for_every_direction() -> None:
    autoencoder, space = lab_autoencoder()
    figure = direction_sliders(autoencoder, space, [200_001])
    assert len(figure.data["films"]) == len(figure.data["meanings"]) == space.dim
    assert len(figure.data["reach"]) == STEPS
    assert len(figure.html()) < 600_000
