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
# # 09 · Does it really react?
#
# Your avatar nods, smiles and looks alive. So does a film of somebody else. What is the difference, and how do you put it in
# a number that cannot be cheated? In this chapter you compute what papers report, build an avatar that looks at nobody and
# still scores well, and find the one question that unmasks it: *what would it have done with another user?*
#
# You need: chapter 00 or 06, and what a correlation is.

# %% [markdown]
# ## What you will be able to do
#
# - **compute** rPCC in both ways that are in use, and the lag at which one face follows another;
# - **build** an avatar that fools rPCC, SID and variance;
# - **measure** contingency: what an avatar does *because of* its user;
# - **write** a comparison of two avatars that is fair.
#
# | word | symbol | meaning |
# |---|---|---|
# | user, truth, made | $u, m, \hat m$, `(n, t, k)` | tracks of the user, the real avatar, the generated one |
# | rPCC | $\lvert r(u, m) - r(u, \hat m)\rvert$ | how far the avatar's correlation with its user is from a person's |
# | TLCC | $\max_k\, r(u_t, \hat m_{t+k})$ | time-lagged cross-correlation: best fit, and the lag $k$ of it |
# | Var, SID | | how much, and in how many different ways, a face moves |
# | rise | | how much it smiles more shortly after a user's smile than just before |
# | contingency | own - stranger | rise with its own user minus rise before somebody else |

# %% [markdown]
# ## Setup

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import avatar_lab as al

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
SEED = 0
print(al.doctor().verdict)

# %% [markdown]
# ## One voice, one seed, three users
#
# An avatar may move because of its voice, by habit, by chance, or because of its user. Only an experiment can tell these
# apart: keep everything, exchange the user. Each conversation is streamed three times, with the same voice and the same noise:
# before its **own** user, before a **stranger** (the user of another conversation), and before **nobody** (a still, silent face).
#
# We take conversations whose user smiles at least twice. Choosing by what the *user* did is fair. Choosing by what the avatar
# made of it would not be. (`fast=True` loads the distilled weights, one pass a step.)

# %%
from avatar_lab.metrics.reaction import onsets
from avatar_lab.stream.evaluate import stack_dyads, stream_with_controls

SECONDS, LAST = (12, 920) if FAST else (30, 930)
pool = [
    al.simulate(seconds=SECONDS, seed=s, split="test", reactivity=1.0)
    for s in range(900, LAST)
]
smiles = [onsets(d.events, ("smile", "laugh")) for d in pool]
dyads = [d for d, found in zip(pool, smiles, strict=True) if len(found) >= 2]
avatar = al.load("lab", device="cpu", fast=True)
tracks = stream_with_controls(avatar, dyads, seed=SEED)
users, _, _, truth = stack_dyads(dyads)
print({name: track.shape for name, track in tracks.items()})

# %% [markdown]
# `(conversations, frames, face parameters)`. How lively are they? *Var* is the variance over time as a share of the real
# avatars'; *SID* counts, in bits, over how many different expressions a face spreads. (Var takes mouth and expression apart;
# from SID on, *expression* is both together: jaw, lips, smile, frown, brows and squint.)

# %%
from avatar_lab.metrics.richness import (
    EXPRESSIVE,
    clouds,
    columns,
    variance_ratios,
)

faces = {
    "own user": tracks["true_user"],
    "stranger": tracks["shuffled_user"],
    "nobody": tracks["no_user"],
    "a person": truth,
}

# %%
for name, made in faces.items():
    var = variance_ratios(made, truth)
    bits = clouds(made, truth, users)["sid expression, paper"]["generated"]
    print(
        f"{name:<10} Var mouth {var['mouth'].mean:.2f}"
        f"  expression {var['expression'].mean:.2f}  SID {bits:.2f}"
    )

# %% [markdown]
# **You should see** that the avatar before a *stranger* is about as lively as before its own user, or livelier. So Var and SID
# say whether a face moves. They cannot say why.

