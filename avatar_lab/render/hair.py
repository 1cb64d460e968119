"""Hair as a shell around the skull: a quad mesh for its shape, a strand texture for its look.

Quads that face the viewer are hair before the face; quads that face away are the inside seen behind the
neck. Both come from one mesh, so any turn of the head is right. Gloss follows the strands (Kajiya and Kay
1989): it is brightest where a strand is square to the half-way direction, which gives the ring of light.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from avatar_lab.data.face import FaceParams
from avatar_lab.render import paint, sculpt
from avatar_lab.render.camera import View
from avatar_lab.render.character import Character
from avatar_lab.render.light import HALF, KEY, RIM, cloth_ramp, colour_texture, hair_ramp, ramp_colour
from avatar_lab.render.solid import Solid
from avatar_lab.render.styles import STYLES, Style, edge_height, smoothstep
from avatar_lab.render.surface import TexelGrid, normals_of, paste, texel_map, texel_positions

COLUMNS: Final = 84
RINGS: Final = 18
CLOTH_STYLES: Final = ("beanie", "hijab")


class Hair:
    """One character's hair (or headwear), ready to draw behind and before the head."""

    def __init__(self, who: Character, skull: Solid, texels: int) -> None:
        self.style: Style = STYLES[who.hair_style]
        self.is_cloth = who.hair_style in CLOTH_STYLES
        self.visible = who.hair_style not in ("bald", "buzz")
        self.solid = hair_solid(self.style, who)
        self.ramp = cloth_ramp(who.accent) if self.is_cloth else hair_ramp(who.hair)
        self.inside = ramp_colour(self.ramp, 0.22)
        self.grid = TexelGrid.of(texels, texels)
        points = texel_positions(self.grid, self.solid, None)
        self._normals = normals_of(points)
        self._strands, streak = _strands(points, self.style, self.solid, who)
        self._streak = streak.ravel().astype(np.float32)
        end = -9.0 if self.style.hem is None else self.style.hem
        self._shine = (0.34 * smoothstep(points[..., 1], end + 0.05, end + 0.45)).ravel().astype(np.float32)
        self.mesh = _shell(self.style, self.solid, skull)
        loose = smoothstep(-self.mesh[:, 1], 0.55, 1.7)
        self._loose = (0.75 * loose).astype(np.float32)[:, None]
        middle = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False) + np.pi / COLUMNS
        self._outward = np.stack([np.sin(middle), 0 * middle, np.cos(middle)], 1).astype(np.float32)
        self._high = self.mesh.reshape(RINGS + 1, COLUMNS + 1, 3)[1:, 1:, 1] > 0.3
        self._curls = _curl_points(self.style, self.solid, who.seed)

    def outlines(self, view: View, hanging: View) -> np.ndarray:
        """Return the projected mesh (RINGS + 1, COLUMNS + 1, 2); loose ends follow gravity (`hanging`)."""
        pixels = view.project(self.mesh)
        if self._loose.max() > 0:
            pixels = pixels + (hanging.project(self.mesh) - pixels) * self._loose
        return pixels.reshape(RINGS + 1, COLUMNS + 1, 2)

    def masks(self, pixels: np.ndarray, view: View, canvas: int) -> tuple[np.ndarray, np.ndarray]:
        """Return binary masks of the hair behind and before the head."""
        behind = np.zeros((canvas, canvas), np.uint8)
        before = np.zeros((canvas, canvas), np.uint8)
        down, across = pixels[1:, :-1] - pixels[:-1, 1:], pixels[1:, 1:] - pixels[:-1, :-1]
        facing = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0] > 0
        # the underside at the nape faces the viewer, but lies behind the head
        facing &= (self._outward @ view.rotation[2] > -0.30) | self._high
        points = paint.fixed(pixels)
        for mask, wanted in ((before, facing), (behind, ~facing)):
            for strips in _strips(points, wanted):
                cv2.fillPoly(mask, strips, 255, cv2.LINE_8, paint.BITS)
        if len(self._curls):
            self._add_curls(before, behind, view)
        return behind, before

    def _add_curls(self, before: np.ndarray, behind: np.ndarray, view: View) -> None:
        middles = view.project(self._curls[:, :3])
        outward = (self._curls[:, 3:6] @ view.rotation.T)[:, 2]
        for (x, y), z, size in zip(paint.fixed(middles), outward, self._curls[:, 6], strict=True):
            radius = int(size * view.unit * (1 << paint.BITS))
            for target in (before, behind) if z > -0.30 else (behind,):
                cv2.circle(target, (int(x), int(y)), radius, 255, -1, cv2.LINE_8, paint.BITS)

    def lit(self, view: View) -> np.ndarray:
        """Return the strand texture as lit in this pose."""
        lights = np.stack([view.to_head(KEY), view.to_head(RIM)])
        key, rim = lights @ self._normals
        wrap = np.clip(0.5 + 0.5 * key, 0, 1)
        level = 0.22 + 0.44 * wrap + self._streak
        level += 0.12 * np.clip(rim, 0, 1)
        if not self.is_cloth:
            along = view.to_head(HALF) @ self._strands + self._streak * 1.6
            ring = np.clip(1 - along * along, 0, 1)
            ring *= ring
            ring *= ring
            ring *= ring
            level += self._shine * ring * ring * wrap
        return colour_texture(level, self.ramp, self.grid.shape)

    def draw(self, image: np.ndarray, mask: np.ndarray, view: View, area: tuple[int, int, int, int],
             cells: int, detail: float) -> None:  # fmt: skip
        """Paint hair inside the binary `mask`."""
        texels = texel_map(view, self.solid, self.grid, area, cells, None)
        paste(image, mask, self.lit(view), texels, area, detail)


