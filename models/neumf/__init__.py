"""The family `neumf`."""

from kuberec.training.families import Family

from .config import NeuMFConfig
from .model import NeuMFNetwork

FAMILY = Family("neumf", NeuMFConfig, NeuMFNetwork)
