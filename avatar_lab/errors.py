"""Typed errors, raised at the border of the package.

Every message says three things: what was expected, what came, and what to do about it.
Programs catch `AvatarLabError`; the command line turns it into one line on stderr and exit code 2.
"""


class AvatarLabError(Exception):
    """Root of all errors that a user of the package can cause and mend."""


class ConfigError(AvatarLabError, ValueError):
    """An option, preset or configuration value does not exist or does not fit the others."""


class ShapeError(AvatarLabError, ValueError):
    """An array has the wrong shape, type or range."""


class MediaError(AvatarLabError):
    """A picture, video or sound cannot be read, understood or written."""


class CheckpointError(AvatarLabError):
    """Weights are missing, damaged, or do not belong to this configuration."""


class StreamError(AvatarLabError):
    """A stream was driven wrongly: wrong block size, foreign state, use after close."""
