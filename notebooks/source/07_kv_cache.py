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
# # 07 · KV cache
#
# A conversation has no length. An avatar that read all of it again for every block would fall behind, and never catch up. So it
# reads each frame once, keeps what later frames will ask of it, and throws the rest away. Done right, the stream shows what an
# offline run would have shown. Done almost right, it shows something similar, and no error message.
#
# You need: attention and masks (chapter 04), sigma and Euler steps (chapter 03 or 05).

# %% [markdown]
# ## What you will be able to do
#
# - **name** what a transformer must keep of its past, and what it need not;
# - **write** frames into a store of fixed size, by position;
# - **move** rotary positions, so that a session never ends;
# - **finish** a block: why one more pass on clean frames is not waste;
# - **prove** that a stream equals an offline run, and say where it does not.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | keys, values | $K, V$, `(layers, b, h, frames, d)` | what later frames may ask of a frame |
# | context | $C$ | how many finished frames the cache holds |
# | block, look-ahead | $B$, $l$ | frames made together; frames that wait for the next block |
# | offset | | the last $l$ clean frames, read once more with the next block |

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
torch.set_grad_enabled(False)  # nothing is trained here
print(al.doctor().verdict)

# %% [markdown]
# ## What must be kept?
#
# A frame $i$ of a causal transformer takes this from the others:
#
# $$o_i = \sum_{j \le i} \text{softmax}_j\!\left(\frac{q_i \cdot k_j}{\sqrt d}\right) v_j$$
#
# Of the past, only $k_j$ and $v_j$ occur. Nobody asks for an old query. So keep keys and values, and compute the new rows only.

# %%
from avatar_lab.model.attention import attend

rng = torch.Generator().manual_seed(SEED)
q, k, v = (torch.randn(1, 1, 50, 32, generator=rng) for _ in range(3))
causal = torch.ones(50, 50, dtype=torch.bool).tril()

everything = attend(q, k, v, causal)  # (1, 50, 32)
new_rows = attend(q[:, :, 45:], k, v, causal[45:])  # five queries, all keys
gap = (everything[:, 45:] - new_rows).abs().max()
print("queries", tuple(q[:, :, 45:].shape), " keys", tuple(k.shape))
print(f"largest difference {gap:.0e}")

# %% [markdown]
# **You should see** no difference beyond rounding, at a tenth of the queries. One condition hides in $j \le i$: a key must be
# *final* when it is kept. In deeper layers it depends on what its frame had seen; if that frame looks into the future, its key
# changes when the future arrives. Keep this in mind for later.

# %% [markdown]
# ## Where does a key go?
#
# A cache that grows ends a session sooner or later. One of fixed size $C$ needs a rule for who makes room. The simplest is a
# ring: frame $p$ always goes into slot $p \bmod C$, where it meets the frame that is $C$ older.
#
# Writing *by position* pays off when a frame is written twice. The last frames of a block are read again with the next one,
# because only then do they see what comes after them. Who appends has them twice; who writes by position replaces them.
#
# ### Exercise 1: write by position
#
# *Easy, 10 minutes.* A store holds `"keys"` and `"values"` `(h, C, d)` and `"positions"` `(C,)`: which frame is in each slot, -1
# for none. Return a *new* store, a dict like the old one, with a block of frames written. The old one must stay as it was:
# whoever holds on to it can go back to it. `positions` is a tensor `(n,)`.


# %% tags=["exercise"]
def write(store, positions, keys, values):
    """Return the store with frames `positions` (n,) in it; keys (h, n, d)."""
    # solution >>>
    new = {name: part.clone() for name, part in store.items()}
    slot = positions % len(store["positions"])
    new["keys"][:, slot] = keys
    new["values"][:, slot] = values
    new["positions"][slot] = positions
    return new
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb07

nb07.write(write)

# %% [markdown]
# <details><summary>Hint 1</summary><code>positions % C</code> is a tensor of slots, and a tensor can be an index:
# <code>new["keys"][:, slot] = keys</code>.</details>
# <details><summary>Hint 2</summary>Clone all three parts first. Then write keys, values <em>and</em> positions.</details>
#
# {{solution}}

