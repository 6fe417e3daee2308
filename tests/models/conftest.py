"""The data that all families are tested on."""

from tests.contracts import tastes

__all__ = ["tastes"]
