"""A CSV with over thirty kinds of dirt: every row accounted for by kind, with rows per second and peak memory.

    .venv/bin/python benchmarks/dirt.py [--rows 1000000]

Each kind stands in the file 200 times, at random places between clean rows and rows that are odd but good (newlines in
quotes, other alphabets, CRLF). What `ingest` and `validate` refused and kept is compared with what was planted, kind by
kind: the number of rows, their reason, and the text of each row kept. The last line is one JSON object; the exit status
is 1 when a row is unaccounted for.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from measure import measure  # type: ignore[import-not-found]  # beside this script

ROWS = 1_000_000
REPEATS = 200
MAX_BAD_SHARE = 0.2
DATASET = """\
name: dirt
interactions:
  path: events.csv
  value_range: [0, 100]
"""
HEADER = b"user_id,item_id,event_type,value,timestamp\n"
GOOD_TIME = 1_600_000_000


@dataclass(frozen=True)
class Kind:
    """One kind of dirt: the bytes of a row, `%s` standing for its own mark, and the reason it is refused for."""

    name: str
    line: bytes
    reason: str


def dirt() -> list[Kind]:
    """The kinds that must be refused; each row carries its mark, or is known by its reason."""
    wrong = "5 fields expected, {} found"
    quotes, text, nul = "quotes are broken", "text is not valid in its encoding", "line holds a NUL byte"
    unread = "timestamp cannot be read as auto"
    lines = [
        ("too few fields", b"u,%s,view,1", wrong.format(4)),
        ("too many fields", b"u,%s,view,1,1600000000,x", wrong.format(6)),
        ("other text", b"%s: connection reset by peer", wrong.format(1)),
        ("other delimiter", b"u;%s;view;1;1600000000", wrong.format(1)),
        ("delimiter in a field without quotes", b"u,%s,view,3,5,1600000000", wrong.format(6)),
        ("opening quote without an end", b'u,"%s,view,1,1600000000', quotes),
        ("text after the closing quote", b'u,"a"%s,view,1,1600000000', quotes),
        ("quote opened in the last field", b'u,%s,view,1,"1600000000', quotes),
        ("latin-1 bytes", b"u\xe9,%s,view,1,1600000000", text),
        ("cut UTF-8 sequence", b"u\xe2\x82,%s,view,1,1600000000", text),
        ("overlong UTF-8 sequence", b"u\xc0\xaf,%s,view,1,1600000000", text),
        ("NUL byte", b"u\0,%s,view,1,1600000000", nul),
        ("carriage return in a field", b"u\rv,%s,view,1,1600000000", "carriage return inside a field without quotes"),
        ("empty user", b",%s,view,1,1600000000", "user_id is empty"),
        ("user of spaces", b"   ,%s,view,1,1600000000", "user_id is empty"),
        ("user of no-break spaces", b"\xc2\xa0\xe3\x80\x80,%s,view,1,1600000000", "user_id is empty"),
        ("empty quoted item", b'%s,"",view,1,1600000000', "item_id is empty"),
        ("item of a tabulator", b"%s,\t,view,1,1600000000", "item_id is empty"),
        ("empty event", b"u,%s,,1,1600000000", "event_type is empty"),
        ("empty value", b"u,%s,view,,1600000000", "value is empty"),
        ("word for a value", b"u,%s,view,good,1600000000", "value is no number"),
        ("decimal comma", b'u,%s,view,"3,5",1600000000', "value is no number"),
        ("NaN", b"u,%s,view,NaN,1600000000", "value is not finite"),
        ("infinite value", b"u,%s,view,-inf,1600000000", "value is not finite"),
        ("empty time", b"u,%s,view,1,", "timestamp is empty"),
        ("word for a time", b"u,%s,view,1,yesterday", unread),
        ("impossible date", b"u,%s,view,1,2021-02-30T10:00:00Z", unread),
        ("microseconds for seconds", b"u,%s,view,1,1600000000000000", unread),
        ("negative value", b"u,%s,view,-1,1600000000", "value lies outside 0 to 100"),
        ("time before 1970", b"u,%s,view,1,-5", "timestamp lies before 1970"),
        ("time after 2100", b"u,%s,view,1,2150-01-01T00:00:00Z", "timestamp lies after 2099"),
        ("header again", b"user_id,item_id,event_type,value,timestamp", "value is no number"),
        ("blank line", b"", "blank line"),
    ]
    return [Kind(name, line, reason) for name, line, reason in lines]


def oddities() -> list[tuple[str, bytes, str]]:
    """Kinds that look odd and must be kept: name, bytes, and the item id that must come out."""
    return [
        ("newline in quotes", b'u,"%s\nsecond line",view,1,1600000000', "%s\nsecond line"),
        ("delimiter in quotes", b'u,"%s,x",view,1,1600000000', "%s,x"),
        ("doubled quotes", b'u,"%s ""x""",view,1,1600000000', '%s "x"'),
        ("quote inside a field", b'u,%s 12",view,1,1600000000', '%s 12"'),
        ("other alphabets", "u,%s 映画🎬é,view,1,1600000000".encode(), "%s 映画🎬é"),
        ("spaces around", b"u, %s ,view,1,1600000000", " %s "),
        ("CRLF", b"u,%s,view,1,1600000000\r", "%s"),
        ("ISO time", b"u,%s,view,1,2020-09-13T12:26:40Z", "%s"),
        ("exponent", b"u,%s,view,1e0,1.6e9", "%s"),
    ]


