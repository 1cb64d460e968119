import pytest
import torch

from avatar_lab.errors import ConfigError
from avatar_lab.flow.schedule import SCHEDULES, block_autoregressive, make_schedule, pyramid


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_table_falls_from_noise_to_clean(name: str) -> None:
    table = make_schedule(name, frames=12, steps=4, block=5)
    assert (table[0] == 1).all()
    assert (table[-1] == 0).all()
    assert (table.diff(dim=0) <= 0).all()


def test_a_block_starts_when_the_one_before_is_clean() -> None:
    table = block_autoregressive(frames=10, steps=4, block=5)
    assert table.shape == (9, 10)
    assert (table[:4, 5:] == 1).all()
    assert (table[4:, :5] == 0).all()


def test_the_pyramid_gives_one_clean_frame_each_round() -> None:
    table = pyramid(frames=6, steps=4)
    assert [int((row == 0).sum()) for row in table[4:]] == [1, 2, 3, 4, 5, 6]
    assert (table[4, 1:5] == torch.tensor([0.25, 0.5, 0.75, 1.0])).all()


def test_an_unknown_schedule_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="full, block, pyramid"):
        make_schedule("spiral", 10, 4, 5)
    with pytest.raises(ConfigError, match="steps must be >= 1"):
        make_schedule("full", 10, 0, 5)