# %% [markdown]
# ## One block of the stream
#
# Now the shipped avatar. Its conditions (chapter 06) are prepared once for the whole clip: the encoder is causal, so nothing is
# betrayed. The rest is the paper's Algorithm 2, and it fits into a few lines: *plan* looks at the cache, *denoise* makes a block
# from noise, *remember* writes it down.

# %%
from avatar_lab.data.face import neutral
from avatar_lab.flow.guidance import branches
from avatar_lab.flow.schedule import sigma_grid
from avatar_lab.model.block_sampler import BlockSampler, Grid

avatar = al.load("lab", device="cpu")
model, size = avatar.generator, avatar.config.generator
B, C, LOOK = size.block, size.context, size.lookahead
# whose avatar it is: a face at rest, in coefficients
reference = torch.from_numpy(avatar.face_space.encode(neutral(1)))
levels, guide = sigma_grid(8), avatar.config.sampler
three = branches(guide.guidance, guide.guidance_form)  # chapter 06
grid = Grid(levels, levels)  # what Euler uses, and what the network is told
sampler = BlockSampler(model, three, grid, reference)
print(f"blocks of {B}, context {C}, look-ahead {LOOK}, mask {size.mask!r}")

# %%
BLOCKS = 14 if FAST else 24
talk = al.simulate(seconds=8, seed=21, split="test", reactivity=1.0)
user = torch.from_numpy(avatar.face_space.encode(talk.user.face))[None]
heard, said = (
    avatar.audio_encoder(
        torch.from_numpy(who.audio)[None], avatar.audio_encoder.initial_state(1)
    )[0]
    for who in (talk.user, talk.avatar)
)
condition, _ = sampler.conditions(user, heard, said)
noise = torch.randn(1, 24 * B, size.motion_dim, generator=rng)
print("condition", tuple(condition.shape), " noise", tuple(noise.shape))


# %%
def clean_pass(sampler, plan, motion, rounds):
    """Remember a block as the library does; `rounds` are for other ways."""
    return sampler.remember(plan, motion)


# %%
def stream(sampler, blocks=BLOCKS, keep=clean_pass):
    """Return the motion of `blocks` blocks, and the memory after each."""
    memory, made, memories = sampler.start(), [], []
    for b in range(blocks):
        now, rounds = slice(b * B, (b + 1) * B), []  # from noise to result
        plan = sampler.plan(memory, condition[:, now], B)
        motion, _ = sampler.denoise(
            plan, noise[:, now], lambda _, x, sigma, to=rounds: to.append(x)
        )
        memory = keep(sampler, plan, motion, rounds)
        made, memories = [*made, motion], [*memories, memory]
    return torch.cat(made, dim=1), memories


# %%
motion, memories = stream(sampler)
print(
    "motion", tuple(motion.shape), " keys", tuple(memories[-1].cache.keys.shape)
)
for b in (0, 1, 7, 8, 9, BLOCKS - 1):
    memory = memories[b]
    megabytes = 2 * memory.cache.keys.numel() * 4 / 1e6
    print(
        f"after block {b:2}: {memory.cache.filled:2} of {C} frames real,"
        f" {memory.offset.shape[1]} wait for the next block, {megabytes:.2f} MB"
    )

# %% [markdown]
# **You should see** the cache fill up - first by three frames, as two wait for their look-ahead, then by five - and stay at 43. It
# has its full size from the start: frames that have not happened yet are masked. So every block has the same shapes and the same
# cost, the first as well as the last. (The 3 in the keys' shape are the branches of chapter 06: a cache each.)

# %% [markdown]
# ## What does it save?
#
# Measure one denoising step at each age of the session, in three ways: with the cache; with the last 50 frames read again; with
# the *whole* past read again. Everything else (conditions, noise levels, masks) is prepared beforehand for all three.

# %%
from avatar_lab.clock import SystemClock

clock = SystemClock()


def ready(tokens, level=0.5):
    """Return tokens, once a branch, and what adaLN makes of their levels."""
    sigma = torch.zeros(1, tokens.shape[1])  # the past is clean
    sigma[:, -B:] = level
    return tokens.expand(len(three), -1, -1), sampler.table.at(sigma)


# %%
def step_ms(tokens, setting):
    """Return the fastest of five network calls, in milliseconds."""
    inputs, times = ready(tokens), []
    for _ in range(5):
        began = clock.now()
        model.predict(*inputs, setting)
        times.append(1e3 * (clock.now() - began))
    return min(times)


