"""What is given up when blocks are late: soon, in steps, never the present; and it comes back slowly."""

from __future__ import annotations

import pytest

from avatar_lab.stream.degrade import (
    ALL,
    FEWER,
    FULL,
    HOLD,
    HOLD_PATIENCE,
    HOLDING,
    IN_A_ROW,
    MOST_HOLD_PATIENCE,
    MOST_PATIENCE,
    PATIENCE,
    SPARSE,
    Degrade,
)


def tell(plan: Degrade, compute_ms: float, times: int = 1) -> None:
    for _ in range(times):
        plan.told(compute_ms, 200)


def test_quality_goes_soon_and_comes_back_slowly() -> None:
    plan = Degrade(8)
    assert plan.level == (8, 1, FULL)
    levels = []
    tell(plan, 210, IN_A_ROW - 1)
    tell(plan, 20)
    for _ in range(15):
        tell(plan, 210)
        levels.append(plan.level)
    few, fewest, hold = (4, 1, FEWER), (2, 1, FEWER), (HOLD, 1, HOLDING)
    sparse, one = (2, 2, SPARSE), (2, ALL, SPARSE)
    expected = [*[(8, 1, FULL)] * 2, *[few] * 3, *[fewest] * 3, *[sparse] * 3, *[one] * 3, hold]
    assert levels == expected, "one late block is a hiccup, three in a row are load"
    tell(plan, 1, HOLD_PATIENCE)
    assert plan.level == one, "an avatar that holds its pose tries to move again after a second"
    tell(plan, 1, PATIENCE - 1)
    assert plan.level == one
    tell(plan, 1)
    assert plan.level == sparse
    tell(plan, 1, PATIENCE)
    assert plan.level == fewest
    tell(plan, 150, 200)  # neither late nor calm
    assert plan.level == fewest


@pytest.mark.parametrize("wish", [1, 2, 3, 16])
def test_any_wish_ends_in_holding(wish: int) -> None:
    plan = Degrade(wish)

    def held() -> bool:
        seen = []
        for _ in range(5 * IN_A_ROW):
            tell(plan, 1000)
            seen.append(plan.level.nfe)
        return HOLD in seen

    assert held()
    plan.wish(8)
    assert held()


def test_between_late_and_calm_nothing_changes() -> None:
    plan = Degrade(8)
    tell(plan, 210, IN_A_ROW)
    assert plan.level.nfe == 4
    tell(plan, 150, 500)
    assert plan.level.nfe == 4


def test_calm_blocks_count_between_others_but_not_across_a_late_one() -> None:
    plan = Degrade(8)
    tell(plan, 210, IN_A_ROW)
    tell(plan, 50, 10)
    tell(plan, 210)
    for _ in range(PATIENCE - 1):
        tell(plan, 50)
        tell(plan, 150)
    assert plan.level.nfe == 4
    tell(plan, 50)
    assert plan.level.nfe == 8


def waits_at(plan: Degrade, below: tuple[int, int, str], too_much_ms: float) -> list[int]:
    """Return how many blocks it stays at a level each time, where the one above is too much."""
    waits, here = [], 0
    for _ in range(2000):
        if plan.level == below:
            here += 1
            tell(plan, 5)
        else:
            waits.append(here)
            here = 0
            tell(plan, too_much_ms)
    return [w for w in waits if w]


def test_a_level_up_that_fails_is_tried_later_and_later() -> None:
    """The machine draws one picture a block, and no more: it must not flicker for ever."""
    plan = Degrade(1)
    waits = waits_at(plan, (1, ALL, SPARSE), 500)
    assert waits[:4] == [PATIENCE, 2 * PATIENCE, 4 * PATIENCE, 8 * PATIENCE]
    assert max(waits) == MOST_PATIENCE
    tell(plan, 5, MOST_PATIENCE + PATIENCE + 2)
    assert plan.level.quality == FULL
    tell(plan, 5, PATIENCE + 1)
    tell(plan, 500, IN_A_ROW)
    tell(plan, 5, PATIENCE)
    assert plan.level.quality == FULL, "a level up that held makes the next one quick again"


def test_nobody_stands_still_for_long() -> None:
    """The machine can hold, but cannot move: it tries after a second, and at least every five."""
    waits = waits_at(Degrade(1), (HOLD, 1, HOLDING), 500)
    assert waits[:4] == [HOLD_PATIENCE, 2 * HOLD_PATIENCE, 4 * HOLD_PATIENCE, MOST_HOLD_PATIENCE]
    assert max(waits) == MOST_HOLD_PATIENCE


def test_a_pose_is_held_no_longer_where_even_that_is_late() -> None:
    plan = Degrade(1)
    tell(plan, 500, 3 * IN_A_ROW)
    assert plan.level.nfe == HOLD
    tell(plan, 500, HOLD_PATIENCE)
    assert plan.level.nfe == 1


def test_a_pyramid_has_no_fewer_steps_to_fall_back_on() -> None:
    plan = Degrade(8, fewer=False)
    for _ in range(IN_A_ROW):
        plan.told(81, 80)
    assert plan.level == (8, 2, SPARSE)
    for _ in range(2 * IN_A_ROW):
        plan.told(81, 80)
    assert plan.level == (HOLD, 1, HOLDING)
    plan.wish(8, fewer=True)
    assert plan.level == (8, 1, FULL), "another schedule is another load"
    tell(plan, 210, IN_A_ROW)
    assert plan.level == (4, 1, FEWER)
    plan.wish(16, fewer=True)
    assert plan.level.nfe == 8, "another wish is not another load"