# %% [markdown]
# ## The field's number: rPCC
#
# $$\text{rPCC} = \bigl\lvert\, r(u, m) - r(u, \hat m) \,\bigr\rvert$$
#
# $r$ is Pearson's correlation. As much as the real avatar's face correlates with its user's, so should the made one's:
# 0 is best. Two ways of reading "correlation of two faces" are in use: flatten *everything* (conversations, frames, parameters)
# into one long row each, or take rPCC of every conversation (its frames and parameters in one row) and then the mean.
#
# ### Exercise 1: rPCC, two ways
#
# *Easy, 15 minutes.* Write it. A track that does not move correlates with nothing: 0, not NaN.


# %% tags=["exercise"]
def rpcc(user, truth, made, way):
    """Return rPCC of tracks (n, t, k); way: flattened or mean_over_clips."""

    # solution >>>
    def pcc(a, b):
        a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
        size = np.sqrt((a**2).sum() * (b**2).sum())
        return (a * b).sum() / size if size > 0 else 0.0

    if way == "flattened":
        return abs(pcc(user, truth) - pcc(user, made))
    clips = zip(user, truth, made, strict=True)
    return np.mean([abs(pcc(u, m) - pcc(u, g)) for u, m, g in clips])
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb09

nb09.rpcc(rpcc)

# %% [markdown]
# <details><summary>Hint 1</summary><code>ravel()</code> makes one long row of any array, whole or one clip of it.</details>
# <details><summary>Hint 2</summary>Over clips: first the size of each clip's difference, then the mean. The other order lets
# errors of opposite sign cancel.</details>
#
# {{solution}}

# %%
from avatar_lab.metrics.reaction import rpcc as library_rpcc

E = columns(EXPRESSIVE)


def both_ways(made):
    """Return rPCC of the expression: flattened, and the mean over clips."""
    clips = zip(users, truth, made, strict=True)
    each = [library_rpcc(u[:, E], m[:, E], g[:, E]) for u, m, g in clips]
    flat = library_rpcc(users[..., E], truth[..., E], made[..., E])
    return flat, float(np.mean(each))


# %%
print(f"{'':<10}{'flattened':>11}{'over clips':>12}")
for name, made in faces.items():
    flat, clips = both_ways(made)
    print(f"{name:<10}{flat:>11.3f}{clips:>12.3f}")

# %% [markdown]
# **You should see** two different numbers for one thing: never compare a flattened rPCC with a mean over clips. And though the
# *stranger's* avatar scores worse here, ask what any of these numbers would mean alone. There is no scale on it that says
# "from here on, it reacts".

# %% [markdown]
# ## Who follows whom?
#
# rPCC compares the same frame of both faces. But an answer comes later: a smile is returned after 0.3 to 1.2 s. So shift one
# track against the other and look for the best fit:
#
# $$k^* = \arg\max_k \; r(u_t,\; \hat m_{t+k})$$
#
# ### Exercise 2: find the lag
#
# *Medium, 15 minutes.* Return the lag in frames, out of $-$`reach`...`reach`, and the correlation there. A lag above zero means
# that the avatar follows. Shifted tracks overlap in fewer frames; correlate those only. (Chapter 01 asked for the
# lag alone; here the fit counts as well.)


# %% tags=["exercise"]
def lag(user, avatar, reach):
    """Return (best lag in frames, correlation) of two tracks (t,)."""
    # solution >>>
    n, scores = len(user), {}
    for k in range(-reach, reach + 1):
        u = user[max(0, -k) : n - max(0, k)]
        a = avatar[max(0, k) : n - max(0, -k)]
        scores[k] = np.corrcoef(u, a)[0, 1]
    best = max(scores, key=scores.get)
    return best, scores[best]
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb09.lag(lag)

# %% [markdown]
# <details><summary>Hint 1</summary>For k frames later: <code>user[:n - k]</code> goes with <code>avatar[k:]</code>. For k below
# zero it is the other way round.</details>
# <details><summary>Hint 2</summary><code>np.roll</code> brings the end back to the front: a smile of the last second would answer
# one of the first. Slice instead.</details>
#
# {{solution}}

# %%
from avatar_lab.metrics.influence import predictive_gain, tlcc

smile = al.FACE_NAMES.index("smile")
print(f"{'':<10}{'lag, ms':>9}{'fit':>7}{'predictive gain':>18}")
for name, made in faces.items():
    pair = users[..., smile], made[..., smile]
    found = tlcc(*pair)
    print(
        f"{name:<10}{found['lag_ms']:>9.0f}{found['correlation']:>7.2f}"
        f"{predictive_gain(*pair):>18.3f}"
    )

