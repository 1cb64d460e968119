"""Sizes and settings: frozen, validated dataclasses, and the three presets.

One set of classes serves all presets; `tiny`, `lab` and `paper` differ in numbers only. Every frame count is
in video frames at 25 fps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from avatar_lab.errors import ConfigError

FPS: Final = 25
SAMPLE_RATE: Final = 16_000
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FPS

MaskKind = Literal[
    "released",
    "block_lookahead_frames",
    "block_lookahead_blocks",
    "frame_causal",
    "block_causal",
    "bidirectional",
]
GuidanceForm = Literal["sum", "nested"]
LossKind = Literal["l1", "l2", "pseudo_huber"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _one_of(name: str, value: str, kind: Any) -> None:
    _require(value in get_args(kind), f"{name} must be one of {', '.join(get_args(kind))}; got {value!r}.")


@dataclass(frozen=True)
class AudioConfig:
    """What the generator hears: `mel` (causal log-mel) or `wav2vec2` (hidden layers of wav2vec2-base)."""

    kind: str = "mel"
    bands: int = 80
    hops_per_frame: int = 4
    context_frames: int = (
        3  # frames of sound behind one feature: mel, itself included; wav2vec2, before the block
    )
    hidden: int = 256
    dim: int = 128
    hop_width: int = 64  # channels of the convolutions at 10 ms; 0: none

    def __post_init__(self) -> None:
        _require(self.hop_width >= 0, f"hop_width must be >= 0; got {self.hop_width}.")
        _require(self.kind in ("mel", "wav2vec2"), f"audio kind must be mel or wav2vec2; got {self.kind!r}.")
        _require(self.context_frames >= 1, f"context_frames must be >= 1; got {self.context_frames}.")


@dataclass(frozen=True)
class GeneratorConfig:
    """Dual motion encoder and causal transformer (METHOD section 4 of the paper's description)."""

    motion_dim: int = 18
    audio_dim: int = 128
    width: int = 160
    depth: int = 4
    heads: int = 5
    mlp_ratio: float = 4.0
    sigma_frequencies: int = 256
    block: int = 5
    window: int = 50
    lookahead: int = 2
    mask: str = "released"  # one of MaskKind
    cross_window: int = 2
    cross_within_block: bool = True  # never look at conditions that have not arrived yet
    condition_width: int = 128
    condition_heads: int = 4
    causal_condition: bool = True
    condition_history: int = 62  # frames of the past that one condition frame may attend to
    condition_rope: bool = True  # tell the condition attentions how long ago a frame was
    user_lags: tuple[int, ...] = (0, 5, 10, 15, 20, 25, 30)  # earlier user frames shown side by side
    sound_lags: tuple[int, ...] = tuple(
        range(0, 31, 3)
    )  # the same for what the user is heard to say; (): none
    user_skip: bool = True  # a direct path from the user to the condition, past the softmax

    def __post_init__(self) -> None:
        _one_of("mask", self.mask, MaskKind)
        _require(
            self.width % self.heads == 0, f"width {self.width} must be a multiple of heads {self.heads}."
        )
        _require(
            self.condition_width % self.condition_heads == 0,
            f"condition_width {self.condition_width} must be a multiple of "
            f"condition_heads {self.condition_heads}.",
        )
        _require(
            len(self.user_lags) > 0 and all(lag >= 0 for lag in self.user_lags),
            f"user_lags must be frames of the past (>= 0); got {self.user_lags}.",
        )
        _require(
            all(lag >= 0 for lag in self.sound_lags),
            f"sound_lags must be frames of the past (>= 0); got {self.sound_lags}.",
        )
        _require(0 < self.block <= self.window, f"block {self.block} must lie in 1..window ({self.window}).")
        _require(
            0 <= self.lookahead <= self.block,
            f"lookahead {self.lookahead} must lie in 0..block ({self.block}).",
        )

    @property
    def context(self) -> int:
        """Earlier frames kept in the key/value cache while streaming."""
        return max(0, self.window - self.block - self.lookahead)

    @property
    def condition_context(self) -> int:
        """Earlier condition frames whose keys and values a stream keeps.

        A causal condition is final when it is made, so those of the offset frames are kept too; the published one
        is made anew, together with the block's.
        """
        return self.cross_window + self.lookahead - self.final_lag

    @property
    def final_lag(self) -> int:
        """Newest condition frames that will be made anew with the next block (0 where they are causal)."""
        return 0 if self.causal_condition else self.lookahead


@dataclass(frozen=True)
class SamplerConfig:
    """How noise becomes motion. `nfe` counts only evaluations that change the sample, per block."""

    nfe: int = 8
    schedule: str = "block"
    guidance: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"audio": 2.0, "user": 3.0})
    )
    guidance_form: str = "nested"  # one of GuidanceForm
    steady_hz: float = 0.0  # slow movements are smoothed above this frequency; 0: not at all
    distilled: bool = False  # the guidance is in the weights and cannot be turned

    def __post_init__(self) -> None:
        _require(self.nfe >= 1, f"nfe must be >= 1; got {self.nfe}.")
        _require(self.steady_hz >= 0, f"steady_hz must be >= 0; got {self.steady_hz}.")
        _one_of("guidance_form", self.guidance_form, GuidanceForm)
        unknown = set(self.guidance) - {"audio", "user"}
        _require(not unknown, f"guidance takes the keys audio and user; got {sorted(unknown)}.")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Motion autoencoder: pictures to (identity, coefficients) and back."""

    size: int = 64
    coefficients: int = 18
    latent_dim: int = 128
    channels: int = 16  # at the finest scale; doubles per halving up to max_channels
    max_channels: int = 128
    reader: tuple[int, ...] = (32, 64, 96, 128)  # channels of the reader; released: none
    head_layers: int = 1  # layers from the latent to the coefficients, where there is no reader
    linear_head: bool = False  # released: equalised layers, no activation between them
    normalise_latent: bool = True  # released: no LayerNorm after the bottleneck
    normalise_features: bool = True  # released: residual blocks, no group normalisation in the encoder
    equalised_rate: float = 8.0  # released: 1; how much faster equalised layers learn than ordinary ones
    warp_picture: bool = True  # the source picture itself is the last feature that is warped
    coarse_flow: bool = True  # released: the coarsest flow has no path of its own from the motion
    released_warp: bool = False  # grid by corners, zeros outside, RGB of the warped features only

    def __post_init__(self) -> None:
        _require(
            self.size >= 16 and self.size & (self.size - 1) == 0,
            f"size must be a power of two >= 16; got {self.size}.",
        )
        _require(
            self.coefficients <= self.latent_dim,
            f"coefficients {self.coefficients} cannot exceed latent_dim {self.latent_dim}.",
        )
        _require(
            len(self.reader) < self.size.bit_length() - 1 and all(width > 0 for width in self.reader),
            f"reader must hold fewer than {self.size.bit_length() - 1} widths > 0; got {self.reader}.",
        )
        _require(self.head_layers >= 1, f"head_layers must be >= 1; got {self.head_layers}.")
        _require(
            not self.normalise_features or self.channels % 8 == 0 == self.max_channels % 8,
            f"channels are normalised in groups of 8; got {self.channels} and {self.max_channels}.",
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AutoencoderConfig:
        """Rebuild from plain JSON values; a file that names no reader was written before there was one."""
        return cls(**{**values, "reader": tuple(values.get("reader", ()))})


@dataclass(frozen=True)
class AvatarConfig:
    """Everything that defines one avatar model."""

    name: str
    audio: AudioConfig
    generator: GeneratorConfig
    sampler: SamplerConfig
    autoencoder: AutoencoderConfig

    def __post_init__(self) -> None:
        _require(
            self.audio.dim == self.generator.audio_dim,
            f"audio.dim {self.audio.dim} must equal generator.audio_dim {self.generator.audio_dim}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-ready values."""

        def plain(value: Any) -> Any:
            if hasattr(value, "__dataclass_fields__"):
                return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
            return dict(value) if isinstance(value, Mapping) else value

        return plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AvatarConfig:
        """Rebuild from `to_dict`; raises ConfigError naming keys that do not exist.

        Files older than `hop_width` and `sound_lags` do not name them: their networks have neither.
        """
        parts: dict[str, Any] = {
            "audio": AudioConfig,
            "generator": GeneratorConfig,
            "sampler": SamplerConfig,
            "autoencoder": AutoencoderConfig,
        }
        older: dict[str, dict[str, Any]] = {"audio": {"hop_width": 0}, "generator": {"sound_lags": ()}}
        try:
            given = {k: {**older.get(k, {}), **values[k]} for k in parts}
            built = {
                k: build(**{n: tuple(v) if isinstance(v, list) else v for n, v in given[k].items()})
                for k, build in parts.items()
            }
            return cls(name=values["name"], **built)
        except (TypeError, KeyError) as error:
            raise ConfigError(f"Not an avatar configuration: {error}.") from error


