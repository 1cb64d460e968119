import json
from dataclasses import FrozenInstanceError, replace

import pytest

from avatar_lab.config import PRESETS, AvatarConfig, GeneratorConfig, SamplerConfig, preset, presets
from avatar_lab.errors import ConfigError


def test_presets_are_these_and_frozen() -> None:
    assert presets() == ("tiny", "lab", "paper")
    with pytest.raises(FrozenInstanceError):
        preset("lab").generator.width = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", PRESETS)
def test_a_config_survives_json(name: str) -> None:
    config = preset(name)
    assert AvatarConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_cache_holds_what_window_block_and_lookahead_leave() -> None:
    assert preset("paper").generator.context == 38


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": "causal"}, "released"),
        ({"width": 101}, "multiple of heads"),
        ({"block": 60}, "block 60 must lie in"),
        ({"lookahead": 9}, "lookahead 9"),
        ({"user_lags": (-1,)}, "user_lags"),
        ({"sound_lags": (0, -3)}, "sound_lags"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_both_numbers(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(GeneratorConfig(), **change)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="tiny, lab, paper"):
        preset("huge")
    with pytest.raises(ConfigError, match="guidance takes"):
        SamplerConfig(guidance={"sound": 1.0})
    with pytest.raises(ConfigError, match="Not an avatar configuration"):
        AvatarConfig.from_dict({"name": "x"})


def test_older_files_have_neither_convolutions_nor_sound_lags() -> None:
    values = preset("lab").to_dict()
    del values["audio"]["hop_width"], values["generator"]["sound_lags"]
    older = AvatarConfig.from_dict(values)
    assert (older.audio.hop_width, older.generator.sound_lags) == (0, ())
