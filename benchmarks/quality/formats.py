"""The forms in which interaction data is published, each turned into a `dataset.yaml` with its files.

Every form is found by the names of its files. What has an order but no comparable times gets each user's own count of
rows as its time.
"""

import csv
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from kuberec.dataset import (
    DATASET_FILE,
    ORDER_ONLY,
    DatasetSpec,
    Entities,
    Feature,
    Interactions,
    Items,
    Source,
    Users,
    load_dataset_spec,
)
from kuberec.errors import SourceError
from kuberec.schema import ITEM, TIME, USER, VALUE, FeatureType
from kuberec.sources.datasets import open_dataset
from kuberec.sources.files import find_files, join
from kuberec.sources.movielens import GROUPLENS_1M, RECBOLE_100K

INTERACTIONS_FILE = "interactions.tsv"
ATTRIBUTES_FILE = "items.jsonl"
NEGATIVES_FILE = "negatives.jsonl"
"""One line a test row: user, item and the items that it is ranked against."""
PAIR = re.compile(r"\((?P<user>[^,]+),(?P<item>[^)]+)\)")
RECBOLE_TYPES = {
    "token": FeatureType.CATEGORICAL,
    "token_seq": FeatureType.MULTI_CATEGORICAL,
    "float": FeatureType.NUMERIC,
}


@dataclass(frozen=True)
class Form:
    """One form of interaction data.

    Attributes:
        description: How its files are called and what they hold, for people.
        find: The files of a folder that this form reads; none where the folder is of another form.
        convert: Writes Kuberec's files into an empty folder and returns their specification.
    """

    description: str
    find: Callable[[Path], Sequence[Path]]
    convert: Callable[[Path, Path], DatasetSpec]


def recognise(folder: Path) -> Form:
    """The form of a folder's files.

    Raises:
        SourceError: It is none of `FORMS`; the message lists them.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder. Name a folder of interaction data.")
    for form in FORMS:
        if form.find(folder):
            return form
    known = "\n".join(f"  {form.description}" for form in FORMS)
    raise SourceError(f"{folder} holds none of the forms of interaction data that are recognised:\n{known}")


def _find_contract(folder: Path) -> Sequence[Path]:
    path = folder / DATASET_FILE
    if not path.is_file():
        return []
    sources = [find_files(table, str(folder)) for table in _tables(load_dataset_spec(path))]
    return [path, *(Path(file.path) for files in sources for file in files)]


def _convert_contract(folder: Path, target: Path) -> DatasetSpec:
    spec = load_dataset_spec(folder / DATASET_FILE)
    moved = {
        name: table.model_copy(update={"path": join(str(folder.resolve()), table.path)})
        for name in ("interactions", "users", "items")
        if (table := getattr(spec, name))
    }
    return spec.model_copy(update=moved)


def _tables(spec: DatasetSpec) -> Iterator[Source]:
    yield from (table for table in (spec.interactions, spec.users, spec.items) if table)


def _find_ncf(folder: Path) -> Sequence[Path]:
    train, test = _only(folder, "*.train.rating"), _only(folder, "*.test.rating")
    return [train, test, *_matches(folder, "*.test.negative")] if train and test else []


def _convert_ncf(folder: Path, target: Path) -> DatasetSpec:
    """The test row comes last in each user's order, whatever the times say."""
    train, test, *negatives = _find_ncf(folder)
    items: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for user, item, time in _ratings(train):
        items[user].append((time, item))
    for user, item, _ in _ratings(test):
        items[user].append((float("inf"), item))
    # The sort is stable: equal times keep the order of the file.
    ordered = ((user, [item for _, item in sorted(rows, key=lambda row: row[0])]) for user, rows in items.items())
    spec = _sequence_spec(folder, ordered, target)
    if negatives:
        with (target / NEGATIVES_FILE).open("w", encoding="utf-8") as stream:
            for line in _lines(negatives[0]):
                stream.write(json.dumps(_negative_row(negatives[0], line)) + "\n")
    return spec


def _ratings(path: Path) -> Iterator[tuple[str, str, float]]:
    for number, line in enumerate(_lines(path), 1):
        fields = line.split("\t")
        if len(fields) != 4:
            raise SourceError(f"{path}, line {number}: user, item, rating and timestamp were expected, got {line!r}.")
        yield fields[0], fields[1], float(fields[3])


def _negative_row(path: Path, line: str) -> dict[str, Any]:
    pair, *negatives = line.split("\t")
    match = PAIR.fullmatch(pair)
    if not match or not negatives:
        raise SourceError(f"{path}: (user,item) and its negatives were expected, got {line[:80]!r}.")
    return {USER: match["user"].strip(), ITEM: match["item"].strip(), "negatives": negatives}


def _find_movielens_100k(folder: Path) -> Sequence[Path]:
    found = [_only(folder, name) for name in RECBOLE_100K.files]
    return [path for path in found if path] if all(found) else []


def _convert_movielens_100k(folder: Path, target: Path) -> DatasetSpec:
    with open_dataset("movielens-100k", str(folder), None) as (spec, base):
        shutil.copytree(base, target, dirs_exist_ok=True)
        return spec


def _find_recbole(folder: Path) -> Sequence[Path]:
    interactions = _only(folder, "*.inter")
    return [interactions, *_matches(folder, "*.user"), *_matches(folder, "*.item")] if interactions else []


