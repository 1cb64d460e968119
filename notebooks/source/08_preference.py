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
# # 08 · Preference without labels
#
# Most recorded listeners are stiff, so a network that copies them is stiff as well. A usual cure is to show people two films and to
# train towards the one they like. That needs thousands of votes. The paper needs none: the *preferred* motion is what a person really
# did, the *losing* one is made by the network itself, with the user taken away. Here you look at such pairs, vote on them,
# write the loss, avoid its four classic mistakes - and see what it brings, measured against a fair control.
#
# You need: diffusion forcing (05) and what it means to drop the user (06).

# %% [markdown]
# ## What you will be able to do
#
# - **make** losing samples, and see what they lose;
# - **vote** blindly, and say what few votes are worth;
# - **write** the preference loss, and a pair that is compared fairly;
# - **read** margin, accuracy, winner's error and saturation while it trains;
# - **judge** an improvement against the control that it needs.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | preferred, losing | $m_w$, $m_l$, `(b, t, k)` | the true motion, and one made without the user |
# | policy | $v_\theta$ | the network that is trained |
# | reference | $v_\text{ref}$ | a frozen copy of the weights from which training starts |
# | advantage | $D(m)$, `(b, t)` | the policy's error minus the reference's: below 0, $m$ has become likelier |
# | gap | $D(m_w) - D(m_l)$ | below 0 is right; *margin* is minus its mean |
# | steepness | $\beta$ | how small a gap already counts as decided |
# | saturated | $\lvert\beta\cdot\text{gap}\rvert > 4$ | a frame at a flat end: settled (below -4), or pulled with full force, whatever its gap (above 4) |

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
# ## A pair
#
# Simulated conversations, chosen by one rule: the user smiles, unprompted, well inside. How the avatar answers has no say in the
# choice. Those in `test` have people and sentences that the shipped weights never met.

# %%
from avatar_lab.metrics.reaction import onsets

SECONDS, TRAIN, TEST = (8, 2, 2) if FAST else (12, 6, 4)


def with_smiles(count, split, seed):
    """Return (conversation, second of the smile), the first that qualify."""
    found = []
    while len(found) < count:
        seed += 1
        talk = al.simulate(SECONDS, seed, split=split, reactivity=1.0)
        smiles = onsets(talk.events, ("smile", "laugh"))
        inside = [s for s in smiles if 2.5 < s < SECONDS - 3.2]
        found += [(talk, inside[0])] if inside else []
    return found


# %% [markdown]
# Now the losers. The same network, the same voice; the user's face and voice are dropped, as in chapter 06. (The paper trains a
# separate talking head for this. Dropping is the cleaner control: nothing differs but the user.)

# %%
from avatar_lab.train.losers import losing_tracks
from avatar_lab.train.windows import to_conversation

train, test = with_smiles(TRAIN, "train", 500), with_smiles(TEST, "test", 800)
avatar = al.load("lab", device="cpu")
space, bands = avatar.face_space, avatar.config.audio.bands
talks, lost = {}, {}
for name, part in (("train", train), ("test", test)):
    talks[name] = [to_conversation(talk, space, bands) for talk, _ in part]
    lost[name] = losing_tracks(avatar, talks[name], seed=SEED)
    shape = tuple(lost[name][0].shape)
    print(f"{name}: {len(part)} losing motions of {shape}")

# %% [markdown]
# Side by side: the user, the preferred motion, the losing one.

# %%
from avatar_lab.viz.frames import strip
from avatar_lab.viz.tracks import tracks

talk, smile = test[0]
faces = {
    "preferred": talk.avatar.face,
    "losing": space.decode(lost["test"][0].numpy()),
    "user": talk.user.face,
}
moments = np.linspace(-0.2, 2.3, 6)  # seconds after the smile's beginning
at = np.round((smile + moments) * 25).astype(int)

# %%
films = {}
for name, character in (("user", 1), ("preferred", 3), ("losing", 3)):
    drawn = al.Puppet(character, 220).draw_track(faces[name][at])
    films[name] = drawn[:, 55:195, 40:180]  # closer
figure = strip(films, count=6, inch=1.5)
for axis, moment in zip(figure.axes[-6:], moments, strict=True):
    axis.set_xlabel(f"{moment:+.1f} s")
figure

# %%
tracks(faces, ("smile", "jaw_open", "pitch"), shade=(smile, smile + 2))

