import json
from pathlib import Path

import pytest
import torch

from avatar_lab.config import preset
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.model import avatar as avatars
from avatar_lab.model.weights import load_strict, load_tensors, record_in_manifest, save_tensors, verify


def test_tensors_and_header_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    save_tensors(tmp_path / "w.safetensors", tensors, {"steps": 7})
    read, meta = load_tensors(tmp_path / "w.safetensors")
    assert meta == {"steps": 7}
    assert all(torch.equal(read[k], v) for k, v in tensors.items())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, {"a": torch.zeros(4)}, {})
    record_in_manifest(path, {"command": "test", "metrics": {}})
    assert verify(path)["command"] == "test"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match="damaged: expected sha256"):
        verify(path)


@pytest.mark.parametrize("content", [b"", b"not a safetensors file at all"])
def test_a_damaged_file_is_a_checkpoint_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_tensors(tmp_path / "w.safetensors")


def test_wrong_keys_and_shapes_are_listed() -> None:
    layer = torch.nn.Linear(2, 3)
    with pytest.raises(
        CheckpointError, match=r"Missing: \['bias'\].*unexpected: \['extra'\].*\(3, 2\), got \(2, 2\)"
    ):
        load_strict(layer, {"weight": torch.zeros(2, 2), "extra": torch.zeros(1)}, "test")


def test_an_avatar_survives_saving(tmp_path: Path) -> None:
    built = avatars.build(preset("tiny"), seed=4)
    built.save(tmp_path / "a.safetensors")
    read = avatars.load("tiny", device="cpu", checkpoint=tmp_path / "a.safetensors")
    assert read.config == built.config
    for ours, theirs in zip(built.generator.parameters(), read.generator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_the_same_seed_builds_the_same_avatar() -> None:
    one, two, other = (avatars.build(preset("tiny"), seed=s).generator.embed.weight for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_unknown_presets_devices_and_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny, lab, paper"):
        avatars.load("large")
    with pytest.raises(ConfigError, match="use auto or cpu"):
        avatars.load("lab", device="warp")
    with pytest.raises(CheckpointError, match="avatar-lab train tiny"):
        avatars.load("tiny", device="cpu")
    with pytest.raises(CheckpointError, match="not a readable"):
        avatars.load("lab", device="cpu", checkpoint=tmp_path / "none.safetensors")


@pytest.mark.parametrize("folder", ["lab", "lab_latent"])
def test_shipped_weights_match_their_manifest(folder: str) -> None:
    manifest = avatars.WEIGHTS_DIR / folder / "manifest.json"
    entries = json.loads(manifest.read_text("utf-8"))
    assert entries
    for name, entry in entries.items():
        verify(manifest.parent / name)
        assert {"command", "data", "metrics", "hardware"} <= set(entry)
