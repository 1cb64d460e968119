import numpy as np
import pytest
import torch

from avatar_lab.errors import ConfigError
from avatar_lab.model.masks import SELF_MASKS, cross_attention_mask, history_mask, self_attention_mask

WINDOW = torch.arange(50)


def paint(kind: str) -> torch.Tensor:
    return self_attention_mask(kind, WINDOW, WINDOW, block=10, lookahead=2)


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("block_lookahead_frames", 1580),
        ("block_lookahead_blocks", 2200),
        ("released", 1372),
        ("frame_causal", 50 * 51 // 2),
        ("block_causal", 1500),
        ("bidirectional", 2500),
    ],
)
def test_the_number_of_allowed_pairs(kind: str, pairs: int) -> None:
    assert int(paint(kind).sum()) == pairs


@pytest.mark.parametrize("kind", SELF_MASKS)
def test_every_frame_sees_itself_and_positions_may_be_negative(kind: str) -> None:
    assert paint(kind).diagonal().all()
    shifted = self_attention_mask(kind, WINDOW - 30, WINDOW - 30, block=10, lookahead=2)
    assert torch.equal(shifted, paint(kind))


def test_both_forms_of_the_released_rule_agree() -> None:
    i, j = np.indices((50, 50))
    assert np.array_equal(paint("released").numpy(), (j // 10 < i // 10) | (j <= i + 2))


def test_the_cross_window_never_reaches_into_a_later_block() -> None:
    near = cross_attention_mask(WINDOW, WINDOW, window=2, block=5, within_block=False)
    mine = cross_attention_mask(WINDOW, WINDOW, window=2, block=5, within_block=True)
    assert near[4].nonzero().flatten().tolist() == [2, 3, 4, 5, 6]
    assert mine[4].nonzero().flatten().tolist() == [2, 3, 4]
    assert mine[2].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]


def test_history_is_causal_and_limited() -> None:
    mask = history_mask(WINDOW, WINDOW, history=3)
    assert mask[10].nonzero().flatten().tolist() == [7, 8, 9, 10]


def test_an_unknown_mask_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"released.*bidirectional"):
        self_attention_mask("causal", WINDOW, WINDOW, 10, 2)
