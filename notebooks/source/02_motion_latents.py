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
# # 02 · A face as motion
#
# A picture of a face says two things: *who*, and *how it moves*. If they come apart, one person's smile can be put on
# another's face - and a generator needs to make only the motion, a few numbers a frame, instead of pictures. In this notebook
# you take faces apart, put them together crosswise, and train a small autoencoder that learns to do it.
#
# You need: convolutions, and what a latent is.

# %% [markdown]
# ## What you will be able to do
#
# - **write** a picture as identity plus motion, $z = z_{id} + \sum_k a_k q_k$;
# - **build** orthonormal motion directions, and say why motion has rank K;
# - **train** a small autoencoder and look at what it learned;
# - **test** whether identity leaks into the motion.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | identity latent | $z_{id}$, `(b, D)` | who it is |
# | coefficients | $a$, `(b, K)` | how far along each direction the face has moved |
# | motion directions | $Q$, `(D, K)` | orthonormal columns $q_k$, the same for all people |
# | source, driving | | the picture that gives the identity, and the one that gives the motion |

# %% [markdown]
# ## Setup

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import avatar_lab as al
from avatar_lab.motion.autoencoder import to_frames, to_tensor
from avatar_lab.motion.neural_picture import lab_autoencoder

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
print(al.doctor().verdict)

# %% [markdown]
# ## One picture, two parts
#
# The encoder reads three things from a picture: the identity latent, the coefficients, and feature maps of the face at every
# scale. The decoder moves those maps to where another motion wants them, and repaints.

# %%
autoencoder, space = lab_autoencoder()
face = al.FaceParams(smile=0.7, yaw=10, brow_raise=0.4).array()
picture = al.Puppet(character=7, size=64).draw(face)
with torch.no_grad():
    encoding = autoencoder.encode(to_tensor(torch.from_numpy(picture[None])))
print("picture     ", picture.shape)
print("identity    ", tuple(encoding.identity.shape))
print("coefficients", tuple(encoding.coefficients.shape))
print("features    ", *[tuple(f.shape[1:]) for f in encoding.features])

# %% [markdown]
# Motion is a walk along K directions from that identity: $z = z_{id} + \sum_k a_k q_k$. Whatever the K numbers are, the walk
# stays in a K-dimensional subspace: **motion has rank K**, here 18 of 128, in the paper 20 of 512. A generator that makes the
# K numbers loses nothing.
#
# The directions must be orthonormal: then reading a coefficient off a motion is one product, $a = Q^\top m$, and no direction
# says what another one said already. Training would spoil that with its first step, so the basis is made anew from a free
# matrix every time, by a QR decomposition.
#
# ### Exercise 1: orthonormal directions
#
# *Easy, 10 minutes.* Return Q from a free `(D, K)` tensor, and the coefficients of motions `(b, D)`: one motion
# a row.


# %% tags=["exercise"]
def directions(free):
    """Return an orthonormal basis (D, K) of the columns of `free`."""
    # solution >>>
    return torch.linalg.qr(free).Q
    # learner >>>
    # ~ return ...
    # <<<


# %% tags=["exercise"]
def read_off(motion, basis):
    """Return the coefficients (b, K) of motions (b, D)."""
    # solution >>>
    return motion @ basis
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb02

nb02.directions(directions, read_off)

# %% [markdown]
# <details><summary>Hint 1</summary><code>torch.linalg.qr</code> returns Q and R; only Q is wanted.</details>
# <details><summary>Hint 2</summary>(b, D) times (D, K) is (b, K).</details>
#
# {{solution}}

# %% [markdown]
# ## One person's motion on another's face
#
# ### Exercise 2: cross-reenactment
#
# *Medium, 10 minutes.* Draw the person of `source` moving like `driving`: the source's identity and features, the driving
# picture's coefficients. `autoencoder.encode(picture)` gives an encoding with `.identity`, `.coefficients` and `.features`,
# `autoencoder.directions(a)` the motion latent of coefficients, `autoencoder.decode(latent, features)` a picture.


# %% tags=["exercise"]
def reenact(autoencoder, source, driving):
    """Return pictures (b, 3, S, S) of `source` moving like `driving`."""
    # solution >>>
    person, mover = autoencoder.encode(source), autoencoder.encode(driving)
    latent = person.identity + autoencoder.directions(mover.coefficients)
    return autoencoder.decode(latent, person.features)
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb02.reenact(reenact)

# %% [markdown]
# <details><summary>Hint 1</summary>Two encodings: take two things from the first, one from the second.</details>
# <details><summary>Hint 2</summary>The latent is identity plus motion; the features are the source's.</details>
#
# {{solution}}

