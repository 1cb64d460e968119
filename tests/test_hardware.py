"""What stands beside every figure: enough to tell two machines apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_lab.cli import hardware

CPUINFO = """processor\t: 0
cpu family\t: 25
model\t\t: 1
model name\t: Some Chip

processor\t: 1
cpu family\t: 99
model name\t: Another
"""


def test_family_and_model_stand_beside_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    hardware.CPUINFO.write_text(CPUINFO)
    assert hardware.processor() == "Some Chip (family 25, model 1)"
    hardware.CPUINFO.write_text("model name\t: Bare\n")
    assert hardware.processor() == "Bare"


def test_without_cpuinfo_there_is_still_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "none")
    assert hardware.processor()


class Ticks:
    """A clock that was wound up."""

    def __init__(self, *times: float) -> None:
        self._times = iter(times)

    def now(self) -> float:
        return next(self._times)


def test_yardstick_is_the_best_round() -> None:
    assert hardware.yardstick_ms(3, Ticks(0.0, 0.009, 1.0, 1.004, 2.0, 2.006)) == 4.0


def test_hardware_is_plain() -> None:
    found = hardware.hardware()
    assert {"processor", "cores", "threads", "yardstick_ms", "device", "torch"} <= set(found)
    assert all(isinstance(value, (str, int, float)) for value in found.values())
