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
# # 06 · Two ears and a voice
#
# The avatar hears itself speak, hears the user, and sees the user's face. Three signals become one *condition* a frame.
# Then comes a trick with two dials: run the network with and without a signal, and exaggerate the difference. One dial
# says how much the voice counts, the other how much the user does.
#
# You need: chapters 03 to 05, or at least the words velocity and sigma.

# %% [markdown]
# ## What you will be able to do
#
# - **explain** how two ears and a voice become one condition, and why it must remember two seconds;
# - **drop** conditions in training, so that one network knows what it would do without them;
# - **combine** velocities in the two forms of guidance, and say what each form never sees;
# - **measure** what a dial does to lips and to reactions, and find where it harms.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | condition | $c$, `(b, t, w)` | what the network knows about a frame besides its noisy motion |
# | branch | $v(a, u)$ | one run of the network, with the voice (a) and the user (u) present, or zeros |
# | guidance weights | $w_a, w_u$ | how strongly the difference between branches is used |

# %% [markdown]
# ## Setup

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import avatar_lab as al

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
SEED = 0
print(al.doctor().verdict)

# %% [markdown]
# ## From three signals to one condition
#
# The *dual motion encoder* works in two steps. The user's face asks the user's voice ("what did you say while you looked
# like that?"); the avatar's voice then asks the result. Attention looks back only, two seconds far: an answer comes 0.3 to
# 1.2 seconds after its cause, so a condition that sees only *now* cannot learn one.

# %%
avatar = al.load("lab", device="cpu")
encoder, size = avatar.generator.condition, avatar.config.generator
torch.manual_seed(SEED)
frames = 50
user_motion = torch.randn(1, frames, size.motion_dim)
user_audio = torch.randn(1, frames, size.audio_dim)
avatar_audio = torch.randn(1, frames, size.audio_dim)
with torch.no_grad():
    condition, _ = encoder(user_motion, user_audio, avatar_audio)
print("user motion", tuple(user_motion.shape), end="  ")
print("both audios", tuple(user_audio.shape))
print("condition  ", tuple(condition.shape))

# %% [markdown]
# Which frames of the user does a frame's condition depend on? Change the user's motion at frame 10 only, and look where
# the condition changes.

# %%
nudged = user_motion.clone()
nudged[:, 10] += 1
with torch.no_grad():
    other, _ = encoder(nudged, user_audio, avatar_audio)
change = (other - condition).abs().mean(-1)[0]
plt.figure(figsize=(6, 1.8))
plt.bar(
    range(frames),
    change,
    color=["tab:orange" if t == 10 else "tab:blue" for t in range(frames)],
)
plt.xlabel("frame (the user moved at 10)")
plt.ylabel("condition\nchanges by")
plt.show()

# %% [markdown]
# **You should see** nothing before frame 10: the encoder is causal. The *published* one is not; inside its window each
# frame sees the others' future. That is fine for a film and impossible for a conversation. The tall bars stand five frames
# apart, up to frame 40: besides attention, each frame is handed the user's motion of 0, 5, 10 ... 30 frames ago, side by
# side (`user_lags`). A reaction's delay need not be searched for. The other frames notice through attention, a little.

# %% [markdown]
# ## Dropping what is known
#
# To compare "with" and "without" later, the network must have met both. In training, each condition is replaced by zeros
# now and then, each by itself. The paper drops each with $p = 0.1$.
#
# ### Exercise 1: condition dropout
#
# *Easy, 10 minutes.* Write `drop`: for every example of the batch decide twice, independently, with the given probability:
# whether the *whole* user is zeros, and whether the *whole* voice of the avatar is. Draw from the generator that is passed. The
# user's motion and audio are two signals, but a user who is not there is neither seen nor heard: one decision for both.


# %% tags=["exercise"]
def drop(signals, probability, rng):
    """Return the signals, zeroed for some examples.

    signals: {"user_motion", "user_audio", "avatar_audio"}, each (b, t, ?).
    """
    # solution >>>
    batch = len(signals["user_motion"])
    user = torch.rand(batch, 1, 1, generator=rng) >= probability
    voice = torch.rand(batch, 1, 1, generator=rng) >= probability
    keep = {"user_motion": user, "user_audio": user, "avatar_audio": voice}
    return {name: signal * keep[name] for name, signal in signals.items()}
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb06

nb06.dropout(drop)

# %% [markdown]
# <details><summary>Hint 1</summary>A decision per example has shape <code>(b, 1, 1)</code>: it is the same for all frames
# and all numbers of a frame.</details>
# <details><summary>Hint 2</summary><code>torch.rand(b, 1, 1, generator=rng) >= probability</code> keeps; make one for the
# user, one for the voice, and multiply.</details>
#
# {{solution}}