def _strips(points: np.ndarray, wanted: np.ndarray) -> list[list[np.ndarray]]:
    """Join neighbouring wanted quads of each ring into one polygon; returns a list for each ring."""
    edged = np.zeros((RINGS, COLUMNS + 2), np.int8)
    edged[:, 1:-1] = wanted
    steps = edged[:, 1:] - edged[:, :-1]
    rings, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    strips: list[list[np.ndarray]] = [[] for _ in range(RINGS)]
    for ring, a, b in zip(rings.tolist(), starts.tolist(), ends.tolist(), strict=True):
        strips[ring].append(np.concatenate([points[ring, a : b + 1], points[ring + 1, a : b + 1][::-1]]))
    return [strip for strip in strips if strip]


def hanging_view(face: FaceParams, canvas: int) -> View:
    """Return the view that loose hair follows: nods and tilts reach its ends only in part."""
    damped = FaceParams(yaw=face.yaw, pitch=0.25 * face.pitch, roll=0.35 * face.roll, x=face.x, y=face.y,
                        scale=face.scale)  # fmt: skip
    return View.of(damped, canvas)


def hair_solid(style: Style, who: Character) -> Solid:
    """Return the outer form of the hair: an inflated skull that may continue downwards as a curtain."""
    top = 1.0 + style.lift
    bottom = style.hem - 0.12 if style.hem is not None else -0.75
    middle = sculpt.TEMPLE_Y
    y = np.cos(np.linspace(0, np.pi, 400)) * (top - bottom) / 2 + (top + bottom) / 2
    above = np.clip((y - middle) / (top - middle), 0, 1)
    below = np.clip((middle - y) / (middle - bottom), 0, 1)
    dome = (1 - above**2.3) ** (1 / 2.1)
    width = who.face_width + style.volume
    if style.hem is not None:
        under = (1 + style.flare * below**1.5 - 0.07 * np.sin(np.pi * below) ** 2) * (1 - below**14) ** 0.5
    else:
        under = (1 - below**3) ** 0.5
    scale = np.where(y > middle, dome, under)
    front = sculpt.CROWN_Z + (sculpt.FACE_Z + 0.03 + 0.5 * style.volume - sculpt.CROWN_Z) * scale
    back = sculpt.CROWN_Z - (sculpt.CROWN_Z - sculpt.BACK_Z + style.volume) * scale
    return Solid.from_profiles(y, width * scale, front, back)


def _shell(style: Style, solid: Solid, skull: Solid) -> np.ndarray:
    """Return mesh points, rings from the crown to the edge; where hair lies on skin the edge sinks to it."""
    lon = np.linspace(-np.pi, np.pi, COLUMNS + 1)
    end = edge_height(style, lon)
    share = np.linspace(0, 1, RINGS + 1) ** 0.8
    top = solid.top - 1e-4
    # rings crowd towards the pole like the texture rows do, so that the dome stays round
    angle = np.arccos(np.clip(1 - 2 * (top - end) / (top - solid.bottom), -1, 1))
    y = (top + solid.bottom) / 2 + (top - solid.bottom) / 2 * np.cos(share[:, None] * angle[None])
    across = np.broadcast_to(lon, y.shape)
    outer = solid.points(across.ravel(), y.ravel()).reshape(*y.shape, 3)
    inner = skull.points(across.ravel(), np.minimum(y, skull.top).ravel()).reshape(*y.shape, 3)
    hanging = smoothstep(np.abs(lon), style.corner * 0.9, style.tuck) if style.hem is not None else 0.0 * lon
    sink = (share[:, None] ** 5) * (1 - hanging) * (1 - 4 * style.fringe)
    mesh = outer + (inner * 1.012 - outer) * sink[..., None]
    if style.peak:
        crest = np.exp(-(((across - 0.9 * style.part) / 1.05) ** 4 + ((share[:, None] - 0.60) / 0.34) ** 2))
        mesh[..., 1] += style.peak * crest
        mesh[..., 2] += 0.4 * style.peak * crest
    if style.wave:
        swing = np.sin(8.5 * y + 2.0 * np.cos(2 * across)) * smoothstep(-y, -0.35, 0.45)
        mesh[..., ::2] *= 1 + style.wave * swing[..., None]
    if style.brim:
        mesh = outer.copy()
        fold = np.clip((end + style.brim - y) / style.brim, 0, 1)
        mesh[..., ::2] *= 1 + 0.035 * (np.sin(np.pi * fold) ** 0.4 * (fold > 0))[..., None]
    return mesh.reshape(-1, 3).astype(np.float32)


