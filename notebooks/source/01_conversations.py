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
# # 01 · Conversations with a known answer
#
# Did the avatar smile *because* you smiled, or would it have smiled anyway? In a film of two people nobody can tell. So
# this course learns from conversations that were simulated: two people talk, laugh and nod as people do, and every
# answer is written down with its cause. In this notebook you meet these people, measure whether they behave like people,
# hide a reaction's delay and find it again, and split the data so that no score can cheat.
#
# You need: numpy, and chapter 00.

# %% [markdown]
# ## What you will be able to do
#
# - **read** a face in eighteen numbers and a voice in 320 numbers a frame;
# - **measure** gaps, blinks and looks, and compare them with studies of real people;
# - **recover** a planted lag within one frame, and say how long you had to listen;
# - **cut** windows for training and test that share no person, no sentence and no frame;
# - **say** what must be settled before a real person is recorded.
#
# | word | symbol, shape | meaning |
# |---|---|---|
# | face track | `(T, 18)` | the face parameters of one person, 25 frames a second |
# | dyad | `.user`, `.avatar` | two people in conversation: face tracks, voices, events |
# | event | `kind, who, start, cause` | what somebody did, and which event it answers |
# | gap | seconds | from the end of a turn to the partner's next turn; negative: they overlap |
# | lag | frames | how much later the answer comes |
# | window, history | frames | what is to be made, and what may be seen before it |

# %% [markdown]
# ## Setup
#
# Nothing here is trained, so the fast mode of the course changes nothing: the numbers below are the same in both.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import avatar_lab as al

COLUMN = {name: i for i, name in enumerate(al.FACE_NAMES)}
print(al.doctor().verdict)

# %% [markdown]
# ## A face in eighteen numbers
#
# Simulator, face tracker, generator and puppet speak one language: pose in degrees, place and size, then mouth, brows and
# lids between 0 and 1, and where the eyes look. Directions are the *person's own*: positive yaw turns towards their left
# shoulder, which you see on the right.

# %%
face = al.FaceParams(smile=0.8, yaw=15, brow_raise=0.4).array()
print(face.shape, face.dtype)
print({n: round(float(face[i]), 2) for n, i in COLUMN.items() if face[i]})

# %% [markdown]
# Choose a number and drag it. Two people, drawn from the same eighteen numbers:

# %%
from avatar_lab.viz.face_sliders import face_sliders

face_sliders()

# %% [markdown]
# **You should see** the same movement on two different heads. Nothing in the numbers says *who* it is; that is kept for
# chapter 02.

# %% [markdown]
# ## A conversation, and why everything in it happened
#
# `simulate` plans in three steps: who says what and when (`dialogue.py`), what people do by themselves and how they answer
# (`reactions.py`), and how that looks and sounds (`gestures.py`, `visemes.py`, `speech.py`). An answer has a chance and a
# delay. A smile is returned with a chance that grows with the partner's *reactivity* $r$, after
#
# $$\Delta = 0.30\,\mathrm{s} + \Gamma(2,\ 0.19\,\mathrm{s}), \qquad P(\text{answer}) = 0.56 + 0.42\, r ,$$
#
# where $\Gamma(2,\ 0.19\,\mathrm{s})$ is a random time, the sum of two waits of 0.19 s on average, and $r$ lies
# between 0 and 1.

# %%
dyad = al.simulate(seconds=60, seed=21, reactivity=0.9)
for name in ("user", "avatar"):
    person = getattr(dyad, name)
    print(f"{name:<7} face {person.face.shape}  audio {person.audio.shape}")
print(len(dyad.events), "events, for example:")
for event in [e for e in dyad.events if e.cause is not None][2:6]:
    cause = dyad.events[event.cause]
    print(
        f"  {cause.who} {cause.kind} {cause.start:5.2f} s"
        f"  ->  {event.who} {event.kind} {event.start:5.2f} s"
    )

# %%
from avatar_lab.viz.timeline import timeline

timeline(dyad, 12, 30)

# %% [markdown]
# **You should see** arrows in both directions: the avatar returns a smile and a frown, a surprise goes the other way,
# questions get answers, and "mhm" (a *backchannel*) comes 0.7 seconds after the voice of the other one went low. Grey bars are turns. Not everything has an
# arrow: people also smile by themselves. Here is the frown, as the two drawn people show it:

# %%
from avatar_lab.viz.frames import strip

