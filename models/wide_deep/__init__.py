"""The family `wide_deep`."""

from kuberec.training.families import Family

from .config import WideDeepConfig
from .model import WideDeepNetwork

FAMILY = Family("wide_deep", WideDeepConfig, WideDeepNetwork)
