import pytest
import torch

from avatar_lab.errors import ConfigError
from avatar_lab.flow.guidance import branches, combine


def value(form: str, w_a: float, w_u: float) -> float:
    """Combine recognisable velocities: v(a, u) = 1 + 10 a + 100 u + 1000 a u."""
    parts = branches({"audio": w_a, "user": w_u}, form)
    v = [1.0 + 10 * b.avatar_audio + 100 * b.user + 1000 * (b.avatar_audio and b.user) for b in parts]
    stacked = torch.tensor(v)[:, None, None]
    return float(combine(stacked, torch.tensor([b.weight for b in parts])))


def test_the_sum_form_is_equation_14() -> None:
    assert value("sum", 2.0, 1.5) == pytest.approx(1 + 2 * 10 + 1.5 * 100)


def test_the_nested_form_sees_voice_and_user_together() -> None:
    assert value("nested", 2.0, 1.5) == pytest.approx(1 + 2 * 10 + 1.5 * (100 + 1000))


@pytest.mark.parametrize(
    ("form", "w_a", "w_u", "count"), [("nested", 1, 1, 1), ("nested", 2, 2, 2), ("sum", 1, 0, 1)]
)
def test_useless_branches_are_skipped(form: str, w_a: float, w_u: float, count: int) -> None:
    parts = branches({"audio": w_a, "user": w_u}, form)
    assert len(parts) == count
    assert sum(b.weight for b in parts) == pytest.approx(1)


def test_sessions_stay_apart() -> None:
    velocities = torch.arange(6.0)[:, None, None]  # two branches times three sessions, branch first
    mixed = combine(velocities, torch.tensor([0.5, 0.5]))
    assert mixed.flatten().tolist() == [1.5, 2.5, 3.5]


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="sum or nested"):
        branches({"audio": 1.0}, "product")