frown = next(e for e in dyad.events if e.kind == "frown" and e.who == "user")
first = round((frown.start - 0.2) * dyad.fps)
films = {
    name: al.Puppet(character, size=96).draw_track(
        getattr(dyad, name).cut(first, 50).face
    )
    for name, character in (("user", 0), ("avatar", 3))
}
strip(films, 7)

# %% [markdown]
# **You should see** the user's brows come together first, and the avatar's about three quarters of a second later.

# %% [markdown]
# ## Do they behave like people?
#
# A simulator is only worth learning from if it keeps the statistics of people. The best studied one is the **gap**. Across
# languages people begin to speak about 200 ms after the other one has ended, faster than anybody can plan a sentence; and
# they overlap now and then.
#
# ### Exercise 1: gaps
#
# *Easy, 10 minutes.* Return the gap, in seconds, at every change of speaker: the start of the next turn minus the end of
# this one. Events have `.kind`, `.who`, `.start` and `.end` and come in order of their start; a turn's kind is `"turn"`.


# %% tags=["exercise"]
def gaps(events):
    """Return the seconds between turns of different speakers, in order."""
    # solution >>>
    from itertools import pairwise

    turns = [event for event in events if event.kind == "turn"]
    return [b.start - a.end for a, b in pairwise(turns) if a.who != b.who]
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb01

nb01.gaps(gaps)

# %% [markdown]
# <details><summary>Hint 1</summary>First keep only the turns; then look at each turn with its successor.</details>
# <details><summary>Hint 2</summary><code>itertools.pairwise(turns)</code> gives the pairs. Leave out those where the same
# person goes on: that is a pause. Keep negative values.</details>
#
# {{solution}}

# %% [markdown]
# Now half an hour of conversation, six talks of five minutes:

# %%
talks = [al.simulate(300, seed=seed, reactivity=1.0) for seed in range(6)]
done = gaps(talks[0].events) is not ...
measured = np.array([g for t in talks for g in gaps(t.events)] if done else [])
plt.figure(figsize=(6, 2.2))
plt.hist(measured, np.arange(-1, 3.01, 0.1), color="tab:blue")
plt.axvline(0.2, color="tab:orange", label="people: most often 200 ms")
plt.xlabel("gap in seconds (below 0: overlap)")
plt.ylabel("turns")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# **You should see** the highest bar at the orange line and a long tail: most answers come almost at once, some after a
# thoughtful silence, and a few begin before the other one has ended. The other habits, against the studies: three helpers
# count them, and the cell after them prints the table.


# %%
def during(dyad, who, kind):
    """Return the frames (T,) in which a person does something."""
    frames = np.zeros(len(dyad.user.face), bool)
    for e in dyad.events:
        if (e.who, e.kind) == (who, kind):
            frames[int(e.start * dyad.fps) : int(e.end * dyad.fps)] = True
    return frames


# %%
def habits(dyad, who, partner):
    """Return blinks a minute and looks, talking and not (listening)."""
    talk, away = during(dyad, who, "turn"), during(dyad, who, "gaze_away")
    heard = during(dyad, partner, "turn") & ~talk
    blinks = np.diff(during(dyad, who, "blink").astype(int), prepend=0) > 0
    # 1500 frames are a minute
    return [blinks[m].mean() * 1500 for m in (talk, ~talk)] + [
        (~away)[m].mean() for m in (talk, heard)
    ]


# %%
from avatar_lab.metrics.sync import loudness


def together(dyad):
    """Return the share of all speech in which both are heard."""
    u, a = (loudness(p.audio) > 0.003 for p in (dyad.user, dyad.avatar))
    return (u & a).sum() / (u | a).sum()


# %%
sides = (("user", "avatar"), ("avatar", "user"))
overlap = np.mean([together(t) for t in talks])
found = np.mean([habits(t, *side) for t in talks for side in sides], axis=0)
rows = {
    "blinks a minute, talking": (found[0], "26"),
    "blinks a minute, at rest": (found[1], "17"),
    "looks at the partner, talking": (found[2], "0.40 to 0.50"),
    "looks at the partner, listening": (found[3], "0.75"),
    "speech in which both are heard": (overlap, "about 0.05"),
}
for name, (value, people) in rows.items():
    print(f"{name:<33}{value:6.2f}   people: {people}")

