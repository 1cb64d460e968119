"""One avatar model, whole: what `avatar_lab.load` returns.

An `Avatar` is the network side of a person: motion space, audio encoder, generator, and (when shipped) the
image autoencoder. Which *character* it plays and how it is drawn is decided later, by the engine.

What is peculiar: this is the only place that moves networks to a device and chooses their number format.

Notebook: 00 (meet the avatar).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avatar_lab.audio.encoder import MelEncoder
from avatar_lab.audio.wav2vec2 import Wav2Vec2Encoder
from avatar_lab.config import AvatarConfig, preset
from avatar_lab.data.face import FACE_DIM
from avatar_lab.errors import CheckpointError, ConfigError
from avatar_lab.model.generator import Generator
from avatar_lab.model.speed import pack, worth_packing
from avatar_lab.model.weights import (
    WEIGHTS_DIR,
    load_strict,
    load_tensors,
    save_tensors,
    verify,
    with_prefix,
    without_prefix,
)
from avatar_lab.motion.autoencoder import MotionAutoencoder
from avatar_lab.motion.saved import load_autoencoder
from avatar_lab.motion.space import LatentSpace, MotionSpace

GENERATOR_FILE = "generator.safetensors"
FAST_FILE = "one_branch.safetensors"
AUTOENCODER_FILE = "autoencoder.safetensors"
LATENT = "lab-latent"  # `lab`, trained on what the autoencoder reads from pictures


@dataclass
class Avatar:
    """Networks and motion space of one model, on one device, ready to be streamed or trained.

    Attributes
    ----------
    config : the sizes everything was built with.
    space : exact map between face tracks and coefficients.
    audio_encoder, generator : the networks that run at every block.
    autoencoder : pictures <-> coefficients; None where no weights for it exist.
    """

    config: AvatarConfig
    space: MotionSpace | LatentSpace
    audio_encoder: MelEncoder | Wav2Vec2Encoder
    generator: Generator
    autoencoder: MotionAutoencoder | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def sees_pictures(self) -> bool:
        """Whether the user's motion is read from pictures (`paper`) or given as a face track (`lab`)."""
        return isinstance(self.space, LatentSpace)

    @property
    def face_space(self) -> MotionSpace:
        """The space of named motion; raises ConfigError for an avatar whose motion has no names."""
        if isinstance(self.space, LatentSpace):
            raise ConfigError(
                f"The motion of {self.config.name!r} has no names; this needs an avatar of drawn faces."
            )
        return self.space

    def to(self, device: torch.device, precision: str = "auto") -> Avatar:
        """Move every network to `device`, and bring the generator into the number format for it.

        Parameters
        ----------
        precision : "float32"; "bfloat16" (generator only: pictures show its rounding); "int8" (CPU, generator only);
            or "auto": bfloat16 on a CUDA card that has it, else float32, laid out for the processor where that helps.
        """
        if self.generator.packed:
            raise ConfigError(
                "Packed weights stay where and what they are. Load the avatar again for another device."
            )
        for net in (self.audio_encoder, self.generator, self.autoencoder):
            if net is not None:
                net.to(device)
        chosen = number_format(device, precision)
        if chosen is torch.qint8:
            pack(self.generator, "int8")
        else:
            self.generator.to(chosen)
            if chosen is torch.float32 and precision == "auto" and worth_packing(self.generator):
                pack(self.generator)
        self.device = device
        return self

    @property
    def parameters_total(self) -> int:
        """Number of trained numbers in audio encoder and generator."""
        plain = sum(p.numel() for net in (self.audio_encoder, self.generator) for p in net.parameters())
        return plain + self.generator.packed

    def eval(self) -> Avatar:
        """Switch all networks to inference."""
        for net in (self.audio_encoder, self.generator, self.autoencoder):
            if net is not None:
                net.eval().requires_grad_(False)
        return self

    def save(self, path: Path, meta: dict[str, Any] | None = None) -> None:
        """Write generator, audio encoder and motion space to one safetensors file (half precision).

        Raises ConfigError for weights in an inference-only form, and for the published ones, which are not ours.
        """
        if self.generator.packed:
            raise ConfigError("Packed weights cannot be saved. Load them with precision='float32' first.")
        if self.sees_pictures:
            raise ConfigError(
                "The published weights are converted by `avatar-lab import-published`, not saved here."
            )
        space = {name: torch.from_numpy(value.copy()) for name, value in self.space.tensors().items()}
        nets = with_prefix("generator", self.generator.state_dict()) | with_prefix(
            "audio_encoder", self.audio_encoder.state_dict()
        )
        tensors = {name: value.half() for name, value in nets.items()} | with_prefix("space", space)
        save_tensors(path, tensors, {"config": self.config.to_dict(), **(meta or {})})


