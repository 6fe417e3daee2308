"""Reads JSON lines: one object a line; a line that is no object is refused."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from kuberec.dataset import Source
from kuberec.errors import SourceError
from kuberec.sources.batches import Batch, Job, Refused, Wanted, resolve
from kuberec.sources.delimited import text_blocks
from kuberec.sources.files import SourceFile
from kuberec.sources.records import Records, split_lines

NO_OBJECT = "line is no JSON object"
PEEK = 100
"""How many objects tell which keys the file has."""


def read_json_lines(file: SourceFile, source: Source, wanted: Sequence[Wanted], first_row: int) -> Iterator[Job]:
    """The rows of one file of JSON lines; arguments, yields and errors as `read_delimited`."""
    with file.open() as (stream, stored):
        positions: Sequence[int | None] = ()
        keys: list[str] = []
        for text, _final in text_blocks(stream, source.encoding, file.path):
            if not text:
                continue
            records = split_lines(text)
            if not positions:
                keys = _keys(records, file.path)
                positions = resolve(wanted, keys, file.path)
            names = [None if position is None else keys[position] for position in positions]
            yield Job(_Parse(records, wanted, names, first_row), len(records), stored.tell())
            first_row += len(records)


def _keys(records: Records, origin: str) -> list[str]:
    """The keys of the first objects, in the order of their appearance."""
    keys: dict[str, None] = {}
    for place in records.good[:PEEK].tolist():
        try:
            value = json.loads(records.raw(place))
        except ValueError:
            continue
        if isinstance(value, dict):
            keys.update(dict.fromkeys(value))
    if not keys:
        raise SourceError(f"{origin} has no JSON object in its first lines; one object a line was expected.")
    return list(keys)


@dataclass(frozen=True)
class _Parse:
    """Parses the lines of a piece of text."""

    records: Records
    wanted: Sequence[Wanted]
    names: Sequence[str | None]
    first_row: int

    def __call__(self) -> Batch:
        """The batch of these lines."""
        lines = self._lines()
        with duckdb.connect(config={"threads": 1}) as engine:
            # The functions fail on invalid JSON, so what is valid is settled first.
            engine.register("lines", pa.table({"line": lines}))
            valid = engine.sql("SELECT json_valid(line) AS ok FROM lines").fetchnumpy()["ok"]
            engine.register("valid", pa.table({"line": lines.filter(pa.array(valid))}))
            table = engine.sql(self._query()).to_arrow_table()
        is_object = table["is_object"].to_numpy().astype(bool)
        places = self.records.good[np.asarray(valid, dtype=bool)][is_object]
        columns = table.drop_columns(["is_object"]).filter(pa.array(is_object)).cast(self._schema())
        refused = dict(self.records.reasons)
        refused.update({int(place): NO_OBJECT for place in np.setdiff1d(self.records.good, places)})
        return Batch(
            columns,
            pa.array(places + self.first_row),
            lambda position: self.records.raw(int(places[position])),
            [Refused(self.first_row + place, why, self.records.raw(place)) for place, why in sorted(refused.items())],
        )

    def _lines(self) -> pa.Array:
        text = self.records.good_text()
        lengths = (self.records.ends - self.records.starts)[self.records.good]
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(text))

    def _schema(self) -> pa.Schema:
        return pa.schema([(column.name, pa.string()) for column in self.wanted])

    def _query(self) -> str:
        pairs = zip(self.wanted, self.names, strict=True)
        columns = ", ".join(f"{_extract(name, column.separator)} AS {_quoted(column.name)}" for column, name in pairs)
        return f"SELECT json_type(line) = 'OBJECT' AS is_object, {columns} FROM valid"


def _extract(name: str | None, separator: str) -> str:
    """SQL for a key's text: "" for null and absent, the joined members of a list."""
    if name is None:
        return "NULL"
    pointer = _literal("/" + name.replace("~", "~0").replace("/", "~1"))
    text = f"json_extract_string(line, {pointer})"
    members = f"json_extract_string(line, {pointer})::JSON->>'$[*]'"
    # Without coalesce a null among the members would vanish, and a vector be shorter by one.
    texts = f"list_transform({members}, lambda member: coalesce(member, ''))"
    joined = f"array_to_string({texts}, {_literal(separator)})"
    kind = f"json_type(line, {pointer})"
    return f"CASE {kind} WHEN 'ARRAY' THEN {joined} WHEN 'NULL' THEN '' ELSE coalesce({text}, '') END"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: Any) -> str:
    return '"' + str(name).replace('"', '""') + '"'
