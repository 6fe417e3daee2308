"""The family `triplet`."""

from kuberec.training.families import Family

from .config import TripletConfig
from .model import TripletNetwork

FAMILY = Family("triplet", TripletConfig, TripletNetwork)
