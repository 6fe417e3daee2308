"""The schema is a contract with everybody's data: changing it must be meant."""

import pyarrow as pa

from kuberec import schema


def test_interactions_have_these_columns_and_types() -> None:
    assert {field.name: str(field.type) for field in schema.INTERACTION_SCHEMA} == {
        "user_id": "string",
        "item_id": "string",
        "event_type": "string",
        "value": "double",
        "timestamp": "timestamp[us, tz=UTC]",
    }
    assert not any(field.nullable for field in schema.INTERACTION_SCHEMA)


def test_quarantine_keeps_the_row_its_reason_and_its_text() -> None:
    assert {field.name: field.type for field in schema.QUARANTINE_SCHEMA} == {
        "row": pa.int64(),
        "reason": pa.string(),
        "raw": pa.string(),
    }


def test_parts_are_ordered_from_the_earliest() -> None:
    assert schema.SPLITS == ("train", "validation", "test")
