"""The released files on disk: read, converted, and refused with a reason."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from avatar_lab.cli.app import run
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.model.avatar import load
from avatar_lab.model.released_files import FILES, import_published, open_published, read_pickle

from ..released import reduced_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
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


def test_incomplete_wav2vec2_is_listed_not_filled_up(folder: Path, tmp_path: Path) -> None:
    """Whoever loads it through transformers gets random numbers for what is missing, and a note."""
    broken = copied(folder, tmp_path / "broken")
    wave = broken / "wav2vec2-base-960h"
    wave.mkdir()
    tensors = load_file(folder / "wav2vec2-base-960h" / "model.safetensors")
    tensors["wav2vec2.nonsense.weight"] = torch.zeros(2)
    tensors["lm_head.weight"] = torch.zeros(2, 2)
    gone = next(name for name in tensors if name.endswith("layers.0.attention.k_proj.weight"))
    del tensors[gone]
    save_file(tensors, wave / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        open_published(broken)
    assert "Missing: audio_encoder.wav2vec2.encoder.layers.0.attention.k_proj.weight" in str(caught.value)
    assert "unexpected: audio_encoder.wav2vec2.nonsense.weight" in str(caught.value)
    (wave / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        open_published(broken)
    (wave / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds neither model"):
        open_published(broken)


def test_one_of_several_files_is_not_the_model(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="pass the folder"):
        open_published(folder / FILES[0])


def test_published_weights_are_not_saved_as_ours(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="import-published"):
        load("paper", device="cpu", checkpoint=folder).save(tmp_path / "x.safetensors")


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_damaged_the_answer_is_one_error(folder: Path, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(50.0)}, path, _use_new_zipfile_serialization=bool(seed % 2))
    data = bytearray(path.read_bytes())
    for _ in range(3):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    path.write_bytes(bytes(data))
    try:
        read_pickle(path)
    except CheckpointError:
        pass


def test_a_config_without_options_is_named(folder: Path, tmp_path: Path) -> None:
    broken = copied(folder, tmp_path / "broken")
    (broken / "config.json").write_text("{}", "utf-8")
    with pytest.raises(CheckpointError, match="names no released options"):
        open_published(broken)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    from avatar_lab.model.weights import WEIGHTS_DIR

    with pytest.raises(CheckpointError, match="import-published"):
        open_published(WEIGHTS_DIR / "lab" / "generator.safetensors")
