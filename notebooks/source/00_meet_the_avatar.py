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
# # 00 · Meet the avatar
#
# A user talks, laughs and nods. An avatar with a voice of its own listens, answers, and moves its face - twenty-five
# times a second, without ever looking into the future. In this notebook you run it, name its parts, and find out how
# much of what it does is really an *answer*.
#
# You need: Python, and an idea of what a tensor is. A laptop without a GPU is enough.

# %% [markdown]
# ## What you will be able to do
#
# - **run** the whole pipeline, from a user's face and voice to a film of the avatar;
# - **name** the signals between its parts, with their shapes and units;
# - **measure** where the milliseconds go, and **compute** the latency that a block size implies;
# - **test** whether the avatar reacts, by taking the user's smile away and changing nothing else.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | frame | 1 / 25 s | one picture, and the 640 sound samples that go with it |
# | face parameters | `(T, 18)` | pose, mouth, brows, lids and gaze: all that is known of a face |
# | coefficients | `(T, K)`, here K = 18 | the same motion in the model's own coordinates, of which no two move together |
# | picture | `(128, 128, 3)` | height, width, three colours; numbers from 0 to 255 |
# | block | B = 5 frames | what is generated at once |

# %% [markdown]
# ## Setup
#
# `doctor` looks at this machine. Nothing is downloaded here or later.

# %%
import os

import avatar_lab as al
from avatar_lab.viz.frames import strip
from avatar_lab.viz.tracks import tracks

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
SEED = 0
print(al.doctor().verdict)

# %% [markdown]
# ## A conversation whose every cause is known
#
# Two simulated people talk. Both follow the same rules, taken from studies of how people behave; every smile, nod and
# laugh is written down with its cause. (A *cue* is a low stretch of a voice, to which listeners like to say "mhm".) We keep the *user's* side as input, and the voice of the other one as what our
# avatar is going to say.

# %%
dyad = al.simulate(seconds=6 if FAST else 12, seed=7)
print("user face ", dyad.user.face.shape, "columns", *al.FACE_NAMES[:4], "...")
print("user audio", dyad.user.audio.shape, "16,000 samples a second")
for event in dyad.events[:5]:
    print(f"{event.start:5.2f} s  {event.who:<7} {event.kind}")

# %% [markdown]
# ## The avatar answers
#
# `load` reads the networks that ship with the package. `react` streams the conversation through them, block by block:
#
# $$\text{user face, user voice, own voice} \;\rightarrow\; \text{condition} \;\rightarrow\; \text{motion}
# \;\rightarrow\; \text{picture}$$

# %%
avatar = al.load("lab")
reaction = al.react(
    avatar, user=dyad.user, speech=dyad.avatar.audio, character=3, seed=SEED
)
twin = al.Puppet(character=1, size=128).draw_track(dyad.user.face)
strip({"user": twin, "avatar": reaction.frames})

# %% [markdown]
# **You should see** two drawn people at the same moments. The upper one is the user's *twin*: eighteen numbers a frame,
# drawn. It is all the avatar knows about the user's face. The lower one is the avatar's answer.
#
# A film has sound. This one shows both, and plays both voices:

# %%
from pathlib import Path

from IPython.display import Video

Path("out").mkdir(exist_ok=True)
film = reaction.save("out/meet_the_avatar.mp4")
Video(film, embed=True, width=512)

# %% [markdown]
# ## The pipeline, with shapes and milliseconds
#
# Every arrow of the pipeline is an array that you can look at.

# %%
for name, array in {
    "user.face": reaction.user.face,
    "user.audio": reaction.user.audio,
    "motion": reaction.motion,
    "face": reaction.face,
    "frames": reaction.frames,
}.items():
    print(f"{name:<11} {array.dtype!s:<8} {array.ndim} axes")

# %% [markdown]
# ### Exercise 1: the shape table
#
# *Easy, 5 minutes.* Fill in the shape of each array, from the length of the conversation and what you know about
# frames, samples and pictures - then let the check compare. (`reaction.face.shape` would tell you, of course. Guess
# first.)