# %% [markdown]
# **You should see** figures close to people's. They are not equal, and should not be: twelve persons were drawn, and each
# has a blink rate, a warmth and a talkativeness of its own.

# %% [markdown]
# ## What the avatar hears
#
# Sound comes 16,000 times a second, the face 25 times. `log_mel` brings them together: every 10 ms it measures how loud
# each of 80 frequency bands is; four such columns make a frame's 320 numbers. Its window of 25 ms *ends* with the column,
# so no frame hears a sample of the future.

# %%
from avatar_lab.audio.mel import log_mel

cut = dyad.user.cut(round(18.2 * 25), 100)
mel, _ = log_mel(torch.from_numpy(cut.audio)[None])
print("audio", cut.audio.shape, "-> mel", tuple(mel.shape))
picture = mel.reshape(-1, 80).T.numpy()
figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 3.2), sharex=True)
upper.imshow(picture, origin="lower", aspect="auto", extent=(0, 4, 0, 80))
upper.set_ylabel("mel band")
lower.plot((np.arange(100) + 0.5) / 25, cut.face[:, COLUMN["jaw_open"]])
lower.set(xlabel="seconds", ylabel="jaw open", xlim=(0, 4))
plt.show()

# %% [markdown]
# **You should see** the jaw open under the bright stripes of the vowels, and close where the sound ends. Silence is exactly
# 0: levels are fixed, not normalised, or a quiet room would make the mouth babble.
#
# Two promises of a stream, tested: the future does not matter, and pieces give what the whole gives.

# %%
sound = torch.from_numpy(cut.audio)[None]
changed = sound.clone()
changed[:, 50 * 640 :] = 0  # another future from frame 50 on
other, _ = log_mel(changed)
first_half, tail = log_mel(sound[:, : 50 * 640])
second_half, _ = log_mel(sound[:, 50 * 640 :], tail)
pieces = torch.cat([first_half, second_half], dim=1)
print("frames 0..49 as before:  ", torch.equal(other[:, :50], mel[:, :50]))
print("two pieces and the whole:", f"{(pieces - mel).abs().max():.0e} apart")

# %% [markdown]
# ## Find the lag
#
# People also copy each other's heads: slowly, a little, and about 0.6 s late. The simulator plants exactly 15 frames. Can it
# be found in the tracks alone? Shift one track against the other and correlate what overlaps:
#
# $$\rho(\ell) = \operatorname{corr}\big(u_t,\ a_{t+\ell}\big), \qquad \hat\ell = \arg\max_\ell \rho(\ell)$$
#
# ### Exercise 2: recover a planted lag
#
# *Medium, 15 minutes.* Return $\hat\ell$ in frames, out of `-reach` to `reach`. Positive means that the effect follows.


# %% tags=["exercise"]
def find_lag(cause, effect, reach):
    """Return by how many frames `effect` (T,) follows `cause` (T,)."""
    # solution >>>
    n, scores = len(cause), {}
    for lag in range(-reach, reach + 1):
        early = cause[max(0, -lag) : n - max(0, lag)]
        late = effect[max(0, lag) : n - max(0, -lag)]
        scores[lag] = np.corrcoef(early, late)[0, 1]
    return max(scores, key=scores.get)
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb01.find_lag(find_lag)

# %% [markdown]
# <details><summary>Hint 1</summary>For lag 3 the overlapping parts are <code>cause[:n - 3]</code> and
# <code>effect[3:]</code>; for lag -3 it is the other way round.</details>
# <details><summary>Hint 2</summary><code>np.corrcoef(a, b)[0, 1]</code> takes the means and the spreads off by itself. Keep
# a score for each lag and return the lag with the largest.</details>
#
# {{solution}}

# %% [markdown]
# On our six talks, with the heads' pitch, listening for longer and longer:

# %%
print("planted: 15 frames. Found in talk 1 to 6:")
for seconds in (30, 60, 120, 300):
    pitches = [
        (t.user.face[: 25 * seconds, 1], t.avatar.face[: 25 * seconds, 1])
        for t in talks
    ]
    lags = [find_lag(u, a, 50) for u, a in pitches]
    if lags[0] is not ...:
        right = sum(abs(lag - 15) <= 1 for lag in lags)
        print(f"{seconds:4d} s  {lags}  within one frame: {right} of 6")

