import gzip
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kuberec.errors import ConfigError, SourceError
from kuberec.ingest import ingest
from kuberec.sources.movielens import LICENCE

DATA = Path(__file__).parents[3] / ".." / "shared" / "data"

GROUPLENS = {
    "u.data": b"1\t10\t5\t881250949\n2\t20\t3\t891717742\n",
    "u.user": b"1|24|M|technician|85711\n2|53|F|other|94043\n",
    "u.item": (
        b"10|Toy Story (1995)|01-Jan-1995||http://x|" + b"0|0|0|1|1|1" + b"|0" * 13 + b"\n"
        b'20|Caf\xe9, "Le" (1996)|||http://x|' + b"0|1" + b"|0" * 17 + b"\n"
        b"30|unknown||||" + b"1" + b"|0" * 18 + b"\n"
    ),
}
RECBOLE = {
    "ml-100k.inter": (
        b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t5\t881250949\n2\t20\t3\t891717742\n"
    ),
    "ml-100k.user": (
        b"user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        b"1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\t94043\n"
    ),
    "ml-100k.item": (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        '10\tToy Story\t1995\tAnimation Children\'s Comedy\n20\tCafé, "Le"\t1996\tAction\n'
        "30\tunknown\tunkonwn\tunknown\n"
    ).encode(),
}
MILLION = {
    "ratings.dat": b"1::1193::5::978300760\n2::661::3::978302109\n",
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
    "movies.dat": b"1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n661::Caf\xe9 (1996)::Animation|Musical\n",
}
ITEMS = [
    {"item_id": "10", "title": "Toy Story", "year": 1995.0, "genres": ["Animation", "Children's", "Comedy"]},
    {"item_id": "20", "title": 'Café, "Le"', "year": 1996.0, "genres": ["Action"]},
    {"item_id": "30", "title": "unknown", "year": None, "genres": ["unknown"]},
]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    return list(pq.read_table(folder / f"{table}.parquet").to_pylist())


@pytest.mark.parametrize("files", [GROUPLENS, RECBOLE])
def test_both_forms_of_100k_give_the_same_tables(files: dict[str, bytes], tmp_path: Path) -> None:
    ingest("movielens-100k", tmp_path / "out", location=str(write(tmp_path / "in", files)))
    assert rows(tmp_path / "out", "items") == ITEMS
    assert rows(tmp_path / "out", "users") == [
        {"user_id": "1", "age": 24.0, "gender": "M", "occupation": "technician"},
        {"user_id": "2", "age": 53.0, "gender": "F", "occupation": "other"},
    ]
    interactions = rows(tmp_path / "out", "interactions")
    assert [(row["user_id"], row["item_id"], row["value"]) for row in interactions] == [
        ("1", "10", 5.0),
        ("2", "20", 3.0),
    ]


def test_files_may_be_gzipped_or_in_the_archive_or_in_its_folder(tmp_path: Path) -> None:
    plain = ingest("movielens-100k", tmp_path / "a", location=str(write(tmp_path / "plain", GROUPLENS)))
    zipped = write(tmp_path / "zipped", {f"{name}.gz": gzip.compress(content) for name, content in GROUPLENS.items()})
    archive = tmp_path / "archive" / "ml-100k.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in GROUPLENS.items():
            packed.writestr(f"ml-100k/{name}", content)
    write(tmp_path / "outer" / "ml-100k", GROUPLENS)
    for place in (zipped, archive, archive.parent, tmp_path / "outer", f"file://{tmp_path}/plain"):
        again = ingest("movielens-100k", tmp_path / "b", location=str(place))
        assert again.content_hash == plain.content_hash


def test_one_million_reads_grouplens_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest("movielens-1m", tmp_path / "out", location=str(write(tmp_path / "in", MILLION)))
    assert rows(tmp_path / "out", "items") == [
        {"item_id": "1193", "title": "One Flew Over the Cuckoo's Nest", "year": 1975.0, "genres": ["Drama"]},
        {"item_id": "661", "title": "Café", "year": 1996.0, "genres": ["Animation", "Musical"]},
    ]
    assert rows(tmp_path / "out", "users")[1] == {"user_id": "2", "age": 56.0, "gender": "M", "occupation": "16"}
    assert " ".join(capsys.readouterr().err.split()).endswith(LICENCE)


def test_a_location_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not hold the files u\.data"):
        ingest("movielens-100k", tmp_path / "out", location=str(tmp_path))
    with pytest.raises(SourceError, match="does not exist"):
        ingest("movielens-100k", tmp_path / "out", location=str(tmp_path / "absent"))
    (tmp_path / "ml-100k.zip").write_bytes(b"no zip")
    with pytest.raises(SourceError, match="no readable zip"):
        ingest("movielens-100k", tmp_path / "out", location=str(tmp_path))


def test_a_location_goes_with_a_built_in_dataset_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names its own paths"):
        ingest("own.yaml", tmp_path / "out", location=str(tmp_path))


@pytest.mark.skipif(not (DATA / "ml-100k").is_dir(), reason="MovieLens-100K is not beside the repository")
def test_the_real_100k_has_its_published_counts(tmp_path: Path) -> None:
    manifest = ingest("movielens-100k", tmp_path / "out", location=str(DATA / "ml-100k"))
    assert {table: counts["out"] for table, counts in manifest.rows.items()} == {
        "interactions": 100_000,
        "users": 943,
        "items": 1_682,
    }
    assert all(counts["quarantined"] == 0 for counts in manifest.rows.values())
    assert manifest.facts["unparsed"]["items"] == {"year": 2}


@pytest.mark.skipif(not (DATA / "ml-1m").is_dir(), reason="MovieLens-1M is not beside the repository")
def test_the_real_movies_and_users_of_1m_are_all_read(tmp_path: Path) -> None:
    files = {
        name: gzip.decompress((DATA / "ml-1m" / f"{name}.gz").read_bytes()) for name in ("users.dat", "movies.dat")
    }
    place = write(tmp_path / "in", {**files, "ratings.dat": MILLION["ratings.dat"]})
    manifest = ingest("movielens-1m", tmp_path / "out", location=str(place))
    assert (manifest.rows["users"]["out"], manifest.rows["items"]["out"]) == (6_040, 3_883)
    assert manifest.facts["unparsed"]["items"] == {}
