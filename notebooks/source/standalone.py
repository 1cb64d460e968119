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
# # The whole idea on one page
#
# No library, only `torch`, `numpy` and `matplotlib`: a toy conversation, a small causal transformer with the look-ahead
# mask, diffusion forcing, a streaming sampler, preference optimisation - and the picture that proves the reaction. Two
# or three minutes on a laptop. Each section names the chapter that tells it properly.

# %%
import copy
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn.functional import logsigmoid, scaled_dot_product_attention

FAST = os.environ.get("AVATAR_LAB_FAST") == "1"
torch.manual_seed(0)
FPS, BLOCK, LOOKAHEAD, WINDOW = 10, 4, 2, 48  # frames; a block lasts 0.4 s
PAST, WIDTH, NFE = 12, 64, 8  # frames of user that are heard; channels; steps

# %% [markdown]
# ## 1. Two people (chapter 1)
#
# The user smiles now and then. The avatar answers seven smiles of ten, 0.4 to 0.7 s late, and now and then
# smiles by itself; its jaw follows its own voice; its head wanders. That is all the truth there is, and we know it exactly.


# %%
def smiles(starts, length):
    """Return a track with one smooth bump of 1.2 s at each start."""
    track = np.zeros(length + 40)
    for at in starts:
        bump = np.sin(np.linspace(0, math.pi, 12)) ** 2
        track[at : at + 12] = np.maximum(track[at : at + 12], bump)
    return track[:length]


def own_smiles(length, rate, rng):
    """Return when somebody smiles without a reason, `rate` times a second."""
    return np.flatnonzero(rng.random(length) < rate / FPS)


# %%
def conversation(length, rng):
    """Return (user's smile, avatar's voice) and (jaw, smile, head)."""
    starts = own_smiles(length, 0.15, rng)
    answered = starts[rng.random(len(starts)) < 0.7]
    answers = answered + rng.integers(4, 8, len(answered))
    moods = own_smiles(length, 0.02, rng)
    noise = rng.standard_normal((2, length + 4))
    voice = np.convolve(noise[0], np.full(5, 0.5), "valid").clip(0, 1)
    head = np.convolve(noise[1], 0.2 * 0.9 ** np.arange(40))[:length]
    smile = smiles(np.concatenate([answers, moods]), length)
    heard = np.stack([smiles(starts, length), voice], -1)
    motion = np.stack([2 * voice, 2 * smile, head], -1)  # about unit variance
    return [torch.tensor(x, dtype=torch.float32) for x in (heard, motion)]


# %%
heard, motion = conversation(60_000, np.random.default_rng(0))
print("condition", tuple(heard.shape), " motion", tuple(motion.shape))

# %% [markdown]
# ## 2. A causal transformer that peeks two frames ahead (chapter 4)
#
# A frame sees all blocks up to its own, and `LOOKAHEAD` frames of the next. Level and condition enter through adaLN-zero:
# at first every layer is the identity.


