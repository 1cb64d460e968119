# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Who may look at whom
#
# A stream knows its past and not its future. The network that makes it is a transformer, in which every frame looks at every
# other one - unless a *mask* forbids it. The mask decides what the avatar can know, how smooth its seams are, and whether
# anything can be cached. The paper's mask can be read in three ways. You will build one, see them all, and find out what each one leaks.
#
# You need: attention. (Queries, keys, values; what a softmax does.)

# %% [markdown]
# ## What you will be able to do
#
# - **draw** six masks, and say which frames each lets through;
# - **build** the block-wise look-ahead mask of the paper;
# - **compute** what a frame can know after L layers, and **find** the leak in a mask;
# - **explain** adaLN-zero: why an untrained network answers zero.
#
# | word | symbol | meaning |
# |---|---|---|
# | query, key | $i$, $j$ | the frame that looks; the frame that is looked at |
# | block | $B$ | frames that are generated together: frame $i$ is in block $\lfloor i / B \rfloor$ |
# | look-ahead | $l$ | how far beyond its block a frame may look |
# | reachable set | | all frames that can influence a frame, through any number of layers |

# %% [markdown]
# ## Setup

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch

import avatar_lab as al
from avatar_lab.model.masks import SELF_MASKS, self_attention_mask

print(al.doctor().verdict)

# %% [markdown]
# ## Six masks
#
# Rows look, columns are looked at; blue is allowed. Lines separate blocks.

# %%
FRAMES, BLOCK, LOOK = 20, 5, 2
n = torch.arange(FRAMES)
figure, axes = plt.subplots(2, 3, figsize=(8, 5.6))
for axis, kind in zip(axes.flat, SELF_MASKS, strict=True):
    mask = self_attention_mask(kind, n, n, BLOCK, LOOK)
    axis.imshow(mask, cmap="Blues", vmin=0, vmax=1.4)
    axis.set_title(
        f"{kind}\n{int(mask.sum())} of {FRAMES**2} pairs", fontsize=8
    )
    for edge in range(BLOCK, FRAMES, BLOCK):
        axis.axhline(edge - 0.5, color="tab:orange", lw=0.8)
        axis.axvline(edge - 0.5, color="tab:orange", lw=0.8)
    axis.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# - `frame_causal`: itself and the past. Nothing leaks; the frames of a block cannot agree with each other.
# - `block_causal`: its whole block and the past.
# - `block_lookahead_frames`: the paper's prose - its block, the past, and $l$ frames of the next block.
# - `block_lookahead_blocks`: the paper's Eq. 5 taken literally - $l$ whole *blocks* ahead.
# - `released`: what the released program does - $l$ frames ahead of the *frame*.
# - `bidirectional`: a film, not a stream.
#
# Why look ahead at all? Motion must be smooth where blocks meet. In training, a frame that sees the beginning of the next
# block can lead over to it. In a stream the next block does not exist yet: the last $l$ frames of a block are shown as they are,
# and are read again beside the next block, so that what *it* remembers of them knows what came after.

# %% [markdown]
# ### Exercise 1: build the paper's mask
#
# *Medium, 10 minutes.* Frame $i$ may look at frame $j$ if $j < (\lfloor i/B \rfloor + 1)\,B + l$. Return a boolean matrix
# `(frames, frames)`, rows $i$. No loops: compare two grids.


