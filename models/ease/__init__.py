"""The family `ease`."""

from kuberec.training.families import Family

from .config import EASEConfig
from .model import EASENetwork

FAMILY = Family("ease", EASEConfig, EASENetwork)
