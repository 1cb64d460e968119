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
# # 10 · Real time
#
# A fast network is not yet a live conversation. Pictures must be waited for, queues fill, a browser stumbles, and a delay
# that came once may stay for ever. In this notebook you take the milliseconds apart, and build the three small things that
# keep an avatar in the present: a mailbox, a pull, and a plan for bad moments.
#
# You need: chapter 00. No camera; that is chapter 11.

# %% [markdown]
# ## What you will be able to do
#
# - **split** latency into waiting, computing and transport, and compute it from a configuration;
# - **show** why a queue between a fast camera and a slow network never recovers;
# - **build** a mailbox in which the newest wins;
# - **choose** on purpose what to give up when the machine is late.
#
# | word | unit | meaning |
# |---|---|---|
# | path latency | ms | from a picture's capture to the first picture shown that could depend on it |
# | p50, p95 | ms | the median; the value that 95 of 100 stay below |
# | buffering | ms | waiting for the rest of the block: no faster machine helps |
# | real-time factor | 1 | time to compute a block over the time it lasts; below 1 keeps up |
# | back-pressure | | the slow part tells the fast one when to send |

# %% [markdown]
# ## Setup

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import avatar_lab as al

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
FRAME_MS = 40  # 25 frames a second
print(al.doctor().verdict)

# %% [markdown]
# ## Where do the milliseconds go?
#
# The engine carries a stopwatch for each stage. Here it runs through some seconds of conversation, on your machine, now.
#
# The stages of a block: *see* the user's face, *listen* to both voices, join them to a *condition*, *denoise* the new frames
# step by step, *remember* the finished block in one more pass, and *draw* it.

# %%
avatar = al.load("lab", device="cpu")
dyad = al.simulate(seconds=6 if FAST else 20, seed=5)
reaction = al.react(
    avatar, user=dyad.user, speech=dyad.avatar.audio, character=3
)
stages = reaction.timing["stages"]
order = ("see", "listen", "condition", "denoise", "remember", "draw")
for name in (*order, "total"):
    p50, p95 = stages[name]["p50_ms"], stages[name]["p95_ms"]
    print(f"{name:<12}p50 {p50:6.1f} ms   p95 {p95:6.1f} ms")
print("real-time factor", round(reaction.timing["rtf"], 2))

# %%
parts = {name: stages[name]["p50_ms"] for name in order}
waiting = avatar.config.generator.block * FRAME_MS
figure, axis = plt.subplots(figsize=(7, 1.2))
left = 0.0
for name, ms in {"fill the block": waiting, **parts}.items():
    axis.barh(0, ms, left=left, label=f"{name} {ms:.0f} ms")
    left += ms
axis.set(yticks=[], xlabel="ms after the first frame of a block")
axis.legend(ncols=4, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.6))
plt.show()

# %% [markdown]
# **You should see** one long bar and shorter ones: on a machine that keeps up, waiting for the block to fill is the largest
# part. *See* takes nothing here: a simulated user comes as numbers, so that no face is read from a picture.

# %% [markdown]
# ### Exercise 1: path latency
#
# *Easy, 10 minutes.* A picture is captured at the end of frame `k` of a block (k = 0 is the first). When the block is
# complete it travels for `transport_ms`, is computed, and its answer is shown. Frames last 40 ms. How old is the picture
# when the first answer appears that could depend on it? (Chapter 00 counted from the *beginning* of the first frame, one
# frame earlier.)


# %% tags=["exercise"]
def path_latency_ms(k, block, compute_ms, transport_ms):
    """Return milliseconds from the capture of frame k to its answer."""
    # solution >>>
    waiting_ms = (block - 1 - k) * FRAME_MS
    return waiting_ms + transport_ms + compute_ms
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb10

nb10.path_latency(path_latency_ms)

# %% [markdown]
# <details><summary>Hint 1</summary>How many frames of the block are still missing after frame k?</details>
# <details><summary>Hint 2</summary>After the last frame of a block (k = block - 1) nothing is waited for.</details>
#
# {{solution}}
#
# An event falls into any frame of a block, so its picture waits $(B - 1)/2$ frames on average. Small blocks answer sooner, and are dearer:
# the network costs about the same whatever a block holds; only drawing grows with the frames.

