"""The family `als`."""

from kuberec.training.families import Family

from .config import ALSConfig
from .model import ALSNetwork

FAMILY = Family("als", ALSConfig, ALSNetwork)
