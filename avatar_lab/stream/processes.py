"""The same work for many conversations, in several processes with one torch thread each.

    for faces in each(avatar, work, calls, jobs=2): ...        faces = work(avatar, *call), in the order of the calls

What is peculiar: one process works with one torch thread, too, when this one does it all. Torch shares a sum between
its threads, so their number changes the last digits, and a stream carries those on: with one thread everywhere,
results depend neither on `jobs` nor on the machine's cores. Processes are spawned, for a fork of a process in which
torch has run may hang, and are sent the avatar itself, so weights that exist in memory only will do.
"""

from __future__ import annotations

import copyreg
import pickle
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch

from avatar_lab.errors import ConfigError, StreamError
from avatar_lab.model.avatar import Avatar

# The guidance of a preset is a read-only view, which pickle does not know by itself.
copyreg.pickle(MappingProxyType, lambda view: (_read_only, (dict(view),)))
_here: list[Avatar] = []  # in a worker: the avatar that it was sent


def _read_only(values: dict[str, float]) -> MappingProxyType[str, float]:
    return MappingProxyType(values)  # by a name that other processes can import, which the type has not


def each(
    avatar: Avatar, work: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, jobs: int = 1
) -> Generator[Any, None, None]:
    """Yield `work(avatar, *call)` for every call, in their order.

    Parameters
    ----------
    work : a function of a module, that other processes can import.
    jobs : processes; 1 does it here. Each holds a copy of the weights.

    Raises
    ------
    ConfigError : jobs < 1, or an avatar that cannot be sent (`sent`).
    StreamError : a process died, most likely of lack of memory.
    """
    if jobs < 1:
        raise ConfigError(f"jobs must be >= 1; got {jobs}.")
    jobs = min(jobs, len(calls))
    if jobs <= 1:
        for call in calls:
            with one_thread():
                found = work(avatar, *call)
            yield found
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_receive, initargs=(sent(avatar),))
    try:
        for future in [pool.submit(_work, work, call) for call in calls]:
            yield future.result()
    except BrokenProcessPool as error:
        raise StreamError(
            f"One of {jobs} processes ended before its work was done, most likely for lack of memory. Use fewer jobs."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def sent(avatar: Avatar) -> bytes:
    """Return an avatar as bytes for another process; raises ConfigError where that cannot be.

    Plain bytes, since torch's own way moves the weights to shared memory, of which containers have little.
    """
    if avatar.device.type != "cpu":
        raise ConfigError(
            f"Several jobs share the cores of a CPU; this avatar is on {avatar.device}. Use one job, or device cpu."
        )
    if any(isinstance(part, torch.jit.ScriptModule) for part in avatar.generator.modules()):
        raise ConfigError(
            "These weights are laid out for oneDNN, which cannot be sent to other processes. "
            "Use one job, or precision float32."
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")  # int8: torch warns of its own doing
        return pickle.dumps(avatar)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _receive(avatar: bytes) -> None:
    """Make a fresh process ready."""
    torch.set_num_threads(1)
    _here.append(pickle.loads(avatar))


def _work(work: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    return work(_here[0], *call)
