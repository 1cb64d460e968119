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
# # 11 · Talk to it
#
# Everything so far, at once: your camera and your microphone, the avatar, and a glass box that shows where the milliseconds
# go. Run the two cells below and press a button. No camera? A recorded user is one click away.
#
# **Before you start:** pictures and sound go from this page to the kernel that you started, and nowhere else. Nothing is
# stored. The avatar is a computer program, and its picture says so.
#
# You need: chapter 10. A camera and a microphone if you have them.

# %% [markdown]
# ## What you will be able to do
#
# - **talk** to the avatar, and find out what it notices and what it does not;
# - **read** the latency that you just lived through, stage by stage;
# - **compute** p50 and p95 from a log, and say what the mean hides;
# - **write** a responder: what the avatar says when its turn comes.

# %% [markdown]
# ## Setup

# %%
import numpy as np

import avatar_lab as al

print(al.doctor().verdict)

# %% [markdown]
# ## The demo
#
# **Predict first:** smile for two seconds, then be serious. After how long will the avatar smile? (The people of chapter 01
# take about 0.6 s.) Then start to speak while it speaks: what will it do?

# %%
from avatar_lab.live import LiveAvatar

live = LiveAvatar(character=3)
live

# %% [markdown]
# ![The widget: left the drawn twin of the user, right the avatar, below the latency](../../book/images/live_light.webp)
#
# **You should see** your *twin* on the left: eighteen numbers a picture, all that the avatar knows of your face. On the
# right the avatar. The bar chart is the way of one picture of yours, from the camera to the first picture that could depend
# on it. Two lines show your smile and its smile: look for the delay between them.
#
# | try | what it shows |
# |---|---|
# | smile, wait, be serious | its smile follows yours, later, and less surely |
# | say "mhm" while it speaks | it pauses for a word and goes on |
# | interrupt it | it gives its turn away |
# | *Liveliness* to still | the same answers, scaled down; the mouth still speaks |
# | *More controls*, pyramid | frames leave one by one: less waiting, rougher motion |

# %% [markdown]
# ### Exercise 1: p50 and p95
#
# *Easy, 5 minutes.* A session wrote down the path latency of every picture. Summarise it by the median and the value that
# 95 of 100 stay below. Return a pair of milliseconds.

# %%
rng = np.random.default_rng(4)
log_ms = 180 + rng.gamma(2.0, 30.0, 400)
log_ms[::15] += 900  # somebody else used the machine now and then
print(f"{len(log_ms)} pictures, mean {log_ms.mean():.0f} ms")


# %% tags=["exercise"]
def summary_ms(log_ms):
    """Return (p50, p95)."""
    # solution >>>
    return float(np.percentile(log_ms, 50)), float(np.percentile(log_ms, 95))
    # learner >>>
    # ~ return ...
    # <<<


# %%
from avatar_lab.check import nb11

nb11.summary(summary_ms)

# %% [markdown]
# <details><summary>Hint 1</summary><code>np.percentile</code> does both.</details>
# <details><summary>Hint 2</summary>A pair of floats: the median first.</details>
#
# {{solution}}
#
# Now for the log above:

# %%
print(f"mean {log_ms.mean():.0f} ms, (p50, p95):", summary_ms(log_ms))

# %% [markdown]
# **You should see** a mean that hardly any picture had: most were quicker, and one in fifteen took more than a second. p50
# says how it usually feels; p95 says how it feels when it annoys.

# %% [markdown]
# ### Exercise 2: an answer of your own
#
# *Medium, 15 minutes.* A responder has one method, `on_turn(user_audio, events)`: it is given what the user said (16,000
# samples a second) and a list of words for what was seen meanwhile, such as `["smile"]` or `[]`, and returns what the avatar
# says: an array of samples.
#
# Write one that laughs along: after a smile it says one of the voice's *happy* phrases, otherwise it repeats the last second
# of what it heard. `SampleVoice().phrases(mood="happy")` gives clips; a clip has `.audio`.

# %%
from avatar_lab.live import SampleVoice

voice = SampleVoice()
print(*[clip.text for clip in voice.phrases(mood="happy")][:3], sep="\n")


# %% tags=["exercise"]
class Cheerful:
    """Happy after a smile, else an echo of the last second."""

    def on_turn(self, user_audio, events):
        # solution >>>
        if "smile" in events:
            return voice.phrases(mood="happy")[0].audio
        return user_audio[-16_000:]
        # learner >>>
        # ~ return ...
        # <<<


# %%
nb11.responder(Cheerful())

# %% [markdown]
# <details><summary>Hint 1</summary>The last second is the last 16,000 samples.</details>
# <details><summary>Hint 2</summary><code>"smile" in events</code> tells whether you smiled.</details>
#
# {{solution}}
#
# Try it: `live.close(); live = LiveAvatar(responder=Cheerful()); live`. With an endpoint that speaks OpenAI's protocol it can hold a conversation:
# `OpenAICompatible()` reads its address from the environment - and sends your voice there, which nothing else here does.

# %% [markdown]
# ## Break it on purpose
#
# A setting that does not exist, and a value that makes no sense:

# %%
from avatar_lab.stream.live_settings import LiveSettings

for name, value in (("colour", "blue"), ("nfe", 99)):
    try:
        LiveSettings().changed(name, value)
    except al.AvatarLabError as error:
        print(type(error).__name__, "-", error)

# %% [markdown]
# When you are done, press *Stop*, or end the session from here: camera off, threads gone. The widget above stays, and can
# start another.

# %%
live.stop()
print("a session is running:", live.running)

# %% [markdown]
# ## Into the library
#
# | you used | it lives in | its test |
# |---|---|---|
# | the page | `avatar_lab/live/static/` | `tests/browser/`, in a real browser |
# | the widget | `avatar_lab/live/widget.py`, `keeper.py` | `tests/live/test_widget.py` |
# | the session behind it | `avatar_lab/stream/session.py` | `tests/stream/test_session.py` |
# | turns and voice | `avatar_lab/live/turns.py`, `speaker.py` | `tests/live/` |
#
# ## Quiz
#
# <details><summary>What does the avatar know about your room?</summary>Nothing: the picture is turned into eighteen numbers
# in the kernel, and forgotten.</details>
# <details><summary>Why does it pause for an "mhm" at all?</summary>After a tenth of a second nobody can tell an "mhm" from an
# interruption. Pausing at once and going on is what people do, too.</details>
# <details><summary>Why does a faster network hardly change how it feels?</summary>Waiting for the block, the way through the
# browser and a safety margin are most of the path.</details>
#
# **Take away:** real time is a promise about bad moments. *Sources:* Ki, Jang, Jo, Yoon and Hwang, *Avatar Forcing* (arXiv
# 2601.00664), section 4. *What this does not show:* how it would feel with a photograph, or with weights trained on people.
