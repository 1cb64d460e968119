"""The reader: motion coefficients from pixels, by a small residual network of its own.

The published encoder reads motion off the latent that also says who somebody is. At 64 pixels and in minutes of
training that does not work: colours of hair and clothes fill the latent, and a smile, two pixels of a mouth
corner, is hardly found. The `lab` size therefore reads motion beside the identity.

What is peculiar: the first layer sees 2 x 2 pixels as one (nothing is thrown away, a quarter of the work) together
with where it looks, for position is half of what is read. Batch normalisation learns faster here than normalisation
over groups of channels.

Notebook: 02 (a face as motion).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

PLACES = 4  # channels that say where: x, y, and their squares


class Residual(nn.Module):
    """Two normalised convolutions beside a skip; `stride` 2 halves the size."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.norm2.weight)  # at first, every block is its skip
        self.skip: nn.Module = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.skip(x))


class Reader(nn.Module):
    """Picture to motion coefficients; `widths` are the channels at half the size, a quarter, ..."""

    place: Tensor

    def __init__(self, size: int, widths: Sequence[int], coefficients: int, hidden: int = 256) -> None:
        super().__init__()
        first, half = widths[0], size // 2
        self.stem = nn.Sequential(
            nn.Conv2d(4 * 3 + PLACES, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        steps = [Residual(first, first, 1)] + [Residual(a, b, 2) for a, b in pairwise(widths)]
        self.blocks = nn.Sequential(*steps)
        end = half >> (len(widths) - 1)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * end * end, hidden),
            nn.ReLU(),
            nn.Linear(hidden, coefficients),
        )
        line = torch.linspace(-1, 1, half)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("place", torch.stack([x, y, x * x, y * y])[None], persistent=False)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        pixels = F.pixel_unshuffle(image, 2)
        x = torch.cat([pixels, self.place.expand(len(image), -1, -1, -1)], dim=1)
        return self.head(self.blocks(self.stem(x)))

    @torch.no_grad()
    def fold(self, matrix: Float[Tensor, "P K"], offset: Float[Tensor, "K"]) -> None:
        """Make it return `matrix.T @ out + offset` instead of `out`: another language, the same reading."""
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        last.weight.copy_(matrix.T @ last.weight)
        last.bias.copy_(matrix.T @ last.bias + offset)
