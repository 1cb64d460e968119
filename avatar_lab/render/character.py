"""Who is drawn: everything about a character that does not move, chosen from one seed.

What is peculiar: most traits walk through their lists in low-discrepancy steps (seed * golden ratio),
so that neighbouring seeds look different and every twelve characters cover skin tones, ages and hair.
Nothing here touches pose: two characters with the same face parameters hold the same pose.

Notebook: 01 (the people of the simulator).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from avatar_lab.errors import ConfigError

RGB = tuple[int, int, int]
Choice = TypeVar("Choice")

SKIN_TONES: Final[tuple[RGB, ...]] = (
    (255, 222, 200),
    (250, 208, 180),
    (242, 194, 160),
    (230, 176, 138),
    (214, 156, 114),
    (192, 132, 92),
    (164, 107, 72),
    (134, 84, 57),
    (104, 66, 47),
)
NATURAL_HAIR: Final[tuple[RGB, ...]] = (
    (38, 32, 36),
    (58, 42, 38),
    (88, 58, 42),
    (124, 78, 48),
    (162, 108, 62),
    (212, 168, 100),
    (176, 84, 44),
    (70, 50, 48),
)
PLAYFUL_HAIR: Final[tuple[RGB, ...]] = ((232, 112, 148), (92, 92, 168), (54, 128, 138), (140, 84, 150))
GREY_HAIR: Final[tuple[RGB, ...]] = ((196, 196, 202), (228, 226, 224), (150, 150, 158))
EYE_COLOURS: Final[tuple[RGB, ...]] = (
    (94, 60, 36),
    (70, 44, 30),
    (122, 84, 44),
    (74, 112, 74),
    (70, 120, 168),
    (108, 128, 140),
)
CLOTH_COLOURS: Final[tuple[RGB, ...]] = (
    (46, 74, 112),
    (204, 92, 74),
    (62, 120, 108),
    (236, 226, 208),
    (226, 172, 76),
    (112, 84, 134),
    (58, 62, 74),
    (190, 208, 222),
    (150, 70, 84),
)
BACKDROPS: Final[tuple[RGB, ...]] = (
    (250, 216, 190),
    (196, 224, 232),
    (214, 228, 200),
    (226, 212, 238),
    (252, 228, 170),
    (244, 204, 208),
    (206, 216, 236),
    (190, 224, 214),
)
FRAME_COLOURS: Final[tuple[RGB, ...]] = (
    (46, 40, 44),
    (122, 66, 42),
    (52, 76, 120),
    (196, 152, 78),
    (226, 214, 200),
    (176, 60, 62),
)
FEMININE_STYLES: Final[tuple[str, ...]] = (
    "bob",
    "long",
    "bun",
    "curly",
    "fringe",
    "pixie",
    "ponytail",
    "afro",
    "hijab",
    "waves",
)
MASCULINE_STYLES: Final[tuple[str, ...]] = (
    "side_part",
    "crop",
    "afro",
    "buzz",
    "curly_short",
    "quiff",
    "bald",
    "beanie",
    "waves",
)
GARMENTS: Final[tuple[str, ...]] = ("shirt", "hoodie", "blazer", "turtleneck", "v_neck", "crew")


@dataclass(frozen=True)
class Character:
    """One identity. Colours are RGB 0-255; shape numbers are in head units (head height = 2)."""

    seed: int
    feminine: bool
    age: float  # 0 young adult .. 1 old
    skin: RGB
    hair_style: str
    hair: RGB
    brow: RGB
    eye: RGB
    lip: RGB
    beard: str  # "none", "stubble", "moustache", "short", "full"
    glasses: str  # "none", "round", "square", "cat"
    glasses_colour: RGB
    earrings: bool
    freckles: float
    blush: float
    garment: str
    cloth: RGB
    accent: RGB
    backdrop: RGB
    face_width: float
    jaw_taper: float
    jaw_square: float
    chin_length: float
    cheek: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    eye_spacing: float
    lashes: float
    brow_thickness: float
    brow_arch: float
    nose_width: float
    nose_length: float
    nose_height: float
    mouth_width: float
    lip_fullness: float
    ear_size: float

    @classmethod
    def from_seed(cls, seed: int) -> Character:
        """Choose every trait from `seed` (0 or more); the same seed always gives the same person."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(f"character must be a whole number >= 0, got {seed!r}. Use e.g. character=3.")
        return _choose(int(seed))


def _stride(seed: int, step: float, offset: float) -> float:
    """Return a number in [0, 1) that differs much between neighbouring seeds."""
    return float((offset + step * seed) % 1.0)


def _pick(items: Sequence[Choice], fraction: float) -> Choice:
    return items[min(int(fraction * len(items)), len(items) - 1)]


def _mix(a: RGB, b: RGB, amount: float) -> RGB:
    r, g, bl = (round((1 - amount) * p + amount * q) for p, q in zip(a, b, strict=True))
    return (r, g, bl)