# %%
compute = reaction.timing["compute_p50_ms"]
a_picture = parts["draw"] / avatar.config.generator.block
blocks = np.arange(1, 26)
cost = compute - parts["draw"] + a_picture * blocks
late = (blocks - 1) / 2 * FRAME_MS + cost
figure, axis = plt.subplots(figsize=(6, 2.6))
axis.plot(blocks, late, label="path latency, mean, ms")
axis.plot(blocks, 100 * cost / blocks / FRAME_MS, label="real-time factor, %")
for frames, name in ((5, "lab"), (10, "paper")):
    axis.axvline(frames, color="grey", lw=0.8)
    axis.text(frames + 0.3, 545, name)
axis.set(xlabel="frames in a block", ylabel="ms; %", ylim=(0, 600))
axis.legend(fontsize=8, loc="upper right")
plt.show()

# %% [markdown]
# **You should see** one line rise and one fall: where the second is above 100 %, blocks take longer than they last. A small
# block is possible only on a machine that is fast enough for it.

# %% [markdown]
# ## A queue remembers the bad moments
#
# The camera sends a picture every 40 ms. Somebody must read the face in it, and that takes a little longer today: 50 ms.
# What happens to the age of the picture that is being read?


# %%
def ages(work_ms, newest_wins, pictures=200):
    """Return how old every picture is when its reading is finished."""
    free_at, index, found = 0.0, 0, []
    while index < pictures:
        arrived = index * FRAME_MS
        begins = max(free_at, arrived)
        if newest_wins:  # jump to the newest picture that is there
            index = min(int(begins // FRAME_MS), pictures - 1)
            begins = max(begins, index * FRAME_MS)
        free_at = begins + work_ms
        found.append((free_at / 1000, free_at - index * FRAME_MS))
        index += 1
    return np.array(found).T


# %% [markdown]
# **Predict first:** the camera runs for eight seconds. How old is the last picture when it has been read, with a queue? And
# with "newest wins"?

# %%
figure, axis = plt.subplots(figsize=(6, 2.4))
for newest_wins, name in ((False, "queue"), (True, "newest wins")):
    seconds, age = ages(50, newest_wins)
    axis.plot(
        seconds,
        age,
        label=f"{name}: {age[-1]:.0f} ms at the end, {len(age)} pictures read",
    )
axis.set(xlabel="seconds until it was read", ylabel="age of the picture, ms")
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# **You should see** a line that climbs for ever, and one that stays. A queue loses nothing, and so it loses the present. For
# a face, an old picture is worth nothing: drop it. (Sound is different: a gap is heard. It is kept, up to a bound.)

# %% [markdown]
# ### Exercise 2: a mailbox
#
# *Medium, 10 minutes.* It holds one item. `put` returns the item that had to give way (its sender wants to know, or waits
# for ever), or None. `take` returns the item and empties the box, or None when there is nothing.


# %% tags=["exercise"]
class Mailbox:
    """One item; the newest wins."""

    # solution >>>
    def __init__(self):
        self.item = None

    def put(self, item):
        lost, self.item = self.item, item
        return lost

    def take(self):
        item, self.item = self.item, None
        return item

    # learner >>>
    # ~ def __init__(self): ...
    # ~
    # ~ def put(self, item): ...
    # ~
    # ~ def take(self): ...
    # <<<


# %%
nb10.mailbox(Mailbox)

# %% [markdown]
# <details><summary>Hint 1</summary>One attribute is enough.</details>
# <details><summary>Hint 2</summary>Python can exchange two values in one line:
# <code>lost, self.item = self.item, item</code>.</details>
#
# {{solution}}

# %% [markdown]
# ## Pull, do not push
#
# The same holds on the way back. If the kernel *pushes* a block every 200 ms, a browser that stood still for two seconds
# finds ten blocks waiting, and plays them all, two seconds late, from then on. If the browser *asks* for a block whenever
# little is left to play, there is never more than that little: after any stall the next block is made from the present.
#
# Play with it. A stall, jitter, lost messages; a queue or a mailbox; push or pull. The upper picture shows where each
# block's time goes, the lower one how late the avatar is.

# %%
from avatar_lab.viz.interactive import interactive

interactive("latency_waterfall", block_ms=waiting, compute_ms=float(compute))

# %% [markdown]
# **You should see**: with *push*, a stall of 2 s raises the lower line by 2 s, and it stays there. With *pull*, it falls back
# with the next block. Jitter costs a buffer: the more it varies, the more must lie ready.

# %% [markdown]
# ## When the machine is late
#
# A block that needs longer than it lasts cannot be saved by queues. Something must be given up: first quality (fewer
# steps, fewer pictures), then motion (hold the last pose, for a moment), never the present.
#
# ### Exercise 3: a plan for bad moments
#
# *Medium, 15 minutes.* `choose` is told the steps that were taken, how long each of the last blocks took, and the budget:
# how long a block lasts. Return the steps for the next block, from `STEPS`, or 0 to hold the pose:
#
# - the *slowest* of the last blocks needed more than 80 % of the budget: one level fewer (from the lowest: 0; from 0: stay);
# - it needed less than 40 %: one level more (from 0: the lowest; from the highest: stay);
# - else: stay.

# %%
STEPS = (2, 4, 8)


# %% tags=["exercise"]
def choose(steps, last_ms, budget_ms):
    """Return the next number of steps: 0, 2, 4 or 8."""
    # solution >>>
    levels = (0, *STEPS)
    level, slowest = levels.index(steps), max(last_ms)
    if slowest > 0.8 * budget_ms:
        level = max(level - 1, 0)
    elif slowest < 0.4 * budget_ms:
        level = min(level + 1, len(levels) - 1)
    return levels[level]
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb10.degrade(choose)

# %% [markdown]
# <details><summary>Hint 1</summary>Write the levels as one tuple, (0, 2, 4, 8), and move an index.</details>
# <details><summary>Hint 2</summary>The slowest counts, not the mean: one late block is heard.</details>
#
# {{solution}}
#
# Between 40 and 80 % nothing changes. Without that gap the number of steps would flicker at every block: this is
# *hysteresis*.

# %%
rng = np.random.default_rng(0)
load = np.ones(80)
load[20:45] = 5  # somebody compiles something
steps, taken, times = 8, [], [20.0]
for busy in load:
    ms = busy * (6 + 6 * steps) * rng.uniform(0.9, 1.1)
    times = [*times, ms][-3:]
    steps = choose(steps, times, waiting)
    if steps not in (0, *STEPS):
        steps = 8  # not written yet: nothing is given up
    taken.append((steps, ms))

# %%
figure, axes = plt.subplots(2, 1, figsize=(6, 2.8), sharex=True)
axes[0].step(range(80), [steps for steps, _ in taken])
axes[0].set_ylabel("steps")
axes[1].plot([ms for _, ms in taken])
axes[1].axhline(waiting, color="tab:red", lw=0.8)
axes[1].set(xlabel="block", ylabel="ms")
plt.show()

# %% [markdown]
# **You should see** the steps go down a level with each block when the load comes, the pose held for some blocks, then two steps
# for as long as the load lasts, and quality again. (While your exercise is open, eight steps stay, and blocks take longer
# than they last: the red line.)

# %% [markdown]
# ## Break it on purpose
#
# Take the gap away: fewer steps above 50 %, more below 50 %, and look at one quiet minute.

# %%
steps, changes = 4, 0
for _ in range(300):
    ms = 3.4 * (6 + 6 * steps) * rng.uniform(0.9, 1.1)
    following = 2 if ms > 0.5 * waiting else 4
    changes += following != steps
    steps = following
print(f"{changes} changes of quality in 300 blocks")

# %% [markdown]
# **You should see** a change in most blocks, although nothing happened: each level makes the other look right.

# %% [markdown]
# ## Into the library
#
# | you built | it lives in | what it does differently |
# |---|---|---|
# | the mailbox | `avatar_lab/stream/mailbox.py` | a lock, a condition to wait on, and a bounded ring for sound beside it |
# | pull | `avatar_lab/stream/session.py` | two threads: one reads faces, one makes a block when asked |
# | the plan | `avatar_lab/stream/degrade.py` | recovers slowly, and says on the screen what it gave up |
# | the stopwatch | `avatar_lab/stream/meter.py` | a bounded memory, p50 and p95 |

# %% [markdown]
# ## Quiz
#
# <details><summary>The network is made twice as fast. By how much does the path latency fall?</summary>By half of the
# computing only. With blocks of 200 ms the waiting stays: 80 ms on average, 160 at worst.</details>
# <details><summary>Why are pictures dropped, but not sound?</summary>The newest picture says all that matters about a face. A
# hole in the sound is a click, and a lost syllable.</details>
# <details><summary>Why does the browser ask, not the kernel send?</summary>Only the browser knows what is left to play. Its
# audio clock is the one that people hear.</details>
#
# **Take away:** latency is waiting + computing + transport. Throughput does not heal a delay; only dropping the past does.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 4 reports 500 ms for blocks of ten
# frames. *What this does not show:* a real camera and a real browser. They come next.