# %% tags=["exercise"]
seconds = dyad.seconds
# solution >>>
T = round(seconds * 25)
my_shapes = {
    "user.face": (T, 18),
    "user.audio": (T * 640,),
    "motion": (T, 18),
    "face": (T, 18),
    "frames": (T, 128, 128, 3),
}
# learner >>>
# ~ my_shapes = {
# ~     "user.face": ...,
# ~     "user.audio": ...,
# ~     "motion": ...,
# ~     "face": ...,
# ~     "frames": ...,
# ~ }
# <<<

# %%
from avatar_lab.check import nb00

nb00.shapes(my_shapes, reaction)

# %% [markdown]
# <details><summary>Hint 1</summary>Time comes first, everywhere. How many frames are there in
# <code>seconds</code>?</details>
# <details><summary>Hint 2</summary>Sound has 640 samples for each frame and one axis. A picture is 128 by 128, and has
# three colours.</details>
#
# {{solution}}

# %% [markdown]
# ### Where the time goes
#
# One block is five frames: 200 ms of conversation. The avatar keeps up when it needs less than that to hear, think and
# draw. These are measured on *your* machine, just now: the median block, and the slow one in twenty. *See* takes the
# user's face, *listen* turns both voices into numbers, *condition* lets the three signals meet, *denoise* makes the
# motion, *remember* keeps it for later blocks, *draw* paints.

# %%
stages = reaction.timing["stages"]
print(f"{'stage':<12}{'p50 ms':>8}{'p95 ms':>8}")
for stage, ms in stages.items():
    print(f"{stage:<12}{ms['p50_ms']:>8.1f}{ms['p95_ms']:>8.1f}")
print(f"real-time factor {reaction.timing['rtf']:.2f} (below 1 keeps up)")

# %% [markdown]
# ### Exercise 2: latency from the configuration
#
# *Medium, 10 minutes.* Something happens in the *first* frame of a block. How long until the first picture that can
# show an answer to it is ready, in milliseconds? Two things must have happened: the block is complete, and the answer is
# computed. Write it as a function of the whole configuration, so that it holds for other block sizes, too; the next
# cell shows what is in it.

# %%
config = avatar.config
for name in ("block", "window", "lookahead"):
    print(
        f"config.generator.{name:<10}{getattr(config.generator, name)} frames"
    )
print("25 frames a second")


# %% tags=["exercise"]
def latency_ms(config, compute_ms):
    """Return milliseconds from a frame's capture to its first answer."""
    # solution >>>
    filling_ms = 1000 * config.generator.block / 25
    return filling_ms + compute_ms
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb00.latency(latency_ms)

# %% [markdown]
# <details><summary>Hint 1</summary>How many milliseconds does one frame last? How many of them fill a block?</details>
# <details><summary>Hint 2</summary>Waiting and computing come one after the other: add them. The look-ahead does not make
# you wait: a frame gets it afterwards, when it is read again with the next block.</details>
#
# {{solution}}
#
# The paper reports half a second with blocks of ten frames. Most of it is waiting for the block, not computing. That is
# why smaller blocks react faster - and why they are harder: less of the future is known.

# %% [markdown]
# ## Does it answer, or does it just move?
#
# Lively motion proves nothing. So we change *one* thing. Here are six seconds in which the user smiles, and the same six
# seconds with the smile wiped off the user's face. Voices, nods, blinks, seeds and weights stay the same. Motion is
# drawn from a distribution, so we let the avatar answer several times and look at the average.
#
# **Predict first:** will the avatar smile in both cases, in one, in none? Will its smile come with the user's, or after
# it?

# %%
talk = al.simulate(seconds=20, seed=21)
SMILE, START, T = al.FACE_NAMES.index("smile"), 335, 150
user, voice = talk.user.cut(START, T), talk.avatar.cut(START, T).audio
sober = user.face.copy()
sober[:, SMILE] = 0
users = {True: user, False: al.Performance(sober, user.audio)}

