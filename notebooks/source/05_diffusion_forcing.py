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
# # 05 · Diffusion forcing
#
# An ordinary diffusion model (chapter 03's flow matching is one kind) gives a whole window one noise level. A stream needs something else: a past that is clean, a
# block that is being made, and nothing yet after it - three levels at once. *Diffusion forcing* trains for exactly that: every
# block has a noise level of its own. Here you draw those levels, look at the schedules that a trained network can follow, and
# train a small avatar.
#
# You need: flow matching (sigma, velocity, Euler steps).

# %% [markdown]
# ## What you will be able to do
#
# - **draw** training noise levels, one a block;
# - **tabulate** how frames lose their noise: all at once, block by block, or like a stair;
# - **train** a small generator and watch it learn;
# - **explain** why a network that was trained on true pasts drifts.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | noise level | $\sigma$, `(b, t)` | 1 is noise, 0 is clean; one number a frame |
# | noisy motion | $m_\sigma = (1-\sigma)\,m + \sigma\,\varepsilon$ | |
# | velocity | $v = \varepsilon - m$ | what the network predicts |
# | schedule | `(rounds, t)` | a table of levels: each row is one evaluation further |

# %% [markdown]
# ## Setup

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import avatar_lab as al

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
print(al.doctor().verdict)

# %% [markdown]
# ## One level for each block
#
# $$\mathcal L = \mathbb E\;\big\lVert v_\theta(m_\sigma, \sigma, c) - (\varepsilon - m) \big\rVert$$
#
# Here $\sigma$ is uniform, one level a block, independent across blocks; $c$ is what the network knows besides: voice and user.
# The paper measures the gap by its absolute value, this lab by its square.
#
# ### Exercise 1: block-shared levels
#
# *Easy, 10 minutes.* Return levels `(batch, frames)`: uniform in [0, 1), the same for the frames of a block, independent for
# blocks and examples. The last block may be cut off. Draw from `rng`, a `torch.Generator`.


# %% tags=["exercise"]
def block_sigma(batch, frames, block, rng):
    """Return noise levels (batch, frames), one per block."""
    # solution >>>
    blocks = -(-frames // block)  # rounded up
    levels = torch.rand(batch, blocks, generator=rng)
    return levels.repeat_interleave(block, dim=1)[:, :frames]
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb05

nb05.block_sigma(block_sigma)

# %% [markdown]
# <details><summary>Hint 1</summary>Draw <code>(batch, blocks)</code> numbers, then give each to all frames of its block.</details>
# <details><summary>Hint 2</summary><code>repeat_interleave(block, dim=1)</code> repeats; then cut to
# <code>[:, :frames]</code>.</details>
#
# {{solution}}

# %%
from avatar_lab.flow.path import block_sigma as library_sigma
from avatar_lab.flow.path import clean_past_sigma, last_block_sigma

rng = torch.Generator().manual_seed(0)
independent = library_sigma(12, 50, 5, rng)
levels = {
    "diffusion forcing": independent,
    # 1.0: turn all examples into what a stream sees
    "as a stream sees it": clean_past_sigma(independent, 1.0, 5, rng),
    "teacher forcing": last_block_sigma(12, 50, 5, rng),
    "one level for all": torch.rand(12, 1, generator=rng).expand(12, 50),
}

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 2.2), sharey=True)
for axis, (name, sigma) in zip(axes, levels.items(), strict=True):
    axis.imshow(sigma, cmap="magma", vmin=0, vmax=1, aspect="auto")
    axis.set(title=name, xlabel="frame", yticks=[])
axes[0].set_ylabel("examples")
plt.show()

# %% [markdown]
# **You should see** (dark is clean, bright is noise; each row is an example): a patchwork, one colour a block; a dark past, one
# block in work and a future that is still all noise; a dark past with a noisy *last* block (*teacher forcing*; more of it below); and whole windows of one colour. The first,
# which is the paper's, contains all others - but an entirely clean past comes up so rarely that the network never quite learns to
# continue one. The library therefore mixes the second in.

# %% [markdown]
# ## Three ways down
#
# A network that knew every combination of levels could follow any table (ours knows one level a block). Each row of a schedule is one evaluation further; each
# column is a frame on its way from 1 to 0.
#
# **Predict first:** twenty frames, four steps a frame, blocks of five. How many evaluations does each schedule take? After how
# many is the *first* frame clean?

# %%
from avatar_lab.flow.schedule import make_schedule
from avatar_lab.viz.interactive import interactive

tables = {
    name: make_schedule(name, 20, 4, 5) for name in ("full", "block", "pyramid")
}
for name, table in tables.items():
    first = int((table[:, 0] > 0).sum())
    print(
        f"{name:<8}{len(table) - 1:>3} evaluations;",
        f"first frame clean after {first}",
    )

