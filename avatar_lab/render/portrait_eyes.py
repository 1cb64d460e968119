"""Eyes of a photograph: an eyeball that turns behind its lids, and lids that close over it.

    ball     the white without its iris, and the iris as a whole disc; a look aside moves the disc over the white
    lids     the upper one brings its lashes down, the lower one comes up a little
    closed   at the end nothing of the open eye is left: skin filled in from around, a crease, a line of lashes

What is peculiar: all is done in one small box an eye, column by column between the curves of the lids, in the
photograph as it is; at rest the result is the photograph itself. Parts of the iris that the lids hide are taken from
its other half, or from its mean at the same distance from the pupil.

Notebook: 11 (a portrait).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from avatar_lab.render.portrait_matte import heal

# Upper lid, lower lid, lower edge of the brow, iris (middle, then its rim). From the picture's left to its right; the
# person's right eye is on the picture's left.
RIGHT_EYE: Final = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (46, 53, 52, 65, 55), (468, 469, 470, 471, 472),
)  # fmt: skip
LEFT_EYE: Final = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263),
    (285, 295, 282, 283, 276), (473, 474, 475, 476, 477),
)  # fmt: skip
BALL: Final = 2.05  # radius of an eyeball over that of its iris
STRIP: Final = 0.50  # eye heights above the lid's edge that come down with it
MEET: Final = 0.16  # eye heights that the lower lid comes up
SQUINT: Final = 0.30
FOLLOW: Final = (0.22, 0.42)  # eye heights that the upper lid follows a look up, or down, of 30 degrees
FULL: Final = 30.0  # degrees
WHITE: Final = (222.0, 214.0, 210.0)


class Eye:
    """One eye: a box of the picture and all that is shown in it.

    Parameters
    ----------
    photo : the picture. points : its face. names : which eye. light : how bright the picture is.
    """

    def __init__(
        self,
        photo: UInt8[np.ndarray, "S S 3"],
        points: np.ndarray,
        names: Sequence[Sequence[int]],
        light: np.ndarray,
    ) -> None:
        size, p = len(photo), points[:, :2].astype(np.float32)
        ends = sorted(float(p[i, 0]) for i in (names[0][0], names[0][-1]))
        wide = max(ends[1] - ends[0], 4.0)
        left, right = max(0, int(ends[0] - 0.35 * wide)), min(size, int(ends[1] + 0.35 * wide) + 1)
        self._x = np.arange(left, right, dtype=np.float32)
        self._upper, self._lower, brow = (curve(p, line, self._x) for line in names[:3])
        self._lower = np.maximum(self._lower, self._upper)
        tall = max(float((self._lower - self._upper).max()), 0.14 * wide)
        top = max(0, int(min(brow.min(), self._upper.min() - 0.8 * tall)))
        bottom = min(size, int(self._lower.max() + 1.9 * tall) + 2)
        self._y = np.arange(top, bottom, dtype=np.float32)[:, None]
        self.box = (slice(top, bottom), slice(left, right))
        u = (self._x - 0.5 * (ends[0] + ends[1])) / (0.5 * wide)
        self._inside = np.clip(1.4 * (1 - u * u), 0, 1).astype(np.float32)
        self._photo = photo[self.box].astype(np.float32)
        self._tall = tall
        self._strip = float(
            np.clip(0.7 * np.median(self._upper - brow), 0.12 * self._tall, STRIP * self._tall)
        )
        self._middle, rim = p[names[3][0]], p[list(names[3][1:])]
        self._radius = float(
            np.clip(np.linalg.norm(rim - self._middle, axis=1).mean(), 0.12 * wide, 0.36 * wide)
        )
        self._bare = self._closed(photo, light)
        self._white = self._without_iris(light)
        self._iris, self._disc = self._whole_iris()

    def _sunk(self) -> float:
        """Return how far below its curve the lower lid lies: down to where the colours are the cheek's, pixels."""
        tall = self._tall
        columns = np.flatnonzero(self._inside > 0.9)
        rows = self._lower[columns] - self._y[0, 0]
        steps = np.arange(-0.3 * tall, 1.5 * tall, 0.5)
        last = len(self._photo) - 1
        at = np.clip(np.rint(rows + steps[:, None]).astype(int), 0, last)
        seen = self._photo[at, columns]  # (steps, columns, 3)
        cheek = seen[steps > 1.1 * tall].mean((0, 1))
        apart = np.abs(seen - cheek).sum(-1).mean(1)
        below = np.flatnonzero((steps >= 0) & (apart < 0.25 * apart[steps < 0].max()))
        sunk = float(steps[below[0]]) if len(below) else 0.0
        return min(sunk, 0.9 * tall) if sunk > 0.3 * tall else 0.0

    def draw(self, out: np.ndarray, blink: float, squint: float, yaw: float, pitch: float) -> None:
        """Draw the eye into a picture's box, in place. Angles in degrees."""
        tilt = float(np.clip(pitch / FULL, -1, 1))
        if blink + squint + (abs(yaw) + abs(pitch)) / FULL < 5e-3:
            return
        tall, inside = self._tall, self._inside
        rise = min(1.0, max(squint * SQUINT / MEET, blink)) * MEET + max(0.0, squint * SQUINT - MEET)
        lower = self._lower - np.minimum(rise * tall * inside, 0.6 * (self._lower - self._upper))
        drop = FOLLOW[1] * max(0.0, -tilt) * (1 - blink) - FOLLOW[0] * max(0.0, tilt) * (1 - blink)
        upper = self._upper + drop * tall * inside
        meet = lower + 0.03 * tall
        upper = np.minimum(upper + blink * (meet - upper), meet)
        shown = self._lids(upper, lower, blink)
        open_ = np.clip(self._y - upper + 0.5, 0, 1) * np.clip(lower - self._y + 0.5, 0, 1)
        open_ = open_ * np.clip((lower - upper) / 1.2, 0, 1)
        ball = self._turned(upper, yaw, pitch)
        shown += open_[..., None] * (ball - shown)
        out[self.box] = np.clip(shown, 0, 255).astype(np.uint8)

    def _lids(self, upper: np.ndarray, lower: np.ndarray, blink: float) -> Float32[np.ndarray, "h w 3"]:
        """Return the skin around the opening."""
        y, tall = self._y, self._tall
        shift = upper - self._upper
        cheek = self._lower + 1.3 * tall
        below = self._lower + (y - lower) * (cheek - self._lower) / np.maximum(cheek - lower, 1e-3)
        source = np.where(y < 0.5 * (upper + lower), y - shift, np.where(y > cheek, y, below))
        moved = self._read(self._photo, np.broadcast_to(self._x, source.shape), source)
        # The lid's edge comes down as it is; above it, where it was, and at the end everywhere: plain skin.
        far = (upper - self._strip - y) / (0.35 * self._strip + 1) + 1
        gone = np.clip(far, 0, 1) * np.clip(shift / (0.15 * tall), 0, 1)
        last = min(max((blink - 0.55) / 0.4, 0.0), 1.0)
        plain = np.maximum(gone, last * last * (3 - 2 * last))
        bare = self._bare
        if blink > 0.3:
            bare = bare + min(1.0, (blink - 0.3) / 0.5) * self._shading(upper)
        out = moved + plain[..., None] * (bare - moved)
        return out.astype(np.float32)

    def _shading(self, upper: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
        """Return what makes plain skin a closed lid: a crease, a bulge, lashes."""
        y, tall = self._y, self._tall
        above = (upper - y) / tall  # from the lid's edge up
        crease = np.exp(-(((y - self._upper + 0.22 * tall) / (0.07 * tall)) ** 2)) * self._inside
        bulge = np.exp(-(((above - 0.45) / 0.30) ** 2)) * self._inside
        thick = 0.045 + 0.6 / tall
        lash = np.exp(-((np.where(above > 0, above, 0.7 * above) / thick) ** 2)) * np.sqrt(self._inside)
        under = np.exp(-np.clip(-above, 0, 9) / 0.12) * (above < 0) * self._inside
        light = 0.04 * bulge - 0.08 * crease - 0.10 * under
        shade = self._bare * light[..., None]
        return shade + (0.80 * lash)[..., None] * (self._lash - self._bare - shade)

    def _turned(self, upper: np.ndarray, yaw: float, pitch: float) -> Float32[np.ndarray, "h w 3"]:
        """Return the eyeball, looking aside by some degrees."""
        turn = float(np.clip((abs(yaw) + abs(pitch)) / 3.0, 0, 1))
        if turn <= 0:
            return self._photo
        right = BALL * self._radius * math.sin(math.radians(yaw))
        up = 0.85 * BALL * self._radius * math.sin(math.radians(pitch))
        x = np.broadcast_to(self._x - right, self._photo.shape[:2])
        y = np.broadcast_to(self._y + up, self._photo.shape[:2])
        iris = self._read(np.dstack([self._iris, self._disc]), x, y)
        ball = self._white + iris[..., 3:] * (iris[..., :3] - self._white)
        shadow = 0.34 * np.exp(-np.clip(self._y - upper, 0, None) / (0.13 * self._tall))
        ball = ball * (1 - shadow)[..., None]
        return self._photo + turn * (ball - self._photo)

    def _read(self, picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        import cv2

        return cv2.remap(
            np.ascontiguousarray(picture, np.float32), np.ascontiguousarray(x - self._x[0], np.float32),
            np.ascontiguousarray(y - self._y[0, 0], np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip

    def _opening(self, margin: float) -> np.ndarray:
        """Return where the eye is open, without a margin along the lids (eye heights)."""
        m = margin * self._tall
        return (self._y > self._upper + m) & (self._y < self._lower - m) & (self._inside > 0.02)

    def _closed(self, photo: np.ndarray, light: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
        """Return the box with skin instead of the eye; note the colour of its lashes."""
        import cv2

        up, down = self._strip, max(0.30 * self._tall, self._sunk() + 0.15 * self._tall)
        u_wide = np.clip(self._inside + 0.5, 0, 1)
        held = (self._y > self._upper - up * u_wide) & (self._y < self._lower + down * u_wide)
        side = 0.24 * (self._x[-1] - self._x[0]) / 1.7
        edge = (self._inside > 0).nonzero()[0]
        held &= (self._x > self._x[edge[0]] - side) & (self._x < self._x[edge[-1]] + side)
        gone = np.zeros(photo.shape[:2], np.uint8)
        gone[self.box] = held
        skin = heal(photo, gone, 0.28 * self._tall)[self.box]
        # Lashes and shadows at the rim darken what is filled in; a lid is about as light as the skin around.
        usual = np.percentile(self._photo[~held], 50, axis=0).astype(np.float32)
        soft = cv2.GaussianBlur(held.astype(np.float32), (0, 0), 0.12 * self._tall)[..., None]
        skin += 0.75 * soft * np.maximum(0.90 * usual - skin, 0)
        near = np.abs(self._y - self._upper) < 0.12 * self._tall
        dark = np.percentile(self._photo[near & (self._inside > 0.3)], 12, axis=0)
        self._lash = np.minimum(dark, 0.45 * np.median(skin.reshape(-1, 3), 0)).astype(np.float32)
        return skin

    def _without_iris(self, light: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
        """Return the white of the eye in the whole box, spread from where it is seen."""
        import cv2

        away = np.hypot(self._x - self._middle[0], self._y - self._middle[1]) / self._radius
        known = self._opening(0.14) & (away > 1.12)
        grey = self._photo.mean(-1)
        default = np.array(WHITE, np.float32) * 0.88 * light
        if known.sum() > 8:
            known &= grey > np.percentile(grey[known], 35)
            bright = self._photo[known].mean(0)
            default = 0.5 * default + 0.5 * bright if bright.mean() < 0.6 * default.mean() else bright
        weight = known.astype(np.float32)
        spread = 0.6 * self._radius + 0.5
        total = cv2.GaussianBlur(weight, (0, 0), spread)[..., None]
        near = cv2.GaussianBlur(self._photo * weight[..., None], (0, 0), spread)
        white = (near + 0.06 * default) / (total + 0.06)
        white = white * (1 - 0.16 * (1 - self._inside))[None, :, None]
        kept = np.clip((away - 1.08) / 0.45, 0, 1) * cv2.GaussianBlur(
            self._opening(0).astype(np.float32), (0, 0), 0.7
        )
        return (white + kept[..., None] * (self._photo - white)).astype(np.float32)

    def _whole_iris(self) -> tuple[Float32[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        """Return the iris as a whole disc, and its coverage."""
        import cv2

        x, y = np.broadcast_arrays(self._x, self._y)
        away = np.hypot(x - self._middle[0], y - self._middle[1])
        soft = max(0.14 * self._radius, 0.8)
        disc = np.clip((self._radius - away) / soft + 0.5, 0, 1).astype(np.float32)
        known = self._opening(0.12).astype(np.float32)
        over = np.maximum(disc, 0.2)[..., None]
        colour = np.clip((self._photo - (1 - over) * self._white) / over, 0, 255)
        rings = np.round(2 * away).astype(int)
        weight = known * (disc > 0)
        count = np.bincount(rings.ravel(), weight.ravel())
        sums = [np.bincount(rings.ravel(), (weight * colour[..., k]).ravel()) for k in range(3)]
        mean = np.stack(sums, 1) / np.maximum(count, 1e-6)[:, None]
        have = np.flatnonzero((count > 0.5) & (np.arange(len(count)) < 1.64 * self._radius))
        if not len(have):
            return self._photo, disc
        every = np.arange(len(count))
        mean = np.stack([np.interp(every, have, mean[have, k]) for k in range(3)], 1)
        rim = np.clip((away / self._radius - 0.8) / 0.2, 0, 1)[..., None]  # a darker ring ends an iris
        whole = (mean[rings] * (1 - 0.22 * rim)).astype(np.float32)
        sure = cv2.GaussianBlur(self._opening(0.2).astype(np.float32), (0, 0), 0.08 * self._tall + 0.3)
        sure = sure * np.clip((0.92 * self._radius - away) / soft + 0.5, 0, 1)
        whole += sure[..., None] * (colour - whole)
        return whole.astype(np.float32), disc


class Eyes:
    """Both eyes of one photograph."""

    def __init__(self, photo: UInt8[np.ndarray, "S S 3"], points: np.ndarray, light: np.ndarray) -> None:
        self._right, self._left = (Eye(photo, points, names, light) for names in (RIGHT_EYE, LEFT_EYE))

    def draw(self, out: np.ndarray, values: Mapping[str, float]) -> None:
        """Draw both into a picture (S, S, 3), in place."""
        squint, yaw, pitch = values["squint"], values["gaze_yaw"], values["gaze_pitch"]
        for eye, blink in ((self._right, values["blink_right"]), (self._left, values["blink_left"])):
            eye.draw(out, float(np.clip(blink, 0, 1)), float(np.clip(squint, 0, 1)), yaw, pitch)


def curve(points: np.ndarray, names: Sequence[int], x: np.ndarray) -> Float32[np.ndarray, "w"]:
    """Return the height of a curve through points at columns `x`; held beyond its ends."""
    chosen = points[list(names)]
    order = np.argsort(chosen[:, 0])
    return np.interp(x, chosen[order, 0], chosen[order, 1]).astype(np.float32)