# %% [markdown]
# **You should see** the avatar follow its own user by about half a second, as a person does. But look at the other rows: with a
# stranger, or nobody, there is a best fit, too. The best of a hundred lags is never zero. And the avatar's *voice* laughs where
# the real avatar laughed, and this user had answered that laugh: even an avatar that sees nobody can fit its user. A fit alone
# proves no reaction.
#
# The *predictive gain* asks for more: does the user's past help to predict the avatar, 0.4 seconds ahead, beyond the avatar's own
# past? It is clearly above zero only where the avatar saw this user. But it is rough on few conversations: see the person's.

# %% [markdown]
# ## Cheating
#
# All numbers so far can be had without looking at anybody. Prove it.
#
# ### Exercise 3: the impostor
#
# *Medium, 20 minutes.* Write an avatar that never sees a user, and scores like a person: rPCC (flattened, expression) at most
# 0.06, Var and SID near a person's. You are given `recordings` of avatars in *other* conversations, `(m, t, p)`; `E` holds the
# columns of the expression. Return `(count, t, p)`. Draw from `rng` only.


# %% tags=["exercise"]
def impostor(recordings, count, rng):
    """Return `count` tracks that look like people and react to nobody."""
    # solution >>>
    chosen = rng.permutation(len(recordings))[:count]
    made = recordings[chosen].copy()
    made[..., E] += 2.5 * recordings[..., E].mean((0, 1))  # a constant mask
    return made
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb09.impostor(impostor)

# %% [markdown]
# <details><summary>Hint 1</summary>Who moves as richly as a person? A person - in another conversation. That settles Var and
# SID. The check tells you what rPCC still misses.</details>
# <details><summary>Hint 2</summary>In the flattened row all columns stand together. Jaw and smile are often high, brows and
# frown are low, in everybody. Exaggerate that: add a constant multiple of the mean expression. It moves no Var at all.</details>
#
# {{solution}}
#
# Now meet it, in these conversations. (While your exercise is open, plain recordings stand in.)

# %%
recordings = np.stack(
    [
        al.simulate(seconds=SECONDS, seed=5000 + i, reactivity=1.0).avatar.face
        for i in range(2 * len(dyads))
    ]
)
fake = impostor(recordings, len(dyads), np.random.default_rng(SEED))
if fake is None or fake is ...:
    fake = recordings[: len(dyads)]

# %%
print(f"{'':<10}{'rPCC':>7}{'over clips':>12}{'Var':>7}{'SID':>7}{'FD':>7}")
for name, made in {**faces, "impostor": fake}.items():
    flat, clips = both_ways(made)
    cloud = clouds(made, truth, users)
    bits = cloud["sid expression, paper"]["generated"]
    var = variance_ratios(made, truth)["expression"].mean
    distance = cloud["fd"]["expression"]
    print(
        f"{name:<10}{flat:>7.3f}{clips:>12.3f}{var:>7.2f}{bits:>7.2f}"
        f"{distance:>7.2f}"
    )

# %% [markdown]
# **You should see** the impostor, which looks at nobody, with a far better rPCC than the avatar before nobody, and about as good
# as the avatar that does look at its user: with all conversations even a better one, both ways. (The fast mode has only a few
# short ones; there it stays somewhat behind.) *FD*, the distance between clouds of faces, does notice that it makes a strange face all
# the time; leave the mask away and FD is content. But *no* column of this table asks whether the user mattered.

# %% [markdown]
# ## Ask the right question
#
# A reaction is an answer to an *event*. So lock the clock to events: put the frame in which the user begins to smile at zero,
# for all smiles of all conversations, and average the avatar's smile around it. Smiles by which the user *answered* are
# left out.


# %%
def around(tracks, before=25, after=75):
    """Return the mean smile from 1 s before to 3 s after the user's smiles."""
    cut = []
    for dyad, track in zip(dyads, tracks[..., smile], strict=True):
        for start in onsets(dyad.events, ("smile", "laugh")):
            at = round(start * 25)
            if at >= before and at + after <= len(track):
                cut.append(track[at - before : at + after])
    return np.mean(cut, axis=0) - np.mean([c[:before] for c in cut])