# %%
interactive(
    "schedule_animator",
    tables={n: t.tolist() for n, t in tables.items()},
    block=5,
)

# %% [markdown]
# Choose a schedule and press play: again dark is clean and bright is noise.
#
# **You should see** the *full* schedule fall as one: four evaluations, nothing before the end. *Block* is the paper's: a block
# at a time, the past clean (five frames here, ten in the paper). *Pyramid* is a stair: one frame leaves it with every evaluation, and nothing waits for a block - but
# every frame is made while its future is still noisy, and each is four evaluations late.
#
# ### Exercise 2: the pyramid's table
#
# *Medium, 15 minutes.* Return the table `(frames + steps, frames)`. Row 0 is all noise and the last row all clean. Frame $i$ is
# still noise in row $i$, then falls `steps` times by equal parts, and stays clean from row $i$ + `steps` on.


# %% tags=["exercise"]
def pyramid(frames, steps):
    """Return levels (frames + steps, frames)."""
    # solution >>>
    rounds = torch.arange(frames + steps)[:, None]
    fallen = (rounds - torch.arange(frames)).clamp(0, steps)
    return 1 - fallen / steps
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb05.pyramid(pyramid)

# %% [markdown]
# <details><summary>Hint 1</summary>How many steps has frame i fallen in round r? r - i, but never below 0 or above
# <code>steps</code>.</details>
# <details><summary>Hint 2</summary>A column of rounds minus a row of frames, clamped; then 1 - fallen / steps.</details>
#
# {{solution}}

# %% [markdown]
# ## Train a small one
#
# The `tiny` size: 236,000 weights, blocks of five frames, a few minutes of simulated conversation. One call, and what it does is
# the loss above, with conditions dropped now and then (chapter 06 says why).

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from avatar_lab.motion.space import default_space
from avatar_lab.train.diffusion_forcing import ForcingConfig, train
from avatar_lab.train.loop import LoopConfig
from avatar_lab.train.recipes import prepare

steps, hours = (10, 0.02) if FAST else (500, 0.2)
data = prepare("tiny", hours, seed=3, progress=False)
print(f"{len(data)} x {data[0].frames / 25:.0f} s of conversation")

# %%
folder = TemporaryDirectory()
forcing = ForcingConfig(
    batch=8,
    history=40,  # frames of voice and user before a window
    clean_past=0.5,  # share of examples with a stream's levels
    cue_share=0.4,  # share cut around a reaction, falling to none
)

# %%
avatar, report = train(
    al.preset("tiny"),
    data,
    default_space(),
    LoopConfig(steps=steps, learning_rate=2e-3, log_every=5),
    Path(folder.name),
    forcing,
    progress=False,
)
print(
    f"{report.steps} steps in {60 * report.minutes:.0f} s,",
    f"loss {report.metrics['loss']:.3f}",
)

# %%
import json

log = [
    json.loads(line)
    for line in (Path(folder.name) / "log.jsonl").read_text().splitlines()
]
spread = torch.stack([c.avatar_motion.float().square().mean() for c in data])
nothing = 1 + spread.mean().item()  # the noise's variance and the motion's

plt.figure(figsize=(5, 2.2))
plt.plot([row["step"] for row in log], [row["loss"] for row in log])
plt.axhline(nothing, color="grey", lw=0.8, label="predicting nothing")
plt.legend(fontsize=8, frameon=False)
plt.xlabel("step")
plt.ylabel("loss")
plt.show()

# %% [markdown]
# The velocity is noise minus motion. The variance of noise is 1, and that of the motion comes on top: their sum is the loss of a
# network that always says zero. What a full run's curve is below the line was learned (the ten steps of the fast mode show only the luck of the batch).
#
# Now let it stream, beside an untrained one and the truth. An untrained network says zero (chapter 04): its noise stays as it was.

# %%
from avatar_lab.model.avatar import build
from avatar_lab.viz.tracks import tracks

talk = al.simulate(seconds=8, seed=21, split="test", reactivity=1.0)
speech = talk.avatar.audio
faces = {"truth": talk.avatar.face}
for name, one in (
    ("untrained", build(al.preset("tiny"), default_space())),
    ("trained", avatar),
):
    faces[name] = al.react(
        one, user=talk.user, speech=speech, picture=None, seed=0
    ).face
tracks(faces, ("jaw_open", "smile", "yaw"))

