"""The MovieLens datasets, as GroupLens publishes them or as RecBole's atomic files.

Research use only: the files are fetched or named, never part of Kuberec. Either form ends in the same columns: users
with age, gender and occupation, items with title, year and genres, ratings from 1 to 5.
"""

import csv
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kuberec.dataset import Column, DatasetSpec, Feature, FileFormat, Interactions, Items, Positive, Users
from kuberec.errors import SourceError
from kuberec.schema import ITEM, TIME, USER, VALUE, FeatureType
from kuberec.sources.downloads import cache_folder, download, download_wheel
from kuberec.sources.files import join, open_filesystem

SERVER = "https://files.grouplens.org/datasets/movielens"
LICENCE = (
    "MovieLens by GroupLens, University of Minnesota: for research; no redistribution and no commercial use without "
    "permission. Cite Harper and Konstan 2015, doi:10.1145/2827872."
)
AGE, GENDER, OCCUPATION, TITLE, YEAR, GENRES = "age", "gender", "occupation", "title", "year", "genres"
MOVIES = "movies.tsv"
TITLE_AND_YEAR = re.compile(r"^(?P<title>.*?)\s*\((?P<year>\d{4})\)\s*$")
GENRE_NAMES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The genres of MovieLens-100K, in the order of the flags of `u.item`."""


@dataclass(frozen=True)
class Form:
    """One form in which a dataset's files exist.

    Attributes:
        files: The files that it needs.
        spec: The specification of a dataset in this form.
        convert: Makes further files from those, in the same folder.
    """

    files: tuple[str, ...]
    spec: DatasetSpec
    convert: Callable[[Path], None]


@dataclass(frozen=True)
class MovieLens:
    """A dataset: the name of GroupLens' archive, its published checksum, its forms, and a package with a copy."""

    archive: str
    md5: str
    forms: tuple[Form, ...]
    package: str = ""


@contextmanager
def open_movielens(
    dataset: MovieLens, location: str, cache_dir: Path | str | None
) -> Iterator[tuple[DatasetSpec, str]]:
    """A MovieLens dataset's specification and the folder of its files, which is gone afterwards.

    Args:
        dataset: Which one.
        location: Folder, zip or URI of the files; they are downloaded when empty.
        cache_dir: Where downloads are kept; the user's cache folder when absent.

    Raises:
        SourceError: The files are not there, or no source can be reached.
    """
    with tempfile.TemporaryDirectory(prefix="kuberec-movielens-") as temporary:
        folder = Path(temporary)
        form = _copy(dataset, location or str(_fetch(dataset, cache_folder(cache_dir))), folder)
        form.convert(folder)
        yield form.spec, str(folder)


def _fetch(dataset: MovieLens, cache: Path) -> Path:
    """GroupLens' archive, or else the wheel that holds a copy."""
    url = f"{SERVER}/{dataset.archive}"
    try:
        return download(url, cache / dataset.archive, dataset.md5)
    except ConnectionError as error:
        advice = f"Download {url} where it can be reached, and give its folder as the location."
        if not dataset.package:
            raise SourceError(f"{error}. {advice}") from error
        console = Console(stderr=True)
        console.print(f"{error}. Using the copy in the package {dataset.package}.", style="yellow", markup=False)
        try:
            return download_wheel(dataset.package, cache)
        except ConnectionError as second:
            raise SourceError(f"{error}; {second}. {advice}") from second


def _copy(dataset: MovieLens, location: str, folder: Path) -> Form:
    """Copy the files of the first form that the location holds into a folder."""
    filesystem, path = open_filesystem(location)
    if not filesystem.exists(path):
        raise SourceError(f"{location} does not exist; the folder of {dataset.archive} was expected.")
    archive = path if filesystem.isfile(path) else join(path, dataset.archive)
    for form in dataset.forms:
        if filesystem.isfile(archive):
            if _unpack(filesystem, archive, form, folder):
                return form
        elif _copy_files(filesystem, path, form, folder, Path(dataset.archive).stem):
            return form
    forms = " or ".join(", ".join(form.files) for form in dataset.forms)
    raise SourceError(f"{location} does not hold the files {forms} (also with .gz), nor {dataset.archive}.")


def _unpack(filesystem: Any, archive: str, form: Form, folder: Path) -> bool:
    try:
        with filesystem.open(archive, "rb") as stream, zipfile.ZipFile(stream) as packed:
            members = {Path(name).name: name for name in packed.namelist()}
            if not set(form.files) <= set(members):
                return False
            for name in form.files:
                with packed.open(members[name]) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise SourceError(f"{archive} is no readable zip file: {error}. Fetch it again.") from error
    return True


def _copy_files(filesystem: Any, path: str, form: Form, folder: Path, inner: str) -> bool:
    found = {}
    for name in form.files:
        candidates = [join(place, name + ending) for place in (path, join(path, inner)) for ending in ("", ".gz")]
        found[name] = next((candidate for candidate in candidates if filesystem.isfile(candidate)), None)
    if None in found.values():
        return False
    for name, source in found.items():
        with filesystem.open(source, "rb", compression="infer") as stream, (folder / name).open("wb") as target:
            shutil.copyfileobj(stream, target)
    return True