# %% [markdown]
# **You should see** one lag of six found after half a minute, and all six after five. Everybody's head moves by itself most
# of the time; what is copied is a small part of it. A short clip cannot tell.
#
# Now plant the lag yourself. The avatar's head is its own movement, plus a copy of the user's (dotted), later. Press *play* to
# see both nod. **Predict first:** at which length will the peak stand on the dashed line, and *stay* there when you move the
# lag? And what would make one minute enough?

# %%
from avatar_lab.viz.lag_finder import lag_finder

lag_finder()

# %% [markdown]
# **You should see** that the orange peak is wrong at first, and right from two minutes on wherever you plant the lag. Let
# the avatar copy more ("copies" at 1) and one minute will do. The grey curve is the same avatar with a *stranger*: it has
# hills, too. A peak alone proves nothing; chapter 09 makes that a rule.
#
# Smiles are easier: the simulator tells which smile answers which.

# %%
delays = [
    e.start - t.events[e.cause].start
    for t in talks
    for e in t.events
    if e.kind == "smile" and e.cause is not None
    if t.events[e.cause].kind == "smile"
]
plt.figure(figsize=(6, 1.9))
plt.hist(delays, np.arange(0, 1.9, 0.1), color="tab:orange")
plt.xlabel("seconds from a smile to its answer")
plt.ylabel("smiles")
plt.show()
print(f"{len(delays)} answers, median {np.median(delays):.2f} s")

# %% [markdown]
# **You should see** nothing before 0.3 s, a median of 0.61 s and a tail. An avatar that answers faster is not better, it is
# not human. And a *generator* must remember at least that long, or it cannot know why it should smile.

# %% [markdown]
# ## Splits that do not cheat
#
# A test score is only worth something if nothing of the test was seen in training. Here three things can leak:
#
# - **frames**: overlapping windows are nearly the same window twice;
# - **people**: who was met in training is recognised, not understood;
# - **sentences**: a mouth that learned a sentence by heart needs no ears.
#
# The third is settled by the corpus: a fifth of the sentences is held out, the same ones in every voice.

# %%
from avatar_lab.data.speech import load_corpus

words = {
    split: {clip.text for clip in load_corpus(split).clips}
    for split in ("train", "test")
}
print({split: len(texts) for split, texts in words.items()}, "texts")
print("in both:", len(words["train"] & words["test"]))
unheard = al.simulate(seconds=20, seed=5, split="test")
print("a talk of unheard sentences:", unheard.user.face.shape)

# %% [markdown]
# ### Exercise 3: windows without leakage
#
# *Medium, 15 minutes.* A talk is `(user, avatar, frames)`: two people by number, and its length. Cut windows of `size` frames
# that follow each other without overlap. A window's conditions reach `history` frames further back, and must lie in the talk
# as well. People in the set `unseen` may appear in the test only. A talk between both groups belongs to neither side.


# %% tags=["exercise"]
def windows(talks, unseen, size, history):
    """Return (train, test): lists of (number of the talk, first frame)."""
    # solution >>>
    train, test = [], []
    for number, (user, avatar, frames) in enumerate(talks):
        if (user in unseen) != (avatar in unseen):
            continue
        side = test if user in unseen else train
        for start in range(history, frames - size + 1, size):
            side.append((number, start))
    return train, test
    # learner >>>
    # ~ return ...
    # <<<


# %%
nb01.windows(windows)

# %% [markdown]
# <details><summary>Hint 1</summary>The first window starts at <code>history</code>, the last may end with the talk's last
# frame: <code>range(history, frames - size + 1, size)</code>.</details>
# <details><summary>Hint 2</summary>Both unseen: test. None unseen: training. Else: skip the talk.</details>
#
# {{solution}}

# %% [markdown]
# ## Break it on purpose
#
# How much does a bad split flatter? Take the most stupid model there is: it looks up the training window whose *user* moved most
# alike, and answers with what the *avatar's* head did there. It understands nothing. One split shuffles overlapping windows;
# the other keeps four people for the test.

# %%
SIZE, STEP = 50, 5
places = [(n, s) for n in range(6) for s in range(0, 7500 - SIZE + 1, STEP)]


def both(n, s):
    """Return what the model sees of a window, and what it should say."""
    seen = talks[n].user.face[s : s + SIZE]
    said = talks[n].avatar.face[s : s + SIZE, COLUMN["yaw"]].mean()
    return np.concatenate([seen.mean(0), seen.std(0)]), said


