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
# # 03 · Flow matching
#
# How does a network make something that was never there? It learns a wind. Throw particles anywhere, let them drift, and they
# come to rest as a face. In this notebook you train such a wind in seconds, first for points in the plane, where everything can
# be seen, then for the eighteen numbers that move an avatar's face. The same four lines of algebra drive the avatar at the end
# of the course.
#
# You need: what a gradient step is, and chapter 02's word *coefficients*.

# %% [markdown]
# ## What you will be able to do
#
# - **write** the path from noise to data and the velocity along it;
# - **explain** why the loss never reaches zero, and why one step makes the average of everything;
# - **walk** the path with Euler's and Heun's steps, and count honestly what that costs;
# - **measure** the order of a solver, and choose a number of evaluations.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | noise level | $\sigma$, `(b, t)` | 1 is noise, 0 is clean; the only time there is |
# | noisy point | $m_\sigma = (1-\sigma)\,m + \sigma\,\varepsilon$, `(b, t, d)` | on the way between data $m$ and noise $\varepsilon$ |
# | velocity | $v = \varepsilon - m$, `(b, t, d)` | where a growing $\sigma$ takes it; we walk against it |
# | NFE | | network evaluations that change the sample |

# %% [markdown]
# ## Setup

# %%
import copy
import os
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch

import avatar_lab as al
from avatar_lab.flow.path import interpolate, velocity_target
from avatar_lab.flow.solver import sample

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
rng = torch.Generator().manual_seed(0)
print(al.doctor().verdict)

# %% [markdown]
# ## A straight path
#
# What lies between noise and a face? The simplest answer: a straight line. Draw a data point $m$ and, independently, a noise
# point $\varepsilon$; at the level $\sigma$ the walker is at
#
# $$m_\sigma = (1-\sigma)\,m + \sigma\,\varepsilon.$$
#
# Our data: points of a smiling face. In the package's shapes, each is an example `b` of one frame `t` with two numbers `d`.

# %%
#                       x     y  radius, and from where to where (in half turns)
FACE = torch.tensor(
    [
        [0.0, 0.0, 2.0, 0.0, 2.0],
        [-0.7, 0.6, 0.2, 0.0, 2.0],
        [0.7, 0.6, 0.2, 0.0, 2.0],
        [0.0, 0.05, 1.2, 1.15, 1.85],
    ]
)
SHARE = torch.tensor([4.0, 1.0, 1.0, 2.0])  # outline, eyes, mouth


# %%
def smiley(count):
    """Return points of a face (count, 1, 2), and the part each belongs to."""
    part = torch.multinomial(SHARE, count, replacement=True, generator=rng)
    x, y, radius, first, last = FACE[part].T
    along = torch.rand(count, generator=rng)
    angle = torch.pi * (first + along * (last - first))
    points = torch.stack([x, y], 1)
    points += radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    points += 0.06 * torch.randn(count, 2, generator=rng)
    return points[:, None], part


