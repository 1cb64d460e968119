"""The command line: exit codes, one clear line on stderr, options that reach the library, whole outputs."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import avatar_lab as al
from avatar_lab import errors
from avatar_lab.cli import app, job, main
from avatar_lab.cli.console import stages
from avatar_lab.data.face import FACE_NAMES, neutral
from avatar_lab.data.performance import Performance
from avatar_lab.stream.react import Reaction

FRAMES = 20


def silent(face: np.ndarray) -> Performance:
    return Performance(face, np.zeros(len(face) * 640, np.float32), {"detection_rate": 1.0})


class FakeLibrary:
    """Stands for load, ingest and react; remembers how it was called."""

    def __init__(self) -> None:
        self.loaded: tuple[Any, ...] = ()
        self.asked: dict[str, Any] = {}

    def load(self, name: str = "lab", device: str = "auto", checkpoint: Any = None, **variant: Any) -> str:
        self.loaded, self.variant = (name, device, checkpoint), variant
        return "avatar"

    def ingest(self, path: Path, progress: Any) -> Performance:
        progress(FRAMES, None)
        return silent(neutral(FRAMES))

    def react(self, avatar: str, **asked: Any) -> Reaction:
        self.asked = asked
        asked["progress"](FRAMES, FRAMES)
        size = asked["size"]
        frames = np.full((FRAMES, size, size, 3), 90, np.uint8) if asked["picture"] else None
        timing = {"buffer_ms": 200.0, "compute_p50_ms": 50.0, "compute_p95_ms": 60.0}
        face = asked["user"].face
        return Reaction(
            frames, face + np.float32(0.1), face, np.zeros(FRAMES * 640, np.float32), timing, asked["user"]
        )


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLibrary:
    """Put the fakes in place, and work in an empty folder."""
    fake = FakeLibrary()
    monkeypatch.setattr("avatar_lab.cli.job.load_portrait", lambda avatar, portrait: None)
    for name in ("load", "ingest", "react"):
        monkeypatch.setattr(al, name, getattr(fake, name), raising=False)
    monkeypatch.chdir(tmp_path)
    return fake


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.startswith("avatar-lab: ") and "Traceback" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dance"], "No such command"),
        (["react"], "USER"),
        (["react", "u.mp4", "--size", "7"], "--size"),
        (["react", "u.mp4", "--nfe", "zero"], "--nfe"),
        (["react", "u.mp4", "--picture", "oil"], "--picture"),
        (["react", "u.mp4", "--colour", "red"], "--colour"),
        (["react", "u.mp4", "--out", "film.gif"], ".mp4"),
        (["react", "u.mp4", "--out", "nowhere/film.mp4"], "does not exist"),
        (["react", "u.mp4", "--tracks", "tracks.csv"], ".npz"),
        (["react", "u.mp4", "--out", "u.mp4"], "overwritten"),
        (["react", "u.mp4", "--picture", "none"], "--tracks"),
        (["train", "huge"], "tiny"),
        (["train", "--steps", "0"], "--steps"),
        (["train", "tiny", "--part", "autoencoder", "--checkpoint", "w.safetensors"], "--part generator"),
        (["train", "tiny", "--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        (["bench", "--json", "numbers.txt"], ".json"),
        (["evaluate", "--jobs", "0"], "--jobs"),
        (["evaluate", "--jobs", "many"], "--jobs"),
        (["evaluate", "--pictures", "--picture-weights", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use_is_2_and_one_line(
    arguments: list[str], words: str, library: FakeLibrary, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert one_line(captured.err), captured.err
    assert words in captured.err
    assert library.asked == {}, "no work before the use is right"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("doctor", "demo", "react", "train", "evaluate", "bench"):
        assert command in out
    assert main(["react", "--help"]) == 0
    assert "--guidance-user" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert al.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (errors.MediaError("no face\nin this film"), 2, "no face in this film"),
        (OSError(errno.ENOSPC, "No space left on device", "out.mp4"), 2, "No space left"),
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError("oops"), 1, "our fault"),
        (OSError(errno.EIO, "bad disk"), 1, "our fault"),
    ],
)
def test_errors_become_exit_codes(
    raised: BaseException,
    code: int,
    words: str,
    library: FakeLibrary,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(al, "ingest", fail, raising=False)
    assert main(["react", "u.mp4"]) == code
    err = capsys.readouterr().err
    assert words in " ".join(err.split())
    assert ("Traceback" in err) == (code == 1)


def test_react_passes_every_option_on(library: FakeLibrary, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "react",
        "u.mp4",
        "--out",
        "o.mp4",
        "--tracks",
        "t.npz",
        "--preset",
        "tiny",
        "--device",
        "cpu",
    ]
    arguments += ["--seed", "5", "--character", "9", "--size", "64", "--nfe", "3", "--schedule", "block"]
    arguments += ["--guidance-audio", "1.5", "--guidance-user", "0", "--checkpoint", "w.safetensors"]
    arguments += ["--portrait", "me.png", "--precision", "int8", "--fast"]
    arguments += ["--user-every", "2", "--compile"]
    assert main(arguments) == 0
    assert library.loaded == ("tiny", "cpu", Path("w.safetensors"))
    assert library.variant == {"precision": "int8", "fast": True}
    asked = {k: v for k, v in library.asked.items() if k not in ("user", "progress")}
    assert asked == {
        "speech": None,
        "character": 9,
        "picture": "puppet",
        "size": 64,
        "seed": 5,
        "nfe": 3,
        "guidance": {"audio": 1.5, "user": 0.0},
        "schedule": "block",
        "portrait": Path("me.png"),
        "user_every": 2,
        "compile": True,
    }
    out = capsys.readouterr().out
    assert "o.mp4" in out
    assert "t.npz" in out
    assert Path("o.mp4").stat().st_size > 0
    with np.load("t.npz") as tracks:
        assert set(tracks) == {"user", "avatar", "motion", "names", "fps"}
        assert tracks["user"].shape == tracks["avatar"].shape == (FRAMES, len(FACE_NAMES))
        assert tuple(tracks["names"]) == FACE_NAMES
        assert tracks["fps"] == 25
    assert not list(Path().glob(".*partial"))


def test_tracks_without_a_picture(library: FakeLibrary) -> None:
    assert main(["react", "u.mp4", "--picture", "none", "--tracks", "t.npz"]) == 0
    assert library.asked["picture"] is None
    assert sorted(p.name for p in Path().iterdir()) == ["t.npz"]


def test_guidance_is_left_to_the_preset_when_not_given(library: FakeLibrary) -> None:
    assert main(["react", "u.mp4", "--picture", "none", "--tracks", "t.npz"]) == 0
    assert library.asked["guidance"] is None
    assert library.asked["nfe"] is None


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with stages() as report:
        report("generate", 1, 2)
        report("generate", 2, 2)
        report("unknown length", 0, 0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "generate" in captured.err
    assert "unknown length" in captured.err


def test_strip_shows_user_above_avatar(library: FakeLibrary, tmp_path: Path) -> None:
    import cv2

    reaction = library.react("avatar", user=silent(neutral(FRAMES)), size=32, picture="puppet", progress=max)
    path = job.write_strip(tmp_path / "strip.png", reaction)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (64, 32 * job.STRIP_FRAMES, 3)
    assert (picture[32:] == 90).all()


def test_module_and_entry_point_agree() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "avatar_lab", "react"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert done.stdout == ""


def test_one_line_joins_lines() -> None:
    assert app.one_line("a\n  b\tc") == "a b c"


def test_doctor_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["healthy"] else 2)
    assert {c["name"] for c in report["checks"]} >= {"torch", "OpenCV", "face tracker", "weights", "sample"}


def test_evaluate_without_the_weights_of_pictures_says_so_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AVATAR_LAB_PICTURE_WEIGHTS", raising=False)
    file = tmp_path / "numbers.json"
    few = ["--dyads", "2", "--seconds", "8", "--nfe", "1"]
    assert main(["evaluate", "lab", "--device", "cpu", *few, "--pictures", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "FID of pictures" in out
    assert "face_detection_yunet_2023mar.onnx is missing. Download https://" in out
    scores = json.loads(file.read_text())["scores"]
    assert scores["jerk_ratio"]["mean"] > 0
    for name in ("fid", "csim", "lse"):
        assert scores["pictures"][name]["value"] is None
        assert scores["pictures"][name]["why"] in out


def test_pictures_are_drawn_in_pairs() -> None:
    from avatar_lab.cli.evaluate import PICTURE_SIZE, drawn

    made, true = np.stack([neutral(60)] * 2), [neutral(60)] * 2
    pairs = list(drawn(made, true))
    assert [picture.shape for pair in pairs for picture in pair] == [(2, PICTURE_SIZE, PICTURE_SIZE, 3)] * 4
    np.testing.assert_array_equal(*pairs[0])


def test_evaluate_prints_every_control() -> None:
    from avatar_lab.cli.evaluate import rows

    interval = {"mean": 0.5, "low": 0.25, "high": 0.75, "count": 3}
    users = ("true_user", "shuffled_user", "no_user", "truth")
    smile = {
        "events": 7,
        "rise": dict.fromkeys(users, interval),
        "contingency": interval,
        "share_of_truth": interval,
        "answered": {name: {"recall": 0.6, "lag_ms": 880.0} for name in users},
    }
    habit = {"blinks_a_minute": 20.0}
    scores = {
        "lips": {"jaw_open": interval},
        "mouth_in_silence": 0.01,
        "reactions": {"smile": smile, "nod": {**smile, "share_of_truth": None}},
        "variance_ratio": {"pose": interval},
        "jerk_ratio": interval,
        "habits": {"true_user": habit, "truth": habit},
        "drift": dict.fromkeys(
            ("variance_generated", "variance_truth", "mean_pose_generated", "mean_pose_truth"), 0.1
        ),
    }
    table = rows(scores)
    assert ("  reaction: own user minus stranger", "0.500", "0.250 to 0.750") in table
    assert ("  ... as a share of the truth's", "50 %", "25 % to 75 %") in table
    assert ("  answered (truth)", "60 % (60 %)", "after 880 ms (880 ms)") in table
    assert ("drift: change of mean pose (truth)", "0.100 (0.100)", "") in table
    assert [row[0] for row in table].count("  ... as a share of the truth's") == 1  # the truth never nodded


def test_bars_vanish_when_something_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from rich.console import Console

    from avatar_lab.cli import console

    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(console, "err", screen)
    bars = console.Bars()
    bars.report("generate", 1, 2)
    bars.close(failed=True)
    assert bars._progress.live.transient
    kept = console.Bars()
    kept.report("generate", 2, 2)
    kept.close(failed=False)
    assert not kept._progress.live.transient


def test_numbers_that_are_none_become_null(tmp_path: Path) -> None:
    from avatar_lab.cli.files import write_json

    write_json(tmp_path / "n.json", {"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": 2}})
    assert json.loads((tmp_path / "n.json").read_text("utf-8")) == {
        "a": None,
        "b": [1.5, None],
        "c": {"d": 2},
    }


@pytest.mark.parametrize(
    ("part", "more"),
    [("generator", []), ("autoencoder", ["--people", "4", "--poses", "3"])],
)
def test_train_writes_weights(
    part: str, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["train", "tiny", "--part", part, "--steps", "2", "--hours", "0.02", "--out", str(out), *more]
    assert main(arguments) == 0
    assert (out / f"{part}.safetensors").is_file()
    printed = "".join(capsys.readouterr().out.split())
    assert "2steps" in printed
    assert f"{part}.safetensors" in printed
    if part == "generator":
        assert al.load("tiny", checkpoint=out / "generator.safetensors", device="cpu").parameters_total > 0
        assert (out / "panel.png").stat().st_size > 10_000
        assert "panel.png" in printed


def test_train_goes_on_from_weights_with_the_last_stage_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from avatar_lab.train.recipes import FURTHER_RECIPES, RECIPES

    first, more = tmp_path / "first", tmp_path / "more"
    common = ["train", "tiny", "--hours", "0.02", "--steps", "2", "--out"]
    assert main([*common, str(first)]) == 0
    weights = first / "generator.safetensors"
    assert main([*common, str(more), "--checkpoint", str(weights)]) == 0
    assert sorted(p.name for p in more.iterdir() if p.is_dir()) == ["further"]
    assert "2steps" in "".join(capsys.readouterr().out.split())
    before, after = (
        al.load("tiny", "cpu", path / "generator.safetensors", precision="float32") for path in (first, more)
    )
    gap = after.generator.head.linear.weight - before.generator.head.linear.weight
    assert 0 < float(gap.abs().max()) < 0.01, "two steps from the given weights, not from scratch"
    rest = FURTHER_RECIPES["lab"]
    assert rest.stages[0].forcing == RECIPES["lab"].stages[-1].forcing

    assert main(["train", "lab", "--checkpoint", str(weights), "--out", str(more)]) == 2
    assert "one of preset 'tiny'" in capsys.readouterr().err
    fast = al.load("lab", "cpu", precision="float32", fast=True)
    fast.save(tmp_path / "fast.safetensors")
    assert main(["train", "lab", "--checkpoint", str(tmp_path / "fast.safetensors"), "--out", str(more)]) == 2
    assert "distilled" in capsys.readouterr().err


def test_other_parts_refuse_torchrun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.chdir(tmp_path)
    for part in ("autoencoder", "one-branch", "preference"):
        assert main(["train", "tiny", "--part", part]) == 2
        error = capsys.readouterr().err
        assert one_line(error)
        assert "without torchrun" in error
    assert list(tmp_path.iterdir()) == []
