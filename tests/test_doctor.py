"""The doctor: verdicts, advice that can be followed, a report that reads well in a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_lab.cli import doctor as clinic
from avatar_lab.cli import files
from avatar_lab.cli.doctor import Check, Report


def test_verdict_names_the_first_failure() -> None:
    report = Report(
        (Check("a", "ok", "1"), Check("b", "fail", "none", "Do this."), Check("c", "advice", "x", "y"))
    )
    assert not report.healthy
    assert report.verdict == "Not ready: b. Do this."


def test_verdict_lists_what_is_optional() -> None:
    report = Report((Check("a", "ok", "1"), Check("c", "advice", "x", "y")))
    assert report.healthy
    assert report.verdict == "Ready. Optional: c."


def test_report_escapes_html() -> None:
    html = Report((Check("a", "ok", "<script>"),))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [("7.0.0", (7,), True), ("6.30.1", (7,), False), ("10.0", (7,), True), ("7.1rc1", (7,), True)],
)
def test_at_least(version: str, wanted: tuple[int, ...], answer: bool) -> None:
    assert clinic.at_least(version, wanted) is answer


@pytest.mark.parametrize(
    ("environment", "words"),
    [({"VSCODE_PID": "1"}, "VS Code"), ({"COLAB_RELEASE_TAG": "x"}, "Colab")],
)
def test_camera_says_where_it_is_denied(environment: dict[str, str], words: str) -> None:
    check = clinic.check_camera(environment)
    assert check.status == "advice"
    assert check.found.startswith(words)
    assert "Recorded user" in check.advice


def test_opencv_wheels_must_share_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"opencv-python": "5.0.0", "opencv-contrib-python": "4.9.0"}
    monkeypatch.setattr(clinic, "version_of", versions.get)
    check = clinic.check_opencv()
    assert check.status == "advice"
    assert "one version" in check.advice


def test_missing_extra_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic, "version_of", lambda name: None)
    assert clinic.check_tracker().status == "advice"
    assert clinic.check_widget().advice.startswith("pip install")
    assert clinic.check_jupyter().status == "advice"


def test_the_published_model_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic, "version_of", lambda name: None)
    check = clinic.check_published()
    assert check.status == "advice"
    assert "avatar-lab[published]" in check.advice


def test_old_kernel_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic, "version_of", {"jupyterlab": "4.2", "ipykernel": "6.29"}.get)
    assert "ipykernel 7" in clinic.check_jupyter().advice


def test_damaged_weights_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "verify_weights", lambda: ([], ["generator.safetensors is damaged"]))
    check = clinic.check_weights()
    assert check.status == "fail"
    assert "damaged" in check.found


def test_small_disk_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = clinic.shutil.disk_usage(Path())._replace(free=2**20)
    monkeypatch.setattr(clinic.shutil, "disk_usage", lambda _: usage)
    assert clinic.check_disk().status == "fail"


def test_report_reads_as_text() -> None:
    text = str(Report((Check("torch", "ok", "2.13"), Check("disk", "fail", "0 GiB", "Free some."))))
    assert text.splitlines()[0] == "✓ torch: 2.13"
    assert text.splitlines()[-1] == "Not ready: disk. Free some."