# %% [markdown]
# ## Two dials
#
# At every step the network runs once a *branch*. The paper adds the differences up (Eq. 14):
#
# $$v = v(0,0) + w_a\,[v(a,0) - v(0,0)] + w_u\,[v(0,u) - v(0,0)]$$
#
# The *nested* form adds the user to a network that already hears the voice:
#
# $$v = v(0,0) + w_a\,[v(a,0) - v(0,0)] + w_u\,[v(a,u) - v(a,0)]$$
#
# ### Exercise 2: combine
#
# *Medium, 10 minutes.* Write both: `form` is `"sum"` or `"nested"`.


# %% tags=["exercise"]
def combine(v, w_a, w_u, form):
    """Return the guided velocity; v["a", "0"] is v(a, 0), and so on."""
    # solution >>>
    nothing, voice = v["0", "0"], v["a", "0"]
    if form == "sum":
        user = v["0", "u"] - nothing
    else:
        user = v["a", "u"] - voice
    return nothing + w_a * (voice - nothing) + w_u * user
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb06.combine(combine)

# %% [markdown]
# <details><summary>Hint 1</summary>The first two terms are the same in both forms.</details>
# <details><summary>Hint 2</summary>In the nested form the user's difference is taken where the voice is present.</details>
#
# {{solution}}

# %% [markdown]
# ### Exercise 3: what does the sum never see?
#
# *Medium, 5 minutes.* For which weights do the forms need which branches? The keys are (form, $w_a$, $w_u$); each value is a
# set of pairs, such as `{("a", "0"), ("a", "u")}`. Leave out a branch whose weight is zero in the end. (Multiply the equations out. A branch that is never evaluated costs
# no time.)

# %% tags=["exercise"]
needed = {
    # solution >>>
    ("sum", 1.0, 1.0): {("0", "0"), ("a", "0"), ("0", "u")},
    ("nested", 1.0, 1.0): {("a", "u")},
    ("nested", 2.0, 2.0): {("0", "0"), ("a", "u")},
    ("nested", 2.0, 3.0): {("0", "0"), ("a", "0"), ("a", "u")},
    # learner >>>
    # ~ ("sum", 1.0, 1.0): ...,
    # ~ ("nested", 1.0, 1.0): ...,
    # ~ ("nested", 2.0, 2.0): ...,
    # ~ ("nested", 2.0, 3.0): ...,
    # <<<
}

# %%
nb06.needed(needed)

# %% [markdown]
# <details><summary>Hint 1</summary>Nested: the weights of (0,0), (a,0) and (a,u) are 1 - w_a, w_a - w_u and w_u.</details>
# <details><summary>Hint 2</summary>Sum: those of (0,0), (a,0) and (0,u) are 1 - w_a - w_u, w_a and w_u. With both at 1,
# the first is -1: not zero.</details>
#
# {{solution}}

# %% [markdown]
# The sum never shows the network voice *and* user together: it adds two half-informed opinions. With the weights at 1,
# the nested form is simply the network with all it knows, one run instead of three.
# `lab` uses it because it shows both together; at its weights, 2 and 4, it needs three runs as well.

# %% [markdown]
# ## Turn the dials
#
# Now measure. A few held-out conversations are streamed at every pair of weights, with their own user and with a stranger.
#
# - *lips*: correlation of the avatar's jaw with the true one;
# - *reaction*: how much more its smile rises after its own user's smiles than with a stranger as user, as a share of what
#   the true avatars do. 1 is a person.

# %%
from dataclasses import replace

from avatar_lab.metrics.controls import derangement
from avatar_lab.metrics.reaction import REACTIONS, judge
from avatar_lab.metrics.report import lip_correlation
from avatar_lab.stream.evaluate import stack_dyads, stream_faces

COUNT, SECONDS = (3, 12) if FAST else (6, 16)
dyads = [
    al.simulate(seconds=SECONDS, seed=900 + i, split="test", reactivity=1.0)
    for i in range(COUNT)
]
# the users' faces and voices, the avatars' voices and true faces
users, heard, said, truth = stack_dyads(dyads)
smile = next(r for r in REACTIONS if r.name == "smile")


# %%
def stream_both(w_a, w_u):
    """Return the avatars' faces with the own user and with a stranger."""
    weights = {"audio": w_a, "user": w_u}
    sampler = replace(avatar.config.sampler, guidance=weights)
    other = derangement(COUNT)  # everybody gets somebody else's user
    tracks = {}
    for name, who in (
        ("true_user", np.arange(COUNT)),
        ("shuffled_user", other),
    ):
        given = (users[who], heard[who], said)
        tracks[name] = stream_faces(avatar, *given, seed=SEED, sampler=sampler)
    return tracks


