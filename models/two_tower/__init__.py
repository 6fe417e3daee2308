"""The family `two_tower`."""

from kuberec.training.families import Family

from .config import TwoTowerConfig
from .model import TwoTowerNetwork

FAMILY = Family("two_tower", TwoTowerConfig, TwoTowerNetwork)
