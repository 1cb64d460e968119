"""Self-forcing changes the past that the network is shown, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avatar_lab.cli import main
from avatar_lab.config import preset
from avatar_lab.errors import ConfigError
from avatar_lab.flow.path import interpolate, velocity_target
from avatar_lab.model.avatar import build
from avatar_lab.motion.space import default_space
from avatar_lab.train.diffusion_forcing import Drawn, ForcingConfig, ForcingModule, train, velocity_error
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.parallel import Team
from avatar_lab.train.recipes import conversations, train_generator
from avatar_lab.train.self_forcing import LEVELS, draw_past_sigma, remade
from avatar_lab.train.windows import Batch, Conversation, draw_batch, to_conversation

ROWS, HISTORY = 12, 20
WINDOW = preset("tiny").generator.window
PAST = {"past_sigma", "past_noise"}


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def talks() -> list[Conversation]:
    return [to_conversation(d, default_space(), 80) for d in conversations(0.01, 3, seconds=12)]


@pytest.fixture
def batch(talks: list[Conversation]) -> Batch:
    return draw_batch(talks, ROWS, WINDOW, HISTORY, 0.0, chance(1))


def module(share: float) -> ForcingModule:
    """A small network in which every part has a say: freshly built, gates and last layer are zero."""
    made = ForcingModule(
        build(preset("tiny"), default_space()), ForcingConfig(clean_past=1.0, self_forced=share)
    )
    for number, weight in enumerate(made.parameters()):
        weight.data += 0.1 * torch.randn(weight.shape, generator=chance(number))
    return made


def watch(made: ForcingModule, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Collect the motion that the training pass (not the making of the past) is given."""
    shown, forward = [], made.generator.forward

    def spy(noisy: Tensor, *rest: Any) -> object:
        shown.append(noisy)
        return forward(noisy, *rest)

    monkeypatch.setattr(made.generator, "forward", spy)
    return shown


def gradients(made: ForcingModule, drawn: Drawn) -> list[Tensor]:
    made.zero_grad()
    made.errors(drawn).sum().backward()
    return [weight.grad for weight in made.parameters() if weight.grad is not None]


def test_without_a_share_nothing_changes(batch: Batch) -> None:
    without, with_past = module(0.0), module(1.0)
    one, two = without.draw(batch, chance(2)), with_past.draw(batch, chance(2))
    for name in {f.name for f in fields(Drawn)} - PAST:
        assert torch.equal(getattr(one, name), getattr(two, name)), f"{name}: the past is drawn last"
    assert one.past_sigma.abs().max() == one.past_noise.abs().max() == 0

    condition, config = without.condition(one), without.generator.config
    noisy = interpolate(one.clean, one.noise, one.sigma)
    seen = condition[:, -(WINDOW + config.cross_window) :]
    predicted = without.generator(noisy, one.sigma, seen, one.reference).velocity
    plain = velocity_error(predicted, velocity_target(one.clean, one.noise), "l2") * one.counts
    assert torch.equal(without.errors(one), plain)
    assert torch.equal(without.loss(batch, chance(2)), plain.sum() / one.counts.sum())
    assert not torch.equal(with_past.loss(batch, chance(2)), without.loss(batch, chance(2)))


