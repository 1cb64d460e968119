"""The published model: its sizes, its weights under our names, and its own way of sampling.

    m = build(None, state)                  # tensors keyed as in the released files: `released_files.read_folder`
    m.velocity(x, timestep, avatar_audio, user_audio, user_motion, reference)
    m.sample(avatar_audio, user_audio, user_motion, reference, noise=[...])

There is no second implementation: `PublishedModel` holds the same `Generator`, `MotionAutoencoder` and
`Wav2Vec2Encoder` as any avatar, and `sample` drives the same `BlockSampler` as a live stream, with the released
schedule and its first window of 50 frames.

What is peculiar: `velocity`, `sample` and `encode` are held against numbers of the released program
(`tests/model/test_published.py`); `released_keys.py` translates its weights.

Notebook: 12 (from lab to paper). Source: METHOD sections 2-6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder, wav2vec2_network
from avatar_lab.config import AvatarConfig, GeneratorConfig, preset
from avatar_lab.errors import CheckpointError, ConfigError, ShapeError
from avatar_lab.flow.guidance import branches
from avatar_lab.flow.schedule import released_grid
from avatar_lab.model.block_sampler import BlockSampler, Grid, OnRound
from avatar_lab.model.generator import Generator
from avatar_lab.model.released_keys import (
    FACES,
    FLOW,
    GENERATOR_KEYS,
    PROJECTION,
    WAVE,
    StateReader,
    autoencoder_keys,
)
from avatar_lab.motion.autoencoder import Encoding, MotionAutoencoder


def published_config(config: Mapping[str, Any] | None = None) -> AvatarConfig:
    """Return the sizes of the published model, or of a reduced one described by its released options.

    Parameters
    ----------
    config : the released options (`dim_h`, `transformer_depth`, `input_size`, ...) plus `ch_div`, the divisor of the
        autoencoder's channels. None is the published size.

    Raises
    ------
    ConfigError : an option is missing.
    """
    paper = preset("paper")
    if config is None:
        return paper
    try:
        shrink, size = config.get("ch_div", 1), config["input_size"]
        window, width, latent = int(config["fps"] * config["sec"]), config["dim_h"], config["style_dim"]
        generator = replace(
            paper.generator,
            motion_dim=config["dim_w"],
            audio_dim=config["dim_a"],
            condition_width=config["dim_a"],
            width=width,
            depth=config["transformer_depth"],
            heads=config["num_heads"],
            mlp_ratio=config["mlp_ratio"],
            block=config["num_frames_per_block"],
            window=window,
            cross_window=config["attention_window"],
        )
        autoencoder = replace(
            paper.autoencoder,
            size=size,
            coefficients=config["dim_m"],
            latent_dim=latent,
            channels=min(512, 512 * 32 // size) // shrink,
            max_channels=512 // shrink,
        )
    except KeyError as error:
        raise ConfigError(
            f"The released options lack {error}. Pass the whole `opt`, or None for the published size."
        ) from error
    except (TypeError, ZeroDivisionError, OverflowError) as error:
        raise ConfigError(f"The released options hold something that is no size: {error}.") from error
    return replace(
        paper, audio=replace(paper.audio, dim=config["dim_a"]), generator=generator, autoencoder=autoencoder
    )


@dataclass
class PublishedModel:
    """The published networks and how they are used. Parts whose weights were not given are None."""

    config: AvatarConfig
    generator: Generator | None = None
    audio_encoder: Wav2Vec2Encoder | None = None
    autoencoder: MotionAutoencoder | None = None

    def to(self, device: torch.device | str) -> PublishedModel:
        """Move every network to a device."""
        for part in (self.generator, self.audio_encoder, self.autoencoder):
            if part is not None:
                part.to(device)
        return self

    @torch.inference_mode()
    def velocity(
        self,
        x: Float[Tensor, "b t k"],
        timestep: Float[Tensor, "b t"],
        avatar_audio: Float[Tensor, "b t a"],
        user_audio: Float[Tensor, "b t a"],
        user_motion: Float[Tensor, "b t k"],
        reference: Float[Tensor, "b k"],
    ) -> Float[Tensor, "b t k"]:
        """Predict the velocity (noise - motion) of a window; `timestep` = 1000 sigma, in 0..1000, per frame."""
        generator = _need(self.generator, "flow transformer")
        if float(timestep.min()) < 0 or float(timestep.max()) > 1000:
            raise ShapeError("timestep must lie in 0..1000; it is 1000 sigma.")
        condition, _ = generator.condition(user_motion, user_audio, avatar_audio)
        return generator(x, timestep.double() / 1000, condition, reference).velocity

    @torch.inference_mode()
    def sample(
        self,
        avatar_audio: Tensor,
        user_audio: Tensor,
        user_motion: Tensor,
        reference: Tensor,
        noise: Sequence[Tensor],
        nfe: int = 10,
        guidance: Mapping[str, float] | None = None,
        guidance_form: str = "sum",
        on_round: OnRound | None = None,
    ) -> Float[Tensor, "b t k"]:
        """Generate motion for whole tracks as the released program does.

        Parameters
        ----------
        avatar_audio, user_audio, user_motion : T frames of features, (b, t, d), all of one length.
        reference : (b, d) the portrait's motion latent.
        noise : one tensor for each block, at sigma 1. The first decides about the start: 50 frames (released: the
            avatar waits two seconds) or one block (ours). What a block reaches beyond T is computed with the last frame
            held and cut off; parts that begin beyond T are not used.
        nfe : as the released program counts, cache pass and idle last step included: 10 means 8 steps that matter.
        guidance : weights of `audio` and `user`; default 2 and 1.

        Returns
        -------
        (B, T, 512) motion latents.
        """
        generator = _need(self.generator, "flow transformer")
        frames, parts = user_motion.shape[1], list(noise)
        signals = [user_motion, user_audio, avatar_audio]
        _check_rollout(signals, reference, parts, generator.config)
        signals = [_held(signal, sum(part.shape[1] for part in parts)) for signal in signals]
        used = branches({"audio": 2.0, "user": 1.0} if guidance is None else guidance, guidance_form)
        sampler = BlockSampler(generator, used, Grid(*released_grid(nfe)), reference)
        memory, made, start = sampler.start(), [], 0
        for part in parts:
            if start >= frames:
                break
            window = slice(start - memory.offset.shape[1], start + part.shape[1])
            motion_seen, heard, said = (signal[:, window] for signal in signals)
            condition, _ = sampler.conditions(motion_seen, heard, said)
            plan = sampler.plan(memory, condition, part.shape[1])
            motion, _ = sampler.denoise(plan, part, on_round)
            memory, start = sampler.remember(plan, motion), window.stop
            made.append(motion)
        return torch.cat(made, dim=1)[:, :frames]

    @torch.inference_mode()
    def encode(self, image: Float[Tensor, "B 3 H W"]) -> Encoding:
        """Read (identity, coefficients, motion, feature maps) from pictures in [-1, 1]."""
        return _need(self.autoencoder, "motion autoencoder").encode(image)

    @torch.inference_mode()
    def decode(self, latent: Float[Tensor, "B D"], features: list[Tensor]) -> Float[Tensor, "B 3 H W"]:
        """Draw `latent` = identity + motion over a source's feature maps; about [-1, 1], not clipped."""
        return _need(self.autoencoder, "motion autoencoder").decode(latent, list(features))

    @torch.inference_mode()
    def audio_features(self, waveform: Float[Tensor, "b n"], frames: int) -> Float[Tensor, "b t a"]:
        """Return audio features of a whole recording, 16 kHz, at 25 frames a second."""
        return _need(self.audio_encoder, "audio projection").whole(waveform, frames)