# %%
said = np.abs(speech).reshape(-1, 640).max(1) > 0.02  # 640 samples a frame
for name, face in faces.items():
    jaw = face[:, al.FACE_NAMES.index("jaw_open")]
    r = np.corrcoef(jaw, talk.avatar.face[:, al.FACE_NAMES.index("jaw_open")])[
        0, 1
    ]
    print(
        f"{name:<10} jaw against the truth: r = {r:+.2f};",
        f"open while speaking {jaw[said].mean():.2f}",
    )

# %% [markdown]
# **You should see**, after the full run, a jaw that moves with the voice: lips are learned first. Smiles in answer to the user come
# later, heads last; the shipped `lab` weights took some hours. (In the fast mode it has learned next to nothing, and its line
# covers the untrained one.)

# %% [markdown]
# ## Why does teacher forcing drift?
#
# With *teacher forcing* a network learns to continue the *true* past. In a stream it continues its own, with small errors that
# it never met in training - and passes them on. A toy: $x_t$ is how far a stream is off at frame $t$. Each frame adds a small
# error; a network that has met wrong pasts also takes a part of the old one back:
# $x_{t+1} = (1 - \text{back})\,x_t + \text{bias} + \text{noise}$.

# %%
rng_np = np.random.default_rng(0)


def continued(bias, back, frames=1500):
    """Return the error of every frame."""
    x = np.zeros(frames)
    for t in range(1, frames):
        x[t] = (1 - back) * x[t - 1] + bias + 0.02 * rng_np.standard_normal()
    return x


# %%
plt.figure(figsize=(6, 2.2))
plt.plot(
    np.arange(1500) / 25, continued(0.001, 0.0), label="has met true pasts only"
)
plt.plot(
    np.arange(1500) / 25,
    continued(0.001, 0.02),
    label="has met noisy pasts, too",
)
plt.xlabel("seconds")
plt.ylabel("error")
plt.legend(fontsize=8)
plt.show()

# %% [markdown]
# **You should see** one line walk away and one stay. Diffusion forcing shows the network pasts of *every* noise level; it learns to
# trust a past only as far as its level says. (A stream tells it that its own past is clean; so the toy shows a hope, no proof.) How much that helps a real stream over ten minutes is measured in "the paper's
# tables", with an honest answer.
#
# ### Exercise 3: which is which?
#
# *Easy, 5 minutes.* Given a table of training levels `(examples, frames)`, whole blocks, say what kind of training it is:
# `"teacher"` (every frame before the last block is clean in every example), `"full"` (one level an example) or `"forcing"`
# (anything else).


# %% tags=["exercise"]
def kind_of_training(sigma, block):
    """Return "teacher", "full" or "forcing"."""
    # solution >>>
    if (sigma[:, :-block] == 0).all():
        return "teacher"
    if (sigma == sigma[:, :1]).all():
        return "full"
    return "forcing"
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb05.kind(kind_of_training)

# %% [markdown]
# <details><summary>Hint 1</summary>All but the last block: <code>sigma[:, :-block]</code>.</details>
# <details><summary>Hint 2</summary>One level an example: every column equals the first one.</details>
#
# {{solution}}

# %% [markdown]
# ## Break it on purpose
#
# Levels are one number a *frame*. A single one for the whole batch is refused, and the message says what to do:

# %%
from avatar_lab.flow.path import check_sigma

try:
    check_sigma(torch.rand(2), torch.randn(2, 50, 18))
except al.AvatarLabError as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# ## Into the library
#
# | you built | it lives in | its test |
# |---|---|---|
# | training levels | `avatar_lab/flow/path.py` | `tests/flow/test_path.py` |
# | schedules | `avatar_lab/flow/schedule.py` | `tests/flow/test_schedule.py` |
# | the training step | `avatar_lab/train/diffusion_forcing.py` | `tests/train/test_diffusion_forcing.py` |
# | the way back from its own past | `avatar_lab/train/self_forcing.py` | `tests/train/test_self_forcing.py` |
#
# ## Quiz
#
# <details><summary>Why one level a block, not one a frame?</summary>A stream makes whole blocks. Levels that differ inside a block
# are never met there, and would cost capacity.</details>
# <details><summary>The network is told sigma. Why is that important?</summary>It must know how far to trust each frame: a frame
# at 0.9 is a rumour, one at 0 a fact.</details>
# <details><summary>Does the pyramid need another training?</summary>Not if every *frame* had a level of its own in
# training. This network met one level a block: a pyramid's mix inside a block is new to it, so that it runs, but guesses.</details>
#
# **Take away:** one network, every combination of block levels; the schedule decides what it is used for.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.3 and algorithm 2; Chen et al.,
# *Diffusion Forcing*, 2024. *What this does not show:* guidance (06) and the cache (07).
