"""The motion autoencoder: a picture is who it shows plus how that face moves.

`encode` reads an identity latent and motion coefficients from pixels; `decode` warps and repaints the
source's features until they show another motion: `picture = decode(z_identity + sum_k a_k q_k, features)`.

What is peculiar: one implementation serves all sizes. The `lab` size adds to the published network, each a
switch of `AutoencoderConfig`: a reader that finds the motion beside the identity, not through it (`motion/reader.py`),
normalised features and latent, a coarse flow that is linear in the motion (the head's turn is learned in minutes),
and the source picture itself as the last feature that is warped (crisp at little cost).

Source: METHOD section 2; LIA, StyleGAN2. Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.config import AutoencoderConfig
from avatar_lab.errors import ShapeError
from avatar_lab.motion.directions import MotionDirections
from avatar_lab.motion.layers import (
    ActivatedConv,
    EqualConv,
    EqualLinear,
    FlowMask,
    NormalisedDown,
    ResidualDown,
    StyledConv,
    ToRGB,
    activate,
    hasten,
)
from avatar_lab.motion.reader import Reader


class Encoding(NamedTuple):
    """What the encoder read from a batch of pictures.

    Attributes
    ----------
    identity : (B, D) latent of the person, everything but the motion.
    coefficients : (B, K) motion coefficients, the generator's language.
    motion : (B, D) the same motion as a latent, `coefficients @ Q.T`.
    features : maps for the decoder, coarse (8 px) to fine; with `warp_picture` the last is the picture.
    """

    identity: Float[Tensor, "B D"]
    coefficients: Float[Tensor, "B K"]
    motion: Float[Tensor, "B D"]
    features: list[Tensor]


def channel_plan(config: AutoencoderConfig) -> dict[int, int]:
    """Return channels at every scale, e.g. `{64: 24, 32: 48, ..., 4: 128}`."""
    plan, size, channels = {}, config.size, config.channels
    while size >= 4:
        plan[size] = min(channels, config.max_channels)
        size, channels = size // 2, channels * 2
    return plan


class Encoder(nn.Module):
    """Picture to latent, coefficients and feature maps."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        plan = channel_plan(config)
        sizes = list(plan)
        self.stem = ActivatedConv(3, plan[config.size], 1)
        block = NormalisedDown if config.normalise_features else ResidualDown
        self.blocks = nn.ModuleList(block(plan[a], plan[b]) for a, b in pairwise(sizes))
        self.reader = Reader(config.size, config.reader, config.coefficients) if config.reader else None
        layers = 0 if config.reader else config.head_layers
        widths = [config.latent_dim] * layers + [config.coefficients]
        self.linear_head = config.linear_head
        if self.linear_head:
            self.latent = EqualConv(plan[4], config.latent_dim, 4)
            self.head = nn.ModuleList(EqualLinear(a, b) for a, b in pairwise(widths))
        else:
            self.latent = nn.Conv2d(plan[4], config.latent_dim, 4)
            self.head = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norm = nn.Identity()
        if config.normalise_latent:
            self.norm = nn.LayerNorm(config.latent_dim)
            nn.init.constant_(self.norm.weight, 0.25)  # at first, who it is must not drown how it moves

    def forward(
        self, image: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B K"], list[Tensor]]:
        x = self.stem(image)
        maps = [x]
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        latent = self.latent(x).flatten(1)  # B D
        return self.norm(latent), self._read(image, latent), maps[-2::-1]

    def _read(self, image: Float[Tensor, "B 3 H W"], latent: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Motion coefficients: from the picture (`lab`) or from the latent (published)."""
        if self.reader is not None:
            return self.reader(image)
        for layer in self.head:
            latent = layer(latent if self.linear_head else activate(latent))
        return latent


class Decoder(nn.Module):
    """Latent and source features to a picture; at every scale the source is warped and blended in."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        plan, style = channel_plan(config), config.latent_dim
        self.released = config.released_warp
        self.constant = nn.Parameter(torch.randn(1, plan[4], 4, 4))
        self.first = StyledConv(plan[4], plan[4], style)
        scales = [(plan[s // 2], plan[s], s == 8) for s in sorted(plan) if s > 4]
        self.ups = nn.ModuleList(StyledConv(a, b, style, up=True) for a, b, _ in scales)
        self.convs = nn.ModuleList(StyledConv(b, b, style) for _, b, _ in scales)
        self.flows = nn.ModuleList(
            FlowMask(b, style, coarser=config.coarse_flow or not coarsest, released=self.released)
            for _, b, coarsest in scales
        )
        self.rgbs = nn.ModuleList(ToRGB(b, coarser=not coarsest) for _, b, coarsest in scales)
        self.picture = None
        if config.warp_picture:
            self.picture = FlowMask(plan[config.size], style, coarser=False, released=False)
        self.coarse: EqualLinear | None = None
        if config.coarse_flow:
            self.coarse = EqualLinear(style, 3 * 4 * 4)
            nn.init.zeros_(self.coarse.weight)

    def forward(self, latent: Float[Tensor, "B D"], features: list[Tensor]) -> Float[Tensor, "B 3 H W"]:
        x = self.first(self.constant.expand(len(latent), -1, -1, -1), latent)
        rgb = None
        raw = (
            None if self.coarse is None else rearrange(self.coarse(latent), "b (c h w) -> b c h w", h=4, w=4)
        )
        for up, conv, to_flow, to_rgb, feature in zip(
            self.ups, self.convs, self.flows, self.rgbs, features, strict=False
        ):
            x = conv(up(x, latent), latent)
            flow, mask, raw = to_flow(x, latent, raw)
            warped = to_flow.warp(feature, flow)  # pyright: ignore[reportCallIssue]
            x = torch.lerp(x, warped, mask)
            rgb = to_rgb(warped * mask if self.released else x, rgb)
        assert rgb is not None  # there is at least one scale
        if self.picture is None:
            return rgb
        flow, mask, _ = self.picture(x, latent, raw)
        return torch.lerp(rgb, self.picture.warp(features[-1], flow), mask)


class MotionAutoencoder(nn.Module):
    """Encoder, motion directions and decoder of one size.

    Pictures are float `(B, 3, size, size)` in [-1, 1], RGB.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.directions = MotionDirections(config.latent_dim, config.coefficients)
        self.decoder = Decoder(config)
        hasten(self, config.equalised_rate)
        # Twice as fast on a CPU; torch's stubs do not know this form of `to`.
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def encode(self, image: Float[Tensor, "B 3 H W"]) -> Encoding:
        """Read identity, coefficients and feature maps. Raises ShapeError for other picture sizes."""
        size = self.config.size
        if image.ndim != 4 or image.shape[1:] != (3, size, size):
            raise ShapeError(
                f"image must have shape (B, 3, {size}, {size}) in [-1, 1]; got {tuple(image.shape)}. "
                "Resize it, or load the autoencoder of its size."
            )
        image = image.contiguous(memory_format=torch.channels_last)
        identity, coefficients, features = self.encoder(image)
        if self.config.warp_picture:
            features = [*features, image]
        return Encoding(identity, coefficients, self.directions(coefficients), features)

    def decode(self, latent: Float[Tensor, "B D"], features: list[Tensor]) -> Float[Tensor, "B 3 H W"]:
        """Draw `latent` = identity + motion over the source's `features`.

        Features of one source (batch 1) serve any number of latents. Raises ShapeError when they do not fit.
        """
        self._check_decode(latent, features)
        if features[0].shape[0] == 1 and len(latent) > 1:
            features = [f.expand(len(latent), -1, -1, -1) for f in features]
        return self.decoder(latent, features)

    def draw(self, source: Encoding, coefficients: Float[Tensor, "B K"]) -> Float[Tensor, "B 3 H W"]:
        """Draw the person of `source` with motion `coefficients`."""
        return self.decode(source.identity + self.directions(coefficients), source.features)

    def swap(
        self, source: Float[Tensor, "B 3 H W"], driving: Float[Tensor, "C 3 H W"]
    ) -> Float[Tensor, "C 3 H W"]:
        """Draw the person of `source` moving like `driving` (one source for all, or one for each)."""
        return self.draw(self.encode(source), self.encode(driving).coefficients)

    def _check_decode(self, latent: Tensor, features: list[Tensor]) -> None:
        scales = self.config.size.bit_length() - 3  # 8 px, 16 px, ... size
        expected = scales + self.config.warp_picture
        if latent.ndim != 2 or latent.shape[1] != self.config.latent_dim:
            raise ShapeError(
                f"latent must have shape (B, {self.config.latent_dim}); got {tuple(latent.shape)}. "
                "Add identity and motion of an Encoding."
            )
        if len(features) != expected or features[0].shape[0] not in (1, len(latent)):
            got = f"{len(features)} maps" + (f" of {features[0].shape[0]} pictures" if features else "")
            raise ShapeError(
                f"features must be {expected} maps of 1 or {len(latent)} pictures; got {got}. "
                "Pass Encoding.features of this autoencoder."
            )


def to_tensor(frames: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Map frames `(B, H, W, 3)` uint8 to pictures in [-1, 1]."""
    return frames.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_frames(pictures: Float[Tensor, "B 3 H W"]) -> Tensor:
    """Map pictures in [-1, 1] to frames `(B, H, W, 3)` uint8, clipped and rounded."""
    levels = pictures.detach().add(1).mul(127.5).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1).to(torch.uint8)
