"""The registry of pictures: known kinds work, unknown ones are refused with the list."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_lab.data.face import neutral
from avatar_lab.errors import ConfigError
from avatar_lab.render.picture import Picture, make_picture, picture_kinds, register_picture
from avatar_lab.render.puppet import Puppet


def test_puppet_is_a_picture() -> None:
    picture = make_picture("puppet", character=3, size=64)
    assert isinstance(picture, Puppet)
    assert isinstance(picture, Picture)
    assert np.array_equal(picture.draw(neutral(1)[0]), Puppet(3, 64).draw(neutral(1)[0]))


def test_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="puppet"):
        make_picture("oil painting")


def test_kinds_are_registered_once() -> None:
    assert "puppet" in picture_kinds()
    with pytest.raises(ConfigError, match="already"):
        register_picture("puppet", lambda character, size: Puppet(character, size))