PRESETS: Final[Mapping[str, AvatarConfig]] = MappingProxyType(
    {
        "tiny": AvatarConfig(
            "tiny",
            AudioConfig(hidden=64, dim=32, hop_width=0),
            GeneratorConfig(
                audio_dim=32,
                width=64,
                depth=2,
                heads=4,
                window=30,
                condition_width=64,
                sound_lags=(),
                sigma_frequencies=64,
            ),
            SamplerConfig(nfe=4, steady_hz=2.5),
            AutoencoderConfig(size=32, latent_dim=64, channels=8, max_channels=32, reader=(16, 24, 32)),
        ),
        "lab": AvatarConfig(
            "lab",
            AudioConfig(),
            GeneratorConfig(),
            SamplerConfig(guidance={"audio": 2.0, "user": 4.0}, steady_hz=2.5),
            AutoencoderConfig(),
        ),
        "paper": AvatarConfig(
            "paper",
            AudioConfig(kind="wav2vec2", dim=512, context_frames=100, hop_width=0),
            GeneratorConfig(
                motion_dim=512,
                audio_dim=512,
                width=1024,
                depth=8,
                heads=8,
                block=10,
                cross_within_block=False,
                condition_width=512,
                causal_condition=False,
                condition_rope=False,
                user_lags=(0,),
                sound_lags=(),
                user_skip=False,
            ),
            SamplerConfig(guidance={"audio": 2.0, "user": 1.0}, guidance_form="sum"),
            AutoencoderConfig(
                size=512,
                coefficients=20,
                latent_dim=512,
                channels=32,
                max_channels=512,
                reader=(),
                head_layers=5,
                linear_head=True,
                normalise_latent=False,
                normalise_features=False,
                equalised_rate=1.0,
                warp_picture=False,
                coarse_flow=False,
                released_warp=True,
            ),
        ),
    }
)


def presets() -> tuple[str, ...]:
    """Return the names of the presets, smallest first."""
    return tuple(PRESETS)


def preset(name: str) -> AvatarConfig:
    """Return the preset called `name`; raises ConfigError that lists the names."""
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