# %%
def scores(tracks):
    """Return lips and reaction of one pair of weights."""
    voices = [dyad.avatar.audio for dyad in dyads]
    lips = lip_correlation(tracks["true_user"], truth, voices, "jaw_open")
    found = judge(smile, tracks, truth, dyads)
    share = found["share_of_truth"] if found else None
    return lips.mean, np.nan if share is None else share["mean"]


# %% [markdown]
# **Predict first:** the user's dial goes from 0 to 6. Will the reaction grow for ever? What will happen to the lips, which
# have nothing to do with the user? And what will the voice's dial do to the reaction?

# %%
AUDIO, USER = (
    ([1.0, 2.0], [1.0, 4.0])
    if FAST
    else ([0.0, 1.0, 2.0], [0.0, 1.0, 3.0, 6.0])
)
made = {(w_a, w_u): stream_both(w_a, w_u) for w_a in AUDIO for w_u in USER}
grid = {weights: scores(tracks) for weights, tracks in made.items()}
print(f"{'voice':>6}{'user':>6}{'lips':>8}{'reaction':>10}")
for (w_a, w_u), (lips, reaction) in grid.items():
    print(f"{w_a:>6.1f}{w_u:>6.1f}{lips:>8.2f}{reaction:>10.2f}")

# %% [markdown]
# Touch a square of the pad (or use the arrow keys): it is a pair of weights. The films show the same user, the same voice
# and the same noise every time; the bars show what was measured over all conversations.

# %%
from avatar_lab.viz.guidance_pad import guidance_pad

guidance_pad(
    grid,
    {weights: tracks["true_user"] for weights, tracks in made.items()},
    dyads,
)

# %% [markdown]
# **You should see** lips vanish when the voice's dial is at 0, and reactions vanish when the user's is. (The fast mode has
# four squares only, and none at 0: there, reactions are small where the user's dial is at 1.) Between, each dial
# does what it says - and beyond some point only exaggerates: an avatar that grins at twice what a person would is not twice
# as good. The shipped `lab` weights use 2 and 4. With so few conversations these numbers are rough; `avatar-lab evaluate`
# gives intervals.

# %% [markdown]
# ## Break it on purpose
#
# Guidance is extrapolation. Turn the user's dial far beyond what training could mean (the voice's stays at 2):

# %%
wild = stream_both(2.0, 25.0)["true_user"]
calm = made[AUDIO[-1], USER[1]]["true_user"]
for name, faces in (("moderate", calm), ("wild", wild)):
    jerk = np.abs(np.diff(faces, n=3, axis=1)).mean()  # how it trembles
    smiles = faces[..., al.FACE_NAMES.index("smile")]
    inside = np.mean((smiles > 0) & (smiles < 1))  # the rest is clipped
    print(f"{name:<9} mean jerk {jerk:6.3f}   smiles inside 0..1: {inside:.0%}")

# %% [markdown]
# The face is clipped at what a face can do, and trembles: the network is asked about motion that nobody ever made.

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | the dual motion encoder | `avatar_lab/model/condition.py` | `tests/model/test_condition.py` |
# | dropout | `avatar_lab/train/diffusion_forcing.py` | `tests/train/test_diffusion_forcing.py` |
# | branches and weights | `avatar_lab/flow/guidance.py` | `tests/flow/test_guidance.py` |
# | guidance in one pass | `avatar_lab/train/one_branch.py` | `tests/train/test_one_branch.py` |
#
# The library drops the user as a whole and besides, now and then, face or voice alone. It never evaluates a branch whose
# weight is zero, runs the others as one batch, and can distil all of them into one pass (`al.load("lab", fast=True)`).

# %% [markdown]
# ## Quiz
#
# <details><summary>Why is the user's motion the query and the user's audio the key, not the other way round?</summary>The
# result has one row per query. Either would do; what matters is that face and voice of one person meet before the avatar's
# own voice comes in.</details>
# <details><summary>Why must a user be dropped as a whole?</summary>v(a,0) stands for "no user", neither seen nor heard. With
# two decisions at 0.1 that would come up once in a hundred examples: too rarely to learn what nobody looks like.</details>
# <details><summary>Does guidance need training?</summary>Only that conditions were dropped. The weights can be turned while
# the avatar runs.</details>
#
# **Take away:** guidance is a difference of two opinions, exaggerated. It is the cheapest way to a livelier reaction, and
# the first thing that a costlier one has to beat.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.2 and Eq. 14; Ho and Salimans,
# *Classifier-free diffusion guidance*, 2022. *What this does not show:* how the reaction was learned (chapter 05), and
# whether it can be trained in instead of turned up (chapter 08).