def _strands(points: np.ndarray, style: Style, solid: Solid, who: Character) -> tuple[np.ndarray, np.ndarray]:
    """Return strand directions (3, M) and the light and dark streaks (H, W) along them."""
    rng = np.random.default_rng([who.seed, 23])
    flat = points.reshape(-1, 3)
    pole = np.array(style.pole)
    away = flat - pole
    normal = normals_of(points).T
    along = away - (away * normal).sum(1, keepdims=True) * normal
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    axis = pole / np.linalg.norm(pole)
    e1 = np.cross(axis, [1.0, 0.0, 0.0])
    e1 /= np.linalg.norm(e1)
    e2 = np.cross(axis, e1)
    turn = np.arctan2(away @ e1, away @ e2)
    reach = np.linalg.norm(away, axis=1)
    streak = np.zeros(len(flat))
    if who.hair_style in CLOTH_STYLES:
        streak = _knitting(points, style) if style.brim else 0.03 * np.sin(5 * reach + 3 * turn)
    elif style.curl:
        streak = _curl_relief(flat, _curl_points(style, solid, who.seed))
    else:
        wave = 2.2 * style.wave * np.sin(8.5 * reach)
        for count, weight in ((9, 0.030), (23, 0.028), (57, 0.018)):
            phase = rng.uniform(0, 2 * np.pi)
            streak += weight * np.sin(count * (turn + wave) + phase + 0.8 * np.sin(2.3 * reach + phase))
    return np.ascontiguousarray(along.T, np.float32), streak.reshape(points.shape[:2])


def _curl_points(style: Style, solid: Solid, seed: int) -> np.ndarray:
    """Return curls (N, 7): middle, outward direction, radius; spread evenly over the shell."""
    if not style.curl:
        return np.zeros((0, 7), np.float32)
    rng = np.random.default_rng([seed, 31])
    count = int(6.5 / style.curl**1.6)
    index = np.arange(count) + 0.5
    lon = (index * 2.399963) % (2 * np.pi) - np.pi
    low = style.hem if style.hem is not None else style.nape
    y = solid.top - (solid.top - low) * index / count
    keep = y > edge_height(style, lon) + (0.8 if style.hem is None else 0.1) * style.curl
    points = solid.points(lon[keep], y[keep])
    outward = points - np.array([0, 0.1, -0.1], np.float32)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    size = style.curl * rng.uniform(0.8, 1.15, keep.sum())[:, None]
    return np.concatenate([points - outward * size * 0.45, outward, size], 1).astype(np.float32)


def _curl_relief(places: np.ndarray, curls: np.ndarray) -> np.ndarray:
    """Return light and dark over texels (M, 3): each curl is a small ball, dark where balls meet."""
    nearest = np.full(len(places), 9.0)
    for curl in curls:
        lit_side = curl[:3] + curl[3:6] * curl[6] + np.array([-0.3, 0.35, 0.1]) * curl[6]
        nearest = np.minimum(nearest, np.linalg.norm(places - lit_side, axis=1) / curl[6])
    return 0.13 - 0.17 * np.clip(nearest, 0, 1.5)


def _knitting(points: np.ndarray, style: Style) -> np.ndarray:
    """Return light and dark (M,) of a knitted hat: ribs, finer on the folded brim, which throws a shadow."""
    longitude = np.arctan2(points[..., 0], points[..., 2] + 0.15)
    over = points[..., 1] - edge_height(style, longitude) - style.brim
    ribs = 0.06 * np.sin(38 * longitude) * np.where(over < 0, 1.2, 0.7)
    fold = 0.08 * (over < 0) - 0.25 * np.exp(-np.clip(over, 0, 9) / 0.04) * (over >= 0)
    return (ribs + fold).ravel()
