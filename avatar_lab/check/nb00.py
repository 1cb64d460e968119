"""Checks of notebook 00, "Meet the avatar": the shapes of a reaction, and the latency that a configuration implies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from avatar_lab.check.verdict import Verdict, Wrong, is_stub, not_yet, verdict_of
from avatar_lab.config import FPS, SAMPLES_PER_FRAME, AvatarConfig, preset
from avatar_lab.stream.react import Reaction


def shapes(answer: Mapping[str, Any], reaction: Reaction) -> Verdict:
    """Check the learner's table {name: shape} against what the reaction really holds."""
    if all(is_stub(shape) for shape in answer.values()):
        return not_yet()
    return verdict_of(lambda: _shapes(answer, reaction))


def _shapes(answer: Mapping[str, Any], reaction: Reaction) -> str:
    truth: dict[str, tuple[int, ...]] = {
        "user.face": reaction.user.face.shape,
        "user.audio": reaction.user.audio.shape,
        "motion": reaction.motion.shape,
        "face": () if reaction.face is None else reaction.face.shape,
        "frames": () if reaction.frames is None else reaction.frames.shape,
    }
    for name, right in truth.items():
        given = answer.get(name)
        if is_stub(given):
            raise Wrong(f"{name}: not filled in yet.")
        if not isinstance(given, tuple):
            raise Wrong(f"{name}: write a tuple, e.g. (3, 4) or (5,); got {type(given).__name__}.")
        if given != right:
            raise Wrong(f"{name}: {_shape_hint(given, right)}")
    return "All shapes are right: 25 rows a second, and 640 samples for each of them."


def _shape_hint(given: tuple[Any, ...], right: tuple[int, ...]) -> str:
    frames = right[0] // SAMPLES_PER_FRAME if len(right) == 1 else right[0]
    if len(right) > 1 and given == tuple(reversed(right)):
        return "right numbers, wrong order: time comes first."
    if len(given) == len(right) + 1 and given[0] == 1:
        return "there is no batch axis here: one conversation."
    if len(right) == 1 and given == (frames,):
        return f"that counts frames; sound has {SAMPLES_PER_FRAME} samples in each."
    if len(right) == 4 and len(given) == 3:
        return "a picture has a third axis, for its colours."
    if len(right) == 4 and given == (right[0], right[3], *right[1:3]):
        return "right numbers, wrong order: the colours come last."
    if len(given) != len(right):
        return f"expected {len(right)} axes, got {len(given)}."
    if given[:1] != right[:1]:
        return f"the time axis is off: seconds times {FPS}."
    return "the time axis is right, another one is not: count the numbers in one frame."


def latency(function: Callable[[AvatarConfig, float], Any]) -> Verdict:
    """Check `latency_ms(config, compute_ms)`: time from a frame's capture to the first picture that can show it."""
    try:
        first = function(preset("lab"), 50.0)
    except Exception:
        first = 0.0
    if is_stub(first):
        return not_yet()
    return verdict_of(lambda: _latency(function))


def _latency(function: Callable[[AvatarConfig, float], Any]) -> str:
    lab = preset("lab")
    for block, compute in ((lab.generator.block, 50.0), (10, 50.0), (8, 0.0), (2, 31.0)):
        config = replace(lab, generator=replace(lab.generator, block=block))
        given = function(config, compute)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise Wrong(f"Return one number, in milliseconds; got {type(given).__name__}.")
        if abs(given - (1000 * block / FPS + compute)) > 1e-6:
            raise Wrong(_latency_hint(float(given), config, compute))
    return "Right: the block must be complete before it can be answered, and the answer must be computed."


def _latency_hint(given: float, config: AvatarConfig, compute: float) -> str:
    size, frame = config.generator, 1000 / FPS
    likely = {
        "that is in seconds; the question asks for milliseconds.": (size.block * frame + compute) / 1000,
        "block / 25 is in seconds, the computing in milliseconds: one unit, please.": size.block / FPS
        + compute,
        "that is the waiting alone; the answer must be computed, too.": size.block * frame,
        "that is the computing alone; first the block has to fill.": compute,
        "that waits for a whole window; the avatar answers block by block.": size.window * frame + compute,
        "the look-ahead costs no waiting: a frame gets it afterwards, when it is read again with the next block.": (
            (size.block + size.lookahead) * frame + compute
        ),
        "one frame short: a frame lasts until the next one begins.": (size.block - 1) * frame + compute,
        "compute is in milliseconds already.": size.block * frame + 1000 * compute,
        "a frame of 25 a second lasts 40 ms, not 25.": size.block * FPS + compute,
    }
    case = f"For blocks of {size.block} frames and {compute:.0f} ms of computing"
    for hint, value in likely.items():
        if abs(given - value) < 1e-6:
            return f"{case}: {hint}"
    return f"{case} the answer {given:g} is wrong. How long does a block take to fill, and what comes after?"