# %% [markdown]
# **You should see** the user's smile (shaded: the two seconds from its beginning), about a second later the preferred avatar's - and
# a losing avatar that goes on as if nothing had been. Nobody labelled this: we know who should win, because we know how the loser was
# made. The jaws agree wherever the avatar speaks, for the voice is the same; heads go their own ways.
#
# ## Would people agree?
#
# **Predict first:** in how many of the pairs below will you find the true motion? And how many pairs would you have to see before
# you could say that you do better than a coin?
#
# Which film stands left is drawn. Look at the user, decide, and only then look at the traces.

# %%
from avatar_lab.viz.preference_pairs import preference_pairs


def cut(track, smile):
    """Return 3.6 seconds, the first of them before the smile."""
    return track[round((smile - 1) * 25) :][:90]


shown = []
for (talk, smile), track in zip(test, lost["test"], strict=True):
    three = talk.user.face, talk.avatar.face, space.decode(track.numpy())
    cuts = [cut(face, smile) for face in three]
    shown.append((f"talk {len(shown) + 1}", *cuts))
preference_pairs(shown, seed=3)

# %% [markdown]
# **You should see** that it is easy where the user smiles and hard elsewhere: a losing avatar is no bad one, it only does not listen.
# Drag the slider: with four votes even a clean sweep leaves the interval between one half and one.
#
# ### Exercise 1: what are few votes worth?
#
# *Easy, 10 minutes.* The bootstrap draws new votes from those that were seen; after four wins in four it has never met a loss, and
# calls it "100 %, give or take nothing". Wilson's interval asks the other way round: for which true shares $p$ would this be no surprise?
# With $\hat p = k/n$ and $z = 1.96$:
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$