# %% tags=["exercise"]
def block_lookahead_frames(frames, block, lookahead):
    """Return (frames, frames), True where row i may look at column j."""
    # solution >>>
    i = torch.arange(frames)[:, None]
    j = torch.arange(frames)[None, :]
    return j < (i // block + 1) * block + lookahead
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb04

nb04.mask(block_lookahead_frames)

# %% [markdown]
# <details><summary>Hint 1</summary><code>torch.arange(frames)[:, None]</code> is a column of i,
# <code>torch.arange(frames)[None, :]</code> a row of j; comparing them gives a matrix.</details>
# <details><summary>Hint 2</summary><code>//</code> rounds down. The end of i's block is (i // block + 1) * block.</details>
#
# {{solution}}

# %% [markdown]
# ## Layers multiply a look
#
# One layer lets frame $i$ see frame $j$. In the next layer, $i$ sees $j$ *after* $j$ has seen its own neighbours. So what a
# frame can know grows with depth. As matrices: $R_1 = M$, and $R_{L+1} = M R_L$ (a pair is reachable if any path leads
# there).
#
# ### Exercise 2: reachable sets
#
# *Medium, 10 minutes.* Return the boolean matrix of what each frame can know after `depth` layers.


# %% tags=["exercise"]
def reachable(mask, depth):
    """Return (n, n): can row i know of column j after `depth` layers?"""
    # solution >>>
    found = mask
    for _ in range(depth - 1):
        found = (mask.float() @ found.float()) > 0
    return found
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb04.reachable(reachable)

# %% [markdown]
# <details><summary>Hint 1</summary>One layer is the mask itself.</details>
# <details><summary>Hint 2</summary>A matrix product of floats counts paths; more than 0 means there is one.</details>
#
# {{solution}}
#
# **Predict first:** with `released` and $l = 2$, how far ahead can a frame know after four layers? And with
# `block_lookahead_frames`? Choose a mask, click a frame, and change the depth.

# %%
from avatar_lab.viz.interactive import interactive

interactive(
    "mask_painter", kinds=list(SELF_MASKS), frames=20, block=5, lookahead=2
)

# %% [markdown]
# **You should see** that the two causal masks stay where they are at any depth. `released` reaches $l$ frames further with
# each layer: after four layers, eight frames ahead. `block_lookahead_frames` is worse: two frames into the next block, those
# see their *whole* block and two frames of the one after it, and so on: a block further with each layer.
#
# That is why a look-ahead mask cannot be cached exactly: keys and values of a finished frame depend, through the layers, on
# frames that did not exist when they were written. The released program reads the last $l$ frames again with the next block,
# which makes two layers exact. The rest is a small error, and it is measured: `bench/streaming.py`.

# %% [markdown]
# ### Exercise 3: find the leak
#
# *Hard, 10 minutes.* Somebody wants to train a model for live use and has one of the six masks. A stream can have nothing
# beyond the end of a frame's own block plus `lookahead` frames. Return True if, in a network of `depth` layers, this mask lets
# any frame know more than that, else False. Use what you have built.


# %% tags=["exercise"]
def leaks(mask, depth, block, lookahead):
    """Return True if a frame can know more than a stream has."""
    # solution >>>
    n = len(mask)
    allowed = block_lookahead_frames(n, block, lookahead)
    return bool((reachable(mask, depth) & ~allowed).any())
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb04.leaks(leaks)

# %% [markdown]
# <details><summary>Hint 1</summary>What a stream has is exactly the mask of exercise 1.</details>
# <details><summary>Hint 2</summary>A leak is a pair that is reachable and not allowed.</details>
#
# {{solution}}

# %%
print(f"{'mask':<24}" + "".join(f"{depth:>3} layers" for depth in (1, 2, 4)))
for kind in SELF_MASKS:
    mask = self_attention_mask(kind, n, n, BLOCK, LOOK)
    found = [leaks(mask, depth, BLOCK, LOOK) for depth in (1, 2, 4)]
    print(
        f"{kind:<24}"
        + "".join(f"{'leaks' if f is True else '-':>10}" for f in found)
    )

# %% [markdown]
# **You should see** that only the two causal masks never leak. The others show more in training than a stream has: live, those
# frames do not exist, and the network does without something it learned with. `released` and the paper's reading are tight
# for one layer only; `released` is the mask of the shipped avatar, and "the paper's tables" measure what that costs and brings.
#
# ## Where am I?
#
# A mask says *whether* a frame may look, not *how far away* the other one is. Rotary positions (RoPE) turn queries and keys by
# an angle that grows with time, so that their product depends on the distance alone. That is what makes a stream unbounded:
# positions can be counted from the current block, for ever.

# %%
from avatar_lab.model.attention import rotate, rotation

torch.manual_seed(0)
query, key = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)
for i, j in ((5, 2), (105, 102), (5, 3)):
    q, k = (
        rotate(x, rotation(torch.tensor([at]), 16))
        for x, at in ((query, i), (key, j))
    )
    print(f"frames {i:3} and {j:3}: score {(q * k).sum():.4f}")