# %%
def without_cache(end, frames):
    """Time a step that reads the last `frames` frames again."""
    first = max(0, end - frames) // B * B  # whole blocks
    window = slice(first, end)
    keys = model.keys_of_condition(condition[:, window])
    # what all steps of a block share: condition, angles, mask
    setting = model.setting(keys, sampler.reference, end - first)
    return step_ms(motion[:, window], setting)


# %%
def with_cache(b):
    """Time a step of block `b` that sees its past through the cache."""
    memory = memories[b - 1] if b else sampler.start()
    now = slice(b * B, (b + 1) * B)
    plan = sampler.plan(memory, condition[:, now], B)
    return step_ms(torch.cat([memory.offset, motion[:, now]], 1), plan.setting)


# %%
rows = []
for b, after in enumerate(memories):
    before = memories[b - 1] if b else sampler.start()
    again, held = before.offset.shape[1], before.cache.filled
    written = again + B - LOOK
    row = {"start": b * B, "held": held, "again": again, "written": written}
    row["forgotten"] = held + written - after.cache.filled
    row["cached"] = with_cache(b)
    row["window"] = without_cache((b + 1) * B, 50)
    row["whole"] = without_cache((b + 1) * B, 10**9)
    rows.append({name: round(x, 2) for name, x in row.items()})
last = rows[-1]
print(f"block {BLOCKS - 1}, frames {last['start']} to {last['start'] + B - 1}:")
for name in ("cached", "window", "whole"):
    print(f"{name:>8} {last[name]:6.2f} ms a step")

# %% [markdown]
# **Predict first:** blocks of 5, look-ahead 2, room for 43. In block 12, which frames does the network see through the cache?
# Which does it read again? Which does it write when the block is done, and which are forgotten for it? And which of the three
# bars grow?

# %%
from avatar_lab.viz.interactive import interactive

interactive("cache_timeline", rows=rows, block=B, context=C, lookahead=LOOK)

# %% [markdown]
# **You should see**, in block 12: frames 15 to 57 through the cache, 58 and 59 read again, 60 to 64 made. Written are 58 to 62;
# 15 to 19 go. The cached bars stay level from the first block to the last, the window's stop growing after ten blocks, and those
# of the whole past never do. (Single bars jump when the machine is busy with something else.)
#
# Now count positions from the session's start: the numbers under the slots grow with every block. Counted from the current
# block, they are always -45 to 4. That is the next question.

# %% [markdown]
# ## A session without end
#
# Rotary positions turn a key by an angle that grows with its position. A score depends on the distance alone:
#
# $$(R_p\,q) \cdot (R_s\,k) = q \cdot R_{s-p}\,k$$
#
# So it should not matter where one begins to count. In a computer it does. The released program caches keys that are turned
# already, by positions counted from the start, from a table of 1024 entries: after 41 seconds it ends. And a longer table would
# not be the answer:

# %%
from avatar_lab.model.attention import rotate, rotation

DIM, distances = 32, torch.arange(1, C + 1)
one_query = torch.randn(1, 1, 1, DIM, generator=rng)
some_keys = torch.randn(1, 1, C, DIM, generator=rng)


def scores(age):
    """Return a query's scores when `age` frames have gone by."""
    here = torch.tensor([age])
    turned = rotate(some_keys, rotation(here - distances, DIM))
    return rotate(one_query, rotation(here, DIM)) @ turned.mT / DIM**0.5


# %%
ages = torch.logspace(2, 9, 60).long()
wrong = [(scores(int(age)) - scores(0)).abs().max() for age in ages]
plt.figure(figsize=(7, 2.6))
plt.loglog(ages / 25, wrong, color="tab:red")
for seconds, name in ((41, "41 s"), (3600, "1 hour"), (604800, "1 week")):
    plt.axvline(seconds, color="grey", lw=0.8, ls=":")
    plt.text(seconds, 7, " " + name, fontsize=8, color="grey")
plt.xlabel("age of the session, seconds")
plt.ylabel("scores are wrong by")
plt.ylim(1e-6, 20)
plt.title("positions counted from the session's start", fontsize=10)
plt.show()

