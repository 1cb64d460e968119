"""The released algorithm, written plainly: the yardstick of `bench/paper_size.py`.

It does what METHOD sections 4 and 6 say of the released program, with nothing saved: for a block of 10 frames, 10
forward passes (eight steps that matter, one that does not, one that fills the cache) over three guidance branches;
in each of them the condition is encoded again, its keys and values are projected again, and the noise-level network
runs again. Keys are cached as they were rotated. It uses the same weights and must give the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from avatar_lab.flow.schedule import released_grid
from avatar_lab.model.attention import Rotation, rotate, rotation, split_heads
from avatar_lab.model.generator import Generator, TransformerBlock, modulate
from avatar_lab.model.masks import cross_attention_mask, self_attention_mask

Pair = tuple[Tensor, Tensor]


@dataclass
class PlainState:
    """Caches of one session: rotated keys and values of 38 frames, condition keys and values of 2."""

    position: int = 0  # of the next frame
    past: list[Pair] = field(default_factory=list)
    seen: list[Pair] = field(default_factory=list)
    offset: Tensor | None = None


def heads_of(x: Tensor, parts: int, heads: int) -> list[Tensor]:
    """Split a joint projection into its parts and their heads."""
    return [split_heads(part, heads) for part in x.chunk(parts, dim=-1)]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Softmax attention, heads merged."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


class PlainLoop:
    """The released streaming loop around one generator. `signals` are motion, user audio, avatar audio."""

    def __init__(
        self,
        generator: Generator,
        reference: Tensor,
        nfe: int = 10,
        guidance: tuple[float, float] = (2.0, 1.0),
    ) -> None:
        self.generator, self.config = generator, generator.config
        self.reference = reference.repeat(3, 1)
        self.sigma, self.told = released_grid(nfe)
        self.weights = guidance
        self.state = PlainState()

    def block(self, signals: tuple[Tensor, Tensor, Tensor], noise: Tensor) -> Tensor:
        """Denoise the next frames; `signals` cover the offset and them."""
        state, offset = self.state, self.state.offset
        lead = 0 if offset is None else offset.shape[1]
        motion, heard, said = signals
        nothing = torch.zeros_like(motion), torch.zeros_like(heard), torch.zeros_like(said)
        branches = (nothing, (nothing[0], nothing[1], said), (motion, heard, nothing[2]))
        rows = tuple(torch.cat(column) for column in zip(*branches, strict=True))

        x = noise if offset is None else torch.cat([offset, noise], dim=1)
        first = state.position - lead
        for index in range(len(self.sigma)):
            now = self.sigma[index]
            after = self.sigma[index + 1] if index + 1 < len(self.sigma) else now
            level = torch.cat([torch.zeros(lead), self.told[index].float().expand(noise.shape[1])])
            v, _, _ = self.forward(rows, x, level.to(x.device), first)
            null, voice, user = v.chunk(3)
            velocity = null + self.weights[0] * (voice - null) + self.weights[1] * (user - null)
            moved = x[:, lead:] + (after - now) * velocity[:, lead:]
            x = torch.cat([x[:, :lead], moved], dim=1)

        _, keys, seen = self.forward(rows, x, torch.zeros(x.shape[1], device=x.device), first)
        self.remember(keys, seen)
        ahead = self.config.lookahead
        state.offset, state.position = x[:, x.shape[1] - ahead :], state.position + noise.shape[1]
        return x[:, lead:]

    def forward(
        self, rows: tuple[Tensor, ...], x: Tensor, level: Tensor, first: int
    ) -> tuple[Tensor, list[Pair], list[Pair]]:
        """One pass over three branches: velocity, and all layers' keys and values."""
        g, c, frames = self.generator, self.config, x.shape[1]
        condition, _ = g.condition(*rows)
        reference = self.reference[:, None].expand(-1, frames, -1)
        tokens = g.embed(torch.cat([x.repeat(3, 1, 1), reference], dim=-1))
        embedded = g.sigma_embedder(level.repeat(3, 1))
        modulation = g.modulation(embedded).chunk(6, dim=-1)
        past = self.state.past[0][0].shape[2] if self.state.past else 0
        early = self.state.seen[0][0].shape[2] if self.state.seen else 0
        own = torch.arange(first, first + frames, device=x.device)
        known = torch.arange(first - past, first + frames, device=x.device)
        shown = torch.arange(first - early, first + frames, device=x.device)
        turn = rotation(own, c.width // c.heads)
        masks = (
            self_attention_mask(c.mask, own, known, c.block, c.lookahead),
            cross_attention_mask(own, shown, c.cross_window, c.block, c.cross_within_block),
        )
        keys, seen = [], []
        for layer, block in enumerate(g.layers):
            tokens, fresh, looked = self.layer(layer, block, tokens, modulation, condition, turn, masks)
            keys.append(fresh)
            seen.append(looked)
        return g.head(tokens, g.head.modulation(embedded).chunk(2, dim=-1)), keys, seen

    def layer(
        self,
        index: int,
        block: TransformerBlock,
        x: Tensor,
        modulation: tuple[Tensor, ...],
        condition: Tensor,
        turn: Rotation,
        masks: Pair,
    ) -> tuple[Tensor, Pair, Pair]:
        """One transformer block, with its caches."""
        heads = self.config.heads
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation
        q, k, v = heads_of(block.attention.qkv(modulate(block.norm1(x), shift1, scale1)), 3, heads)
        q, fresh = rotate(q, turn), (rotate(k, turn), v)
        k, v = self.joined(self.state.past, index, fresh)
        x = x + gate1 * block.attention.proj(attend(q, k, v, masks[0]))
        looked = heads_of(block.cross_attention.kv(condition), 2, heads)
        looked = (looked[0], looked[1])
        q = split_heads(block.cross_attention.q(block.norm2(x)), heads)
        x = x + block.cross_attention.proj(attend(q, *self.joined(self.state.seen, index, looked), masks[1]))
        x = x + gate2 * block.mlp(modulate(block.norm3(x), shift2, scale2))
        return x, fresh, looked

    @staticmethod
    def joined(cache: list[Pair], layer: int, fresh: Pair) -> Pair:
        """Put the cached frames of a layer before the fresh ones."""
        if not cache:
            return fresh
        return torch.cat([cache[layer][0], fresh[0]], dim=2), torch.cat([cache[layer][1], fresh[1]], dim=2)

    def remember(self, keys: list[Pair], seen: list[Pair]) -> None:
        """Roll both caches on; the last `lookahead` frames are not finished."""
        frames = keys[0][0].shape[2] - self.config.lookahead
        for cache, fresh, most in (
            ("past", keys, self.config.context),
            ("seen", seen, self.config.cross_window),
        ):
            done = [(k[:, :, :frames], v[:, :, :frames]) for k, v in fresh]
            old = getattr(self.state, cache)
            rolled = [self.joined(old, i, pair) for i, pair in enumerate(done)]
            setattr(
                self.state, cache, [(k[:, :, -most:].clone(), v[:, :, -most:].clone()) for k, v in rolled]
            )
