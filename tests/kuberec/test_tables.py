"""Tables: bounded, deterministic, and clear about what cannot be read or written."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import file_hash
from kuberec.errors import ArtifactError
from kuberec.tables import connect, materialize, read_parquet, unix_microseconds, write_parquet


def random_table(rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    keys = rng.permutation(rows)
    return pa.table({"key": [f"k{key}" for key in keys], "group": rng.integers(0, 100, rows)})


def test_rows_are_written_in_the_order_asked_for(tmp_path: Path) -> None:
    with connect() as backend:
        pq.write_table(pa.table({"a": ["b", "é", "a", "B", "z"]}), tmp_path / "in.parquet")
        write_parquet(read_parquet(backend, tmp_path / "in.parquet"), tmp_path / "out.parquet", order_by=["a"])
    assert pq.read_table(tmp_path / "out.parquet")["a"].to_pylist() == ["B", "a", "b", "z", "é"]


def test_bytes_depend_on_neither_threads_nor_memory_nor_row_order(tmp_path: Path) -> None:
    table = random_table(400_000)
    hashes = set()
    for number, (threads, memory) in enumerate([(1, "2GB"), (2, "2GB"), (5, "120MB")]):
        pq.write_table(table.slice(number), tmp_path / "in.parquet")
        rows = pa.concat_tables([pq.read_table(tmp_path / "in.parquet"), table.slice(0, number)])
        pq.write_table(rows, tmp_path / "in.parquet")
        with connect(memory) as backend:
            backend.raw_sql(f"SET threads = {threads}")
            read = read_parquet(backend, tmp_path / "in.parquet")
            write_parquet(read, tmp_path / "out.parquet", order_by=["group", "key"])
        hashes.add(file_hash(tmp_path / "out.parquet"))
    assert len(hashes) == 1


def test_what_exceeds_memory_spills_to_a_folder_that_goes_with_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spill").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spill"))
    pq.write_table(pa.table({"n": np.arange(1_000_000)}), tmp_path / "in.parquet")
    with connect("60MB") as backend:
        spill = next((tmp_path / "spill").iterdir())
        numbers = read_parquet(backend, tmp_path / "in.parquet")
        copies = [materialize(numbers.mutate(n=numbers.n * factor)) for factor in range(1, 13)]  # 8 MB each
        assert any(spill.iterdir())
        assert [int(copy.n.max().execute()) for copy in copies[:2]] == [999_999, 1_999_998]
    assert list((tmp_path / "spill").iterdir()) == []


def test_memory_beyond_every_bound_is_said_plainly(tmp_path: Path) -> None:
    pq.write_table(random_table(300_000), tmp_path / "in.parquet")
    with pytest.raises(ArtifactError, match=r"ran out of room .* may hold 5MB in memory"), connect("5MB") as backend:
        table = read_parquet(backend, tmp_path / "in.parquet")
        write_parquet(table, tmp_path / "out.parquet", order_by=["key"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    pq.write_table(random_table(10), tmp_path / "in.parquet")
    with pytest.raises(ArtifactError, match=r"ran out of room .*No space left"), connect() as backend:
        write_parquet(read_parquet(backend, tmp_path / "in.parquet"), Path("/dev/full"), order_by=["key"])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"user_id,item_id\n1,2\n" * 9, b"PAR1" + b"\0" * 99 + b"PAR1"])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with connect() as backend, pytest.raises(ArtifactError, match=r"x\.parquet cannot be read as Parquet"):
        read_parquet(backend, tmp_path / "x.parquet")
    with connect() as backend, pytest.raises(ArtifactError, match=r"y\.parquet is missing"):
        read_parquet(backend, tmp_path / "y.parquet")


def test_times_are_microseconds_since_1970_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    micros = [0, -1, 1_600_000_000_123_457, 253_402_300_799_999_999, -62_135_596_800_000_000]
    pq.write_table(pa.table({"t": pa.array(micros, pa.timestamp("us", "UTC"))}), tmp_path / "t.parquet")
    with connect() as backend:
        table = read_parquet(backend, tmp_path / "t.parquet")
        assert table.select(n=unix_microseconds(table.t)).to_pyarrow()["n"].to_pylist() == micros
        last = table.t.max().cast(str).execute()
    assert last.startswith(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S"))