# %% tags=["exercise"]
def wilson(won, count):
    """Return (low, high) of the 95 % interval of won / count."""
    # solution >>>
    z, share = 1.96, won / count
    whole = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / whole
    root = (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return centre - z * root / whole, centre + z * root / whole
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb08

nb08.wilson(wilson)

# %% [markdown]
# <details><summary>Hint 1</summary>Everything is divided by 1 + z²/n, the centre and the half width.</details>
# <details><summary>Hint 2</summary>The centre is not k/n: it is pulled towards one half, the more so the fewer votes there are.</details>
#
# {{solution}}

# %% [markdown]
# ## What else do the two differ in?
#
# A preference is learned from *everything* in which a pair differs. How far apart are its members, just after the user's smile and at
# all other times? Two more ways to make a pair, beside the paper's:
#
# - *aligned*: the loser starts from the truth, noised to $\sigma = 0.7$, so that heads hold themselves alike;
# - *pulled*: the winner is made as well, with a stronger pull towards the user. Both are artificial.

# %%
from avatar_lab.train.losers import winning_tracks

heldout, dropped = talks["test"], lost["test"]
truth = [talk.avatar_motion.float() for talk in heldout]
aligned = losing_tracks(avatar, heldout, seed=SEED, level=0.7)
pulled = winning_tracks(avatar, heldout, seed=SEED, user=6.0)
pairs = {
    "dropped": (truth, dropped),
    "aligned": (truth, aligned),
    "pulled": (pulled, dropped),
}


# %%
def apart(winners, losers):
    """Return how far apart members are: after the smile, and elsewhere."""
    after, other = [], []
    for (_, smile), a, b in zip(test, winners, losers, strict=True):
        distance = (a - b).abs().mean(-1).numpy()
        inside = np.zeros(len(distance), bool)
        inside[round((smile + 0.6) * 25) : round((smile + 1.8) * 25)] = True
        after.append(distance[inside].mean())
        other.append(distance[~inside].mean())
    return np.mean(after), np.mean(other)


found = {name: apart(*two) for name, two in pairs.items()}
for name, (after, other) in found.items():
    print(f"{name:<9}after the smile {after:.2f}   elsewhere {other:.2f}")

# %%
figure, axis = plt.subplots(figsize=(5.5, 2.2), layout="constrained")
rows = np.arange(len(found))
for shift, part, colour in ((-0.2, 0, "#D55E00"), (0.2, 1, "#0072B2")):
    values = [one[part] for one in found.values()]
    axis.barh(rows + shift, values, 0.38, color=colour)
axis.set_yticks(rows, list(found))
axis.invert_yaxis()
axis.set_xlabel("mean distance, standard deviations")
axis.legend(["after the smile", "elsewhere"], frameon=False, fontsize=8)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# **You should see** that `dropped` pairs differ nearly as much where no smile has to be answered: heads sway and brows move by
# themselves, never twice alike. The other two kinds are closer, everywhere: neither is about the answer alone. So a preference may be won
# by "look recorded, not generated" instead of "answer the user". Keep that in mind when the margin grows. (The fast mode measures two
# conversations only: its figures jump.)

# %% [markdown]
# ## The loss
#
# A flow model gives no likelihood, but an error. $D$ says whether a motion has become easier for the policy than for the reference,
# frame by frame; $v = \varepsilon - m$ is what both should have said, and $\lvert\cdot\rvert_1$ the mean over a frame's coefficients:
#
# $$D(m) = \big\lvert v - v_\theta(m_\sigma, \sigma, c)\big\rvert_1 - \big\lvert v - v_\text{ref}(m_\sigma, \sigma, c)\big\rvert_1$$
#
# $$\mathcal L_\text{DPO} = \operatorname{mean}_\text{frames}\; -\log\operatorname{sigmoid}\big(-\beta\,[D(m_w) - D(m_l)]\big)$$
#
# It is added to the loss of diffusion forcing: $\mathcal L = \mathcal L_\text{DF} + \lambda\,\mathcal L_\text{DPO}$, where
# $\lambda$ (`weight` below, 0.1) says how much the preference counts.
#
# ### Exercise 2: the loss
#
# *Medium, 10 minutes.* `winner` and `loser` are pairs (policy's errors, reference's errors), each `(b, t)`. Frames with `counts` 0
# were shown clean and are left out of the mean.


# %% tags=["exercise"]
def dpo(winner, loser, counts, beta):
    """Return the loss, a tensor of shape ()."""
    # solution >>>
    gap = (winner[0] - winner[1]) - (loser[0] - loser[1])
    frames = -torch.nn.functional.logsigmoid(-beta * gap)
    return (frames * counts).sum() / counts.sum()
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb08.loss(dpo)

# %% [markdown]
# <details><summary>Hint 1</summary>Each frame has a gap and a loss of its own. The mean comes last.</details>
# <details><summary>Hint 2</summary><code>torch.nn.functional.logsigmoid</code> stays finite where
# <code>log(sigmoid(x))</code> does not.</details>
#
# {{solution}}
#
# ### Exercise 3: a fair pair
#
# *Medium, 20 minutes.* This is how diffusion forcing (chapter 05) judges one motion, here by the absolute error, as in $D$:


# %%
from avatar_lab.flow.path import block_sigma


def forcing_errors(policy, motion, condition, rng):
    """Return the errors (b, t) of a policy on noisy versions of a motion."""
    sigma = block_sigma(len(motion), motion.shape[1], 5, rng)
    noise = torch.randn(motion.shape, generator=rng)
    keep = torch.rand(len(motion), 1, 1, generator=rng) >= 0.1
    level = sigma[..., None]
    noisy = (1 - level) * motion + level * noise
    predicted = policy(noisy, sigma, condition * keep)
    return (predicted - (noise - motion)).abs().mean(-1)


# %% [markdown]
# Whoever calls it four times, for two members and two models, makes two of the four classic mistakes: chance decides what is
# compared. (A mean *inside* the sigmoid of exercise 2 would be another; the fourth is a reference that moves along with the policy.) Write it so that *only* the
# motion and the model differ, and make the reference a thing of its own. Pass the condition whole, to all four: where the user is
# dropped, the losing motion would be the right answer.

# %% tags=["exercise"]
# solution >>>
from copy import deepcopy


# learner >>>
# <<<
def frozen(policy):
    """Return the reference: a frozen copy, sharing nothing with the policy."""
    # solution >>>
    return deepcopy(policy).requires_grad_(False)
    # learner >>>
    # ~ return ...
    # <<<


def pair_errors(policy, reference, winner, loser, condition, rng):
    """Return (policy, reference) errors of the winner, then of the loser."""
    # solution >>>
    sigma = block_sigma(len(winner), winner.shape[1], 5, rng)
    noise = torch.randn(winner.shape, generator=rng)

    def errors(model, motion):
        level = sigma[..., None]
        noisy = (1 - level) * motion + level * noise
        predicted = model(noisy, sigma, condition)
        return (predicted - (noise - motion)).abs().mean(-1)

    with torch.no_grad():
        known = [errors(reference, motion) for motion in (winner, loser)]
    return (errors(policy, winner), known[0]), (errors(policy, loser), known[1])
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb08.pair(frozen, pair_errors)

# %% [markdown]
# <details><summary>Hint 1</summary><code>copy.deepcopy</code> makes a copy that shares nothing. Draw noise and sigma once, before anything
# is judged. Drop nothing.</details>
# <details><summary>Hint 2</summary>An inner function <code>errors(model, motion)</code> that uses the same noise and sigma, called four
# times; the reference's calls under <code>torch.no_grad()</code>.</details>
#
# {{solution}}

# %% [markdown]
# ## Train, and watch four numbers
#
# Training starts from the shipped weights. One number would not do: a loss that falls says little.
#
# - *margin*: how far the policy has moved the right way;
# - *accuracy*: the share of frames with a gap on the right side;
# - *winner's error*, against the reference's: if it drifts upwards, the preferred motion has become *less* likely;
# - *saturated*: the share of frames at a flat end of the loss's slope, settled or hopeless.
#
# They are measured on the held-out conversations, always with the same windows and the same noise. $\beta = 0$ is the control: plain
# fine-tuning on the same windows, without any preference.

# %%
from avatar_lab.model.avatar import build
from avatar_lab.train.diffusion_forcing import ForcingConfig
from avatar_lab.train.losers import with_tracks
from avatar_lab.train.preference import PreferenceConfig, PreferenceModule

# The same conversations twice: as they were, and with the losing motion.
versions = {
    name: (talks[name], with_tracks(talks[name], lost[name]))
    for name in ("train", "test")
}


# %%
def start(beta):
    """Return a policy and its reference, both the shipped weights."""
    policy = build(avatar.config, space)
    policy.generator.load_state_dict(avatar.generator.state_dict())
    policy.audio_encoder.load_state_dict(avatar.audio_encoder.state_dict())
    forcing = ForcingConfig(batch=2, clean_past=0.6)
    weight = 0.1 if beta else 0.0  # without preference nothing is compared
    config = PreferenceConfig(beta=beta or 1.0, weight=weight, forcing=forcing)
    return PreferenceModule(policy, config)


# %%
from dataclasses import replace

from avatar_lab.train.preference import draw_alike, preference_loss

WINDOW = avatar.config.generator.window


# %%
@torch.no_grad()
def look(module, beta):
    """Return what is watched, and the gap of every held-out frame."""
    rng, few = torch.Generator().manual_seed(99), 2 if FAST else 8
    config = replace(
        module.config, forcing=replace(module.config.forcing, batch=few)
    )
    won, losing = draw_alike(versions["test"], config, WINDOW, rng)
    winner, loser, counts = module.errors(won, losing, rng)
    judged = preference_loss(winner, loser, counts, beta)
    gap = (winner[0] - winner[1]) - (loser[0] - loser[1])
    return {n: float(v) for n, v in judged._asdict().items()}, gap[counts > 0]


# %%
STEPS, EVERY = (2, 1) if FAST else (24, 4)


# %%
def run(beta):
    """Train with one beta; return what was watched, and the gaps."""
    module, seen = start(beta), []
    optimizer = torch.optim.AdamW(module.parameters(), 1e-4, (0.9, 0.99))
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            seen.append(look(module, beta))
        rng = torch.Generator().manual_seed(step)
        pair = draw_alike(versions["train"], module.config, WINDOW, rng)
        loss, _ = module.loss(pair[0], *pair, rng)  # the truth, and the pair
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module, [row for row, _ in seen], [gap for _, gap in seen]


# %%
BETAS = (0.0, 100.0) if FAST else (0.0, 10.0, 100.0, 1000.0)
runs = {beta: run(beta) for beta in BETAS}
for beta, (_, rows, _) in runs.items():
    last = rows[-1]
    print(
        f"beta {beta:>5.0f}: margin {1000 * last['margin']:5.1f}e-3, accuracy "
        f"{last['accuracy']:.0%}, winner's error "
        f"{1000 * last['winner_change']:+5.1f}e-3, "
        f"saturated {last['saturated']:.0%}"
    )

# %%
from avatar_lab.viz.preference_pairs import preference_explorer

preference_explorer(
    list(range(0, STEPS + 1, EVERY)),
    {beta: rows for beta, (_, rows, _) in runs.items()},
    {beta: [g.numpy() for g in gaps] for beta, (_, _, gaps) in runs.items()},
)

# %% [markdown]
# Take a β, drag the step. Left, the bars are the gaps of all held-out frames; the curve is the slope of the loss, so what a frame with that gap
# still teaches. Right, the four numbers of every β.
#
# **You should see** the margin grow with every β and hardly in the control: that is the preference. β = 10 saturates nothing, 100 a third of
# the frames, 1000 nine of ten - and the steeper ones have no larger margin to show for it. On the right of the curve a frame pulls
# with full force, however hopeless; on the left it teaches nothing more. And the winner's error? It hovers, or even rises: nearly
# all of the margin is made of losers that got worse, not of winners that got better. (The fast mode takes two steps, too few to see this.)
#
# ### Exercise 4: which beta?
#
# *Easy, 10 minutes.* $\beta$ is a ruler for gaps: with the paper's 1000 (errors averaged over 512 dimensions) a gap of 0.004 is already
# decided; ours are over 18 and wider. Given the gaps of all frames, a flat tensor, return the largest beta that leaves no more than
# `share` of them saturated, that is with $\lvert\beta\cdot\text{gap}\rvert$ above `limit`.


# %% tags=["exercise"]
def largest_beta(gaps, share, limit):
    """Return the largest beta with at most `share` of the frames saturated."""
    # solution >>>
    return float(limit / torch.quantile(gaps.abs().flatten(), 1 - share))
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb08.beta(largest_beta)

# %%
_, rows, gaps = runs[BETAS[-1]]
wanted = largest_beta(gaps[-1], 0.15, 4.0)
print(
    f"beta {BETAS[-1]:.0f} saturates {rows[-1]['saturated']:.0%};",
    "15 % would be beta",
    "... (open)" if wanted in (None, ...) else round(float(wanted)),
)

# %% [markdown]
# <details><summary>Hint 1</summary>Saturation has two sides: take the size of the gaps.</details>
# <details><summary>Hint 2</summary>At most 15 % may lie above: that is the 85 % quantile. Solve beta · quantile = limit.</details>
#
# {{solution}}

# %% [markdown]
# ## Does it help?
#
# A margin is not a reaction. So the trained avatars are streamed freely, on conversations that nobody was trained on, with
# their own user and with a stranger: what rises only for the own user is a reaction (chapter 09). The recorded experiment,
# `bench/preference.py`, has three seeds of 300 steps and twelve held-out minutes. The control is plain fine-tuning, for as many steps on the
# same windows.
#
# | | saturated | winner's error, thousandths | reactions, share of a person's | ... more than fine-tuning | beats the base, reactions | ... critic |
# |---|---|---|---|---|---|---|
# | the shipped weights |  |  | 37 % (17 to 65) |  |  |  |
# | *pull* |  |  | 53 % (21 to 97) | +8 % (-1 to 19) | 75 % (50 to 100) | 67 % (42 to 92) |
# | plain fine-tuning |  |  | 44 % (17 to 87) |  | 58 % (33 to 83) | 33 % (8 to 58) |
# | `dropped`, β 100 | 67 % | +10.4 | 46 % (19 to 85) | +2 % (-8 to 9) | 83 % (58 to 100) | 42 % (17 to 67) |
# | `dropped`, β 30, anchor | 7 % | -2.5 | 38 % (17 to 68) | -6 % (-25 to 5) | 67 % (42 to 92) | 33 % (8 to 58) |
# | `audio-only`, the paper's losers | 71 % | +9.1 | 44 % (18 to 80) | -0 % (-14 to 8) | 50 % (25 to 75) | 50 % (25 to 75) |
# | `aligned` | 8 % | +8.5 | 35 % (12 to 69) | -10 % (-19 to -2) | 42 % (17 to 67) | 17 % (0 to 42) |
# | `pulled` | 52 % | +5.6 | 47 % (13 to 99) | +3 % (-7 to 15) | 75 % (50 to 100) | 50 % (25 to 75) |
#
# (In brackets 95 %, bootstrapped over conversations. *Critic*: a network that tells matched from shuffled pairs, own user minus
# stranger. *Pull*: no training at all, the user's guidance at 6 instead of 4.)
#
# **You should see** how easy it would be to tell a success story. `dropped` reacts more than the base in 83 % of the conversations. That is 10 of
# 12, by Wilson 55 to 95 %: above a coin, it seems. But plain fine-tuning beats the base as well (58 %), and against *that* the preference
# wins in 50 % and gains 2 % (-8 to 9). No interval of "more than fine-tuning" lies above zero; that of `aligned` lies below. The critic
# does not see the 83 % either. And a stronger pull, without any training, gains more (53 % of a person's reactions, against 46 %). So the
# shipped weights are the base.
#
# The four numbers gave warning. `dropped` saturates two thirds of its frames, and its winners became *less* likely: the margin was
# made by spoiling the losers. A smaller beta with an *anchor*, which punishes a winner that loses, cures both - and reacts
# no more than the base: good numbers in training are needed, and not enough. The paper reports a clear gain, with recorded people, a far larger network and
# five thousand steps of preference; ours is a small network on simulated ones, taught for
# minutes, with pairs that also differ in much else.

# %% [markdown]
# ## Break it on purpose
#
# The four classic mistakes were: (1) the mean inside the log-sigmoid; (2) different noise or sigma for the two members; (3) a reference
# that is the policy itself; (4) a condition that is dropped inside a pair. Here is the second one, in numbers. Give the members of a
# pair different noise - and to see what that alone does, let them be *the same motion*. Whatever the policy has learned, the gap of a
# motion with itself is zero.

# %%
module = runs[BETAS[-1]][0]
rng = torch.Generator().manual_seed(0)
won, losing = draw_alike(versions["test"], module.config, WINDOW, rng)


# %%
@torch.no_grad()
def gaps_with(other, same_noise):
    """Return the gaps of a pair, with one noise for both members or two."""
    first, second, counts = module.errors(
        won, other, torch.Generator().manual_seed(1)
    )
    if not same_noise:
        again = torch.Generator().manual_seed(2)
        _, second, more = module.errors(won, other, again)
        counts = counts * more
    gap = (first[0] - first[1]) - (second[0] - second[1])
    return gap[counts > 0]


# %%
for name, other in (("itself", won), ("its loser", losing)):
    for same in (True, False):
        size = 1000 * gaps_with(other, same).abs().mean()
        noises = "one noise" if same else "two noises"
        print(f"against {name:<10} {noises}: mean |gap| {size:5.1f}e-3")

# %% [markdown]
# **You should see** a gap of exactly zero with one noise, and with two a gap about half as large as that of a real pair: luck, which the
# loss would learn from as eagerly.

# %% [markdown]
# ## Into the library
#
# | you wrote | it lives in | its test |
# |---|---|---|
# | losing and winning samples | `avatar_lab/train/losers.py` | `tests/train/test_preference.py` |
# | the loss, the fair pair | `avatar_lab/train/preference.py`: `preference_loss`, `PreferenceModule.errors` | the same: each of the four mistakes by name |
# | votes and Wilson's interval | `avatar_lab/metrics/votes.py` | `tests/metrics/test_votes.py` |
# | the comparison | `bench/preference.py` | `tests/check/test_nb08.py`: its figures are those of the table above |
#
# The library judges both members in one batch, counts only noisy frames, averages the weights while it trains, and has an anchor.
# `avatar-lab train lab --part preference` runs it. `avatar_lab.viz.ab_page.ABPage` asks people, with films and sound, and keeps their votes in a file.
#
# ## Quiz
#
# <details><summary>Why is the loss log 2 before the first step, whatever beta?</summary>Policy and reference are the same: every gap is
# 0, and -log sigmoid(0) = log 2. If yours is not, the reference is no copy, or it saw other noise. (Log 2 proves no fair
# pair, though: with other noise for the loser than for the winner it is log 2 as well.)</details>
# <details><summary>The margin grows, and the winner's error too. How can that be?</summary>Only the difference is trained. Both became
# worse, the loser more. Watch the winner's error, lower beta, or add an anchor.</details>
# <details><summary>Your variant beats the base in 9 of 10 conversations. Enough?</summary>Against the wrong rival. More training alone may do
# that; compare with the same number of steps without your idea.</details>
# <details><summary>What is the reference for?</summary>It says how easy each member was before, so that only *changes* count and every
# gap starts at 0. It does not keep both members from getting worse: that takes the anchor.</details>
#
# **Take away:** a loser that you made yourself needs no label; you know why it lost. But a preference rewards *every* difference of a pair,
# and a gain counts only against training that had everything except the preference.
#
# *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664), section 3.4; Rafailov et al., *Direct preference
# optimization*, 2023; Wallace et al., *Diffusion-DPO*, 2023; Pal et al., *DPO-Positive*, 2024 (the anchor); Wu et al., *DenseDPO*, 2025
# (aligned pairs); Wilson, 1927. *What this does not show:* how a reaction is measured (09), and people's votes: those here are yours.