# %% [markdown]
# **You should see** an error that grows with the session's age. Numbers of 32 bits hold seven digits: the larger an angle, the
# fewer are left for its place on the circle. Beyond $2^{24}$ frames, about eight days, they do not even hold every whole number:
# neighbours share a position.
#
# ### Exercise 2: roll with RoPE
#
# *Medium, 15 minutes.* You are given keys that are turned already, each by its own position. Make all those positions smaller by
# `shift`, without knowing the positions and without the plain keys. Turns add up: $R_a R_b = R_{a+b}$. `rotate` and `rotation` are
# those of the last figure.


# %% tags=["exercise"]
def rebase(keys, shift):
    """Return turned keys (b, h, t, d) as if their positions were smaller."""
    # solution >>>
    frames, dim = keys.shape[2:]
    back = torch.full((frames,), -shift)
    return rotate(keys, rotation(back, dim))
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb07.rebase(rebase)

# %% [markdown]
# <details><summary>Hint 1</summary><code>rotation(positions, d)</code> takes any positions, negative ones too; every key needs the
# same turn.</details>
# <details><summary>Hint 2</summary><code>rotate(keys, rotation(torch.full((t,), -shift), d))</code>.</details>
#
# {{solution}}
#
# The library goes one step further. A turn for every block would add up rounding errors, block after block; so it keeps keys
# *unturned* and turns them when a block begins, with positions counted from there. Angles never grow, nothing adds up, and two
# sessions in the same state go on alike, to the last bit, whatever their age.

# %%
late = BLOCKS - 1
plans = [
    sampler.plan(memories[b - 1], condition[:, b * B : (b + 1) * B], B)
    for b in (2, late)
]
same = all(map(torch.equal, plans[0].setting.turn, plans[1].setting.turn))
print(f"angles of block 2 and block {late} are the same bits: {same}")

# %% [markdown]
# ## Streaming equals offline
#
# Two claims hide in these words. The first: a live session shows what `al.react` shows for the same recording. It must hold to
# the last bit, even if the session is saved in the middle and another engine goes on.

# %%
from avatar_lab.stream.react import block_inputs

short = al.simulate(seconds=4, seed=5, split="test")
user, voice, options = short.user, short.avatar.audio, {"picture": None}
film = al.react(avatar, user=user, speech=voice, seed=SEED, **options)
engine, live = al.AvatarEngine(avatar, seed=SEED, **options), []
for start in range(0, len(user.face), B):
    if start == 10 * B:  # close this laptop, open another one
        saved = engine.state()
        engine = al.AvatarEngine(avatar, seed=999, **options)
        engine.restore(saved)
    live.append(engine.step(*block_inputs(user, voice, start, B)).motion)
print("bit for bit:", np.array_equal(np.concatenate(live), film.motion))

# %%
kilobytes = sum(x.numel() * x.element_size() for x in saved.values()) / 1e3
print(f"what was saved: {len(saved)} tensors, {kilobytes:.0f} kB, as follows")
for part in dict.fromkeys(name.split(".")[0] for name in saved):
    names = [name for name in saved if name.split(".")[0] == part]
    print(f"  {part:<10}{len(names):>3}")

# %% [markdown]
# **You should see** `True`, and about a megabyte. That is the whole avatar: what its ears, its condition and its motion remember,
# and where its noise has got to. It does not grow, so a session can be stored, compared, and played again.
#
# The second claim is about the network: what it says through the cache is what it would say if it read everything again. Here
# the mask decides. Put six masks on the trained weights and compare the velocity of the sixth block both ways. Both get the same
# frames: a clean past, and that block at $\sigma = 0.5$ (the default of `ready`). `through_cache` sees the past as keys,
# `everything_again` as frames.

# %%
from dataclasses import replace

from avatar_lab.model.generator import Generator
from avatar_lab.model.masks import SELF_MASKS


def masked(kind):
    """Return a sampler for the trained network under another mask."""
    other = Generator(replace(size, mask=kind)).eval()
    other.load_state_dict(model.state_dict())
    return BlockSampler(other, three, Grid(levels, levels), reference)


# %%
def half_noisy(b):
    """Return frames up to the end of block `b`; that block is half noise."""
    frames, now = motion[:, : (b + 1) * B].clone(), slice(b * B, (b + 1) * B)
    frames[:, now] = (motion[:, now] + noise[:, now]) / 2
    return frames