def build(config: Mapping[str, Any] | None, state: Mapping[str, Tensor]) -> PublishedModel:
    """Build the published model and fill it from the released weights.

    Parameters
    ----------
    config : the released options (see `published_config`), or None for the published size.
    state : tensors keyed as in the released files. Whole parts may be absent (flow transformer, audio projection,
        wav2vec2, motion autoencoder); a part that is there must be complete.

    Raises
    ------
    CheckpointError : lists missing, unexpected and mis-shaped keys.
    """
    sizes = published_config(config)
    model, reader = PublishedModel(sizes), StateReader(state)
    if reader.has(FLOW):
        model.generator = reader.fill(Generator, sizes.generator, FLOW, GENERATOR_KEYS)
    if reader.has(PROJECTION):
        model.audio_encoder = _audio(sizes, dict(config or {}), reader)
    if reader.has(FACES):
        scales = sizes.autoencoder.size.bit_length() - 3
        model.autoencoder = reader.fill(MotionAutoencoder, sizes.autoencoder, FACES, autoencoder_keys(scales))
    reader.finish()
    return model


def _audio(sizes: AvatarConfig, options: dict[str, Any], reader: StateReader) -> Wav2Vec2Encoder:
    """Fill the projection, and wav2vec2 where its weights are there."""
    wave = options.get("w2v") or {}
    if not isinstance(wave, Mapping):
        raise ConfigError(f"The released option w2v must name sizes of wav2vec2; got {wave!r}.")
    layers = 1 if options.get("only_last_features") else wave.get("num_hidden_layers", 12)
    hidden = layers * wave.get("hidden_size", 768)
    network = None
    if reader.has(WAVE):
        network = reader.fill(wav2vec2_network, wave, WAVE, None)
    encoder = Wav2Vec2Encoder(sizes.audio, hidden, network)
    reader.into(encoder.projection, PROJECTION, None)
    return encoder.eval().requires_grad_(False)