def _convert_recbole(folder: Path, target: Path) -> DatasetSpec:
    source = _find_recbole(folder)[0]
    header = _typed_header(source)
    missing = {USER, ITEM, TIME} - set(header)
    if missing:
        raise SourceError(f"{source} has no {', '.join(sorted(missing))}; its columns are {', '.join(header)}.")
    names = {USER: USER, ITEM: ITEM, TIME: TIME, VALUE: "rating"}
    columns = {ours: f"{theirs}:{header[theirs]}" for ours, theirs in names.items() if theirs in header}
    interactions = Interactions(path=_copy(source, target), format="tsv", quoting=False, columns=columns)
    users, items = _only(folder, "*.user"), _only(folder, "*.item")
    return DatasetSpec(
        name=_name(folder),
        interactions=interactions,
        users=Users(**_recbole_entities(users, USER, target)) if users else None,
        items=Items(**_recbole_entities(items, ITEM, target)) if items else None,
    )


def _recbole_entities(path: Path, key: str, target: Path) -> dict[str, Any]:
    header = _typed_header(path)
    features = {
        name: Feature(type=RECBOLE_TYPES[kind], column=f"{name}:{kind}", separator=" ")
        for name, kind in header.items()
        if name != key and kind in RECBOLE_TYPES
    }
    columns = {key: f"{key}:{header[key]}"}
    return {"path": _copy(path, target), "format": "tsv", "quoting": False, "columns": columns, "features": features}


def _typed_header(path: Path) -> dict[str, str]:
    fields = next(_lines(path), "").split("\t")
    if not all(":" in field for field in fields):
        raise SourceError(f"{path}: a header of name:type fields was expected, got {fields}.")
    return dict(field.split(":", 1) for field in fields)


def _find_sequences(folder: Path) -> Sequence[Path]:
    sequences = _only(folder, "*.txt")
    if not sequences:
        return []
    movielens = [_only(folder, name) for name in ("users.dat", "movies.dat")]
    return [sequences, *(path for path in movielens if path), *_matches(folder, "*_item2attributes.json")]


def _convert_sequences(folder: Path, target: Path) -> DatasetSpec:
    spec = _sequence_spec(folder, _sequences(_find_sequences(folder)[0]), target)
    users, movies = _only(folder, "users.dat"), _only(folder, "movies.dat")
    if users and movies:
        _copy(users, target), _copy(movies, target)
        GROUPLENS_1M.convert(target)
        like = GROUPLENS_1M.spec
        return spec.model_copy(update={"users": like.users, "items": like.items, "licence": like.licence})
    if attributes := _matches(folder, "*_item2attributes.json"):
        return spec.model_copy(update={"items": _attributes(attributes[0], target)})
    return spec


def _sequences(path: Path) -> Iterator[tuple[str, list[str]]]:
    seen = set()
    for number, line in enumerate(_lines(path), 1):
        user, *items = line.split()
        if user in seen or not items:
            what = "comes a second time" if user in seen else "has no item"
            raise SourceError(
                f"{path}, line {number}: one line a user with its items in time order was expected; {user!r} {what}."
            )
        seen.add(user)
        yield user, items


def _attributes(path: Path, target: Path) -> Entities:
    with (target / ATTRIBUTES_FILE).open("w", encoding="utf-8") as stream:
        for item, attributes in json.loads("\n".join(_lines(path))).items():
            stream.write(json.dumps({ITEM: item, "attributes": [str(code) for code in attributes]}) + "\n")
    return Items(path=ATTRIBUTES_FILE, features={"attributes": Feature(type=FeatureType.MULTI_CATEGORICAL)})


def _sequence_spec(folder: Path, sequences: Iterable[tuple[str, list[str]]], target: Path) -> DatasetSpec:
    """Write each user's items with their place in the user's order, from 1, as the time."""
    with (target / INTERACTIONS_FILE).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow((USER, ITEM, TIME))
        writer.writerows((user, item, place) for user, items in sequences for place, item in enumerate(items, 1))
    return DatasetSpec(
        name=_name(folder),
        interactions=Interactions(path=INTERACTIONS_FILE, timestamp_format=ORDER_ONLY, quoting=False),
    )


def _name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_") or "dataset"


def _matches(folder: Path, pattern: str) -> list[Path]:
    return sorted([*folder.glob(pattern), *folder.glob(f"{pattern}.gz")])


def _only(folder: Path, pattern: str) -> Path | None:
    """The one file of that name, also with `.gz`; None where there is none, or more than one."""
    found = _matches(folder, pattern)
    return found[0] if len(found) == 1 else None


def _lines(path: Path) -> Iterator[str]:
    with fsspec.open(str(path), "rt", encoding="utf-8", compression="infer") as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def _copy(path: Path, target: Path) -> str:
    """Copy a file, unpacked; its name there."""
    name = path.name.removesuffix(".gz")
    with fsspec.open(str(path), "rb", compression="infer") as source, (target / name).open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return name


FORMS = (
    Form("dataset.yaml: the data contract, docs/data-contract.md", _find_contract, _convert_contract),
    Form(
        "*.train.rating, *.test.rating and, if given, *.test.negative: the NCF paper's files, also with .gz; user, "
        "item, rating, timestamp separated by tabulators; (user,item) and its negatives",
        _find_ncf,
        _convert_ncf,
    ),
    Form(
        "ml-100k.inter, ml-100k.user, ml-100k.item: MovieLens-100K as RecBole packs it, also with .gz",
        _find_movielens_100k,
        _convert_movielens_100k,
    ),
    Form(
        "*.inter and, if given, *.user, *.item: RecBole's atomic files with user_id, item_id and timestamp, also "
        "with .gz",
        _find_recbole,
        _convert_recbole,
    ),
    Form(
        "one *.txt: a line a user, the user and then the items in time order, separated by blanks, also with .gz; "
        "beside it users.dat and movies.dat of MovieLens, or *_item2attributes.json",
        _find_sequences,
        _convert_sequences,
    ),
)
