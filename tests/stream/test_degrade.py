"""What is given up when blocks are late: soon, in steps, never the present; and it comes back slowly."""

from __future__ import annotations

import pytest

from avatar_lab.stream.degrade import HOLD, MOST_PATIENCE, PATIENCE, Degrade


def test_quality_goes_soon_and_comes_back_slowly() -> None:
    plan = Degrade(8)
    assert (plan.nfe, plan.quality) == (8, "full")
    steps = []
    plan.told(190, 200)
    plan.told(20, 200)
    for _ in range(8):
        plan.told(190, 200)
        steps.append(plan.nfe)
    assert steps == [8, 4, 4, 2, 2, HOLD, HOLD, HOLD], "one late block is a hiccup, two are load"
    assert plan.quality == "holding"
    for _ in range(PATIENCE - 1):
        plan.told(1, 200)
    assert plan.nfe == HOLD
    plan.told(1, 200)
    assert plan.nfe == 2
    for _ in range(200):
        plan.told(120, 200)  # neither late nor calm
    assert plan.nfe == 2


@pytest.mark.parametrize("wish", [1, 2, 3, 16])
def test_any_wish_ends_in_holding(wish: int) -> None:
    plan = Degrade(wish)
    for _ in range(10):
        plan.told(1000, 200)
    assert plan.nfe == HOLD
    plan.wish(8)
    for _ in range(6):
        plan.told(1000, 200)
    assert plan.nfe == HOLD


def test_between_late_and_calm_nothing_changes() -> None:
    plan = Degrade(8)
    for _ in range(2):
        plan.told(190, 200)
    assert plan.nfe == 4
    for _ in range(500):
        plan.told(150, 200)
    assert plan.nfe == 4


def test_calm_blocks_count_between_others_but_not_across_a_late_one() -> None:
    plan = Degrade(8)
    for _ in range(2):
        plan.told(190, 200)
    for _ in range(10):
        plan.told(50, 200)
    plan.told(190, 200)
    for _ in range(PATIENCE - 1):
        plan.told(50, 200)
        plan.told(150, 200)
    assert plan.nfe == 4
    plan.told(50, 200)
    assert plan.nfe == 8


def test_a_level_up_that_fails_is_tried_later_and_later() -> None:
    """The machine can hold, but cannot move: it must not flicker between the two for ever."""
    plan, waits, held = Degrade(1), [], 0
    for _ in range(1000):
        if plan.nfe == HOLD:
            held += 1
            plan.told(5, 200)
        else:
            if held:
                waits.append(held)
            held = 0
            plan.told(500, 200)
    assert [w for w in waits if w][:4] == [PATIENCE, 2 * PATIENCE, 4 * PATIENCE, 8 * PATIENCE]
    assert max(waits) == MOST_PATIENCE
    for _ in range(MOST_PATIENCE + 1):
        plan.told(5, 200)
    assert plan.nfe == 1
    for _ in range(PATIENCE + 1):
        plan.told(5, 200)
    for _ in range(2):
        plan.told(500, 200)
    for _ in range(PATIENCE):
        plan.told(5, 200)
    assert plan.nfe == 1, "a level up that held makes the next one quick again"


def test_a_pyramid_has_no_fewer_steps_to_fall_back_on() -> None:
    plan = Degrade(8, fewer=False)
    for _ in range(2):
        plan.told(79, 80)
    assert (plan.nfe, plan.quality) == (HOLD, "holding")
    plan.wish(8, fewer=True)
    assert (plan.nfe, plan.quality) == (8, "full"), "another schedule is another load"
    for _ in range(2):
        plan.told(190, 200)
    assert (plan.nfe, plan.quality) == (4, "fewer steps")
    plan.wish(16, fewer=True)
    assert plan.nfe == 8, "another wish is not another load"