def _choose(seed: int) -> Character:
    rng = np.random.default_rng([seed, 20_26])
    feminine = seed % 2 == 0
    age = _stride(seed, 0.7548777, 0.15) ** 1.6
    skin = _skin(_stride(seed, 0.6180340, 0.30))
    styles = FEMININE_STYLES if feminine else MASCULINE_STYLES
    style = _pick(styles, _stride(seed // 2, 0.3819660, 0.06 if feminine else 0.02))
    hair = _hair_colour(seed, age, skin, rng)
    beard = (
        "none" if feminine else _pick(("none", "stubble", "short", "none", "moustache", "full"), rng.random())
    )
    return Character(
        seed=seed,
        feminine=feminine,
        age=age,
        skin=skin,
        hair_style=style,
        hair=hair,
        brow=_mix(hair, (40, 28, 26), 0.50 if sum(hair) < 560 else 0.34),
        eye=_eye_colour(skin, rng),
        lip=_lip_colour(skin, feminine, rng),
        beard=beard,
        glasses=_pick(("round", "square", "cat" if feminine else "round"), rng.random())
        if rng.random() < 0.12 + 0.30 * age
        else "none",
        glasses_colour=_frame_colour(skin, float(rng.random())),
        earrings=bool(feminine and rng.random() < 0.6),
        freckles=float(rng.random()) if rng.random() < 0.28 and sum(skin) > 480 else 0.0,
        blush=float(rng.uniform(0.4, 1.0)) * (1.0 if feminine else 0.7),
        garment=_pick(GARMENTS, _stride(seed, 0.5698403, 0.4)),
        cloth=_pick(CLOTH_COLOURS, _stride(seed, 0.4142136, 0.1)),
        accent=_pick(CLOTH_COLOURS, _stride(seed, 0.4142136, 0.55)),
        backdrop=_pick(BACKDROPS, _stride(seed, 0.6180340, 0.05)),
        **_shape(feminine, rng),
    )


def _shape(feminine: bool, rng: np.random.Generator) -> dict[str, float]:
    """Draw the numbers that shape bone and soft parts."""
    ranges: dict[str, tuple[float, float]] = {
        "face_width": (0.80, 0.86) if feminine else (0.82, 0.89),
        "jaw_taper": (0.13, 0.27) if feminine else (0.07, 0.20),
        "jaw_square": (2.2, 2.6) if feminine else (2.35, 2.85),
        "chin_length": (0.93, 1.0) if feminine else (0.98, 1.05),
        "cheek": (0.5, 1.0),
        "eye_width": (0.215, 0.235) if feminine else (0.195, 0.218),
        "eye_height": (0.140, 0.168) if feminine else (0.116, 0.142),
        "eye_tilt": (0.0, 0.03) if feminine else (-0.015, 0.02),
        "eye_spacing": (0.335, 0.365),
        "lashes": (0.6, 1.0) if feminine else (0.1, 0.25),
        "brow_thickness": (0.040, 0.058) if feminine else (0.062, 0.088),
        "brow_arch": (0.03, 0.07) if feminine else (0.01, 0.045),
        "nose_width": (0.82, 1.05) if feminine else (0.95, 1.28),
        "nose_length": (0.86, 0.97) if feminine else (0.92, 1.06),
        "nose_height": (0.80, 1.05) if feminine else (0.95, 1.25),
        "mouth_width": (0.265, 0.305) if feminine else (0.28, 0.325),
        "lip_fullness": (0.9, 1.3) if feminine else (0.6, 0.95),
        "ear_size": (0.85, 1.0) if feminine else (0.95, 1.15),
    }
    return {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}


def _skin(fraction: float) -> RGB:
    place = fraction * (len(SKIN_TONES) - 1)
    low = int(place)
    return _mix(SKIN_TONES[low], SKIN_TONES[min(low + 1, len(SKIN_TONES) - 1)], place - low)


def _hair_colour(seed: int, age: float, skin: RGB, rng: np.random.Generator) -> RGB:
    dark_skin = sum(skin) < 420
    fraction = _stride(seed, 0.3247180, 0.1)
    base = _pick(NATURAL_HAIR[:3] if dark_skin else NATURAL_HAIR, fraction)
    if rng.random() < 0.10 and age < 0.5:
        base = _pick(PLAYFUL_HAIR, float(rng.random()))
    if age > 0.55:
        base = _mix(base, _pick(GREY_HAIR, float(rng.random())), min(1.0, (age - 0.45) * 2.2))
    return base


def _eye_colour(skin: RGB, rng: np.random.Generator) -> RGB:
    choices = EYE_COLOURS[:3] if sum(skin) < 480 else EYE_COLOURS
    return _pick(choices, float(rng.random()))


def _frame_colour(skin: RGB, fraction: float) -> RGB:
    """Choose among the frames that stand out from the skin."""
    clear = [c for c in FRAME_COLOURS if sum(abs(p - q) for p, q in zip(c, skin, strict=True)) > 150]
    return _pick(clear or FRAME_COLOURS, fraction)


def _lip_colour(skin: RGB, feminine: bool, rng: np.random.Generator) -> RGB:
    natural = _mix(skin, (198, 62, 76), 0.46 if sum(skin) > 480 else 0.36)
    painted = _pick(((196, 48, 66), (204, 84, 90), (158, 44, 66)), float(rng.random()))
    return _mix(natural, painted, 0.55 if feminine and rng.random() < 0.5 else 0.0)