# %%
def remembered(sampler, blocks, keep=clean_pass):
    """Return the memory of the first blocks of the motion made above."""
    memory = sampler.start()
    for b in range(blocks):
        now = slice(b * B, (b + 1) * B)
        plan = sampler.plan(memory, condition[:, now], B)
        rounds = [(1 - s) * motion[:, now] + s * noise[:, now] for s in levels]
        memory = keep(sampler, plan, motion[:, now], rounds)
    return memory


# %%
def through_cache(sampler, memory, b):
    """Return the velocity of block `b`, its past seen through a cache."""
    plan = sampler.plan(memory, condition[:, b * B : (b + 1) * B], B)
    tokens = torch.cat([memory.offset, half_noisy(b)[:, -B:]], dim=1)
    out = sampler.generator.predict(*ready(tokens), plan.setting)
    return out.velocity[:, -B:]


# %%
def everything_again(sampler, b):
    """Return the velocity of block `b`, its whole past read again."""
    net, end = sampler.generator, (b + 1) * B
    keys = net.keys_of_condition(condition[:, :end])
    setting = net.setting(keys, sampler.reference, end)
    return net.predict(*ready(half_noisy(b)), setting).velocity[:, -B:]


def gap(one, other):
    """Return the largest difference, as a share of the largest velocity."""
    return float((one - other).abs().max() / other.abs().max())


# %%
for kind in SELF_MASKS:
    one = masked(kind)
    cached = through_cache(one, remembered(one, 5), 5)
    print(f"{kind:<24} gap {gap(cached, everything_again(one, 5)):.0e}")

# %% [markdown]
# **You should see** rounding (less than a millionth) for the two causal masks: cached *equals* recomputed. `released`, which the
# shipped avatar uses, is a few thousandths off, the others up to a few hundredths. They look ahead in every layer, so keys were
# written before all that they depend on had arrived. That is the condition from the beginning: a key must be final.
#
# And after more than 43 frames? Then the cache has forgotten what an offline run would still see. No gap is promised there, only
# that both forget alike: `al.react` *is* the stream.

# %% [markdown]
# ## What does a finished block leave behind?
#
# During denoising, every step computes keys of the block. It is tempting to keep those of the last step: they are there
# already. But that step still saw noise: with 8 steps, $\sigma = 1/8$. Only its *result* is clean, and nobody has looked at it.
# So Algorithm 2 runs the network once more, at $\sigma = 0$, and keeps the keys of that pass.
#
# ### Exercise 3: finish a block
#
# *Medium, 15 minutes.* `network(frames, sigma, cache)` returns a velocity, and `fresh`: what a cache would keep of these frames.
# Here `sigma` is one number for the whole block, and `cache` a tuple. `levels` falls from 1 to 0. Take the Euler steps, then
# return the motion and `cache + (fresh,)` - with the right `fresh`.


# %% tags=["exercise"]
def finish_block(network, cache, noise, levels):
    """Return (motion, the tuple `cache` with one entry more)."""
    # solution >>>
    from itertools import pairwise

    x = noise
    for now, then in pairwise(levels):
        velocity, _ = network(x, now, cache)
        x = x + (then - now) * velocity
    _, fresh = network(x, 0.0, cache)
    return x, cache + (fresh,)
    # learner >>>
    # ~ return ..., ...
    # <<<


# %%
nb07.finish_block(finish_block)

# %% [markdown]
# <details><summary>Hint 1</summary>A step from level now to level then is <code>x + (then - now) * velocity</code>;
# <code>itertools.pairwise(levels)</code> gives the pairs. All steps look at the same old cache.</details>
# <details><summary>Hint 2</summary>Drop what the steps return beside the velocity. After the loop, call
# <code>network(x, 0.0, cache)</code> once more.</details>
#
# {{solution}}

# %% [markdown]
# ## Break it on purpose
#
# The noisy-block bug, in two forms. Both keep keys from the last denoising step. One is *honest*: those keys were made by a
# network that was told $\sigma = 1/8$. The other is told $\sigma = 0$, as happens when frames are mixed up and levels are not.


# %%
def last_step(plan, rounds, told):
    """Return the cache with keys of the last, still noisy step."""
    tokens = torch.cat([plan.memory.offset, rounds[-2]], dim=1)
    inputs = ready(tokens, told)
    fresh = model.predict(*inputs, plan.setting).keys_values
    return plan.memory.cache.append(fresh, tokens.shape[1] - LOOK)