def build(config: AvatarConfig, space: MotionSpace | None = None, seed: int = 0) -> Avatar:
    """Return an untrained avatar; the same seed gives the same weights."""
    if config.audio.kind != "mel":
        raise ConfigError(
            "An avatar that hears through wav2vec2 is not built from scratch: load the published weights."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        audio_encoder, generator = MelEncoder(config.audio), Generator(config.generator)
    identity = np.eye(FACE_DIM, dtype=np.float32)
    unit = MotionSpace(np.zeros(FACE_DIM, np.float32), identity, identity)
    return Avatar(config, space or unit, audio_encoder, generator)


def read(path: Path) -> Avatar:
    """Read what `Avatar.save` wrote; raises CheckpointError naming what does not fit."""
    tensors, meta = load_tensors(path)
    if "config" not in meta:
        raise CheckpointError(
            f"{path} carries no avatar configuration in its header; was it made by avatar-lab train?"
        )
    config = AvatarConfig.from_dict(meta["config"])
    space = {name: value.numpy() for name, value in without_prefix("space", tensors).items()}
    avatar = build(config, MotionSpace.from_tensors(space))
    load_strict(avatar.generator, without_prefix("generator", tensors), f"{path.name} (generator)")
    load_strict(
        avatar.audio_encoder, without_prefix("audio_encoder", tensors), f"{path.name} (audio encoder)"
    )
    return avatar


def choose_device(device: str) -> torch.device:
    """Turn "auto" (CUDA, else MPS, else CPU) or a name into a device; raises ConfigError when it is not there."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
        return chosen
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"Device {device!r} is not available here; use auto or cpu, or install the matching torch."
        ) from error


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.qint8}


def number_format(device: torch.device, precision: str = "auto") -> torch.dtype:
    """Return the number format of the generator's weights; raises ConfigError that lists the names."""
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    if precision not in PRECISIONS:
        raise ConfigError(f"precision must be auto, {', '.join(PRECISIONS)}; got {precision!r}.")
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(f"int8 weights run on a CPU only; got device {device.type!r}. Use bfloat16 there.")
    return PRECISIONS[precision]


def load(
    name: str = "lab",
    device: str = "auto",
    checkpoint: str | Path | None = None,
    *,
    precision: str = "auto",
    fast: bool = False,
) -> Avatar:
    """Return a trained avatar.

    Parameters
    ----------
    name : preset, one of `presets()`; `lab` ships with the package. Or "lab-latent": the shipped `lab` that was trained
        on what the autoencoder reads from pictures, for users who are read from pixels.
    device : "auto" (CUDA, else MPS, else CPU), "cpu", "cuda", ...
    checkpoint : a file written by `avatar-lab train`; by default the shipped weights, verified by their hash. For
        `paper`, the folder of the released files, or the file that `avatar-lab import-published` made of them.
    precision : see `Avatar.to`.
    fast : take the shipped generator whose guidance was distilled into one pass: a third of the arithmetic, and its
        guidance cannot be turned any more. Only `lab` has one.

    Raises
    ------
    ConfigError : `fast` where there is no such generator, an unknown preset, device or precision.
    CheckpointError : the weights are missing, damaged or of another configuration.
    """
    config = preset("lab" if name == LATENT else name)
    chosen = choose_device(device)
    number_format(chosen, precision)
    if fast and (name != "lab" or checkpoint is not None):
        raise ConfigError(
            "fast is a variant of the shipped lab weights; it takes no checkpoint and no other preset."
        )
    if config.audio.kind == "wav2vec2":
        return _published(checkpoint).eval().to(chosen, precision)
    folder, file = WEIGHTS_DIR / name.replace("-", "_"), FAST_FILE if fast else GENERATOR_FILE
    if checkpoint is not None:
        avatar = read(Path(checkpoint))
    elif (folder / file).exists():
        verify(folder / file)
        avatar = read(folder / file)
    else:
        raise CheckpointError(
            f"No weights for {name!r} ship with this version. Train them with "
            f"`avatar-lab train {name}` and pass checkpoint=FILE, or use the preset lab."
        )
    drawing = WEIGHTS_DIR / config.name / AUTOENCODER_FILE
    if drawing.exists():
        verify(drawing)
        avatar.autoencoder = load_autoencoder(drawing)[0]
    return avatar.eval().to(chosen, precision)


def _published(checkpoint: str | Path | None) -> Avatar:
    """Make an avatar of the released weights."""
    from avatar_lab.model.released_files import WHERE, open_published

    if checkpoint is None:
        raise CheckpointError(
            f"{WHERE}, and pass it: load('paper', checkpoint=FOLDER), or --checkpoint FOLDER."
        )
    model = open_published(Path(checkpoint))
    if model.generator is None or model.audio_encoder is None or model.autoencoder is None:
        raise CheckpointError(f"{checkpoint} lacks whole networks of the published model. {WHERE}.")
    space = LatentSpace(model.config.generator.motion_dim)
    return Avatar(model.config, space, model.audio_encoder, model.generator, model.autoencoder)
