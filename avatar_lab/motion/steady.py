"""Steady heads: take the trembling out of slow movements, block by block, and delay nothing.

A generator errs a little in every frame, so heads, smiles and brows tremble by fractions of a degree; people's do
not. Lips, lids and eyes are left alone: they are fast by nature.

    model     position, speed and acceleration of each slow parameter; what is generated = position + noise
    filter    forward over the block's frames            (Kalman, steady gains)
    smooth    backward over the same frames              (Rauch-Tung-Striebel): every frame but the last gains

What is peculiar: with constant gains both passes are linear, so they are four small matrices, computed once:

    block'  = A state + B block          state' = C state + D block

A block is given out when it is complete, so smoothing inside it costs no latency. `cutoff` is where the filter begins
to hold back, in Hz: nods (2 Hz) pass, trembling (5 Hz and more) does not.

Notebook: 10 (real time). Source: Rauch, Tung & Striebel 1965.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.config import FPS
from avatar_lab.data.face import FACE_INDEX
from avatar_lab.errors import ConfigError
from avatar_lab.motion.space import MotionSpace

SLOW = (
    "yaw", "pitch", "roll", "x", "y", "scale", "smile", "frown", "brow_raise", "brow_furrow", "squint",
)  # fmt: skip
_ROUNDS = 2000  # of the Riccati recursion; the gains have long settled


class Steady:
    """Smooths the slow face parameters inside motion coefficients; pure, its state is a small tensor."""

    def __init__(self, space: MotionSpace, block: int, cutoff: float) -> None:
        if cutoff <= 0:
            raise ConfigError(f"cutoff must be > 0 Hz; got {cutoff}.")
        slow = [FACE_INDEX[name] for name in SLOW]
        self.to_face = torch.from_numpy(np.ascontiguousarray(space.inverse[:, slow]))  # (K, S)
        self.to_motion = torch.from_numpy(np.ascontiguousarray(space.forward[slow]))  # (S, K)
        self.from_state, self.from_block, self.state_from_state, self.state_from_block = (
            torch.from_numpy(m.astype(np.float32)) for m in operators(block, cutoff)
        )

    def start(self, reference: Float[Tensor, "n k"]) -> Float[Tensor, "n 3 s"]:
        """Return the state of heads at rest in their portrait's pose."""
        state = reference.new_zeros(len(reference), 3, len(SLOW))
        state[:, 0] = reference @ self.to_face.to(reference)
        return state

    def __call__(
        self, motion: Float[Tensor, "n b k"], state: Float[Tensor, "n 3 s"]
    ) -> tuple[Float[Tensor, "n b k"], Float[Tensor, "n 3 s"]]:
        """Return the block with steady slow parameters, everything else untouched, and the next state."""
        raw = motion @ self.to_face.to(motion)
        held = self.from_state.to(motion) @ state + self.from_block.to(motion) @ raw
        following = self.state_from_state.to(motion) @ state + self.state_from_block.to(motion) @ raw
        return motion + (held - raw) @ self.to_motion.to(motion), following


def operators(block: int, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the four matrices of filter and smoother for a block: (b, 3), (b, b), (3, 3), (3, b)."""
    dt, density = 1 / FPS, (2 * np.pi * cutoff) ** 6  # of the jerk, against a noise of 1 per frame
    step = np.array([[1, dt, dt**2 / 2], [0, 1, dt], [0, 0, 1]])
    unrest = density * np.array(
        [[dt**5 / 20, dt**4 / 8, dt**3 / 6], [dt**4 / 8, dt**3 / 3, dt**2 / 2], [dt**3 / 6, dt**2 / 2, dt]]
    )
    spread, predicted, gain = np.eye(3), np.eye(3), np.zeros(3)
    for _ in range(_ROUNDS):
        predicted = step @ spread @ step.T + unrest
        gain = predicted[:, 0] / (predicted[0, 0] + 1)
        spread = predicted - np.outer(gain, predicted[0])
    back = spread @ step.T @ np.linalg.inv(predicted)

    def run(state: np.ndarray, seen: np.ndarray) -> np.ndarray:
        expected, filtered = [], []
        for value in seen:
            expected.append(step @ state)
            state = expected[-1] + gain * (value - expected[-1][0])
            filtered.append(state)
        smooth = [filtered[-1]]
        for frame in range(block - 2, -1, -1):
            smooth.append(filtered[frame] + back @ (smooth[-1] - expected[frame + 1]))
        return np.concatenate([[s[0] for s in reversed(smooth)], state])

    of_state = np.stack([run(unit, np.zeros(block)) for unit in np.eye(3)], axis=1)
    of_block = np.stack([run(np.zeros(3), unit) for unit in np.eye(block)], axis=1)
    return of_state[:block], of_block[:block], of_state[block:], of_block[block:]
