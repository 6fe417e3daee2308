"""What of the features changed between the training of a model and the data that it is asked to work with."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kuberec.artifacts import verify_artifact
from kuberec.errors import ArtifactError
from kuberec.features import FeatureInfo, Features, read_infos
from kuberec.schema import ITEMS, USERS, FeatureType

Infos = Mapping[str, FeatureInfo]
SHOWN = 3
"""Names of a vocabulary that a message shows."""


def require_same_features(model: Path | str, features: Features) -> None:
    """Check that a model was trained on these features.

    Its weights belong to the columns, their codes and the ids that it was trained on: with others of the same number,
    it would answer nonsense without a word.

    Args:
        model: The output of `train`; its `features.json` says what the training saw.
        features: The features that the model shall work with.

    Raises:
        ArtifactError: The model was trained on other features, and each column that changed is named; or the folder
            is no model, or was changed.
    """
    model = Path(model)
    manifest = verify_artifact(model)
    if manifest.kind != "model":
        raise ArtifactError(f"{model} holds a {manifest.kind!r} artifact; the output of `train` was expected.")
    trained_on = manifest.parents["features"]
    if trained_on == features.content_hash:
        return
    trained = read_infos(model)
    tables = ((USERS, features.users.infos), (ITEMS, features.items.infos))
    changes = [change for table, infos in tables for change in feature_changes(table, trained[table], infos)]
    found = "; ".join(changes) or "the columns are the same, but not the rows"
    raise ArtifactError(
        f"{model} was trained on the features {trained_on[:12]}, these are {features.content_hash[:12]}: {found}. "
        f"Name the features that it was trained on{', or restore the columns' if changes else ''}, or train again."
    )


def feature_changes(table: str, trained: Infos, now: Infos) -> Iterator[str]:
    """One text for each column of a table that is gone, new, or not what it was.

    Args:
        table: The table's name, for the texts.
        trained: What the training saw.
        now: What came.
    """
    for name in sorted(trained.keys() | now.keys()):
        if name not in now:
            yield f"{table}.{name}, {_described(trained[name])} in training, is gone"
        elif name not in trained:
            yield f"{table}.{name}, {_described(now[name])}, is new"
        elif change := _change(trained[name], now[name]):
            yield f"{table}.{name} {change}"


def _change(trained: FeatureInfo, now: FeatureInfo) -> str:
    if trained.type is not now.type or (now.type is FeatureType.EMBEDDING and trained.size != now.size):
        return f"was {_described(trained)} in training and is {_described(now)}"
    if trained.vocabulary != now.vocabulary:
        lost = [value for value in trained.vocabulary if value not in set(now.vocabulary)]
        added = [value for value in now.vocabulary if value not in set(trained.vocabulary)]
        return f"has another vocabulary: {_listed('without', lost)}, {_listed('with the new', added)}"
    return ""


def _described(info: FeatureInfo) -> str:
    if info.type is FeatureType.EMBEDDING:
        return f"an embedding of {info.size} numbers"
    if info.type is FeatureType.NUMERIC:
        return "numeric"
    return f"{info.type.value} of {len(info.vocabulary)} values"


def _listed(word: str, values: list[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:SHOWN])
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return f"{word} {shown}{more}" if values else f"{word} none"
