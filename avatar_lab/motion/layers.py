"""Convolutions of the motion autoencoder: equalised weights, blurred scaling, modulation, warping.

What is peculiar: a modulated convolution is written by scaling its input and its output, never by building
one kernel per picture (`tests/motion/test_layers.py` holds it against that grouped form); every resampling
is one depthwise 4 x 4 kernel, which a CPU runs fast in channels-last order.

Source: StyleGAN2 (Karras et al. 2020, sections 2 and 4) for the blocks, LIA (Wang et al. 2022) for the
flow-and-mask head; METHOD section 2. Notebook: 02 (a face as motion).
"""

from __future__ import annotations

import math
from typing import Final

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

BLUR: Final = (1.0, 3.0, 3.0, 1.0)
GAIN: Final = math.sqrt(2)
GROUPS: Final = 8  # of channels that are normalised together


def activate(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Leaky ReLU (slope .2), scaled by sqrt(2) so that a unit variance stays one."""
    return F.leaky_relu(x, 0.2) * GAIN


class EqualLinear(nn.Module):
    """Linear layer whose weight is stored at unit variance and scaled by 1 / sqrt(inputs) when used."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.gain = 1 / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        return F.linear(x, self.weight * self.gain, self.bias)


class EqualConv(nn.Module):
    """Convolution without bias, equalised like `EqualLinear`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain = 1 / math.sqrt(inputs * kernel * kernel)
        self.stride, self.padding = stride, padding

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        return F.conv2d(x, self.weight * self.gain, stride=self.stride, padding=self.padding)


class ActivatedConv(nn.Module):
    """Equalised convolution, offset, activation.

    `sqrt(2) leaky(w * x + b)` is computed as `leaky(sqrt(2) w * x + sqrt(2) b)`: the same numbers, two passes
    over memory fewer.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = GAIN / math.sqrt(inputs * kernel * kernel)
        self.stride, self.padding = stride, padding

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        y = F.conv2d(x, self.weight * self.gain, self.bias * GAIN, stride=self.stride, padding=self.padding)
        return F.leaky_relu(y, 0.2, inplace=True)


class Blur(nn.Module):
    """Low-pass with [1 3 3 1] x [1 3 3 1] / 64; `padding` zeros around, output every `stride` pixels.

    `gain` 4 is for use after a stride-2 transposed convolution, which leaves one sample in four.
    """

    kernel: Tensor

    def __init__(self, *, padding: int, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        line = torch.tensor(BLUR)
        self.register_buffer("kernel", torch.outer(line, line) / line.sum() ** 2 * gain, persistent=False)
        self.padding, self.stride = padding, stride

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        channels = x.shape[1]
        weight = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding, groups=channels)


class Upsample(nn.Module):
    """Double height and width: zeros between the samples, then the [1 3 3 1] low-pass."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor(BLUR)
        self.register_buffer("kernel", torch.outer(line, line) / line.sum() ** 2 * 4, persistent=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 2*H 2*W"]:
        channels = x.shape[1]
        weight = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


class ResidualDown(nn.Module):
    """Two convolutions to half the size beside a 1 x 1 skip; the sum is divided by sqrt(2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = ActivatedConv(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Sequential(Blur(padding=2), ActivatedConv(inputs, outputs, 3, stride=2))
        # Blurring only where the stride-2 convolution would look is the same and four times cheaper.
        self.skip = nn.Sequential(Blur(padding=1, stride=2), EqualConv(inputs, outputs, 1))

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H//2 W//2"]:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / GAIN


class NormalisedDown(nn.Module):
    """Two ordinary convolutions to half the size, each normalised over groups of channels; no skip.

    For short trainings. The blurred skip of `ResidualDown` hands on the colours of hair and clothes, in which the
    small changes that are motion drown: in 150 steps of 32 pictures a network of those blocks read no jaw
    (R^2 < 0), one of these .6.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H//2 W//2"]:
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2, inplace=True)
        return F.leaky_relu(self.norm2(self.conv2(x)), 0.2, inplace=True)


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution, offset, activation; `up` doubles the size first.

    The style scales the input channels, `s = A style + 1`, and the output variance is restored,
    `d_o = 1 / sqrt(sum_i s_i^2 sum_k w_oik^2)`: `y = sqrt(2) leaky(d * conv(s * x) + b)`. This equals a kernel
    of its own for every picture, at the price of two multiplications.
    """

    def __init__(self, inputs: int, outputs: int, style: int, *, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = EqualLinear(style, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1 / math.sqrt(inputs * 9)
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Float[Tensor, "B I H W"], style: Float[Tensor, "B D"]) -> Float[Tensor, "B O h w"]:
        weight = self.weight * self.gain
        scale = self.modulation(style)
        x = x * scale[:, :, None, None]
        if self.blur is None:
            y = F.conv2d(x, weight, padding=1)
        else:
            y = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        energy = scale.square() @ weight.square().sum((2, 3)).T  # B O
        restore = (torch.rsqrt(energy + 1e-8) * GAIN)[:, :, None, None]
        y = torch.addcmul((self.bias * GAIN)[:, None, None], y, restore)
        return F.leaky_relu(y, 0.2, inplace=True)


class ToRGB(nn.Module):
    """Features to a picture, added to the picture of the coarser scale."""

    def __init__(self, channels: int, *, coarser: bool = True) -> None:
        super().__init__()
        self.upsample = Upsample() if coarser else nn.Identity()
        self.conv = ActivatedConv(channels, 3, 1)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(
        self, x: Float[Tensor, "B C H W"], coarser: Float[Tensor, "B 3 h w"] | None = None
    ) -> Float[Tensor, "B 3 H W"]:
        picture = self.conv(x) + self.bias
        return picture if coarser is None else picture + self.upsample(coarser)


def identity_grid(height: int, width: int, *, corners: bool, like: Tensor) -> Float[Tensor, "1 H W 2"]:
    """Where every pixel looks when nothing moves, in [-1, 1] as `grid_sample` counts.

    `corners` spans exactly -1..1 although sampling counts from pixel edges, as the released program does: it
    enlarges the picture by one pixel. Without it the grid holds the pixels' centres and is exact.
    """
    margin_y, margin_x = (0.0, 0.0) if corners else (1 / height, 1 / width)
    y = torch.linspace(-1 + margin_y, 1 - margin_y, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1 + margin_x, 1 - margin_x, width, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]


class FlowMask(nn.Module):
    """The head that moves the source: a flow and a mask from the synthesised features.

    `raw = w (s * features) + b + up(raw of the coarser scale)`, `s = A style + 1`; flow = grid + tanh(raw_xy),
    mask = sigmoid(raw_m). As a 1 x 1 convolution it is one small matrix product for every picture.
    """

    def __init__(self, channels: int, style: int, *, coarser: bool, released: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, channels) * 0.01)  # start close to "nothing moves"
        self.modulation = EqualLinear(style, channels, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain = 1 / math.sqrt(channels)
        self.upsample = Upsample() if coarser else None
        self.released = released

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        style: Float[Tensor, "B D"],
        coarser: Float[Tensor, "B 3 h w"] | None,
    ) -> tuple[Float[Tensor, "B H W 2"], Float[Tensor, "B 1 H W"], Float[Tensor, "B 3 H W"]]:
        kernels = self.modulation(style)[:, :, None] * (self.weight.T * self.gain)  # B C 3
        raw = rearrange(x, "b c h w -> b (h w) c") @ kernels + self.bias
        raw = rearrange(raw, "b (h w) c -> b c h w", h=x.shape[2])
        if self.upsample is not None and coarser is not None:
            raw = raw + self.upsample(coarser)
        grid = identity_grid(x.shape[2], x.shape[3], corners=self.released, like=x)
        flow = grid + torch.tanh(raw[:, :2]).permute(0, 2, 3, 1)
        return flow, torch.sigmoid(raw[:, 2:]), raw

    def warp(
        self, feature: Float[Tensor, "B C H W"], flow: Float[Tensor, "B H W 2"]
    ) -> Float[Tensor, "B C H W"]:
        """Fetch every pixel from where the flow points; outside the picture lie zeros (released) or its edge."""
        padding = "zeros" if self.released else "border"
        return F.grid_sample(feature, flow, padding_mode=padding, align_corners=False)


def hasten(module: nn.Module, rate: float) -> None:
    """Let every equalised layer learn `rate` times faster without changing what it computes.

    The stored weight shrinks and its gain grows by `rate` (StyleGAN's learning-rate multiplier), so that equalised
    and ordinary layers can share one learning rate.
    """
    for layer in module.modules():
        if isinstance(layer, EqualLinear | EqualConv | ActivatedConv | StyledConv | FlowMask):
            layer.weight.data /= rate
            layer.gain *= rate