# %%
colours = ["tab:blue", "tab:purple", "0.5", "tab:green", "tab:red"]
figure, axis = plt.subplots(figsize=(7.5, 3))
for (name, made), colour in zip(
    {**faces, "impostor": fake}.items(), colours, strict=True
):
    axis.plot(np.arange(-25, 75) / 25, around(made), color=colour, label=name)
axis.axvline(0, color="tab:orange", linestyle=":")
axis.axvspan(0.6, 1.8, color="tab:orange", alpha=0.12, linewidth=0)
axis.set(
    xlabel="seconds after the user begins to smile", ylabel="smile rises by"
)
axis.legend(frameon=False, fontsize=8, loc="upper left")
plt.show()

# %% [markdown]
# **You should see** two lines rise in the shaded second: the avatar before its own user, and the person. The impostor wanders.
# Before a stranger, the same avatar with the same voice and seed does next to nothing at that moment, for nothing happened.
# That difference is the **contingency**:
#
# $$\text{contingency} = \text{rise}(\text{own user}) - \text{rise}(\text{stranger})$$
#
# $$\text{rise} = \overline{\hat m}\,[0.6, 1.8\,\text{s}] - \overline{\hat m}\,[-0.4, 0.1\,\text{s}]$$
#
# An avatar that does not look at its user has contingency 0, whatever tricks it plays: its two tracks are the same.

# %%
from avatar_lab.metrics.reaction import REACTIONS, judge

judged = {
    "avatar": judge(REACTIONS[0], tracks, truth, dyads),
    "impostor": judge(
        REACTIONS[0], {"true_user": fake, "shuffled_user": fake}, truth, dyads
    ),
}


# %%
def interval(entry):
    """Return mean and 95 % interval as text."""
    return f"{entry['mean']:+.2f} [{entry['low']:+.2f}, {entry['high']:+.2f}]"


for name, found in judged.items():
    print(f"{name:<9} contingency {interval(found['contingency'])}")
due = judged["avatar"]["contingency_of_truth"]
print(f"a person  contingency {interval(due)}")

# %% [markdown]
# The brackets are a bootstrap: draw as many conversations again, with replacement, take the mean, repeat; 95 of 100 means lie
# inside. *Conversations* are drawn, not events: smiles of one conversation resemble each other. A reaction is shown when the
# whole bracket lies above 0.

# %% [markdown]
# ## See it
#
# **Predict first.** Below is one conversation; dotted lines mark where its user begins to smile. You will switch the user off, and then
# to a stranger. With nobody: will the avatar never smile? With the stranger: will it smile less, or at other times?

# %%
from avatar_lab.viz.counterfactual import counterfactual

counterfactual(tracks, dyads, judged["avatar"])

# %% [markdown]
# **You should see** the blue line rise inside the shaded span with its own user. With a stranger it leaves that smile alone, and
# smiles after the *stranger's*. With nobody it hardly smiles at all; what is left comes from its own voice. This clip was
# picked *because* it shows the difference well. Such a clip proves nothing: the evidence is the dots on the right, over all
# smiles of all conversations.
#
# Chapter 08 trains preferences into an avatar. Such weights do not ship with the package, so there is no button for them;
# `bench/preference.py` trains and judges them with these controls.

# %% [markdown]
# ## A fair comparison
#
# Whatever you compare, six things make it fair:
#
# 1. the **same** conversations, voices and seeds for both sides, none of them seen in training;
# 2. a **control** for every number: stranger and nobody;
# 3. a **ceiling** (the person) and a **floor** (an avatar that reacts to nobody);
# 4. an **interval** over conversations, and how many there were;
# 5. what the number **cannot** see, in the same paragraph;
# 6. metric and conversations chosen **before** looking, and picked clips called picked.
#
# Both sides saw the same users, so compare them in pairs, conversation by conversation:

# %%
from avatar_lab.metrics.controls import bootstrap
from avatar_lab.metrics.reaction import all_reactions

ours, _ = all_reactions(tracks, truth, dyads)
theirs, _ = all_reactions(
    {"true_user": fake, "shuffled_user": fake}, truth, dyads
)