def test_the_past_is_the_networks_own_and_the_rest_is_true(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = module(1.0)
    drawn, shown = made.draw(batch, chance(2)), watch(made, monkeypatch)
    error = made.errors(drawn)
    truth, past = interpolate(drawn.clean, drawn.noise, drawn.sigma), drawn.sigma == 0
    assert past.any(dim=1).sum() > ROWS / 2
    assert not past.all(dim=1).any()
    assert torch.equal(drawn.past_sigma > 0, past)
    assert torch.equal(shown[0][~past], truth[~past])
    assert (shown[0][past] - truth[past]).abs().amax(-1).min() > 0
    assert torch.equal(error == 0, past), "clean frames carry no loss, all others do"


def test_no_gradient_flows_through_the_making_and_the_target_is_true(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same errors and gradients as if the network's past had been data, and the truth the target."""
    made = module(1.0)
    drawn, shown = made.draw(batch, chance(2)), watch(made, monkeypatch)
    own, errors = gradients(made, drawn), made.errors(drawn)
    assert not shown[0].requires_grad
    past = (drawn.sigma == 0)[..., None]
    given = replace(
        drawn,
        clean=torch.where(past, shown[0], drawn.clean),
        past_sigma=torch.zeros_like(drawn.past_sigma),
    )
    assert torch.equal(made.errors(given), errors)
    assert len(own) > 50
    for one, two in zip(own, gradients(made, given), strict=True):
        assert torch.equal(one, two)


def test_the_past_does_not_learn_what_comes(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    made = module(1.0)
    drawn, shown = made.draw(batch, chance(2)), watch(made, monkeypatch)
    past = drawn.sigma == 0
    other = torch.where(past[..., None], drawn.clean, drawn.clean + 1)
    made.errors(drawn)
    made.errors(replace(drawn, clean=other, noise=drawn.noise + 1))
    assert torch.equal(shown[0][past], shown[1][past])
    assert not torch.equal(shown[0], shown[1])


def test_rows_of_a_team_make_the_same_past(batch: Batch) -> None:
    made = module(0.5)
    drawn = made.draw(batch, chance(2))
    assert 0 < (drawn.past_sigma > 0).any(dim=1).sum() < ROWS, "both kinds of examples"
    parts = [made.errors(drawn.rows(Team(rank, 3).rows(ROWS))) for rank in range(3)]
    torch.testing.assert_close(torch.cat(parts), made.errors(drawn), atol=1e-6, rtol=1e-5)


def test_levels_are_drawn_one_an_example_and_only_for_its_past() -> None:
    sigma = torch.tensor([0.0, 0.0, 0.3, 1.0]).expand(4000, -1)
    level = draw_past_sigma(sigma, 0.25, chance())
    assert level[:, 2:].abs().max() == 0
    assert torch.equal(level[:, 0], level[:, 1])
    drawn = level[level > 0]
    assert float((level[:, 0] > 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert LEVELS[0] <= drawn.min() < LEVELS[0] + 0.01
    assert LEVELS[1] - 0.01 < drawn.max() <= LEVELS[1]


def test_a_perfect_network_would_make_the_true_past() -> None:
    clean, noise = torch.randn(2, 3, 6, 2, generator=chance())
    level = torch.zeros(3, 6)
    level[0, :4], level[1, :2] = 0.6, 1.0
    told: list[Tensor] = []

    def perfect(noisy: Tensor, sigma: Tensor) -> Tensor:
        told.append(sigma)
        torch.testing.assert_close(noisy, interpolate(clean, noise, sigma))
        return noise - clean

    made = remade(perfect, clean, noise, level, steps=3)
    torch.testing.assert_close(made, clean)
    assert torch.equal(made[2], clean[2])
    torch.testing.assert_close(torch.stack(told)[:, 0, [0, 5]], torch.tensor([[0.6, 1], [0.4, 1], [0.2, 1]]))


def test_a_few_steps_repeat(talks: list[Conversation], tmp_path: Path) -> None:
    forcing = ForcingConfig(batch=4, history=HISTORY, clean_past=1.0, self_forced=0.5)
    loop = LoopConfig(steps=3, learning_rate=3e-3, warmup=1, log_every=1)

    def run(folder: str, forcing: ForcingConfig) -> Tensor:
        where = tmp_path / folder
        avatar, _ = train(preset("tiny"), talks, default_space(), loop, where, forcing, progress=False)
        return avatar.generator.head.linear.weight

    one = run("a", forcing)
    assert torch.equal(one, run("b", forcing))
    assert not torch.equal(one, run("c", replace(forcing, self_forced=0.0)))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_bad_share_is_refused(share: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"between 0 and 1; got"):
        ForcingConfig(clean_past=0.6, self_forced=share)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        train_generator("tiny", tmp_path, checkpoint=tmp_path / "none.safetensors", self_forced=share)


def test_a_share_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clean_past"):
        ForcingConfig(self_forced=0.5)
    with pytest.raises(ConfigError, match="--checkpoint"):
        train_generator("tiny", tmp_path, self_forced=0.5)  # the first stage from scratch has no clean past
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_what_self_forcing_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, common = tmp_path / "some.safetensors", ["train", "tiny", "--out", str(tmp_path / "out")]
    for more, message in (
        (["--self-forcing", "0.5"], "--checkpoint"),
        (["--self-forcing", "1.5", "--checkpoint", str(file)], "between 0 and 1; got 1.5"),
        (["--self-forcing", "0.5", "--part", "preference"], "--part generator, not preference"),
    ):
        assert main([*common, *more]) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_the_command_line_trains_on_its_own_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option arrives in the last stage, which alone is run."""
    from avatar_lab.train import recipes
    from avatar_lab.train.loop import LoopReport

    start = build(preset("tiny"), default_space()).eval()
    start.save(tmp_path / "start.safetensors", {"steps": 0, "seed": 0})
    asked: list[ForcingConfig] = []

    def fake(*given: object, **_: object) -> tuple[object, LoopReport]:
        asked.extend(each for each in given if isinstance(each, ForcingConfig))
        return start, LoopReport(1)

    monkeypatch.setattr(recipes, "train", fake)
    monkeypatch.setattr(recipes, "prepare", lambda *_: [])
    more = ["--checkpoint", str(tmp_path / "start.safetensors"), "--out", str(tmp_path / "out")]
    assert main(["train", "tiny", "--self-forcing", "0.5", *more]) == 0
    assert main(["train", "tiny", *more]) == 0
    assert [(each.clean_past, each.self_forced) for each in asked] == [(0.6, 0.5), (0.6, 0.0)]