def write_dirty(path: Path, rows: int) -> tuple[int, int]:
    """Write the file; returns how many rows it holds and how many of them are clean."""
    rng = np.random.default_rng(0)
    special = [kind.line.replace(b"%s", _mark(kind.name, n)) for kind in dirt() for n in range(REPEATS)]
    special += [line.replace(b"%s", _mark(name, n)) for name, line, _ in oddities() for n in range(REPEATS)]
    duplicates = [b"dup%d,exact duplicate,view,1,1600000000" % n for n in range(REPEATS)] * 2
    special += duplicates
    clean = rows - len(special)
    lines = [b"u%d,i%d,view,%d,%d" % (n % 5000, n, n % 100, GOOD_TIME + n) for n in range(clean)] + special
    order = rng.permutation(len(lines))
    path.write_bytes(HEADER + b"\n".join(lines[place] for place in order) + b"\nlast,line,view,1,1600000000\n")
    return len(lines) + 1, clean + 1


def _mark(name: str, number: int) -> bytes:
    return b"[%s#%d]" % (name.encode(), number)


def run(folder: Path) -> dict[str, float]:
    """Ingest and validate; seconds of each."""
    from kuberec.ingest import ingest
    from kuberec.validate import validate

    start = time.perf_counter()
    ingest(str(folder / "dataset.yaml"), folder / "dataset")
    middle = time.perf_counter()
    validate(folder / "dataset", folder / "validated", max_bad_share=MAX_BAD_SHARE)
    return {"ingest": round(middle - start, 2), "validate": round(time.perf_counter() - middle, 2)}


def account(folder: Path, rows: int, clean: int) -> tuple[dict[str, Any], list[str]]:
    """Compare what came out with what was planted: the found counts, and every difference."""
    steps = ("dataset", "validated")
    refused = [
        row
        for step in steps
        for row in pq.read_table(folder / step / "quarantine" / "interactions.parquet").to_pylist()
    ]
    items = pq.read_table(folder / "validated" / "interactions.parquet", columns=["item_id"])["item_id"].to_pylist()
    faults = []
    found = Counter((_kind_of(row["raw"], row["reason"]), row["reason"]) for row in refused)
    planted = Counter({(kind.name, kind.reason): REPEATS for kind in dirt()})
    planted["exact duplicate", "exact duplicate of an earlier row"] = REPEATS
    for key in sorted(planted.keys() | found.keys()):
        if planted[key] != found[key]:
            faults.append(f"{key}: {planted[key]} planted, {found[key]} refused")
    kept = set(items)
    for name, _, item in oddities():
        lost = [n for n in range(REPEATS) if item.replace("%s", _mark(name, n).decode()) not in kept]
        if lost:
            faults.append(f"{name}: {len(lost)} good rows are not as they were")
    if len(items) != clean + REPEATS * (len(oddities()) + 1):
        faults.append(f"{len(items)} rows came out")
    if rows != len(items) + len(refused):
        faults.append(f"{rows} rows in, {len(items)} out, {len(refused)} refused")
    return {"in": rows, "out": len(items), "quarantined": len(refused)}, faults


def _kind_of(raw: str, reason: str) -> str:
    if "[" in raw:
        return raw[raw.index("[") + 1 : raw.index("#")]
    return {"": "blank line", "user_id,item": "header again"}.get(raw[:12], "exact duplicate" if "dup" in raw else raw)


def main() -> None:
    """Measure, account, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to make (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(run(arguments.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as temporary:
        folder = Path(temporary)
        rows, clean = write_dirty(folder / "events.csv", arguments.rows)
        (folder / "dataset.yaml").write_text(DATASET, encoding="utf-8")
        measured = measure([sys.executable, __file__, "--folder", str(folder)])
        counts, faults = account(folder, rows, clean)
    for fault in faults:
        print(fault, file=sys.stderr)
    result = {
        "benchmark": "dirt",
        "kinds": len(dirt()) + 1,
        "odd_but_good_kinds": len(oddities()),
        "rows": counts,
        "accounted_for": not faults,
        "seconds": round(measured.seconds, 2),
        "rows_per_second": round(rows / measured.seconds),
        "peak_gib": round(measured.peak_gib, 3),
        "steps": json.loads(measured.output.splitlines()[-1]),
    }
    print(json.dumps(result))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
