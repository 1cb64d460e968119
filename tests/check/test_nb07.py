"""Notebook 07: right answers pass, wrong answers fail with the message that helps, stubs are no error."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch

from avatar_lab.check import nb07
from avatar_lab.model.attention import rotate, rotation


def right_write(store: Any, positions: Any, keys: Any, values: Any) -> dict[str, Any]:
    new = {name: part.clone() for name, part in store.items()}
    slot = positions % len(store["positions"])
    new["keys"][:, slot], new["values"][:, slot], new["positions"][slot] = keys, values, positions
    return new


def writer(
    slots: Callable[[Any, int], Any], exchanged: bool = False, named: bool = True
) -> Callable[..., Any]:
    """Make a wrong answer from where it puts a block."""

    def write(store: Any, positions: Any, keys: Any, values: Any) -> dict[str, Any]:
        new = {name: part.clone() for name, part in store.items()}
        slot = slots(positions, len(store["positions"]))
        new["keys"][:, slot], new["values"][:, slot] = (values, keys) if exchanged else (keys, values)
        if named:
            new["positions"][slot] = positions
        return new

    return write


def grows(store: Any, positions: Any, keys: Any, values: Any) -> dict[str, Any]:
    return {
        "keys": torch.cat([store["keys"], keys], 1),
        "values": torch.cat([store["values"], values], 1),
        "positions": torch.cat([store["positions"], positions]),
    }


def rolls(store: Any, positions: Any, keys: Any, values: Any) -> dict[str, Any]:
    longer, slots = grows(store, positions, keys, values), len(store["positions"])
    return {name: part[..., -slots:] if part.ndim == 1 else part[:, -slots:] for name, part in longer.items()}


def in_place(store: Any, positions: Any, keys: Any, values: Any) -> Any:
    store.update(right_write(store, positions, keys, values))
    store["keys"][:, 0] += 0
    return store


def next_free(store: Any, positions: Any, keys: Any, values: Any) -> Any:
    filled = int((store["positions"] >= 0).sum())
    slots = writer(lambda p, c: (filled + torch.arange(len(p))) % c)
    return slots(store, positions, keys, values)


def loses_the_last(store: Any, positions: Any, keys: Any, values: Any) -> Any:
    return right_write(store, positions[:-1], keys[:, :-1], values[:, :-1])


def begins_anew(store: Any, positions: Any, keys: Any, values: Any) -> Any:
    empty = {name: torch.zeros_like(part) for name, part in store.items()}
    empty["positions"] -= 1
    return right_write(empty, positions, keys, values)


def test_writing_by_position_passes() -> None:
    assert nb07.write(right_write).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (grows, "store grew"),
        (rolls, "right frames, wrong slots"),
        (writer(lambda p, c: p), "fixed size"),
        (writer(lambda p, c: torch.arange(len(p))), "wrong slots"),
        (writer(lambda p, c: (p % c).flip(0)), "wrong slots"),
        (writer(lambda p, c: p % c, exchanged=True), "keys and values are exchanged"),
        (writer(lambda p, c: p % c, named=False), "positions does not say"),
        (next_free, "there twice"),
        (loses_the_last, "missing"),
        (begins_anew, "older frames are lost"),
        (in_place, "changed in place"),
        (lambda s, p, k, v: s["keys"], "Return a store"),
    ],
)
def test_wrong_writing_names_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb07.write(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def right_rebase(keys: Any, shift: int) -> Any:
    return rotate(keys, rotation(torch.full((keys.shape[2],), -shift), keys.shape[3]))


def test_moving_turned_keys_passes() -> None:
    assert nb07.rebase(right_rebase).passed


def by_halves(keys: Any, shift: int) -> Any:
    turn = rotation(torch.tensor([-shift]), keys.shape[-1])
    one, two = keys.chunk(2, dim=-1)
    return torch.cat([one * turn.cos - two * turn.sin, one * turn.sin + two * turn.cos], -1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda k, s: right_rebase(k, -s), "wrong direction"),
        (lambda k, s: k.clone(), "nothing was turned"),
        (lambda k, s: k.roll(-s, 2), "not turned"),
        (
            lambda k, s: rotate(k, rotation(torch.arange(k.shape[2]) - s, k.shape[3])),
            "all move by the same",
        ),
        (by_halves, "neighbours"),
        (lambda k, s: rotate(k, rotation(torch.tensor([-s]), 32)), "not always the same"),
        (lambda k, s: rotate(k, rotation(torch.tensor(-s), k.shape[3])), "tensor of one dimension"),
        (lambda k, s: k[:, :, s:], "same shape"),
        (lambda k, s: 2 * right_rebase(k, s), "wrong angles"),
        (lambda k, s: right_rebase(k, s) if s >= 0 else k.clone(), "nothing was turned"),
        (lambda k, s: k.mul_(1.0).add_(1.0), "in place"),
    ],
)
def test_wrong_moves_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb07.rebase(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def finisher(
    last: Callable[..., Any] = lambda net, x, before, now, cache: net(x, 0.0, cache),
    step: Callable[[Any, Any], Any] = lambda now, then: then - now,
    skip: int = 0,
) -> Callable[..., Any]:
    """Make an answer from what it takes for the cache after the steps."""

    def finish(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
        x = before = noise
        now, fresh = levels[0], None
        for now, then in list(pairwise(levels))[: len(levels) - 1 - skip]:
            velocity, fresh = net(x, now, cache)
            before, x = x, x + step(now, then) * velocity
        found = last(net, x, before, now, cache)
        return x, cache + ((fresh if found is None else found[1]),)

    return finish


def every_step(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    x, kept = noise, cache
    for now, then in pairwise(levels):
        velocity, fresh = net(x, now, cache)
        x, kept = x + (then - now) * velocity, kept + (fresh,)
    return x, kept


def sees_itself(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    x, now_cache = noise, cache
    for now, then in pairwise(levels):
        velocity, fresh = net(x, now, now_cache)
        x, now_cache = x + (then - now) * velocity, cache + (fresh,)
    return x, cache + (net(x, 0.0, cache)[1],)


def forgets(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    return finisher()(net, cache, noise, levels)[0], cache


def too_often(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    net(noise, 1.0, cache)
    return finisher()(net, cache, noise, levels)


def sees_nothing(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    return finisher()(lambda x, sigma, _: net(x, sigma, ()), cache, noise, levels)


def levels_a_frame(net: Any, cache: Any, noise: Any, levels: Any) -> Any:
    return net(noise, torch.ones(noise.shape[:2]), cache)


def test_finishing_a_block_passes() -> None:
    assert nb07.finish_block(finisher()).passed


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (finisher(lambda *_: None), "keys of a noisy block (sigma = 0.25)"),
        (finisher(lambda net, x, before, now, cache: net(x, now, cache)), "told sigma = 0.25"),
        (finisher(lambda net, x, before, now, cache: net(before, 0.0, cache)), "called clean"),
        (finisher(step=lambda now, then: now - then), "levels fall"),
        (finisher(step=lambda now, then: then), "wrong values"),
        (finisher(skip=1), "one step too few"),
        (every_step, "one for each step"),
        (sees_itself, "holds the block itself"),
        (sees_nothing, "not shown the past"),
        (levels_a_frame, "one number for the whole block"),
        (forgets, "Nothing was added"),
        (too_often, "5 calls"),
        (lambda net, cache, noise, levels: noise, "two things"),
    ],
)
def test_wrong_endings_name_the_mistake(wrong: Callable[..., Any], words: str) -> None:
    verdict = nb07.finish_block(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_stubs_are_open() -> None:
    assert nb07.write(lambda s, p, k, v: ...).state == "open"
    assert nb07.rebase(lambda k, s: None).state == "open"
    assert nb07.finish_block(lambda net, cache, noise, levels: (..., ...)).state == "open"
