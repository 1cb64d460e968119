"""Motion directions: the orthonormal axes along which all faces move alike.

What is peculiar: the axes are re-orthonormalised by a QR decomposition in every forward pass, so that any
gradient step leaves a valid basis behind, and reading coefficients off a motion latent is one product.

Source: METHOD section 2, `m = sum_k a_k q_k`; LIA (Wang et al. 2022), section 3.2. Notebook: 02.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from avatar_lab.errors import ShapeError


class MotionDirections(nn.Module):
    """`coefficients` learned directions in a latent space of `latent_dim` dimensions."""

    def __init__(self, latent_dim: int, coefficients: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(latent_dim, coefficients))

    def basis(self) -> Float[Tensor, "D K"]:
        """Return Q of the QR decomposition: orthonormal columns spanning those of `weight`."""
        return torch.linalg.qr(self.weight + 1e-8).Q

    def forward(self, coefficients: Float[Tensor, "*B K"]) -> Float[Tensor, "*B D"]:
        """Motion latent of coefficients; raises ShapeError when their number is wrong."""
        if coefficients.shape[-1] != self.weight.shape[1]:
            raise ShapeError(
                f"coefficients must end in {self.weight.shape[1]} numbers; got shape {tuple(coefficients.shape)}. "
                "Map a face track with MotionSpace.encode first."
            )
        return coefficients @ self.basis().T

    def project(self, motion: Float[Tensor, "*B D"]) -> Float[Tensor, "*B K"]:
        """Coefficients of a motion latent: exact for latents that `forward` made, else the nearest."""
        return motion @ self.basis()