seen, said = (
    np.array(x) for x in zip(*(both(*p) for p in places), strict=True)
)
seen = (seen - seen.mean(0)) / seen.std(0)


# %%
def score(test):
    """Return the correlation of looked-up and true answers."""
    known, asked = seen[~test], seen[test]
    squares = (known**2).sum(1) - 2 * asked @ known.T
    return np.corrcoef(said[~test][squares.argmin(1)], said[test])[0, 1]


shuffled = np.random.default_rng(0).random(len(places)) < 0.25
strangers = np.array([n >= 4 for n, _ in places])
print(f"windows shuffled:  correlation {score(shuffled):.2f}")
print(f"unseen people:     correlation {score(strangers):.2f}")

# %% [markdown]
# **You should see** a proud number in the first line and next to nothing in the second. The model is the same. In the first
# it found the window next door, which shares nine tenths of its frames.

# %% [markdown]
# ## Before you record a real person
#
# Simulated people cannot be harmed. Real ones can: a face and a voice are biometric data, and an avatar can be made to say
# what its owner never said. Before a camera runs, and before a film is downloaded, answer these:
#
# 1. **Did they agree** to be recorded, to *this* use, and to being shown? A film on the internet is no consent.
# 2. **Can they take it back?** Know which files, windows and weights hold them, so that they can be deleted.
# 3. **How little is enough?** The avatar needs eighteen numbers a frame, not the picture.
# 4. **Who may learn it was generated?** Everybody who sees it.
#
# The library helps, and does not replace an answer. Camera pictures stay on your machine: `ingest` and the live widget turn
# them into a face track (chapter 11), and nothing is written but the files you name. Films that are saved say in
# their metadata that they were generated, and carry an invisible mark where their pictures are large enough;
# `avatar-lab verify FILM` reads both. Everything in this course can be done without recording anybody; even the six voices are synthetic, made from a CC0 voice.

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | face parameters | `avatar_lab/data/face.py` | `tests/data/test_face.py` |
# | the simulator | `avatar_lab/data/conversation.py`, `dialogue.py`, `reactions.py`, `gestures.py`, `people.py` | `tests/data/test_conversation.py`, `test_gestures.py` |
# | voices and sentences | `avatar_lab/data/speech.py` | `tests/data/test_speech.py` |
# | the ear | `avatar_lab/audio/mel.py` (`log_mel`) | `tests/audio/test_mel.py` |
# | the lag | `avatar_lab/metrics/sync.py` (`best_lag`) | `tests/metrics/test_metrics.py` |
# | windows with history | `avatar_lab/train/windows.py` (`draw_batch`) | `tests/train/test_diffusion_forcing.py` |
#
# Training draws new people for each talk, so nobody can be met twice, and evaluates on the held-out sentences. Its windows
# start anywhere, and moments in which the avatar answers are drawn more often than they occur.
#
# ## Quiz
#
# <details><summary>Why simulate at all, when there are films of real conversations?</summary>A film shows what happened, not
# why. Only with planted causes can you count how many reactions were found, how many were invented, and how late they
# came.</details>
# <details><summary>The cross-correlation of two heads peaks at -0.6 s. What happened?</summary>The avatar led and the user
# copied. Both follow the same rules, so both peaks are there; the livelier partner's is higher.</details>
# <details><summary>You test on unseen sentences, but on the people of the training. What may the score hide?</summary>That
# the model recognises a person by voice or habits, and answers with what that person's partner used to do.</details>
# <details><summary>Why does the mel window end with its hop instead of being centred on it?</summary>A centred window needs
# sound that has not been spoken yet. Live, it would have to wait.</details>
#
# **Take away:** a reaction is a claim about a cause. To test it you need data in which the cause is known, enough of it, and a
# split that cannot be answered by memory.
#
# *Sources:* Levinson and Torreira 2015, Stivers et al. 2009 (gaps); Bentivoglio et al. 1997 (blinks); Heerey and Crossley
# 2013 (smiles returned); Hale et al. 2020 (heads copied 600 ms late); Ward and Tsukahara 2000 (low pitch and "mhm"); Ki, Jang,
# Jo, Yoon and Hwang, *Avatar Forcing* (arXiv 2601.00664): it learns from films,
# RealTalk and ViCo, whose causes nobody knows. *What this does not show:* that real people follow
# these rules. They do more, and they do it for reasons that no list holds.
