"""Pictures to train the motion autoencoder on: many drawn people in known poses.

Every person is drawn once at rest and in a set of poses that is shared by two people, so that "the same
motion, another person" is known exactly. Pose 0 is always the neutral one.

What is peculiar: half of the poses come from conversations and half are drawn at random, so that rare
expressions occur; pictures and masks are plain `.npy` files that are read without loading them whole.

Source: METHOD section 2, TRIALS "Autoencoder". Notebook: 02.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from jaxtyping import Float32, UInt8
from tqdm.auto import tqdm

from avatar_lab.data.face import FACE_DIM, FACE_INDEX, clamp, neutral
from avatar_lab.errors import MediaError, ShapeError

MASKS: Final = ("eyes", "mouth", "face")
TRAIN_PEOPLE: Final = 100_000  # first character of the training people; the held-out start below
HELD_OUT_PEOPLE: Final = 200_000
_FILES: Final = ("pictures", "masks", "faces", "characters")


class MaskedPicture(Protocol):
    """A renderer of one person that also knows where eyes, mouth and face are (`Puppet` is one)."""

    def draw(self, face: Float32[np.ndarray, "P"]) -> UInt8[np.ndarray, "S S 3"]: ...

    def masks(self, face: Float32[np.ndarray, "P"]) -> dict[str, np.ndarray]: ...


Renderer = Callable[[int, int], MaskedPicture]


@dataclass(frozen=True)
class DrawnFaces:
    """N people in Q poses each; pose 0 is neutral. People 2i and 2i + 1 share their poses.

    Attributes
    ----------
    pictures : RGB.
    masks : eyes, mouth, face in the last axis, 0..255.
    faces : the poses, columns `FACE_NAMES`.
    characters : identity seed of every person.
    """

    pictures: UInt8[np.ndarray, "N Q S S 3"]
    masks: UInt8[np.ndarray, "N Q S S 3"]
    faces: Float32[np.ndarray, "N Q P"]
    characters: np.ndarray

    def __post_init__(self) -> None:
        people, poses = self.pictures.shape[:2]
        if people % 2 or people == 0 or poses < 2 or self.faces.shape != (people, poses, FACE_DIM):
            raise ShapeError(
                f"Drawn faces need an even number of people and a neutral and other poses; got pictures "
                f"{self.pictures.shape} and faces {self.faces.shape}. Draw them with draw_faces()."
            )

    @property
    def size(self) -> int:
        """Side of a picture in pixels."""
        return self.pictures.shape[2]

    def save(self, folder: Path) -> None:
        """Write four `.npy` files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> DrawnFaces:
        """Open what `save` wrote, without reading the pictures into memory."""
        try:
            parts = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES}
        except (OSError, ValueError) as error:
            raise MediaError(
                f"{folder} holds no drawn faces ({error}). Draw them with draw_faces()."
            ) from error
        return cls(parts["pictures"], parts["masks"], np.array(parts["faces"]), np.array(parts["characters"]))


def random_poses(count: int, rng: np.random.Generator) -> Float32[np.ndarray, "count P"]:
    """Draw natural but wide poses: a turned head, and each expression there in a third of them."""
    face = neutral(count)
    column = FACE_INDEX
    for name, spread in (("yaw", 13), ("pitch", 8), ("roll", 7), ("x", 0.04), ("y", 0.03), ("scale", 0.05)):
        limit = 2.2 * spread
        face[:, column[name]] += np.clip(rng.normal(0, spread, count), -limit, limit)
    for name, share in (
        ("jaw_open", 0.6),
        ("smile", 0.4),
        ("pucker", 0.25),
        ("stretch", 0.25),
        ("frown", 0.2),
        ("brow_raise", 0.35),
        ("brow_furrow", 0.25),
        ("squint", 0.3),
    ):
        face[:, column[name]] = (rng.random(count) < share) * rng.beta(1.2, 1.4, count)
    _draw_eyes(face, rng)
    return clamp(face.astype(np.float32))


def _draw_eyes(face: np.ndarray, rng: np.random.Generator) -> None:
    """Set gaze anywhere natural; lids mostly open, sometimes closing together, seldom one alone."""
    count, column = len(face), FACE_INDEX
    face[:, column["gaze_yaw"]] = np.clip(rng.normal(0, 11, count), -28, 28)
    face[:, column["gaze_pitch"]] = np.clip(rng.normal(0, 7, count), -18, 18)
    kind = rng.random(count)
    for side, wink in (("blink_left", (0.30, 0.34)), ("blink_right", (0.34, 0.38))):
        closed = rng.random(count) ** 0.5
        face[:, column[side]] = np.where((kind > wink[0]) & (kind < wink[1]), closed, 0)
    both = rng.random(count) ** 0.7
    for side in ("blink_left", "blink_right"):
        face[:, column[side]] = np.where(kind < 0.30, both, face[:, column[side]])


def mixed_poses(
    count: int, rng: np.random.Generator, tracks: Float32[np.ndarray, "T P"] | None = None
) -> Float32[np.ndarray, "count P"]:
    """Draw every other pose from `tracks` (rows of conversations), the others at random."""
    poses = random_poses(count, rng)
    if tracks is not None:
        poses[::2] = tracks[rng.integers(0, len(tracks), len(poses[::2]))]
    return poses


def draw_faces(
    characters: Sequence[int],
    poses: int,
    size: int,
    *,
    seed: int,
    tracks: Float32[np.ndarray, "T P"] | None = None,
    renderer: Renderer | None = None,
    masks: bool = True,
    progress: bool = True,
) -> DrawnFaces:
    """Draw every character at rest and in `poses` poses; neighbours share theirs.

    `masks=False` leaves the masks empty, for those who only read.
    """
    if renderer is None:
        from avatar_lab.render.puppet import Puppet

        renderer = Puppet
    people = len(characters) - len(characters) % 2
    faces = np.empty((people, poses + 1, FACE_DIM), np.float32)
    pictures = np.empty((people, poses + 1, size, size, 3), np.uint8)
    marked = np.zeros_like(pictures) if masks else np.broadcast_to(np.uint8(0), pictures.shape)
    rng = np.random.default_rng(seed)
    for i in tqdm(range(people), disable=not progress, unit="person", desc="drawing"):
        if i % 2 == 0:
            faces[i] = np.concatenate([neutral(1), mixed_poses(poses, rng, tracks)])
        else:
            faces[i] = faces[i - 1]
        picture = renderer(characters[i], size)
        for j, face in enumerate(faces[i]):
            pictures[i, j] = picture.draw(face)
            if masks:
                found = picture.masks(face)
                for k, name in enumerate(MASKS):
                    marked[i, j, :, :, k] = np.round(255 * found[name])
    return DrawnFaces(pictures, marked, faces, np.asarray(characters[:people]))