def _need(part: Any, name: str) -> Any:
    if part is None:
        raise CheckpointError(f"This model was built without weights for its {name}.")
    return part


def _check_rollout(
    signals: Sequence[Tensor], reference: Tensor, noise: Sequence[Tensor], c: GeneratorConfig
) -> None:
    """Raise ShapeError for tracks, a portrait or noise that do not belong together."""
    batch, frames = signals[0].shape[:2]
    for name, part, width in zip(
        ("user_motion", "user_audio", "avatar_audio"),
        signals,
        (c.motion_dim, c.audio_dim, c.audio_dim),
        strict=True,
    ):
        if part.shape != (batch, frames, width) or frames == 0:
            raise ShapeError(
                f"user_motion, user_audio and avatar_audio must share (b, t) with t >= 1; {name} must have shape "
                f"({batch}, {max(frames, 1)}, {width}), got {tuple(part.shape)}."
            )
    if reference.shape != (batch, c.motion_dim):
        raise ShapeError(
            f"reference must have shape ({batch}, {c.motion_dim}); got {tuple(reference.shape)}."
        )
    least = max(1, c.lookahead)
    for part in noise:
        if part.ndim != 3 or part.shape[0] != batch or part.shape[2] != c.motion_dim or part.shape[1] < least:
            raise ShapeError(
                f"every part of noise must have shape ({batch}, n, {c.motion_dim}) with n >= {least}; got "
                f"{tuple(part.shape)}. Pass a list with one tensor for each block."
            )
    total = sum(part.shape[1] for part in noise)
    if total < frames:
        raise ShapeError(
            f"noise holds {total} frames for {frames} frames of condition. Pass one tensor for each block."
        )


def _held(signal: Float[Tensor, "b t d"], frames: int) -> Float[Tensor, "b n d"]:
    """Fill up to `frames` frames by holding the last."""
    missing = frames - signal.shape[1]
    return torch.cat([signal, signal[:, -1:].expand(-1, missing, -1)], dim=1) if missing else signal
