"""The released files on disk: read, converted, and refused with a reason."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from avatar_lab.cli.app import run
from avatar_lab.errors import CheckpointError
from avatar_lab.model.avatar import load
from avatar_lab.model.released_files import FILES, import_published, open_published

from ..released import reduced_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reduced_folder(tmp_path_factory.mktemp("released"))


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for name in (*FILES, "config.json"):
        (to / name).write_bytes((folder / name).read_bytes())
    return to


def test_published_folder_becomes_an_avatar(folder: Path) -> None:
    avatar = load("paper", device="cpu", checkpoint=folder)
    assert avatar.sees_pictures
    assert avatar.config.generator.width == 64
    assert not any(p.requires_grad for p in avatar.generator.parameters())


def test_published_weights_are_converted_once(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    original = import_published(folder, out)
    again = open_published(out)
    assert original.generator is not None
    assert again.generator is not None
    for name, value in original.generator.state_dict().items():
        assert torch.equal(value, again.generator.state_dict()[name])
    assert load("paper", device="cpu", checkpoint=out).audio_encoder.network is not None  # type: ignore[union-attr]


def test_the_command_line_converts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import-published", str(folder), "--out", str(tmp_path / "w.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "CC BY-NC 4.0" in said
    assert "w.safetensors" in said
    assert run(["import-published", str(tmp_path / "nowhere")]) == 2
    assert "names the download" in capsys.readouterr().err


def test_absent_files_say_where_they_are_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="CC BY-NC"):
        load("paper", device="cpu")
    with pytest.raises(CheckpointError, match=r"lacks flow_transformer.pth and motion_autoencoder.pth"):
        load("paper", device="cpu", checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="nothing at"):
        load("paper", device="cpu", checkpoint=tmp_path / "no.safetensors")


def test_a_truncated_file_is_called_damaged(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "broken")
    data = (broken / FILES[0]).read_bytes()
    (broken / FILES[0]).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="cut off in transfer"):
        open_published(broken)


@pytest.mark.parametrize("junk", [b"", b"hello", bytes(range(256)) * 40])
def test_a_corrupted_file_is_called_damaged(folder: Path, tmp_path: Path, junk: bytes) -> None:
    broken = copied(folder, tmp_path / "broken")
    (broken / FILES[1]).write_bytes(junk)
    with pytest.raises(CheckpointError, match="damaged"):
        open_published(broken)


class Bomb:
    """Pickles as a call that would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.trace), "w"))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_never_run(folder: Path, tmp_path: Path, how: str) -> None:
    broken, trace = copied(folder, tmp_path / "broken"), tmp_path / "trace"
    bomb = {"weight": Bomb(trace)}
    if how == "torch":
        torch.save(bomb, broken / FILES[0])
    else:
        (broken / FILES[0]).write_bytes(pickle.dumps(bomb, protocol=2))
    with pytest.raises(CheckpointError, match="Nothing was run"):
        open_published(broken)
    assert not trace.exists()


def test_another_kind_of_dictionary_is_named(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "broken")
    torch.save({"state_dict": {"a": torch.zeros(1)}}, broken / FILES[0])
    with pytest.raises(CheckpointError, match="flat dictionary of tensors"):
        open_published(broken)


def test_a_config_without_options_is_named(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "broken")
    (broken / "config.json").write_text("{}", "utf-8")
    with pytest.raises(CheckpointError, match="names no released options"):
        open_published(broken)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    from avatar_lab.model.weights import WEIGHTS_DIR

    with pytest.raises(CheckpointError, match="import-published"):
        open_published(WEIGHTS_DIR / "lab" / "generator.safetensors")