# %% [markdown]
# Five poses shall drive three strangers. (`autoencoder.swap` is the library's `reenact`.)

# %%
POSES = [
    al.FaceParams(),
    al.FaceParams(smile=0.9, squint=0.4),
    al.FaceParams(jaw_open=0.7, brow_raise=0.6),
    al.FaceParams(yaw=-18, gaze_yaw=10),
    al.FaceParams(frown=0.8, brow_furrow=0.8, pitch=-8),
]
PEOPLE = (200_001, 200_005, 200_010)  # nobody here was in the training
drivers = np.stack([al.Puppet(7, size=64).draw(p.array()) for p in POSES])
sources = np.stack(
    [al.Puppet(c, size=64).draw(POSES[0].array()) for c in PEOPLE]
)


# %%
def grid(swap):
    """Return pictures: the top row drives, each row below is one person."""
    rows = [np.hstack([np.full_like(sources[0], 255), *drivers])]
    driving = to_tensor(torch.from_numpy(drivers))
    for source in sources:
        person = to_tensor(torch.from_numpy(source[None])).expand(
            len(POSES), -1, -1, -1
        )
        with torch.no_grad():
            made = to_frames(swap(person, driving)).numpy()
        rows.append(np.hstack([source, *made]))
    return np.vstack(rows)


# %%
plt.figure(figsize=(7, 4.7))
plt.imshow(grid(autoencoder.swap))
plt.axis("off")
plt.show()

# %% [markdown]
# **You should see** three people who make the faces of the top row: turned heads, open mouths, raised brows. They stay
# themselves. The pictures are soft: 64 pixels, and a small decoder.

# %% [markdown]
# ## What does a direction mean?
#
# The coefficients of `lab` are the eighteen face parameters, whitened: no two say the same, and those that move have about
# unit spread.
# **Predict first:** drag a direction to its ends. Will one thing move, or several? Will the same thing move on both people?

# %%
from avatar_lab.viz.directions import direction_sliders

direction_sliders(autoencoder, space, PEOPLE[:2])

# %% [markdown]
# **You should see** lids close in the first direction, where people move most, and heads, mouths and brows in others, often
# two things together, and the same ones on both people. Directions of a network that was *not* told the parameters look like
# that, too: mixed, but shared by all.

# %% [markdown]
# ## Train a small one
#
# A miniature of the recipe: a few drawn people in many poses; the decoder must draw each pose from the person's resting
# picture. It is mostly given the true motion; of the motion that was *read*, half comes from *another* person in the same pose.
# That is what keeps identity out.
# Three numbers tell how it went: `picture`, the loss of what was drawn; `psnr`, how like the truth it is, in decibels (10 more:
# a tenth of the squared error); `motion`, the loss of what was read off.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from avatar_lab.config import AutoencoderConfig
from avatar_lab.train import autoencoder as training
from avatar_lab.train.drawn_faces import draw_faces
from avatar_lab.train.loop import LoopConfig

# %%
SMALL = AutoencoderConfig(
    size=32, channels=8, max_channels=64, latent_dim=64, reader=(16, 32, 48)
)
people, steps = (4, 6) if FAST else (24, 350)
faces = draw_faces(
    range(100_000, 100_000 + people), 24, 32, seed=1, progress=False
)
settings = training.training_recipe(
    "taught",
    autoencoder=SMALL,
    loop=LoopConfig(steps=steps, learning_rate=2e-3),
)

# %%
folder = TemporaryDirectory()
small, report = training.train(
    faces, space, settings, out=Path(folder.name), progress=False
)
print(f"{report.steps} steps in {60 * report.minutes:.0f} s")
for name in ("picture", "psnr", "motion"):
    print(f"{name:<8}{report.metrics[name]:8.3f}")

# %%
little = np.stack([al.Puppet(7, size=32).draw(p.array()) for p in POSES])
person = al.Puppet(100_003, size=32).draw(POSES[0].array())
with torch.no_grad():
    made = small.swap(
        *(to_tensor(torch.from_numpy(x)) for x in (person[None], little))
    )
pair = np.vstack([np.hstack(little), np.hstack(to_frames(made).numpy())])
plt.figure(figsize=(6, 2.4))
plt.imshow(pair)
plt.axis("off")
plt.show()

# %% [markdown]
# **You should see**, after the full run, a blurred person who begins to turn and to bow where the upper one does. Mouths and
# lids come last, because they are few pixels; the shipped one was trained far longer. (In the fast mode there is only blur.)

