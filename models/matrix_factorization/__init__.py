"""The family `matrix_factorization`."""

from kuberec.training.families import Family

from .config import MatrixFactorizationConfig
from .model import MatrixFactorizationNetwork

FAMILY = Family("matrix_factorization", MatrixFactorizationConfig, MatrixFactorizationNetwork)