# %%
COLOURS = np.array(["#4e79a7", "#f28e2b", "#e15759", "#59a14f"])
clean, part = smiley(1500)
noise = torch.randn(clean.shape, generator=rng)
print("clean", tuple(clean.shape), " noise", tuple(noise.shape))
figure, axes = plt.subplots(1, 5, figsize=(10, 2.2), sharex=True, sharey=True)
for axis, level in zip(axes, (1.0, 0.75, 0.5, 0.25, 0.0), strict=True):
    sigma = torch.full(clean.shape[:2], level)
    x, y = interpolate(clean, noise, sigma)[:, 0].T
    axis.scatter(x, y, s=1, c=COLOURS[part])
    axis.set(title=f"σ = {level:g}", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
plt.show()

# %% [markdown]
# **You should see** four colours that are one cloud at $\sigma = 1$ and a face at 0. The noise knows nothing of the colours: every
# part of the face begins as the *same* cloud. Remember that.
#
# ### Exercise 1: what the network must learn
#
# *Easy, 5 minutes.* Return the noisy points and the velocity, $\mathrm d m_\sigma / \mathrm d\sigma$: how the walker moves when
# $\sigma$ grows. `clean` and `noise` are `(b, t, d)`, `sigma` is `(b, t)`.


# %% tags=["exercise"]
def training_pair(clean, noise, sigma):
    """Return noisy points (b, t, d) and their velocity (b, t, d)."""
    # solution >>>
    level = sigma[..., None]
    return (1 - level) * clean + level * noise, noise - clean
    # learner >>>
    # ~ return ..., ...
    # <<<


# %%
from avatar_lab.check import nb03

nb03.training_pair(training_pair)

# %% [markdown]
# <details><summary>Hint 1</summary>A level is one number a frame; <code>sigma[..., None]</code> has the shape (b, t, 1) and
# multiplies all numbers of its frame.</details>
# <details><summary>Hint 2</summary>Differentiate $(1-\sigma)\,m + \sigma\,\varepsilon$ with
# respect to $\sigma$. Nothing of $\sigma$ is left.</details>
#
# {{solution}}

# %% [markdown]
# ## What can a network know?
#
# In training we know both ends of a path. Later, the network is told only where it is, $m_\sigma$, and how noisy it is, $\sigma$.
# Through every place pass paths to *many* points of the face. If the end is $m$, the velocity must be $(m_\sigma - m)/\sigma$. Which
# $m$? The best answer in the sense of squared errors is the average over all of them, each weighted by how likely it is:
#
# $$v^*(x, \sigma) = \mathbb E\,[\,\varepsilon - m \mid m_\sigma = x\,] = \frac{x - \mathbb E[m \mid m_\sigma = x]}{\sigma}$$
#
# With many data points at hand that average can be written down, without any network:


# %%
def best_velocity(x, level, data):
    """Return v* (n, 2) at places x (n, 2), levels (n, 1), and the weights."""
    share = 1 - level  # of the data in m_sigma
    # how long the noise must be that leads from each data point to x
    noise_needed = torch.cdist(x / share, data) * share / level
    weights = torch.softmax(-(noise_needed**2) / 2, dim=1)
    return (x - weights @ data) / level, weights


# %%
data = smiley(2000)[0][:, 0]
place = torch.tensor([[0.9, -0.3]])
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for axis, level in zip(axes, (0.9, 0.5, 0.25), strict=True):
    v, weights = best_velocity(place, torch.tensor([[level]]), data)
    x, y = data.T
    axis.scatter(
        x, y, s=4, c=weights[0] / weights.max(), cmap="Blues", vmin=-0.2
    )
    goal = place - level * v  # where the arrow ends: the average of all ends
    axis.plot(*torch.cat([place, goal]).T, c="tab:red")
    axis.plot(*place.T, "o", *goal.T, "X", c="tab:red", ms=8)
    axis.set(title=f"σ = {level:g}", aspect="equal")
plt.show()

# %% [markdown]
# **You should see** the same place (the dot) at three moments; the darker a point of the face, the likelier it is the end of the path.
# The cross is the average of all ends, and where the field points. Deep in the noise anything is possible, and the cross is
# near the middle of the face, where *no* data are. As $\sigma$ falls the choice narrows, and the cross moves towards the mouth's corner.
# So paths *bend*, although each training path was straight.
#
# ## Train the wind
#
# A small network sees places and levels as waves of several lengths, so that fine detail is within its reach.


# %%
def waves(x, level):
    """Return 6 waves of each number of x, then 8 of the level."""
    of_x = [f(k * x) for k in (2, 4, 8) for f in (torch.sin, torch.cos)]
    turns = [k * torch.pi * level for k in (1, 2, 4, 8)]
    return of_x + [f(t) for t in turns for f in (torch.sin, torch.cos)]


# %%
class Field(torch.nn.Module):
    """v(noisy, sigma): (b, t, d), (b, t) -> (b, t, d), frame by frame."""

    def __init__(self, dim, width):
        super().__init__()
        # x and its 6 waves, the level and its 8
        sizes = [7 * dim + 9, width, width, width]
        pairs = [
            (torch.nn.Linear(*s), torch.nn.SiLU()) for s in pairwise(sizes)
        ]
        last = torch.nn.Linear(width, dim)
        self.layers = torch.nn.Sequential(*sum(pairs, ()), last)

    def forward(self, noisy, sigma):
        level = sigma[..., None]
        return self.layers(torch.cat([noisy, level, *waves(noisy, level)], -1))


# %%
def train(network, draw, steps, batch):
    """Train on points from `draw`; return the loss of every step."""
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        clean = draw(batch)
        noise = torch.randn(clean.shape, generator=rng)
        sigma = torch.rand(clean.shape[:2], generator=rng)
        v = network(interpolate(clean, noise, sigma), sigma)
        loss = (v - velocity_target(clean, noise)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step(), slower.step(), losses.append(loss.item())
    return losses


# %%
torch.manual_seed(0)  # the weights to begin with
steps, batch, width = (700, 256, 64) if FAST else (2000, 512, 96)
field = Field(2, width)
losses = train(field, lambda count: smiley(count)[0], steps, batch)

# %% [markdown]
# How low can the loss go? On new points, compare the network with `best_velocity` from above. (It divides by $\sigma$ and by
# $1 - \sigma$, so that both ends are left out.)

# %%
clean, data = smiley(2000)[0][:, 0], smiley(6000)[0][:, 0]
noise = torch.randn(clean.shape, generator=rng)
level = 0.02 + 0.96 * torch.rand(len(clean), 1, generator=rng)
x = (1 - level) * clean + level * noise
with torch.no_grad():
    guess = field(x[:, None], level)[:, 0]
best, _ = best_velocity(x, level, data)
loss, floor = (
    (v - (noise - clean)).square().mean().item() for v in (guess, best)
)
print(
    f"loss on new points: network {loss:.2f}, the best there can be {floor:.2f}"
)

# %%
plt.figure(figsize=(5, 2.2))
plt.plot(np.convolve(losses, np.ones(20) / 20, "valid"))
plt.axhline(floor, color="tab:red", lw=1)
plt.text(0, floor - 0.03, " the best there can be", color="tab:red", va="top")
plt.ylim(floor - 0.25, floor + 0.8)
plt.xlabel("step")
plt.ylabel("loss")
plt.show()

# %% [markdown]
# **You should see** a loss that levels off just above the red line, and nowhere near zero (both are estimates; the last digit is
# luck). **A flow's loss does not go to zero.** What is left is not the network's fault: it is what nobody can know about where
# a path ends. A loss curve alone never tells you whether samples are good; look at samples.

# %% [markdown]
# ## Walk it
#
# To make a point, start in the noise at $\sigma = 1$ and follow the field down. Euler's way: ask once, walk straight on.
#
# $$x \leftarrow x + (\sigma_{k+1} - \sigma_k)\; v(x, \sigma_k), \qquad 1 = \sigma_0 > \sigma_1 > \dots > \sigma_S = 0$$
#
# The step is negative: we walk *against* the velocity. Each step asks the network once, and that is what generation costs. One
# evaluation of a large network is milliseconds; an avatar that answers in a fifth of a second can afford only a few.
#
# ### Exercise 2: Euler, with an honest bill
#
# *Medium, 10 minutes.* Walk along `levels`, a tensor that falls from 1 to 0. Return the sample and how often the velocity was
# evaluated. `levels` has S + 1 numbers for S steps. Neighbouring levels may be equal (tables of chapter 05 have such rests): a step of no length must cost nothing.
# `velocity(noisy, sigma)` wants `sigma` of shape `(b, t)`.


# %% tags=["exercise"]
def euler(velocity, noise, levels):
    """Return the sample (b, t, d) and the number of evaluations."""
    # solution >>>
    noisy, evaluations = noise, 0
    for now, then in pairwise(levels.tolist()):
        if now == then:
            continue
        sigma = torch.full(noisy.shape[:2], now)
        noisy = noisy + (then - now) * velocity(noisy, sigma)
        evaluations += 1
    return noisy, evaluations
    # learner >>>
    # ~ return ..., ...
    # <<<


# %%
nb03.euler(euler)

# %% [markdown]
# <details><summary>Hint 1</summary><code>pairwise(levels.tolist())</code> gives (now, then) for each step.</details>
# <details><summary>Hint 2</summary>Ask at <code>now</code>: <code>torch.full(noisy.shape[:2], now)</code>. Nothing is asked at the
# last level: one has arrived.</details>
#
# {{solution}}
#
# The package's `sample` does the same for tables with a level for each frame; `full_sequence(1, n)` is the table of one frame
# and n equal steps. Five prices for the same noise:

# %%
from avatar_lab.flow.schedule import full_sequence, released_grid

noise = torch.randn(1500, 1, 2, generator=rng)
figure, axes = plt.subplots(1, 5, figsize=(10, 2.2), sharex=True, sharey=True)
for axis, count in zip(axes, (1, 2, 4, 8, 32), strict=True):
    with torch.no_grad():
        made = sample(field, noise, full_sequence(1, count))
    axis.scatter(*made.motion[:, 0].T, s=1)
    title = f"NFE = {made.evaluations}"
    axis.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
plt.show()

# %% [markdown]
# **You should see** a dot, a blob, and a face that gets sharper. One evaluation from pure noise can say only one thing: *the
# average of all data*, for there the place tells nothing about the end. It is not a bad face; it is no face. Remember the dot when
# an avatar looks like everybody and nobody.
#
# *Count what is paid.* The published program calls its setting "NFE 10". What is in it?

# %%
levels, _ = released_grid(10)
with torch.no_grad():
    made = sample(field, noise, levels[:, None])
print(len(levels), "levels:", [round(x, 2) for x in levels.tolist()])
print(made.evaluations, "evaluations change the sample")

# %% [markdown]
# Nine levels have eight steps between them; the other two passes arrive (a step of no length) and fill a cache. Ten
# evaluations are paid, eight move. In this course NFE means those that move, and the rest is reported beside it.

# %% [markdown]
# ## A better step?
#
# Euler asks at the *start* of a step and ignores that the field turns on the way. Heun asks again at the end, and takes the mean:
#
# $$\tilde x = x + h\,v(x, \sigma_k), \qquad x \leftarrow x + \tfrac h2\,\big[v(x, \sigma_k) + v(\tilde x, \sigma_{k+1})\big],
# \qquad h = \sigma_{k+1} - \sigma_k$$
#
# A better step for twice the price. Is it worth it?


# %%
def euler_step(v, x, now, then):
    """One evaluation."""
    sigma = torch.full(x.shape[:2], now, dtype=x.dtype)
    return x + (then - now) * v(x, sigma)


def heun_step(v, x, now, then):
    """Two evaluations: where it stands, and where Euler would land."""
    first, last = (
        torch.full(x.shape[:2], s, dtype=x.dtype) for s in (now, then)
    )
    here = v(x, first)
    there = v(x + (then - now) * here, last)
    return x + (then - now) * (here + there) / 2


# %%
@torch.no_grad()
def walk(step, v, noise, steps):
    """Return all states (steps + 1, b, t, d), from noise to clean."""
    states = [noise]
    for k in range(steps):
        states.append(step(v, states[-1], 1 - k / steps, 1 - (k + 1) / steps))
    return torch.stack(states)


exactly = copy.deepcopy(
    field
).double()  # so that rounding is no part of the error
start = torch.randn(150, 1, 2, generator=rng).double()
exact = walk(heun_step, exactly, start, 512)[-1]
print("512 Heun steps stand for the exact flow:", tuple(exact.shape))

# %% [markdown]
# **Predict first:** you may pay 2, 4 or 8 evaluations. Two Euler steps or *one* of Heun's? Four or two? Eight or four? For each
# price, write down which one lands nearer to the exact flow.

# %%
from avatar_lab.viz.particle_field import particle_field

NFE = (1, 2, 4, 8, 16, 32)
walks = {
    "Euler": {n: walk(euler_step, exactly, start, n) for n in NFE},
    "Heun": {n: walk(heun_step, exactly, start, n // 2) for n in NFE[1:]},
}
aims, part = smiley(2000)
nearest = torch.cdist(exact[:, 0].float(), aims[:, 0]).argmin(1)
particle_field(walks, exact, exactly, aims, groups=part[nearest])

# %% [markdown]
# Play, or drag $\sigma$ from noise to face; change the price with the buttons (arrow keys work). Arrows are the wind at this level,
# the same on both sides. Colours are the part of the face where the exact flow ends; threads at the end are the error.
#
# **You should see** that for two evaluations Heun lands *farther away* than Euler: its second look is at a place where the walk
# never comes. At four it depends on the field that was trained; at eight Heun is more than twice as near, and at 32 about ten
# times. With Euler and many steps, trails are smooth curves: straight training paths, bent flow. And the colours lie *apart* already in the noise: unlike the pairs of the
# training, the flow's paths never cross, so that near noise ends as near points.
#
# ### Exercise 3: the order of a solver
#
# *Medium, 10 minutes.* If the error falls like $C / S^{\,p}$ with the number of steps, $p$ is the *order*. Given step counts and
# errors, return $p$: a line through all points, in logarithms.


# %% tags=["exercise"]
def order(steps, errors):
    """Return p, where errors are about C / steps**p."""
    # solution >>>
    slope, _ = np.polyfit(np.log(steps), np.log(errors), 1)
    return -slope
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb03.order(order)

# %% [markdown]
# <details><summary>Hint 1</summary>log error = log C - p log steps: a straight line.</details>
# <details><summary>Hint 2</summary><code>np.polyfit(x, y, 1)</code> returns slope and offset; the order is minus the slope.</details>
#
# {{solution}}

# %%
STEPS = (8, 16, 32, 64)
figure, axis = plt.subplots(figsize=(5, 3))
for name, step, price in (("Euler", euler_step, 1), ("Heun", heun_step, 2)):
    errors = [
        (walk(step, exactly, start, n)[-1] - exact).norm(dim=-1).mean().item()
        for n in STEPS
    ]
    p = order(STEPS, errors)
    print(
        f"{name:<6}order", "-" if p is ... else f"{p:.2f}", np.round(errors, 4)
    )
    axis.loglog([price * n for n in STEPS], errors, "o-", label=name)
axis.set(xlabel="evaluations", ylabel="distance to the exact flow")
axis.legend()
plt.show()

# %% [markdown]
# **You should see** orders near 1 and near 2: twice the steps, half the error for Euler, a quarter for Heun. Order is a promise about
# *small* steps. It says nothing about two evaluations, as you saw.

# %% [markdown]
# ## From the plane to a face
#
# Nothing above knew that $d = 2$. A frame of motion in the `lab` size is $d = 18$ coefficients. Data: what simulated people do
# with their faces, frame by frame. The network and the training are the same; only the width grows.

# %%
from avatar_lab.motion.space import default_space

space, people = default_space(), 3 if FAST else 16
faces = [
    al.simulate(seconds=60, seed=100 + i, reactivity=1.0).avatar.face
    for i in range(people)
]
motion = torch.from_numpy(np.concatenate([space.encode(f) for f in faces]))
motion = motion[torch.randperm(len(motion), generator=rng)][:, None]
print("motion", tuple(motion.shape))

# %%
torch.manual_seed(0)
steps, width = (600, 96) if FAST else (2000, 128)
mover = Field(18, width)
losses = train(
    mover,
    lambda count: motion[torch.randint(len(motion), (count,), generator=rng)],
    steps,
    256,
)
print(f"loss {np.mean(losses[-100:]):.2f}")

# %% [markdown]
# How good are the faces, and how many evaluations are worth their price? Three measures: the *spread* of the coefficients, as a
# share of the truth's; the *Fréchet distance* to true frames (0 is equal in mean and covariance); and how many have their eyes
# *shut* - rare, short, and all or nothing.

# %%
from avatar_lab.metrics.richness import frechet

lid = al.FACE_NAMES.index("blink_left")
moves = motion.std(0) > 0.1  # some coefficients never move in simulated people
start = torch.randn(2000, 1, 18, generator=rng)


def judged(made):
    """Return spread, distance and share of shut eyes of frames (n, 1, 18)."""
    frames = made[:, 0].numpy()
    spread = (made.std(0) / motion.std(0))[moves].mean().item()
    shut = (space.decode(frames)[:, lid] > 0.75).mean()
    return spread, frechet(frames, motion[2000:, 0].numpy()), shut


# %%
print(f"{'':<10}{'NFE':>4}{'spread':>8}{'distance':>10}{'eyes shut':>11}")
rows = [
    ("Euler", n, walk(euler_step, mover, start, n)) for n in (1, 2, 4, 8, 32)
]
rows += [
    ("Heun", 2 * n, walk(heun_step, mover, start, n)) for n in (1, 2, 4, 16)
]
rows += [("people", "", motion[None, :2000])]
for name, count, states in rows:
    spread, distance, shut = judged(states[-1])
    print(f"{name:<10}{count:>4}{spread:>8.2f}{distance:>10.2f}{shut:>11.1%}")

# %%
puppet = al.Puppet(character=3, size=128)


def lively(frames):
    """Return which 8 of the 400 frames farthest from the average to draw."""
    far = (frames - frames.mean(0)).flatten(1).norm(dim=1)
    return far.argsort(descending=True)[:400:50]


def draw(frames):
    """Return pictures of frames (8, 1, 18), side by side."""
    tracks = space.decode(frames[:, 0].numpy())
    return np.hstack([puppet.draw(face)[6:106, 14:114] for face in tracks])


# %%
# Euler's with 1, 2, 8 and 32 evaluations, and people
shown = [row for row in rows if row[0] != "Heun" and row[1] != 4]
same = lively(shown[-2][2][-1])  # which of Euler's 32; one noise in all rows
figure, axes = plt.subplots(len(shown), 1, figsize=(9, 1.15 * len(shown)))
for axis, (name, count, states) in zip(axes, shown, strict=True):
    which = same if name == "Euler" else lively(states[-1])
    axis.imshow(draw(states[-1][which]))
    axis.set(xticks=[], yticks=[])
    axis.set_ylabel(f"{name} {count}", rotation=0, ha="right", va="center")
plt.show()

# %% [markdown]
# **You should see**, from top to bottom, eight times nearly the same face; then the same eight people dare more and more. In the
# table, the spread of Euler's faces grows with every row, and shut eyes come last: *what is rare is lost first*. A model that
# takes too few steps does not make bad faces. It makes calm ones, which hardly blink. Heun's two evaluations are useless here,
# too, and its eight are worth more than eight of Euler's. The last row compares people with people: that near are two draws of the truth.

# %% [markdown]
# ## Break it on purpose
#
# Papers disagree about the direction of time. Here $\sigma = 1$ is noise and $v = \varepsilon - m$; the paper writes $t = 1 - \sigma$
# and $m - \varepsilon$. Both are right. Half of one and half of the other is the most common bug of this method, and nothing
# crashes:

# %%
mixed = {
    "right": field,
    "the paper's sign": lambda x, sigma: -field(x, sigma),
    "told t, not sigma": lambda x, sigma: field(x, 1 - sigma),
}
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8))
for axis, (name, v) in zip(axes, mixed.items(), strict=True):
    with torch.no_grad():
        made = sample(v, noise, full_sequence(1, 32)).motion
    axis.scatter(*made[:, 0].T, s=1)
    axis.set(title=name, xlim=(-6, 6), ylim=(-6, 6), aspect="equal")
plt.show()

# %%
try:
    sample(field, noise, full_sequence(1, 4).flip(0))
except al.AvatarLabError as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# **You should see** a face, an explosion, and a blob. The third is the dangerous one: it has about the right size. The package
# therefore has one convention, one name for it, and refuses tables that run backwards: that is the last line.

# %% [markdown]
# ## Into the library
#
# | you built | it lives in | its test |
# |---|---|---|
# | path and velocity | `avatar_lab/flow/path.py`: `interpolate`, `velocity_target` | `tests/flow/test_path.py` |
# | Euler, counted | `avatar_lab/flow/solver.py`: `sample` | `tests/flow/test_solver.py` |
# | levels | `avatar_lab/flow/schedule.py`: `sigma_grid`, `released_grid` | `tests/flow/test_schedule.py` |
#
# Three differences. The library has a level for *each frame*, so that a table can hold a past that is clean and a block that is not
# (chapter 05). It walks with Euler only, as the paper does; your table says that Heun deserves a try at eight evaluations, and
# nobody has measured here what it would do for whole conversations. And its loss is to be chosen: `lab` takes the
# squared error of this notebook, whose best answer is an average; the paper takes the absolute error, whose best answer is a
# median, less easily moved by rare large motion.
#
# ## Quiz
#
# <details><summary>Training paths are straight. Why do samples move on curves?</summary>The network gives the average of all paths
# through a place. Along the way the mix of possible ends changes, and the average turns.</details>
# <details><summary>If the flow were exactly straight, how many Euler steps would be needed?</summary>One. Methods that straighten
# the flow, or distil it, live from that.</details>
# <details><summary>Your loss stopped at 1.6. Is the network too small?</summary>Not for that reason. Compare with the best
# there can be, or with a larger network, and look at samples.</details>
# <details><summary>Same noise, same steps: is the sample the same?</summary>Yes. The walk draws no random numbers; everything random
# is in its start. That is why a seed replays an avatar.</details>
#
# **Take away:** learn the average velocity, walk against it. Few steps mean average faces; the price is counted in evaluations.
#
# *Sources:* Lipman et al., *Flow matching for generative modeling*, 2023, Eq. 20 to 23 (the straight path); Liu et al., *Flow
# straight and fast*, 2023, Eq. 1; Karras et al., *Elucidating the design space*, 2022, algorithm 1 (Heun); Ki, Jang, Jo, Yoon
# and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3 and algorithm 2. *What this does not show:* time. Each face here is a
# single frame that knows no neighbour, no voice and no user; attention (04), noise levels over time (05) and conditions (06)
# come next.
