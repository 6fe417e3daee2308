"""Featurize: encodes a split's train and validation parts as index arrays, with the vocabularies that serving shares.

What is fitted and on what:

- Ids: every user and item of the train and validation parts and of the users and items tables, in byte order;
  index 0 is the unknown. Test rows are never read.
- Vocabularies, means, deviations and widths: only over the users and items that occur in train.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json
from kuberec.dataset import DATASET_FILE, Entities, load_dataset_spec
from kuberec.encoders import encode_feature, fit_feature
from kuberec.errors import ArtifactError, DataError
from kuberec.features import FEATURES_FILE, TITLE, TITLES_FILE, FeatureInfo
from kuberec.progress import phases
from kuberec.schema import (
    ITEM,
    ITEM_INDEX,
    ITEMS,
    KNOWN,
    LABEL,
    TIME,
    TRAIN,
    USER,
    USER_INDEX,
    USERS,
    VALIDATION,
    VALUE,
    FeatureType,
)
from kuberec.tables import connect, materialize, read_parquet, unix_microseconds, write_parquet

PARTS = (TRAIN, VALIDATION)


def featurize(split: Path | str, output: Path | str) -> Manifest:
    """Encode a split for training; `kuberec.features.load_features` reads the result.

    Args:
        split: The output of `split`.
        output: The folder to write; its layout is in `kuberec.features`.

    Returns:
        The manifest; `rows` counts users, items (without the unknown) and the interactions of each part.

    Raises:
        ArtifactError: The input is no finished split.
        DataError: A declared feature has no column or one of another type, or an id stands twice in its table.
    """
    split = Path(split)
    kind = read_manifest(split).kind
    if kind != "split":
        raise ArtifactError(f"{split} holds a {kind!r} artifact; the output of `split` was expected.")
    spec = load_dataset_spec(split / DATASET_FILE)
    with (
        new_artifact(output, "features", parents={"split": split}) as (folder, manifest),
        connect() as backend,
        phases("featurize") as show,
    ):
        shutil.copyfile(split / DATASET_FILE, folder / DATASET_FILE)
        parts = {name: read_parquet(backend, split / f"{name}.parquet") for name in PARTS}
        show("encoding users")
        users, user_infos = _entities(backend, split / f"{USERS}.parquet", USER, USER_INDEX, spec.users, parts)
        write_parquet(users.drop(USER_INDEX), folder / f"{USERS}.parquet", order_by=[USER])
        show("encoding items")
        items, item_infos = _entities(backend, split / f"{ITEMS}.parquet", ITEM, ITEM_INDEX, spec.items, parts)
        write_parquet(items.drop(ITEM_INDEX), folder / f"{ITEMS}.parquet", order_by=[ITEM])
        if spec.items and spec.items.title:
            titles = read_parquet(backend, split / f"{ITEMS}.parquet").select(ITEM, **{TITLE: spec.items.title})
            write_parquet(titles, folder / TITLES_FILE, order_by=[ITEM])
        for name, part in parts.items():
            show(f"encoding {name}")
            encoded = _encoded(part, users, items)
            write_parquet(encoded, folder / f"{name}.parquet", order_by=[USER_INDEX, TIME, ITEM_INDEX, VALUE, LABEL])
            manifest.rows[name] = int(part.count().execute())
        manifest.rows |= {USERS: int(users.count().execute()) - 1, ITEMS: int(items.count().execute()) - 1}
        write_json(folder / FEATURES_FILE, {USERS: _as_json(user_infos), ITEMS: _as_json(item_infos)})
    return manifest


def _as_json(infos: dict[str, FeatureInfo]) -> dict[str, Any]:
    return {name: asdict(info) for name, info in infos.items()}


def _entities(
    backend: Any, path: Path, key: str, index: str, declared: Entities | None, parts: dict[str, Any]
) -> tuple[Any, dict[str, FeatureInfo]]:
    """All users or all items: id, index, `known` and the encoded features, the unknown's row included."""
    raw = _raw_features(backend, path, key, declared)
    train = parts[TRAIN]
    in_train = materialize(train.group_by(key).aggregate(**{KNOWN: train[LABEL].max()}))
    indexed = _indexed([in_train.select(key), parts[VALIDATION].select(key), raw.select(key)], key, index)
    table = indexed.left_join(in_train, key).drop(f"{key}_right")
    table = table.mutate(**{KNOWN: table[KNOWN].fill_null(False)})
    infos = {}
    for name, feature in (declared.features if declared else {}).items():
        column = raw.select(key, value=raw[name])
        infos[name] = fit_feature(column.semi_join(in_train, key), feature.type)
        codes = encode_feature(column, key, infos[name]).rename({name: "code"})
        table = table.left_join(codes, key).drop(f"{key}_right")
        table = table.mutate(**{name: table[name].fill_null(_missing(codes[name]))})
    return materialize(table), infos


def _raw_features(backend: Any, path: Path, key: str, declared: Entities | None) -> Any:
    """The table of raw features; one without rows where the dataset has none."""
    if declared is None:
        return ibis.memtable({key: []}, schema={key: "string"})
    raw = read_parquet(backend, path)
    lost = sorted({key, *declared.features} - set(raw.columns))
    if lost:
        raise DataError(
            f"{path.name} has no column {', '.join(map(repr, lost))}, which dataset.yaml declares; it has "
            f"{', '.join(raw.columns)}. Correct the feature's `column` in dataset.yaml, or remove the feature."
        )
    for name, feature in declared.features.items():
        if not _holds(raw[name].type(), feature.type):
            raise DataError(
                f"{path.name}: dataset.yaml declares {name!r} as {feature.type.value}, and the column holds "
                f"{raw[name].type()}. Correct the feature's type in dataset.yaml, and run `ingest` again."
            )
    doubled = raw.group_by(key).having(raw.count() > 1).aggregate().order_by(key).limit(1).to_pyarrow()
    if len(doubled):
        raise DataError(
            f"{path.name} holds the {key} {doubled[key][0].as_py()!r} more than once. Run `validate` first."
        )
    return raw


def _holds(stored: dt.DataType, kind: FeatureType) -> bool:
    """Whether a column of that type can hold a feature's raw values."""
    value = stored
    if kind in (FeatureType.MULTI_CATEGORICAL, FeatureType.EMBEDDING):
        if not isinstance(stored, dt.Array):
            return False
        value = stored.value_type
    numbers = kind in (FeatureType.NUMERIC, FeatureType.EMBEDDING)
    return bool(value.is_numeric() if numbers else value.is_string())


def _indexed(columns: list[Any], key: str, index: str) -> Any:
    """Distinct ids in byte order, numbered from 1, after the unknown's empty id with 0."""
    unknown = ibis.memtable({key: [""]}, schema={key: "string"})
    ids = unknown.union(*columns).distinct()
    numbered = ids.mutate(**{index: ibis.row_number().over(order_by=ids[key]).cast("int32")})
    return materialize(numbered)


def _encoded(part: Any, users: Any, items: Any) -> Any:
    """Interactions by index."""
    joined = part.inner_join(users.select(USER, USER_INDEX), USER).inner_join(items.select(ITEM, ITEM_INDEX), ITEM)
    return joined.select(
        USER_INDEX,
        ITEM_INDEX,
        joined[VALUE].cast("float32").name(VALUE),
        unix_microseconds(joined[TIME]).name(TIME),
        LABEL,
    )


def _missing(column: Any) -> Any:
    """What stands for a missing feature: no codes or no vector (zeros once loaded), the code 0, or the mean."""
    return ibis.literal([], column.type()) if column.type().is_array() else ibis.literal(0, column.type())