# %%
better = bootstrap(ours - theirs)
flat = {
    name: both_ways(t)[0] for name, t in (("a", faces["own user"]), ("i", fake))
}
print(
    f"Over {len(dyads)} held-out conversations of {SECONDS} s,"
    f" the avatar reacted\n{better.mean:.1f} more times"
    f" [{better.low:.1f}, {better.high:.1f}] in each than the impostor,"
    f"\nwith rPCC {flat['a']:.3f} against"
    f" {flat['i']:.3f}. Conversations are simulated."
)

# %% [markdown]
# `all_reactions` adds smiles, nods, laughs, brows and frowns; one as large as a person's counts 1. **You should see** an interval
# that lies above 0, next to two rPCCs that could not have shown it. `avatar-lab evaluate` does all this on as many
# conversations as you like.

# %% [markdown]
# ## Break it on purpose
#
# A metric without its control. *Recall* sounds honest: on what share of the user's smiles does the avatar begin to smile within 2.2
# seconds? Here is the best avatar of all: a metronome.

# %%
seconds = np.arange(truth.shape[1]) / 25
metronome = np.zeros_like(truth)
metronome[..., smile] = 0.5 * np.sin(np.pi * seconds / 1.6) ** 2

beat = {"true_user": metronome, "shuffled_user": metronome}
broken = judge(REACTIONS[0], beat, truth, dyads)

# %%
print(
    f"{'':<10}{'recall':>8}{'lag, ms':>9}{'precision':>11}{'contingency':>23}"
)
for name, found, who, key in (
    ("avatar", judged["avatar"], "true_user", "contingency"),
    ("a person", judged["avatar"], "truth", "contingency_of_truth"),
    ("metronome", broken, "true_user", "contingency"),
):
    a = found["answered"][who]
    print(
        f"{name:<10}{a['recall']:>8.0%}{a['lag_ms']:>9.0f}"
        f"{a['precision']:>11.0%}"
        f"{interval(found[key]):>23}"
    )

# %% [markdown]
# **You should see** that it answers *every* smile, with a lag that could be human. Before a stranger its recall is the same, so the
# control sinks it at once. (Precision, the share of its smiles that follow an event, helps; but a control needs no
# cleverness.)

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | rPCC, rise, contingency, recall | `avatar_lab/metrics/reaction.py` | `tests/metrics/test_metrics.py` |
# | stranger, bootstrap | `avatar_lab/metrics/controls.py` | `tests/metrics/test_metrics.py` |
# | TLCC, predictive gain | `avatar_lab/metrics/influence.py` | `tests/metrics/test_metrics.py` |
# | onsets of smiles, nods and laughs | `avatar_lab/metrics/events.py` | `tests/metrics/test_metrics.py` |
# | Var, SID, FD | `avatar_lab/metrics/richness.py` | `tests/metrics/test_metrics.py` |
# | streaming with controls | `avatar_lab/stream/evaluate.py` | `tests/stream/test_evaluate.py` |
#
# The library reports rPCC in both ways and never without its controls. It has two more judges: a network that was trained to tell
# true pairs from exchanged ones (`metrics/critic.py`), and votes of people (`metrics/votes.py`).

# %% [markdown]
# ## Quiz
#
# <details><summary>Two avatars have rPCC 0.01 and 0.05. Which one reacts more?</summary>Nobody knows. Either may be a recording.
# Ask for the same numbers with a stranger as user.</details>
# <details><summary>Why the same seed in both runs?</summary>Then chance is the same on both sides, and the difference is the user's
# doing. With other seeds the difference holds both, and more conversations are needed.</details>
# <details><summary>Why are smiles left out by which the user answered the avatar?</summary>The avatar smiled first and is about to
# stop. Its falling smile would count as a failure to answer.</details>
# <details><summary>Can contingency be cheated?</summary>It can be exaggerated: an avatar that grins widely at every twitch scores above
# a person. So report the person beside it, and FD or Var: more is not better.</details>
#
# **Take away:** a number about reactions is worth as much as its control. Exchange the user, keep the rest, report the
# difference with its interval.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), experiments (rPCC, SID, Var, FD; the
# definitions have no equation numbers there);
# Ng et al., *Learning to Listen*, 2022 (SID, paired FD); Boker et al., 2002 (windowed cross-correlation); Granger, 1969.
# *What this does not show:* whether people find the reaction fitting, and how it fares with real users: all conversations
# here are simulated, so smiles mean what the simulator planted.
