"""The range of seeds: what every library that draws at random accepts."""

from kuberec.errors import ConfigError

LIMIT = 2**31
"""Seeds lie below this: TensorFlow holds them as signed 32-bit numbers."""


def check_seed(seed: int) -> None:
    """Refuse what is no seed, at the start of a step and not in the middle of it.

    Raises:
        ConfigError: It is no whole number from 0 to 2³¹ - 1.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < LIMIT:
        raise ConfigError(f"seed must be a whole number from 0 to {LIMIT - 1}, got {seed!r}.")