# %% [markdown]
# ## Does identity leak?
#
# If the coefficients told the colour of the skin, the generator would learn to paint people. A *probe* asks: how well can the
# skin be guessed from the coefficients, on people that the probe has not seen? $R^2 = 1$ is perfect, 0 is no better than
# the mean.
#
# ### Exercise 3: R squared on unseen people
#
# *Medium, 10 minutes.* With numpy, fit a linear map with an offset (least squares) on the first half of the rows, and return
# $R^2 = 1 - \sum (y - \hat y)^2 / \sum (y - \bar y)^2$ on the second half, where $\bar y$ is the mean of that half.


# %% tags=["exercise"]
def leak(coefficients, colour):
    """Return R squared of `colour` (n,) guessed from `coefficients` (n, K)."""
    # solution >>>
    half = len(colour) // 2
    x = np.column_stack([coefficients, np.ones(len(colour))])
    fit, *_ = np.linalg.lstsq(x[:half], colour[:half], rcond=None)
    error = colour[half:] - x[half:] @ fit
    spread = colour[half:] - colour[half:].mean()
    return 1 - (error**2).sum() / (spread**2).sum()
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb02.leak(leak)

# %% [markdown]
# <details><summary>Hint 1</summary><code>np.column_stack([x, ones])</code> brings the offset in.</details>
# <details><summary>Hint 2</summary>Fit with rows [:half], judge with rows [half:] - both error and spread.</details>
#
# {{solution}}

# %%
COUNT = 80 if FAST else 160
rng = np.random.default_rng(0)
people = rng.permutation(COUNT) + 200_100
smiles = [
    al.FaceParams(smile=s, yaw=y).array()
    for s, y in rng.uniform((0, -10), (0.8, 10), (COUNT, 2))
]
shots = np.stack(
    [al.Puppet(int(c), 64).draw(f) for c, f in zip(people, smiles, strict=True)]
)
with torch.no_grad():
    read = autoencoder.encode(to_tensor(torch.from_numpy(shots)))

# %%
skin = shots[:, 36:40, 22:26].mean((1, 2, 3)) / 255  # a cheek
few = read.identity.numpy()[:, :18]  # as many numbers as coefficients
for name, known in (
    ("coefficients", read.coefficients.numpy()),
    ("identity latent", few),
):
    found = leak(known, skin)
    print(f"from the {name:<16}", "-" if found is ... else round(found, 2))

# %% [markdown]
# **You should see** a number near or below zero for the coefficients (on unseen people, a useless probe is worse than the
# mean), and a clearly larger one for the identity latent, where it belongs.

# %% [markdown]
# ## Break it on purpose
#
# Without orthonormal directions, reading motion off a latent is wrong: directions that lean on each other are counted twice.

# %%
torch.manual_seed(0)
free = torch.randn(128, 18) + 1.5 * torch.randn(
    128, 1
)  # they share a direction
a = torch.randn(4, 18)
lean = free / free.norm(dim=0)
print(
    "unit columns  ", f"{((a @ lean.T) @ lean - a).abs().mean():.3f} mean error"
)
basis = torch.linalg.qr(free).Q
print(
    "orthonormal   ",
    f"{((a @ basis.T) @ basis - a).abs().mean():.1e} mean error",
)

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | encoder, decoder | `avatar_lab/motion/autoencoder.py` | `tests/motion/test_autoencoder.py` |
# | directions | `avatar_lab/motion/directions.py` | `tests/motion/test_directions.py` |
# | the training | `avatar_lab/train/autoencoder.py` | `tests/train/test_autoencoder.py` |
# | the exact map face <-> coefficients | `avatar_lab/motion/space.py` | `tests/motion/test_space.py` |
#
# The published encoder reads motion through the identity, with five linear layers. At 64 pixels that does not find a smile;
# the library's reader looks at the picture itself (`avatar_lab/motion/reader.py`).
#
# ## Quiz
#
# <details><summary>Why is the motion added to the identity, and not concatenated?</summary>So that it is a walk: the same
# steps from any starting point. That is what makes it transferable.</details>
# <details><summary>Why does the decoder need the source's feature maps?</summary>A latent of 128 numbers cannot hold a
# face's details. The maps do; the latent says where they go.</details>
# <details><summary>A probe finds no skin colour in the coefficients. Is there no identity in them?</summary>Not proven: a
# linear probe for one property found none. Hair, age, or a smarter probe may.</details>
#
# **Take away:** K numbers a frame are enough to move any face; everything after this chapter generates those.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.1; Wang et al., *Latent Image
# Animator*, 2022. *What this does not show:* photographs; the published autoencoder has 45 million weights and was trained
# on films of people.
