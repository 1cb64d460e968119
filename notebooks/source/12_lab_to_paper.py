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
# # 12 · From lab to paper
#
# The avatar that you talked to has two million weights. The published one has 149 million, and it is the same code with
# other numbers. In this notebook you count its weights and its arithmetic, find out what bounds its speed on a laptop and
# on a card, and see how its released weights get in.
#
# You need: chapters 04 and 07. No GPU: everything here is arithmetic.

# %% [markdown]
# ## What you will be able to do
#
# - **count** the weights of a transformer from its configuration, to the last one;
# - **count** the arithmetic of one block of motion, with guidance and all steps;
# - **bound** its time from below by arithmetic and by memory, and say which one binds;
# - **import** the published weights, if you have them, and train on several processors.
#
# | word | symbol | meaning |
# |---|---|---|
# | width, depth | $w, L$ | channels of a token; number of blocks |
# | branch | $g$ | one run for guidance; three in the paper |
# | pass | $p$ | one run of the network over the block: 8 steps, and one that fills the cache |
# | tokens | $B + l$ | frames of a block, and the last $l$ of the one before, read again (chapter 07): 10 + 2 in the paper |
# | roofline | | the larger of arithmetic over peak and bytes over bandwidth |

# %% [markdown]
# ## Setup

# %%
import torch

import avatar_lab as al
from avatar_lab.model.generator import Generator

print(al.doctor().verdict)

# %% [markdown]
# ## The same classes, other numbers

# %%
names = ("tiny", "lab", "paper")
print(f"{'':<12}" + "".join(f"{name:>10}" for name in names))
for what in (
    "width",
    "depth",
    "heads",
    "block",
    "window",
    "motion_dim",
    "mask",
):
    values = [getattr(al.preset(name).generator, what) for name in names]
    print(f"{what:<12}" + "".join(f"{value!s:>10.10}" for value in values))

# %% [markdown]
# A network on the *meta* device has shapes and no numbers: the published size is built in an instant.

# %%
generators = {}
for name in names:
    with torch.device("meta"):
        generators[name] = Generator(al.preset(name).generator)
    total = sum(p.numel() for p in generators[name].parameters())
    print(f"{name:<6}{total / 1e6:8.2f} million weights")
for part, module in generators["paper"].named_children():
    print(
        f"  {part:<16}{sum(p.numel() for p in module.parameters()) / 1e6:8.2f}"
    )

# %% [markdown]
# ### Exercise 1: the weights of one block
#
# *Medium, 15 minutes.* One block of the transformer holds, with biases everywhere:
#
# - self-attention: queries, keys and values in one layer ($w \to 3w$), and an output ($w \to w$);
# - cross-attention: queries ($w \to w$), keys and values ($w \to 2w$), and an output ($w \to w$);
# - an MLP: $w \to mw \to w$, with $m$ = `mlp_ratio`.
#
# Its LayerNorms have no weights; their scales come from the noise level, shared by all blocks. Count.


# %% tags=["exercise"]
def block_weights(width, mlp_ratio):
    """Return the number of weights of one transformer block."""

    # solution >>>
    def linear(inputs, outputs):
        return inputs * outputs + outputs

    attention = linear(width, 3 * width) + linear(width, width)
    cross = 2 * linear(width, width) + linear(width, 2 * width)
    hidden = int(mlp_ratio * width)
    return attention + cross + linear(width, hidden) + linear(hidden, width)
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb12

nb12.weights(block_weights)

# %% [markdown]
# <details><summary>Hint 1</summary>A layer from a to b has a * b weights and b biases.</details>
# <details><summary>Hint 2</summary>Write a small function <code>linear(a, b)</code>; there are five layers of attention and
# two of the MLP.</details>
#
# {{solution}}

# %% [markdown]
# ## What a block of motion costs
#
# Each weight of a matrix is used once for every token: one multiplication and one addition. A streamed block of the
# published size runs $B + l = 12$ tokens through the network, in 9 passes (8 steps and the one that fills the cache), in 3
# branches of guidance. Keys and values of the condition are computed once, not in every pass, so they hardly count.
#
# ### Exercise 2: arithmetic
#
# *Medium, 10 minutes.* Return the GFLOP (two for a multiplication and its addition) of the transformer blocks alone:
# self-attention's four matrices hold $4 w^2$ weights, cross-attention's queries and output $2 w^2$, and the MLP $2 m w^2$.


# %% tags=["exercise"]
def gflop(width, depth, mlp_ratio, tokens, passes, branches):
    """Return 1e9 floating-point operations of one streamed block."""
    # solution >>>
    matrices = (4 + 2 + 2 * mlp_ratio) * width**2
    return 2 * matrices * depth * tokens * passes * branches / 1e9
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb12.arithmetic(gflop)

# %% [markdown]
# <details><summary>Hint 1</summary>Weights in matrices per block, times blocks, tokens, passes, branches, times two.</details>
# <details><summary>Hint 2</summary>(4 + 2 + 2 m) w^2 weights; biases do not count.</details>
#
# {{solution}}