# %%
import numpy as np


def average_answer(user: al.Performance, draws: int) -> np.ndarray:
    """Return the avatar's mean face track over several seeds."""
    answers = [
        al.react(avatar, user=user, speech=voice, picture=None, seed=seed)
        for seed in range(draws)
    ]
    return np.mean([answer.face for answer in answers], axis=0)


DRAWS = 1 if FAST else 6
answers = {on: average_answer(user, DRAWS) for on, user in users.items()}

# %% [markdown]
# The next cell draws both films. Then flip the switch. (On a page without a kernel, look at the curves below it: they show both.)

# %%
import ipywidgets as widgets
from IPython.display import display

twin, character = al.Puppet(1, size=128), al.Puppet(3, size=128)
films = {
    on: {
        "user": twin.draw_track(users[on].face),
        "avatar": character.draw_track(answers[on]),
    }
    for on in users
}


# %%
def show(user_smiles: bool) -> None:
    """Show the user's twin, and the avatar's average answer."""
    display(strip(films[user_smiles]))


switch = widgets.ToggleButton(value=True, description="user smiles")
widgets.interactive(show, user_smiles=switch)

# %%
smiling = np.flatnonzero(user.face[:, SMILE] > 0.2) / 25
tracks(
    {
        "user": user.face,
        "avatar, user smiles": answers[True],
        "avatar, smile wiped off": answers[False],
    },
    ("smile", "squint", "pitch"),
    shade=(smiling[0], smiling[-1]),
)

# %%
after = slice(int(25 * smiling[0]) + 15, T)
for on, answer in answers.items():
    what = "user smiles     " if on else "smile wiped off "
    print(what, f"avatar's mean smile {answer[after, SMILE].mean():.2f}")

# %% [markdown]
# **You should see** the two lines of the avatar run together until the user smiles, and part *after* that: what has not
# happened yet cannot be answered. How far they part is this model's reaction to this smile; it is smaller than a lively
# person's. One conversation is an anecdote; `avatar-lab evaluate` does the same over many, with strangers as users, and
# gives an interval.

# %% [markdown]
# ## Break it on purpose
#
# The engine takes exactly one block. Give it a frame too few, and read what it says:

# %%
engine = al.AvatarEngine(avatar, character=3, seed=SEED)
try:
    engine.step(user_face=dyad.user.face[: engine.block - 1])
except al.AvatarLabError as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | `al.simulate` | `avatar_lab/data/conversation.py` | `tests/data/test_conversation.py` |
# | `al.react` | `avatar_lab/stream/react.py` | `tests/stream/` |
# | `al.AvatarEngine` | `avatar_lab/stream/engine.py` | streaming equals offline, to the last bit |
# | `al.Puppet` | `avatar_lab/render/puppet.py` | `tests/render/` |
#
# `react` contains no second implementation: it is the live engine in a loop. What a file shows is what a live session
# would have shown.

# %% [markdown]
# ## Quiz
#
# <details><summary>Why can the avatar not promise an answer within 100 ms, however fast the computer is?</summary>Because
# a block of five frames takes 200 ms to fill, and nothing is computed before it is complete. Only what happens in the
# block's last frames waits less.</details>
# <details><summary>What does the model know about the user's clothes?</summary>Nothing. It sees eighteen numbers a frame,
# and hears the voice.</details>
# <details><summary>The avatar smiles a lot while the user smiles a lot. Does it react?</summary>That does not follow. Take
# the user away, or exchange them, and see what remains.</details>
#
# **Take away:** the avatar is a stream of small decisions, one a block. Its latency is waiting plus computing. And the
# only honest test of a reaction is to remove its cause.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), sections 3 and 4, algorithm 2.
# *What this does not show:* real people, training, and why any of it works. That is what the next notebooks are for.