# %%
def lookahead_mask(frames):
    """Return (frames, frames): may the row's frame see the column's?"""
    t = torch.arange(frames)
    horizon = (t // BLOCK + 1) * BLOCK + LOOKAHEAD
    return t[None, :] < horizon[:, None]


plt.figure(figsize=(2.4, 2.4))
plt.imshow(lookahead_mask(16), cmap="Blues")
plt.xlabel("sees frame")
plt.ylabel("frame")
plt.show()


# %%
def zeroed(layer):
    """Let a layer begin by saying nothing."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


# %%
def attend(qkv, mask):
    """Return what attention with 4 heads makes of queries, keys, values."""
    q, k, v = (
        y.unflatten(-1, (4, -1)).transpose(1, 2) for y in qkv.chunk(3, -1)
    )
    seen = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return seen.transpose(1, 2).flatten(2)


# %%
class Layer(nn.Module):
    """Attention and a small network, both modulated by the condition c."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        wide = nn.Linear(WIDTH, 4 * WIDTH)
        self.mlp = nn.Sequential(wide, nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.ada = zeroed(nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, c, mask):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.ada(c).chunk(6, -1)
        qkv = self.qkv(self.norm(x) * (1 + scale1) + shift1)
        x = x + gate1 * self.out(attend(qkv, mask))
        return x + gate2 * self.mlp(self.norm(x) * (1 + scale2) + shift2)


# %%
def recent(heard):
    """Return what was heard in the last frames, side by side."""
    padded = nn.functional.pad(heard, (0, 0, PAST - 1, 0))
    return padded.unfold(1, PAST, 1).flatten(2)  # no frame hears ahead


def waves(sigma):
    """Return 16 waves of every noise level."""
    angles = sigma[..., None] * 2 ** torch.arange(8)
    return torch.cat([angles.sin(), angles.cos()], -1)


# %%
class Network(nn.Module):
    """v(m, sigma, condition): the velocity from clean motion to noise."""

    def __init__(self):
        super().__init__()
        self.embed, self.hear = nn.Linear(3, WIDTH), nn.Linear(2 * PAST, WIDTH)
        self.level = nn.Linear(16, WIDTH)
        self.place = nn.Parameter(0.1 * torch.randn(WINDOW, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.head = zeroed(nn.Linear(WIDTH, 3))

    def forward(self, m, sigma, heard):
        c = self.hear(recent(heard)) + self.level(waves(sigma))
        x = self.embed(m) + self.place[: m.shape[1]]
        for layer in self.layers:
            x = layer(x, c, lookahead_mask(m.shape[1]))
        return self.head(x)


# %% [markdown]
# ## 3. Diffusion forcing (chapters 3 and 5)
#
# $$m_\sigma = (1 - \sigma)\, m + \sigma\, \varepsilon, \qquad v = \varepsilon - m, \qquad
# \mathcal L = \lVert v_\theta(m_\sigma, \sigma, c) - v \rVert^2$$
#
# Every *block* has a noise level of its own. Half of the examples look like a stream: a clean past, one noisy block, and
# pure noise after it. In a tenth the user is taken away, so that the network also knows how people move by themselves.


# %%
def noised(clean, rng):
    """Return noisy motion, its levels, and the velocity."""
    count, blocks = len(clean), clean.shape[1] // BLOCK
    levels = torch.rand(count, blocks, generator=rng)
    now = torch.randint(0, blocks, (count, 1), generator=rng)
    at = torch.arange(blocks)
    stream = torch.where(at < now, 0.0, torch.where(at == now, levels, 1.0))
    streams = torch.rand(count, 1, generator=rng) < 0.5
    sigma = torch.where(streams, stream, levels).repeat_interleave(BLOCK, 1)
    noise = torch.randn(clean.shape, generator=rng)
    return torch.lerp(clean, noise, sigma[..., None]), sigma, noise - clean


# %%
def error(network, condition, drawn):
    """Return the squared error of the velocity, frame by frame."""
    m, sigma, velocity = drawn
    return (network(m, sigma, condition) - velocity).square().mean(-1)


def without_user(condition):
    """Return the same voice, and nobody there."""
    return condition * torch.tensor([0.0, 1.0])


# %%
rng, losses = torch.Generator().manual_seed(0), []
network, steps = Network(), 60 if FAST else 1500
optimiser = torch.optim.AdamW(network.parameters())
rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps)
for _ in range(steps):
    start = torch.randint(0, len(heard) - WINDOW, (32, 1), generator=rng)
    rows = start + torch.arange(WINDOW)
    condition = heard[rows]
    condition[:3] = without_user(condition[:3])
    loss = error(network, condition, noised(motion[rows], rng)).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    rates.step()
    losses.append(loss.item())

# %%
smooth = np.convolve(losses, np.full(20, 1 / 20), "valid")
plt.figure(figsize=(5, 2))
plt.plot(smooth)
plt.xlabel("step")
plt.ylabel("loss")
plt.show()

# %% [markdown]
# ## 4. Stream (chapters 6, 7 and 10)
#
# One block at a time: noise, `NFE` Euler steps from sigma 1 to 0, while the past stays clean. `pull` above 1 pushes away
# from what the network would do without its user: guidance. (The library keeps keys and values of the past; here the
# window is simply read again.)


# %%
def velocity_of(network, past, block, sigma, condition):
    """Return the velocity of the newest block."""
    m = torch.cat([past, block], 1)
    levels = torch.zeros(m.shape[:2])
    levels[:, -BLOCK:] = sigma
    return network(m, levels, condition)[:, -BLOCK:]


# %%
def guided(network, past, block, sigma, condition, pull):
    """Return that velocity, pulled towards the user; 1 is no pull."""
    v = velocity_of(network, past, block, sigma, condition)
    if pull == 1:
        return v
    alone = velocity_of(network, past, block, sigma, without_user(condition))
    return torch.lerp(alone, v, pull)


# %%
@torch.no_grad()
def stream(network, condition, seed, pull=1.0):
    """Return motion (S, T, 3) for S users at once, block by block."""
    rng = torch.Generator().manual_seed(seed)
    made = torch.zeros(len(condition), 0, 3)
    for end in range(BLOCK, condition.shape[1] + 1, BLOCK):
        past = made[:, max(0, end - WINDOW) :]
        now = condition[:, max(0, end - WINDOW) : end]
        block = torch.randn(len(made), BLOCK, 3, generator=rng)
        for step in range(NFE):
            v = guided(network, past, block, 1 - step / NFE, now, pull)
            block = block - v / NFE
        made = torch.cat([made, block], 1)
    return made


# %% [markdown]
# ## 5. Does it react? (chapter 9)
#
# The only honest test: what follows the user's smiles, minus what follows them when the avatar had *somebody else* as its
# user, with the same voice and the same noise. The truth is measured alike.

# %%
rng_test = np.random.default_rng(9)
tests = [conversation(600, rng_test) for _ in range(4 if FAST else 24)]
users = torch.stack([h for h, _ in tests])
truth = torch.stack([m for _, m in tests])
strangers = torch.stack([users.roll(1, 0)[..., 0], users[..., 1]], -1)


# %%
def after_smiles(made):
    """Return the avatar's smile from 1 s before to 3 s after the user's."""
    smiling = users[:, 10:-30, 0] > 0.2
    begins = smiling[:, 1:] & ~smiling[:, :-1]
    cuts = [
        made[s, t + 1 : t + 41, 1] / 2 for s, t in begins.nonzero().tolist()
    ]
    return torch.stack(cuts).mean(0).numpy()


# %%
def reaction(network, pull=1.0):
    """Return what follows the user's smiles, with the user and a stranger."""
    return [
        after_smiles(stream(network, condition, seed=1, pull=pull))
        for condition in (users, strangers)
    ]


# %%
def share_of_truth(own, stranger):
    """Return how much more the own user gets, against real answers."""
    real = after_smiles(truth) - after_smiles(truth.roll(1, 0))
    return (own - stranger).sum() / real.sum()


# %%
seconds = np.arange(-10, 30) / FPS
own, stranger = reaction(network)
plt.figure(figsize=(6, 2.6))
plt.plot(seconds, after_smiles(truth), "k--", label="truth")
plt.plot(seconds, own, label="own user")
plt.plot(seconds, stranger, label="stranger")
plt.xlabel("seconds after the user begins to smile")
plt.ylabel("avatar's smile")
plt.legend()
plt.show()
print(f"reaction: {share_of_truth(own, stranger):.0%} of the truth's")

# %% [markdown]
# **You should see** the avatar's smile rise half a second after the user's, about as the truth does, and hardly at all
# after a stranger's. That picture is the point of the whole subject. (The fast mode trains for a moment only: it reacts
# already, but roughly.)
#
# ## 6. Preference without labels (chapter 8)
#
# Winner: the truth. Loser: what the same network does for the same voice *without* its user. Nobody voted.
# Both are judged with the user present: both get the same noise and levels, and a
# frozen reference is subtracted:
#
# $$\mathcal L = e^w_\theta - \tfrac{\lambda}{\beta}
# \log s\big(\beta\,[(e^w_{ref} - e^w_\theta) - (e^l_{ref} - e^l_\theta)]\big)$$
#
# $e$ is the error of section 3, for winner and loser; $s$ is the sigmoid; $\lambda$ is `weight`.


# %%
def preference_loss(policy, condition, pair, rng, weight, beta):
    """Return the loss above for one batch of (winners, losers)."""
    state, errors, before = rng.get_state(), [], []
    for clean in pair:
        rng.set_state(state)  # the same noise and levels for both
        drawn = noised(clean, rng)
        errors.append(error(policy, condition, drawn))
        with torch.no_grad():
            before.append(error(network, condition, drawn))
    margin = (before[0] - errors[0]) - (before[1] - errors[1])
    return errors[0].mean() - weight * logsigmoid(beta * margin).mean() / beta


# %%
def prefer(weight, count, steps, beta=20.0):
    """Return a trained copy; weight 0 is plain fine-tuning, the control."""
    policy, rng = copy.deepcopy(network), torch.Generator().manual_seed(5)
    optimiser = torch.optim.AdamW(policy.parameters(), 2e-4)
    told = heard[: count * WINDOW].unflatten(0, (count, WINDOW))
    winners = motion[: count * WINDOW].unflatten(0, (count, WINDOW))
    losers = stream(network, without_user(told), seed=2)
    for _ in range(steps):
        rows = torch.randint(0, count, (32,), generator=rng)
        pair = winners[rows], losers[rows]
        loss = preference_loss(policy, told[rows], pair, rng, weight, beta)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return policy


# %%
budget = {"count": 16, "steps": 4} if FAST else {"count": 192, "steps": 120}
rivals = {
    "base": reaction(network),
    "plain fine-tuning": reaction(prefer(0.0, **budget)),
    "preference": reaction(prefer(4.0, **budget)),
    "guidance, pull 1.5": reaction(network, pull=1.5),
}
for name, pair in rivals.items():
    print(f"{name:<20}{share_of_truth(*pair):6.0%} of the truth's reaction")

# %%
figure, axes = plt.subplots(
    1, 4, figsize=(9, 2.4), sharey=True, layout="constrained"
)
for axis, (name, (own, stranger)) in zip(axes, rivals.items(), strict=True):
    axis.plot(seconds, after_smiles(truth), "k--")
    axis.plot(seconds, own)
    axis.plot(seconds, stranger)
    axis.set_title(name, fontsize=9)
axes[0].set_ylabel("avatar's smile")
figure.supxlabel("seconds after the user begins to smile", fontsize=9)
plt.show()

# %% [markdown]
# **You should see** preference and guidance both make the avatar answer more - beyond the truth, if you let them: neither
# knows when to stop. Plain fine-tuning for as many steps on the same windows is the control without which nothing is
# shown; on so little data it does not help, or does harm. Change the seeds before you believe a difference of a few per
# cent: the library's tables carry intervals.
#
# **Take away:** a stream is a clean past and one noisy block; diffusion forcing trains exactly that; and a reaction is
# what disappears when the user is exchanged.
