"""The family `content_based`."""

from kuberec.training.families import Family

from .config import ContentBasedConfig
from .model import ContentBasedNetwork

FAMILY = Family("content_based", ContentBasedConfig, ContentBasedNetwork)