# %% [markdown]
# ## Arithmetic or memory?
#
# A processor must do the arithmetic, and must fetch the weights: each pass reads all of them once, whatever the number of
# tokens. The slower of the two bounds the time from below:
#
# $$t \ge \max\Big(\frac{\text{operations}}{\text{peak}},\; \frac{\text{bytes}}{\text{bandwidth}}\Big)$$
#
# ### Exercise 3: the roofline
#
# *Easy, 5 minutes.* Return the bound in milliseconds.


# %% tags=["exercise"]
def bound_ms(gflop, gbytes, peak_gflops, bandwidth_gbs):
    """Return the least time in milliseconds."""
    # solution >>>
    return 1000 * max(gflop / peak_gflops, gbytes / bandwidth_gbs)
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb12.roofline(bound_ms)

# %% [markdown]
# <details><summary>Hint 1</summary>Both fractions are seconds.</details>
# <details><summary>Hint 2</summary>The larger one, times 1000.</details>
#
# {{solution}}

# %% [markdown]
# **Predict first:** on a laptop with 400 GFLOP/s and 30 GB/s, what binds the published size: arithmetic or memory? And on a
# card with 60,000 GFLOP/s and 3,000 GB/s? What would half the bytes per weight bring, on each?

# %%
from avatar_lab.viz.interactive import interactive

paper = al.preset("paper").generator
weights = sum(p.numel() for p in generators["paper"].parameters())
tokens = paper.block + paper.lookahead
interactive(
    "roofline",
    weights=weights,
    matrices=(6 + 2 * paper.mlp_ratio) * paper.width**2 * paper.depth,
    tokens=tokens,
    block_ms=40 * paper.block,
)

# %% [markdown]
# **You should see** that a laptop is bound by arithmetic with three branches and nine passes, memory close behind. On the card
# memory is the slower of the two, and neither is felt: two milliseconds of 400. What remains there is the overhead of
# starting small operations. Fewer bytes per weight (bfloat16, int8) help where memory binds, and where the processor multiplies
# small numbers faster. Fewer steps help everywhere; fewer branches (distillation) save arithmetic alone, as the weights are
# read once a pass. The price of each must be measured.

# %% [markdown]
# ## The published weights
#
# They are not part of this package: their licence is CC BY-NC. Who has them converts them once, into a file that can hold no
# code, and then it is one line.
#
# ```
# avatar-lab import-published FOLDER --out published.safetensors
# avatar-lab react USER.mp4 --preset paper --checkpoint published.safetensors \
#     --portrait FACE.jpg --speech VOICE.wav
# ```
#
# Without them:

# %%
try:
    al.load("paper")
except al.AvatarLabError as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# That the code *is* the published network is tested without them, too: a reduced network with known weights gives the numbers
# of the released program, part by part, to a few millionths (`tests/model/test_published.py`).
#
# ## Several processors
#
# ```
# torchrun --nproc-per-node 2 -m avatar_lab train lab
# ```
#
# Each process takes its share of every batch; gradients are averaged, so two processes take the same step as one. Noise is
# drawn for the *whole* batch in every process, from the same seed: that is why the loss is the same, not just alike.

# %% [markdown]
# ## Break it on purpose
#
# Ask for a shape that cannot be:

# %%
from dataclasses import replace

for change in ({"heads": 7}, {"lookahead": 11}, {"mask": "telepathic"}):
    try:
        replace(paper, **change)
    except al.AvatarLabError as error:
        print(type(error).__name__, "-", error)

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | presets | `avatar_lab/config.py` | `tests/test_config.py` |
# | the generator, any size | `avatar_lab/model/generator.py` | `tests/model/test_generator.py` |
# | packed and eight-bit matrices | `avatar_lab/model/speed.py` | `tests/model/test_speed.py` |
# | released weights | `avatar_lab/model/published.py` | `tests/model/test_published.py` |
# | several processes | `avatar_lab/train/parallel.py` | `tests/train/test_parallel.py` |
#
# The full account of a block, with every small term, is `bench/paper_size.py`: 78 GFLOP, where a plain loop that computes the
# condition anew in every pass takes 108.
#
# ## Quiz
#
# <details><summary>Why is the published size a rank-20 problem in 512 dimensions?</summary>Its motion latents are sums of 20
# orthonormal directions. Generating the 20 coefficients would lose nothing; the network works in all 512.</details>
# <details><summary>Why does a batch of one make a card idle?</summary>Twelve tokens are little work for each weight that is
# fetched, and each small operation costs a start.</details>
# <details><summary>What would you change first for a laptop?</summary>The branches: one distilled pass instead of three
# saves two thirds of the arithmetic. Then reading the weights is what
# takes the time: fewer steps, or fewer bits a weight, come next.</details>
#
# **Take away:** count before you optimise. *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664),
# sections 3.2 and 4; Williams, Waterman and Patterson, *Roofline*, 2009. *What this does not show:* measured times on a
# card; the bench is ready for one.
