"""Families register by the name of their folder in `models/`."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kuberec.errors import ModelError
from kuberec.features import EntityTable
from kuberec.training.config import FamilyConfig

PACKAGE = "models"


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes:
        name: The folder's name.
        config: The class of its hyperparameters.
        network: Builds a `RetrievalNetwork` from a configuration, the users and the items.
    """

    name: str
    config: type[FamilyConfig]
    network: Callable[[Any, EntityTable, EntityTable], Any]


def family_names() -> list[str]:
    """The names of all families, sorted."""
    package = importlib.import_module(PACKAGE)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)


def load_family(name: str) -> Family:
    """The family of that name.

    Raises:
        ModelError: There is no such family; the message lists those there are.
    """
    if name not in family_names():
        raise ModelError(f"there is no model family {name!r}; the families are {', '.join(family_names())}")
    family: Family = importlib.import_module(f"{PACKAGE}.{name}").FAMILY
    return family
