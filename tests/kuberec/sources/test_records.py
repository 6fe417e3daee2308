import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuberec.sources.records import (
    BLANK,
    BROKEN_QUOTES,
    HOLDS_NUL,
    LONE_RETURN,
    NOT_TEXT,
    Dialect,
    split_lines,
    split_records,
    wrong_fields,
)

COMMA = Dialect(b",", 3)


def refused(text: bytes, dialect: Dialect = COMMA) -> dict[str, str]:
    records = split_records(text, dialect, final=True)
    return {records.raw(place): reason for place, reason in records.reasons.items()}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a,b", wrong_fields(3, 2)),
        (b"a,b,c,d", wrong_fields(3, 4)),
        (b'"a,b",c', wrong_fields(3, 2)),
        (b'a,"b,c', BROKEN_QUOTES),
        (b'a,"b"x,c', BROKEN_QUOTES),
        (b"a\rb,b,c", LONE_RETURN),
        (b"a\xff,b,c", NOT_TEXT),
        (b"a\0,b,c", HOLDS_NUL),
        (b"", BLANK),
        (b"\r", BLANK),
    ],
)
def test_a_bad_line_is_refused_alone(line: bytes, reason: str) -> None:
    records = split_records(b"1,2,3\n" + line + b"\n4,5,6\n", COMMA, final=True)
    assert records.reasons == {1: reason}
    assert records.good_text() == b"1,2,3\n4,5,6\n"
    assert len(records) == 3


@pytest.mark.parametrize(
    "line",
    [
        b'"a,b",c,d',
        b'"a\nb",c,d',
        b'a,"b\n\nc",d',
        b'a,b,"say ""x"""',
        b'a,5" disk,c',
        b'"",,',
        b"a,b,c\r",
        b'a,b,"c\rd"',
    ],
)
def test_a_good_record_is_kept_as_it_is(line: bytes) -> None:
    records = split_records(b"1,2,3\n" + line + b"\n4,5,6\n", COMMA, final=True)
    assert records.reasons == {}
    assert len(records) == 3
    assert records.text[records.starts[1] : records.ends[1]] == line + b"\n"


def test_a_stray_quote_does_not_swallow_the_rows_up_to_the_next_quote() -> None:
    text = b'a,"b,c\n1,2,3\n4,5" disk,6\n7,8",9\n'
    assert refused(text) == {'a,"b,c': BROKEN_QUOTES}


def test_an_open_record_waits_for_the_rest_of_the_text() -> None:
    records = split_records(b'1,2,3\na,"b\n', COMMA, final=False)
    assert (len(records), records.consumed) == (1, 6)
    assert refused(b'1,2,3\na,"b\n') == {'a,"b': BROKEN_QUOTES}


def test_quotes_are_plain_characters_without_quoting() -> None:
    records = split_records(b'"a,b,c\n', Dialect(b",", 3, quoting=False), final=True)
    assert records.reasons == {}


def test_bytes_that_are_no_text_are_shown_escaped() -> None:
    records = split_lines(b"caf\xe9\n")
    assert records.reasons == {0: NOT_TEXT}
    assert records.raw(0) == "caf\\xe9"


cells = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6)
rows_of_cells = st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12)


@settings(deadline=None, max_examples=200)
@given(rows_of_cells, st.sampled_from(["\n", "\r\n"]))
def test_whatever_python_writes_as_quoted_csv_is_cut_into_the_same_rows(
    rows: list[tuple[str, str, str]], line_end: str
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(rows)
    records = split_records(buffer.getvalue().encode(), COMMA, final=True)
    # A line of a field that looks like a row makes the quotes ambiguous; nothing is lost then, but rows are refused.
    if not any("\n" in cell and "," in cell for row in rows for cell in row):
        assert records.reasons == {}
        assert len(records) == len(rows)
    assert records.consumed == len(records.text)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60).map(lambda text: text + b"\n"), st.booleans())
def test_every_byte_belongs_to_exactly_one_record(text: bytes, quoting: bool) -> None:
    records = split_records(text, Dialect(b",", 2, quoting), final=True)
    pieces = [text[start:end] for start, end in zip(records.starts, records.ends, strict=True)]
    assert b"".join(pieces) == text
    assert len(records.good) + len(records.reasons) == len(records)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(['"', ",", "\n", "\r\n", "a", "é", '""', '","']), max_size=25).map("".join))
def test_the_good_rows_parse_into_as_many_rows(text: str) -> None:
    from pyarrow import csv as arrow_csv

    records = split_records(text.encode() + b"\n", Dialect(b",", 2), final=True)
    good = records.good_text()
    if good:
        table = arrow_csv.read_csv(
            io.BytesIO(good),
            read_options=arrow_csv.ReadOptions(column_names=["a", "b"]),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        )
        assert len(table) == len(records.good)