def noisy_keys(told):
    """Return a way to remember that differs in the cache alone."""
    return lambda sampler, plan, motion, rounds: replace(
        sampler.remember(plan, motion), cache=last_step(plan, rounds, told)
    )


# %%
ways = {
    "clean pass": clean_pass,
    "noisy, told 1/8": noisy_keys(1 / 8),
    "noisy, told 0": noisy_keys(0.0),
}
right, streams = through_cache(sampler, remembered(sampler, 10), 10), {}
print(f"{'':<17}next velocity off by   jerk of the stream")
for name, keep in ways.items():
    seen = through_cache(sampler, remembered(sampler, 10, keep), 10)
    streams[name] = stream(sampler, keep=keep)[0][0]
    jerk = streams[name].diff(n=3, dim=0).abs().mean()
    print(f"{name:<17}{gap(seen, right):>19.1%}{jerk:>21.3f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.3), sharey=True)
for axis, (name, made) in zip(axes, streams.items(), strict=True):
    face = avatar.face_space.decode(made.numpy())
    seconds = np.arange(len(face)) / 25
    for which in ("yaw", "pitch"):
        column = al.FACE_NAMES.index(which)
        axis.plot(seconds, face[:, column], label=which)
    axis.set(title=name, xlabel="seconds")
axes[0].set_ylabel("degrees")
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# **You should see** three heads that nobody would call broken. That is what makes the bug dangerous. Told the truth, the noisy
# keys put the next velocity off by a few hundredths: little, because diffusion forcing has shown the network pasts of every
# level, but more than ten times what the mask costs. Called clean, they cost about three times that, and the head trembles: the
# network believes the noise. A test of equality finds either at once; eyes do not.

# %% [markdown]
# ## Into the library
#
# | you built | it lives in | its test |
# |---|---|---|
# | the store | `avatar_lab/model/kv_cache.py` | `tests/model/test_block_sampler.py` |
# | positions, turns | `avatar_lab/model/attention.py` | `tests/model/test_attention.py` |
# | a block: plan, denoise, remember | `avatar_lab/model/block_sampler.py` | `tests/model/test_block_sampler.py` |
# | the session around it | `avatar_lab/stream/motion_stream.py` | `tests/stream/test_engine.py` |
#
# What the library does differently: `KVCache.append` makes a new value, newest frame last, instead of a ring that is written in
# place. Copying 43 frames is little beside what the network does, and a memory that never changes can be kept, compared and
# taken up again. A frame is written once, when its look-ahead is there, so none has to replace itself. And the last pass,
# `Generator.remember`, stops at the keys of the last layer: nobody needs its velocity. The keys of the *condition* have a small
# cache of their own (`Memory.seen`). `bench/streaming.py` plays an hour and watches clock and memory.

# %% [markdown]
# ## Quiz
#
# <details><summary>Why are queries not cached?</summary>A query belongs to the frame that looks. Once its row is computed, nobody
# asks for it again; keys and values are asked for by every later frame.</details>
# <details><summary>Every layer has its own keys. Does a cache of 43 frames see only 43 frames back?</summary>Directly, yes. But a
# key of a deeper layer was made when its frame saw 43 frames further back. Through four layers something of older frames lives
# on.</details>
# <details><summary>A block takes 8 steps and one pass for the cache. Can the pass be saved by taking the last step at sigma
# 0?</summary>No. A step at sigma 0 gets frames that are clean already and changes nothing; a step that still changes frames sees
# noise. One call cannot be both.</details>
# <details><summary>Why may the block's own keys be computed anew in every step, when those of the past are kept?</summary>The
# block changes with every step, so its keys do; the past is finished.</details>
#
# **Take away:** keep keys and values of finished frames, count positions from the block, write what is clean and final. Then a
# stream costs the same for ever and says what an offline run says; and a test can prove it.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.3, Eq. 5 and algorithm 2; Su et al.,
# *RoFormer* (rotary positions), 2021; Dai et al., *Transformer-XL*, 2019 (keys of an earlier segment, relative positions). *What
# this does not show:* keys in fewer bits, many sessions at once, and when blocks arrive (chapter 10).