def _spec(name: str, interactions: Interactions, users: Users, items: Items) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        interactions=interactions,
        users=users,
        items=items,
        positive=Positive(min_value=4),
        licence=LICENCE,
    )


def _interactions(path: str, columns: tuple[Column, ...], **how: Any) -> Interactions:
    named = dict(zip((USER, ITEM, VALUE, TIME), columns, strict=True))
    return Interactions(path=path, columns=named, timestamp_format="unix_s", value_range=(1, 5), quoting=False, **how)


def _users(path: str, columns: tuple[Column, ...], **how: Any) -> Users:
    user, age, gender, occupation = columns
    features = {
        AGE: Feature(type=FeatureType.NUMERIC, column=age),
        GENDER: Feature(type=FeatureType.CATEGORICAL, column=gender),
        OCCUPATION: Feature(type=FeatureType.CATEGORICAL, column=occupation),
    }
    return Users(path=path, columns={USER: user}, features=features, quoting=False, **how)


def _items(path: str, columns: tuple[Column, ...], separator: str) -> Items:
    item, title, year, genres = columns
    features = {
        TITLE: Feature(type=FeatureType.TEXT, column=title),
        YEAR: Feature(type=FeatureType.NUMERIC, column=year),
        GENRES: Feature(type=FeatureType.MULTI_CATEGORICAL, column=genres, separator=separator),
    }
    return Items(path=path, columns={ITEM: item}, features=features, title=TITLE, format=FileFormat.TSV, quoting=False)


def _nothing(folder: Path) -> None:
    """RecBole's files are read as they are."""


def _convert_items_100k(folder: Path) -> None:
    """`u.item`: id|title (year)|release|video release|link|one flag for each genre."""
    with (folder / "u.item").open(encoding="latin-1", newline="") as stream:
        rows = [line.rstrip("\r\n").split("|") for line in stream]
    _write_movies(folder, ((row[0], row[1], _flagged(row[5:])) for row in rows if len(row) > 5))


def _convert_items_1m(folder: Path) -> None:
    """`movies.dat`: id::title (year)::genres."""
    with (folder / "movies.dat").open(encoding="latin-1", newline="") as stream:
        rows = [line.rstrip("\r\n").split("::") for line in stream]
    _write_movies(folder, ((row[0], row[1], row[2]) for row in rows if len(row) == 3))


def _flagged(flags: list[str]) -> str:
    return "|".join(genre for genre, flag in zip(GENRE_NAMES, flags, strict=False) if flag == "1")


def _write_movies(folder: Path, movies: Iterable[tuple[str, str, str]]) -> None:
    with (folder / MOVIES).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        writer.writerow((ITEM, TITLE, YEAR, GENRES))
        for movie, name, genres in movies:
            match = TITLE_AND_YEAR.match(name)
            writer.writerow((movie, match["title"] if match else name, match["year"] if match else "", genres))


GROUPLENS_100K = Form(
    files=("u.data", "u.user", "u.item"),
    spec=_spec(
        "movielens-100k",
        _interactions("u.data", (0, 1, 2, 3), format=FileFormat.TSV, header=False),
        _users("u.user", (0, 1, 2, 3), format=FileFormat.CSV, delimiter="|", header=False),
        _items(MOVIES, (ITEM, TITLE, YEAR, GENRES), "|"),
    ),
    convert=_convert_items_100k,
)
RECBOLE_100K = Form(
    files=("ml-100k.inter", "ml-100k.user", "ml-100k.item"),
    spec=_spec(
        "movielens-100k",
        _interactions(
            "ml-100k.inter",
            ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
            format=FileFormat.TSV,
        ),
        _users(
            "ml-100k.user", ("user_id:token", "age:token", "gender:token", "occupation:token"), format=FileFormat.TSV
        ),
        _items(
            "ml-100k.item", ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq"), " "
        ),
    ),
    convert=_nothing,
)
GROUPLENS_1M = Form(
    files=("ratings.dat", "users.dat", "movies.dat"),
    spec=_spec(
        "movielens-1m",
        _interactions("ratings.dat", (0, 1, 2, 3), format=FileFormat.CSV, delimiter="::", header=False),
        _users("users.dat", (0, 2, 1, 3), format=FileFormat.CSV, delimiter="::", header=False),
        _items(MOVIES, (ITEM, TITLE, YEAR, GENRES), "|"),
    ),
    convert=_convert_items_1m,
)
MOVIELENS = {
    "movielens-100k": MovieLens(
        archive="ml-100k.zip",
        md5="0e33842e24a9c977be4e0107933c0723",
        forms=(GROUPLENS_100K, RECBOLE_100K),
        package="recbole==1.2.1",
    ),
    "movielens-1m": MovieLens(archive="ml-1m.zip", md5="c4d9eecfca2ab87c1945afe126590906", forms=(GROUPLENS_1M,)),
}
"""The built-in datasets by name."""
