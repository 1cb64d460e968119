"""The painted head of one character: relief lit per frame, blush, freckles, stubble and soft hairlines.

Everything that never changes is baked once; a frame only blends in the smile's relief, lights the texels
and looks them up (see `surface`).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render import sculpt
from avatar_lab.render.camera import View
from avatar_lab.render.character import Character
from avatar_lab.render.light import colour_texture, hair_ramp, lit_levels, skin_ramp
from avatar_lab.render.solid import Solid
from avatar_lab.render.styles import STYLES, edge_height
from avatar_lab.render.surface import TexelGrid, height_map_of, normals_of, paste, texel_map, texel_positions

Area = tuple[int, int, int, int]
BEARD_THICKNESS: Final = {"none": 0.0, "stubble": 0.0, "moustache": 0.0, "short": 0.018, "full": 0.050}
GLOSS: Final = 0.20


class Skin:
    """Skull, face and whatever grows flat on it, as one lit surface."""

    def __init__(self, who: Character, texels: int) -> None:
        """Bake the textures, `texels` wide."""
        self.solid: Solid = sculpt.head_solid(who, BEARD_THICKNESS[who.beard])
        self.grid = texel_grid(texels)
        self.height_map = height_map_of(lambda x, y: sculpt.relief(x, y, who))
        self.ramp = skin_ramp(who.skin)
        rest = texel_positions(self.grid, self.solid, lambda x, y: sculpt.relief(x, y, who))
        smiling = texel_positions(self.grid, self.solid, lambda x, y: sculpt.relief(x, y, who, 1.0))
        self._normals = normals_of(rest)
        self._smile = normals_of(smiling) - self._normals
        rng = np.random.default_rng([who.seed, 11])
        scalp, shadow = _hairline(rest, self.grid.longitude, who)
        self._occlusion = (_occlusion(rest, who) * (1 - shadow)).astype(np.float32).ravel()
        self._tone = _tone(rest, who, rng)
        cover = np.maximum(_beard(rest, who, rng), scalp)
        self._has_cover = bool(cover.max() > 0.02)
        self._cover, self._bare = cover.astype(np.float32), (1 - cover).astype(np.float32)
        self._hair_ramp = hair_ramp(who.hair)
        self.mesh = outline_mesh(self.solid, 40, 36)

    def lit(self, view: View, face: FaceParams) -> np.ndarray:
        """Return the texture (H, W, 3) as lit in this pose."""
        normals = self._normals + self._smile * np.float32(face.smile) if face.smile > 0.02 else self._normals
        levels = lit_levels(normals, view, GLOSS)
        levels *= self._occlusion
        colours = cv2.multiply(colour_texture(levels, self.ramp, self.grid.shape), self._tone, scale=1 / 255)
        if not self._has_cover:
            return colours
        grown = colour_texture(levels * 0.94, self._hair_ramp, self.grid.shape)
        return cv2.blendLinear(grown, colours, self._cover, self._bare)

    def draw(self, image: np.ndarray, mask: np.ndarray, view: View, face: FaceParams, solid: Solid,
             area: Area, cells: int, detail: float) -> None:  # fmt: skip
        """Paint the skin inside the binary `mask`."""
        texels = texel_map(view, solid, self.grid, area, cells, self.height_map)
        paste(image, mask, self.lit(view, face), texels, area, detail)


def texel_grid(texels: int) -> TexelGrid:
    """Return the layout of a head texture `texels` wide."""
    return TexelGrid.of(texels, round(texels * 0.8))


def outline_mesh(solid: Solid, columns: int, rows: int) -> np.ndarray:
    """Return surface points whose convex hull, once projected, is the silhouette."""
    lon, t = np.meshgrid(np.linspace(-np.pi, np.pi, columns, endpoint=False), np.linspace(0, 1, rows))
    return solid.points(lon.ravel(), solid.height(t).ravel())


def _spot(points: np.ndarray, x: float, y: float, wide: float, tall: float) -> np.ndarray:
    """Return a soft spot on both sides of the face, none behind."""
    front = np.clip(points[..., 2] * 4, 0, 1)
    side = np.abs(points[..., 0])
    return front * np.exp(-0.5 * (((side - x) / wide) ** 2 + ((points[..., 1] - y) / tall) ** 2))


def _occlusion(points: np.ndarray, who: Character) -> np.ndarray:
    """Return the light that hollows lose: sockets, under nose, lip and jaw."""
    shade = 0.15 * _spot(points, who.eye_spacing - 0.06, 0.08, 0.15, 0.07)
    shade = shade + 0.16 * _spot(points, 0.0, -0.46 * who.nose_length, 0.10, 0.035)
    shade = shade + 0.10 * _spot(points, 0.0, sculpt.MOUTH_Y - 0.15, 0.12, 0.035)
    shade = shade + 0.10 * _spot(points, 0.15, -0.37, 0.03, 0.05)
    below = np.clip((-points[..., 1] - who.chin_length + 0.16) / 0.16, 0, 1)
    return (1 - np.clip(shade + 0.22 * below, 0, 0.6)).astype(np.float32)


def _tone(points: np.ndarray, who: Character, rng: np.random.Generator) -> np.ndarray:
    """Return the colour (H, W, 3) uint8 that multiplies the skin: blush, warm nose and ears, freckles."""
    red = 0.85 * who.blush * _spot(points, 0.46, -0.30, 0.15, 0.11)
    red = red + 0.40 * _spot(points, 0.0, -0.35, 0.10, 0.07) + 0.25 * _spot(points, 0.0, -0.95, 0.12, 0.08)
    red = np.clip(red, 0, 1)[..., None]
    tone = 1 - red * np.array([0.03, 0.24, 0.20])
    lids = _spot(points, who.eye_spacing, 0.07, 0.15, 0.06)[..., None]
    tone = tone * (1 - lids * np.array([0.04, 0.11, 0.09]))
    if who.freckles > 0:
        tone = tone * (1 - _freckles(points, who, rng)[..., None] * np.array([0.28, 0.42, 0.48]))
    return (np.clip(tone, 0, 1) * 255).astype(np.uint8)


def _freckles(points: np.ndarray, who: Character, rng: np.random.Generator) -> np.ndarray:
    """Return freckle strength per texel: small spots across cheeks and nose."""
    count = int(26 + 30 * who.freckles)
    x = rng.normal(0, 0.22, count)
    y = rng.normal(-0.24, 0.07, count) - 0.10 * np.abs(x)
    x = x + 0.13 * np.sign(x)  # none on the ridge of the nose, where a turn would stretch them
    size = rng.uniform(0.008, 0.013, count)
    spots = np.zeros(points.shape[:2])
    for px, py, radius in zip(x, y, size, strict=True):
        distance = (points[..., 0] - px) ** 2 + (points[..., 1] - py) ** 2
        spots = np.maximum(spots, np.exp(-0.5 * distance / radius**2))
    return spots * (points[..., 2] > 0) * 0.55


def _hairline(points: np.ndarray, longitude: np.ndarray, who: Character) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of the scalp shows hair (soft edge), and the shadow that the hair throws below it."""
    style = STYLES[who.hair_style]
    slope = (edge_height(style, longitude + 0.01) - edge_height(style, longitude - 0.01)) / (
        0.02 * who.face_width
    )
    over = (points[..., 1] - edge_height(style, longitude)) / np.hypot(1, slope)
    if who.hair_style == "bald":
        return np.zeros(over.shape), np.zeros(over.shape)
    if who.hair_style in ("beanie", "hijab"):
        below = points[..., 1] - edge_height(STYLES["buzz"], longitude)
        scalp = 0.8 * _soft(below, -0.05, 0.05) if style.brim else np.zeros(over.shape)
        return scalp, 0.22 * np.exp(-np.abs(over) / 0.05)
    cropped = who.hair_style == "buzz"
    scalp = _soft(over, -0.055, 0.045) * 0.86 if cropped else _soft(over, -0.035, 0.03) * 0.5
    hanging = (
        1.0 if style.hem is None else 1 - _soft(np.abs(longitude), 0.8 * style.corner, 1.1 * style.corner)
    )
    shadow = (0.0 if cropped else 0.20) * np.exp(-np.clip(-over, 0, 1) / 0.06) * (over < 0.02)
    return scalp * hanging, shadow * hanging