# %% [markdown]
# **You should see** the same score for the first two pairs, which are three frames apart, early and late (the last digit is
# rounding; chapter 07 comes back to it), and another one for the third pair.

# %% [markdown]
# ## A network that begins by doing nothing
#
# The noise level enters through *adaLN-zero*: it makes a shift $h$, a scale $s$ and a gate $g$ for every layer, from a network
# whose last layer is zero. With a gate of zero, self-attention and the MLP add nothing (the look at the conditions has
# no gate). The output layer is zero as well: the answer is exactly zero. (LN is a layer norm.)
#
# $$x \leftarrow x + g(\sigma) \cdot \text{Attention}\big((1 + s(\sigma))\,\text{LN}(x) + h(\sigma)\big)$$

# %%
avatar = al.load("lab", device="cpu")
from avatar_lab.model.generator import Generator

fresh, size = Generator(al.preset("lab").generator), avatar.config.generator
noisy, sigma = torch.randn(1, 10, size.motion_dim), torch.full((1, 10), 0.5)
signals = (  # any user's motion, user's voice and avatar's voice
    torch.randn(1, 10, size.motion_dim),
    torch.randn(1, 10, size.audio_dim),
    torch.randn(1, 10, size.audio_dim),
)
for name, net in (("untrained", fresh), ("trained", avatar.generator)):
    with torch.no_grad():
        # one pass: signals to condition, condition and noisy motion to velocity
        velocity = nb04.velocity_of(net, noisy, sigma, signals)
    print(f"{name:<10} mean |velocity| {velocity.abs().mean():.4f}")

# %% [markdown]
# **You should see** exactly zero before training: the walk of chapter 03 would stay in the noise where it begins. The network
# learns away from there. A random start would first have to unlearn its own noise.

# %% [markdown]
# ## Break it on purpose
#
# Change a frame of the *future* and see who notices. A causal network must give the same numbers, to the last bit. There are
# ten frames, and only the last, number 9, is changed. **Predict first:** who notices with `released`, four layers and $l = 2$?

# %%
for kind in ("frame_causal", "released", "bidirectional"):
    torch.manual_seed(1)
    net = Generator(
        replace(size, mask=kind, lookahead=LOOK, causal_condition=True)
    )
    for weight in net.parameters():
        weight.data += 0.02 * torch.randn_like(weight)  # wake it up
    later = noisy.clone()
    later[:, 9] += 1
    with torch.no_grad():
        a, b = (
            nb04.velocity_of(net, x, sigma, signals) for x in (noisy, later)
        )
    changed = [t for t in range(10) if not torch.equal(a[:, t], b[:, t])]
    print(f"{kind:<14} frames that noticed: {changed}")

# %% [markdown]
# **You should see** that with `frame_causal` only the changed frame itself is another one. With `released` the change creeps two
# frames back in each layer, eight in all: only frame 0 is too far away. With `bidirectional` everybody knows.

# %% [markdown]
# ## Into the library
#
# | you built or used | it lives in | its test |
# |---|---|---|
# | the masks | `avatar_lab/model/masks.py` | `tests/model/test_masks.py` |
# | attention with positions | `avatar_lab/model/attention.py` | `tests/model/test_attention.py` |
# | the transformer | `avatar_lab/model/generator.py` | `tests/model/test_generator.py` |
# | the cache that masks allow | `avatar_lab/model/kv_cache.py` | streaming equals offline |
#
# ## Quiz
#
# <details><summary>Which masks can be cached without any error?</summary>frame_causal and block_causal: nothing reaches
# beyond the block, at any depth.</details>
# <details><summary>The paper counts 1580 pairs for 50 frames, B = 10 and l = 2. Which mask is that?</summary>
# block_lookahead_frames. Eq. 5 taken literally allows 2200, the released program 1372.</details>
# <details><summary>Does a look-ahead of two frames make the avatar 80 ms slower?</summary>No: a frame is made and shown without
# them. When the next block is made, it is read again, as a past that knows what came after; nobody waits for that.</details>
#
# **Take away:** a mask is a promise about what is known; depth stretches it.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.2 and Eq. 5; Peebles and Xie,
# *Scalable Diffusion Models with Transformers*, 2023; Su et al., *RoFormer*, 2021. *What this does not show:* how the mask
# changes what is learned; that is measured in "the paper's tables".
