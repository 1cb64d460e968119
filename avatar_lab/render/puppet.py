"""`Puppet`: a drawn character that wears any face track.

A frame is painted back to front on a supersampled canvas: backdrop, hair behind, neck and clothes, far ear,
head, features, near ear, glasses, hair before; then it is averaged down. Only the pose is worked out per
frame; textures, hair mesh, clothes and backdrop are baked when the puppet is made.

Notebook: 01 (drawing what the tracks say).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.data.face import FaceParams, check_track, clamp
from avatar_lab.errors import ConfigError, ShapeError
from avatar_lab.render import extras, eyes, features, knots, mouth, paint, sculpt, veil, wardrobe
from avatar_lab.render.backdrop import paint_backdrop
from avatar_lab.render.body import Body, draw_neck
from avatar_lab.render.camera import View
from avatar_lab.render.character import Character
from avatar_lab.render.hair import Hair, hanging_view
from avatar_lab.render.rig import Rig
from avatar_lab.render.skin import Skin

SMALLEST: Final = 32
LARGEST: Final = 512


@dataclass(frozen=True)
class Regions:
    """Where things landed on the canvas of one frame, for masks."""

    head: np.ndarray
    hair: np.ndarray
    eyes: list[eyes.Eye]
    mouth: mouth.Mouth


class Puppet:
    """One character at one picture size (32-512 pixels, square).

    >>> Puppet(character=3, size=64).draw(FaceParams(smile=1).array()).shape
    (64, 64, 3)
    """

    def __init__(self, character: int = 0, size: int = 128) -> None:
        if (
            isinstance(size, bool)
            or not isinstance(size, int | np.integer)
            or not SMALLEST <= size <= LARGEST
        ):
            raise ConfigError(f"size must be a whole number in {SMALLEST}..{LARGEST} pixels, got {size!r}.")
        self.identity = Character.from_seed(character)
        self.size = int(size)
        self._canvas = self.size * (3 if size < 96 else 2)
        self._cells = 36 if size < 96 else 48 if size < 200 else 64
        self._skin = Skin(self.identity, 128 if size < 96 else 192 if size < 200 else 288)
        self._hair = Hair(self.identity, self._skin.solid, 96 if size < 96 else 128 if size < 200 else 224)
        self._hair_inside = np.full((self._canvas, self._canvas, 3), self._hair.inside).astype(np.uint8)
        self._clothes = wardrobe.make_clothes(self.identity, self._canvas)
        self._backdrop = paint_backdrop(self.identity.backdrop, self._canvas)

    def draw(self, face: np.ndarray) -> UInt8[np.ndarray, "S S 3"]:
        """Draw one pose `(P,)`, columns FACE_NAMES; values are clamped. Raises ShapeError for other shapes."""
        image, _ = self._paint(_read_pose(face))
        return cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def draw_track(self, face: np.ndarray) -> UInt8[np.ndarray, "T S S 3"]:
        """Draw every frame of a track `(T, P)`."""
        track = check_track(face)
        frames = np.empty((len(track), self.size, self.size, 3), np.uint8)
        for frame, pose in zip(frames, track, strict=True):
            frame[:] = self.draw(pose)
        return frames

    def masks(self, face: np.ndarray) -> dict[str, Float32[np.ndarray, "S S"]]:
        """Return soft masks in 0..1: "eyes" (with lids), "mouth" (lips and inside), "face" (the bare head)."""
        _, found = self._paint(_read_pose(face))
        bare = np.where(found.hair > 0, 0, found.head).astype(np.uint8)
        whole = {
            "eyes": np.minimum(eyes.eye_mask(found.eyes, self._canvas), bare),
            "mouth": np.minimum(mouth.mouth_mask(found.mouth, self._canvas), bare),
            "face": bare,
        }
        size = (self.size, self.size)
        return {
            name: cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
            for name, mask in whole.items()
        }

    def _paint(self, face: FaceParams) -> tuple[np.ndarray, Regions]:
        """Paint one frame on the canvas, back to front."""
        image = self._backdrop.copy()
        view, hanging = View.of(face, self._canvas), hanging_view(face, self._canvas)
        solid = sculpt.drop_solid(self._skin.solid, face.jaw_open)
        rig = Rig(image, view, solid, self._skin.height_map, self.identity, face, self._skin.ramp)
        hull = self._head_outline(view, face)
        hair_pixels = self._hair.outlines(view, hanging)
        behind, before = self._hair.masks(hair_pixels, view, self._canvas)

        self._paint_behind(image, behind, hull, rig, hanging)
        head, placed_eyes, placed_mouth = self._paint_head(rig, hull)
        self._paint_sides(rig, near=True)
        if self.identity.glasses != "none":
            extras.draw_glasses(rig)
        area = paint.box(hair_pixels.reshape(-1, 2), image.shape, 0.3 * rig.unit)
        if self._hair.visible and area:
            self._hair.draw(image, before, view, area, self._cells, self.size / self._canvas)
        return image, Regions(head, before, placed_eyes, placed_mouth)

    def _paint_behind(
        self, image: np.ndarray, behind: np.ndarray, hull: np.ndarray, rig: Rig, hanging: View
    ) -> None:
        """Hair behind the neck, neck, clothes, and what lies beyond the head."""
        if self._hair.visible:
            cv2.copyTo(self._hair_inside, behind, image)
            knots.draw_knot(image, self._hair.style.knot, self._hair.ramp, rig.view, hanging)
        body = Body.of(rig.face, self._canvas)
        if self._clothes.back:
            self._clothes.back.paste(image, body)
        draw_neck(rig, body, hull)
        if self._clothes.front:
            self._clothes.front.paste(image, body)
        if self.identity.hair_style == "hijab":
            veil.draw_veil(image, self._hair.ramp, rig.view, body)
        self._paint_sides(rig, near=False)

    def _paint_sides(self, rig: Rig, near: bool) -> None:
        """Ears and arms of the glasses: those on the far side before the head, the near ones after it."""
        for side in (-1, 1):
            if extras.ear_before_head(rig, side) != near:
                continue
            if self.identity.hair_style != "hijab":
                extras.draw_ear(rig, side)
            if self.identity.glasses != "none":
                extras.draw_temple_arm(rig, side)

    def _paint_head(self, rig: Rig, hull: np.ndarray) -> tuple[np.ndarray, list[eyes.Eye], mouth.Mouth]:
        """Skin and features, clipped to the outline of head, nose and lips."""
        image = rig.image
        placed_mouth, placed_eyes = mouth.place_mouth(rig), eyes.place_eyes(rig)
        mask = np.zeros(image.shape[:2], np.uint8)
        for outline in (hull, features.nose_outline(rig), placed_mouth.outline):
            paint.fill_plain(mask, [outline])
        area = paint.box(hull, image.shape, 0.2 * rig.unit)
        if area is None:
            return mask, placed_eyes, placed_mouth
        self._skin.draw(
            image, mask, rig.view, rig.face, rig.solid, area, self._cells, self.size / self._canvas
        )
        x0, y0, x1, y1 = area
        bare = image[y0:y1, x0:x1].copy()
        features.draw_nose(rig)
        features.draw_dimples(rig)
        mouth.draw_mouth(rig, placed_mouth)
        for eye in placed_eyes:
            eyes.draw_eye(rig, eye)
        features.draw_brows(rig)
        cv2.copyTo(bare, cv2.bitwise_not(mask[y0:y1, x0:x1]), image[y0:y1, x0:x1])
        return mask, placed_eyes, placed_mouth

    def _head_outline(self, view: View, face: FaceParams) -> np.ndarray:
        mesh = self._skin.mesh.copy()
        mesh[:, 1] = sculpt.dropped(mesh[:, 1], face.jaw_open)
        return cv2.convexHull(view.project(mesh))[:, 0]


def _read_pose(face: np.ndarray) -> FaceParams:
    array = np.asarray(face)
    if array.ndim != 1:
        raise ShapeError(
            f"draw wants one pose of shape (18,), got {tuple(array.shape)}. For a track use draw_track."
        )
    return FaceParams.from_array(clamp(check_track(array[None]))[0])