def _beard(points: np.ndarray, who: Character, rng: np.random.Generator) -> np.ndarray:
    """Return how much beard covers each texel, with a soft upper line."""
    if who.beard == "none":
        return np.zeros(points.shape[:2])
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    noise = cv2.GaussianBlur(rng.standard_normal(points.shape[:2]), (0, 0), 1.0)
    edge = (
        -0.50
        + 0.35 * np.clip(x - 0.30, 0, 1)
        + 1.7 * np.clip(x - 0.52, 0, 1) ** 1.5
        - 0.10 * np.exp(-((x / 0.22) ** 2))
    )
    beard = _soft(edge - y + 0.015 * noise, 0.0, 0.07)
    lip = ((x / 0.25) ** 2 + ((y - sculpt.MOUTH_Y + 0.015) / 0.095) ** 2) < 1
    moustache = (
        _soft(-0.475 - 0.30 * x**1.5 - y, 0, 0.03) * _soft(0.36 - x, 0, 0.05) * (y > sculpt.MOUTH_Y - 0.12)
    )
    if who.beard == "moustache":
        cover = moustache * _soft(y - sculpt.MOUTH_Y + 0.02, 0, 0.03)
    else:
        cover = np.maximum(beard * (1 - lip * (y < -0.55) * (y > -0.73)), moustache)
    ahead = _soft(z, -0.12, 0.05)
    strength = {"stubble": 0.30, "moustache": 0.95, "short": 0.82, "full": 0.96}[who.beard]
    return cover * ahead * strength * np.clip(1 + 0.10 * noise, 0, 1)


def _soft(value: np.ndarray, low: float, high: float) -> np.ndarray:
    u = np.clip((value - low) / (high - low), 0, 1)
    return u * u * (3 - 2 * u)
