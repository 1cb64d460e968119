"""Several processes do what one does: the same numbers, in the same order, or a clear refusal."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.data.face import neutral
from avatar_lab.data.performance import Dyad, Performance
from avatar_lab.errors import ConfigError, StreamError
from avatar_lab.model.avatar import Avatar, build
from avatar_lab.model.speed import pack
from avatar_lab.stream.evaluate import stream_with_controls
from avatar_lab.stream.processes import each


def dyad(seed: int) -> Dyad:
    rng = np.random.default_rng(seed)
    faces = neutral(25) + 0.1 * rng.standard_normal((2, 25, 18)).astype(np.float32)
    sounds = (0.1 * rng.standard_normal((2, 25 * 640))).astype(np.float32)
    return Dyad(Performance(faces[0], sounds[0]), Performance(faces[1], sounds[1]), (), seed)


def die(avatar: Avatar) -> None:
    os._exit(9)  # as the system does for want of memory


def threads(avatar: Avatar) -> int:
    return torch.get_num_threads()


def test_two_processes_stream_what_one_does(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights that lie in no file, in two groups, and to the last digit."""
    monkeypatch.setattr("avatar_lab.stream.evaluate.AT_ONCE", 3)
    dyads = [dyad(seed) for seed in range(5)]
    alone, together = (stream_with_controls(avatar, dyads, seed=1, jobs=jobs) for jobs in (1, 2))
    assert list(alone) == list(together) == ["true_user", "shuffled_user", "no_user"]
    for who, faces in alone.items():
        assert faces.shape == (5, 25, 18)
        np.testing.assert_array_equal(faces, together[who])
    assert np.abs(alone["true_user"] - alone["shuffled_user"]).max() > 1e-3  # there was something to confuse


def test_work_has_one_thread_and_leaves_the_others_alone(avatar: Avatar) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(each(avatar, threads, [(), ()])) == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_cannot_be_is_refused(avatar: Avatar) -> None:
    with pytest.raises(ConfigError, match="jobs must be >= 1; got 0"):
        stream_with_controls(avatar, [dyad(0), dyad(1)], jobs=0)
    avatar.device = torch.device("meta")
    with pytest.raises(ConfigError, match="device cpu"):
        list(each(avatar, threads, [(), ()], jobs=2))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")
def test_weights_laid_out_for_one_processor_stay_there() -> None:
    packed = build(preset("tiny"))
    pack(packed.generator)
    with pytest.raises(ConfigError, match="precision float32"):
        list(each(packed, threads, [(), ()], jobs=2))


def test_a_process_that_dies_is_named(avatar: Avatar) -> None:
    with pytest.raises(StreamError, match="fewer jobs"):
        list(each(avatar, die, [(), ()], jobs=2))
