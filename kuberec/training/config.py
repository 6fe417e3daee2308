"""Hyperparameters that families share, and the options of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from kuberec.dataset import Strict, explain
from kuberec.errors import ConfigError

Config = TypeVar("Config", bound="FamilyConfig")
AUTO: Literal["auto"] = "auto"


class Loss(StrEnum):
    """How a positive is compared with the negatives of its step."""

    SOFTMAX = "softmax"
    """Sampled softmax with logQ correction (Bengio & Senécal 2008); exact for a small catalogue."""
    LOGISTIC = "logistic"
    """Log-sigmoid of the positive and of each negative's opposite (He et al. 2017)."""
    BPR = "bpr"
    """Log-sigmoid of the difference (Rendle et al. 2009)."""
    HINGE = "hinge"
    """Triplet margin loss (Schroff et al. 2015)."""
    WARP = "warp"
    """Hinge over the violators, weighted by the logarithm of the estimated rank (Weston et al. 2011)."""


class Negatives(StrEnum):
    """What negatives are drawn from; a step's negatives are shared by its positives."""

    UNIFORM = "uniform"
    """Every known item alike."""
    POPULARITY = "popularity"
    """In proportion to the square root of the item's positives."""
    IN_BATCH = "in_batch"
    """The items of the step's other positives: in proportion to the item's positives."""


class Mining(StrEnum):
    """Which of the negatives that a positive is compared with the pairwise losses look at."""

    ALL = "all"
    """All of them."""
    SEMI_HARD = "semi_hard"
    """The best-scored one below the positive, or the worst of all where none is (Schroff et al. 2015)."""
    HARDEST = "hardest"
    """The best-scored one."""


class FamilyConfig(Strict):
    """Hyperparameters of every family."""

    half_life: Annotated[float, Field(gt=0)] | Literal["auto"] | None = AUTO
    """A positive counts half in the popularity of late when this share of all positives is newer; null: no trend; auto:
    the one whose popularity ranks the validation part best."""
    history_length: int | None = Field(50, ge=1)
    """Most recent positives of a user that a history tower reads; null: all."""
    session_weight: float = Field(2.0, gt=0)
    """A session of n items counts n / (n + this) against what is known of the user."""


class ClosedFormConfig(FamilyConfig):
    """Hyperparameters of the families that are solved for; validation chooses among the candidates."""

    @property
    def candidates(self) -> tuple[Mapping[str, Any], ...]:
        """The hyperparameters of each solution."""
        raise NotImplementedError


class GradientConfig(FamilyConfig):
    """Hyperparameters of the families that are trained by gradient descent; a family adds its own."""

    embedding_size: int = Field(64, ge=1, le=4096)
    """Length of the user and item vectors."""
    loss: Loss = Loss.SOFTMAX
    """How a positive is compared with the negatives."""
    temperature: float = Field(1.0, gt=0)
    """Scores are divided by this before the softmax."""
    margin: float = Field(1.0, ge=0)
    """Distance that the hinge and WARP losses ask for."""
    negatives: Negatives = Negatives.UNIFORM
    """What negatives are drawn from."""
    n_negatives: int = Field(4096, ge=1)
    """Negatives a step, shared by its positives; where the catalogue is no larger, all of it is used."""
    negative_weight: float = Field(8.0, gt=0)
    """Weight of the mean negative against the positive in the logistic loss."""
    comparisons: int = Field(16, ge=1)
    """How many negatives, drawn at random, the pairwise losses compare each positive with: from a small catalogue
    negatives of its own, else some of the step's."""
    mining: Mining = Mining.ALL
    """Which of these the BPR and hinge losses look at."""
    learning_rate: float = Field(0.003, gt=0, le=10)
    """Step size of Adam."""
    regularization: float = Field(0.0, ge=0)
    """Weight of the squared length of the step's user and item vectors."""
    batch_size: int | None = Field(None, ge=1)
    """Positives a step; null: a hundredth of all, at least 128 and at most 16384."""
    group_size: int = Field(512, ge=1)
    """Most positives of one user that share a step's user vector; a history tower gets half of the user's at most."""
    epochs: int = Field(100, ge=1)
    """Most passes over the positives."""
    patience: int | None = Field(5, ge=1)
    """Passes without a better validation metric before the training stops at the best one; null: all are made."""


class InteractionConfig(GradientConfig):
    """Hyperparameters of the families whose vectors meet in a network of their own."""

    n_negatives: int = Field(128, ge=1)
    """Negatives a step, shared by its positives; each meets each user in the network."""
    group_size: int = Field(32, ge=1)
    """Most positives of one user that share a step's user vector, and its few negatives."""
    learning_rate: float = Field(0.002, gt=0, le=10)
    """Step size of Adam."""


@dataclass(frozen=True)
class TrainingRun:
    """How one run goes.

    Attributes:
        seed: Of the weights, the order of the positives and the negatives.
        checkpoints: Folder that survives a killed run, or None to start anew each time.
        logs: Folder for TensorBoard, or None.
        k: Cutoff of the validation metric NDCG@k.
        checkpoint_seconds: Least time between two checkpoints of a phase; a killed run loses no more than this and the
            pass it was in.
    """

    seed: int = 0
    checkpoints: Path | None = None
    logs: Path | None = None
    k: int = 10
    checkpoint_seconds: float = 5.0


def parse_config(config: type[Config], overrides: Mapping[str, Any]) -> Config:
    """A family's configuration from its defaults and the overrides.

    Raises:
        ConfigError: A hyperparameter is unknown, mistyped or out of range; each is named.
    """
    try:
        return config.model_validate(dict(overrides))
    except ValidationError as error:
        allowed = ", ".join(sorted(config.model_fields))
        foreign = sorted(set(overrides) & set(GradientConfig.model_fields) - set(config.model_fields))
        reason = (
            f" The family is solved for, not trained in passes, and has no {', '.join(foreign)}." if foreign else ""
        )
        raise ConfigError(f"hyperparameters: {explain(error)}.{reason} The hyperparameters are {allowed}.") from error
