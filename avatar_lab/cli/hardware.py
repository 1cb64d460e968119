"""Name the machine that a number was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from avatar_lab.clock import Clock, SystemClock

CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """Return the processor's name, with family and model where the system tells them.

    A name alone says little: rented machines of one name differ by a factor of two.
    """
    if CPUINFO.is_file():
        first = CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        about = {
            name.strip(): value.strip()
            for name, _, value in (line.partition(":") for line in first.splitlines())
        }
        if name := about.get("model name"):
            known = [
                f"{part} {about[key]}"
                for key, part in (("cpu family", "family"), ("model", "model"))
                if key in about
            ]
            return f"{name} ({', '.join(known)})" if known else name
    return platform.processor() or platform.machine()


def yardstick_ms(rounds: int = 7, clock: Clock | None = None) -> float:
    """Return the milliseconds of a fixed piece of work on one core, the best of some rounds.

    Small arrays handled from Python, as a frame is drawn. It uses nothing of this package, so that figures of two
    days can be told apart: did the code change, or the machine?
    """
    import numpy as np

    clock = clock or SystemClock()
    points, best = np.linspace(0.0, 1.0, 512, dtype=np.float32).reshape(256, 2), float("inf")
    for _ in range(rounds):
        began = clock.now()
        moved = points
        for _ in range(500):
            moved = np.clip(moved * 0.99 + points[::-1] * 0.01, 0.0, 1.0)
        best = min(best, 1000 * (clock.now() - began))
    return round(best, 2)


def hardware(device: str = "cpu") -> dict[str, str | int | float]:
    """Return processor, cores, threads, the speed of one core, system and versions as plain values."""
    import torch

    on_gpu = device.startswith("cuda")
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "yardstick_ms": yardstick_ms(),
        "device": torch.cuda.get_device_name(torch.device(device)) if on_gpu else device,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
