"""What the server's validator refuses is told by the field, the rule and nothing of the message itself."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox.staging.refusal import is_invalid, reason
from tests.actors.order_service import foreign, new_outbox

Document = dict[str, Any]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (foreign(-1), "data.total: minimum 0"),
        (foreign(data={"order_id": 5}), "data.order_id: bsonType string, not int"),
        (
            foreign(data={"order_id": "s3cret", "total": "s3cret", "note": 5}),
            "data.total: bsonType ['int', 'long'], not string; data.note: bsonType string, not int",
        ),
        (foreign(data={"totals": 1}), "data.totals: is no field of the class; data.order_id: is missing"),
        (foreign(headers={"id": "s3cret"}), "headers.id: not"),
        (foreign(key=5), "key: bsonType ['string', 'null'], not int"),
        (foreign(extra="s3cret"), "extra: is no field of the class"),
        (
            foreign(data={"order_id": "1", "note": "x" * 1_000_001}),
            "the document: is larger than max_message_bytes, as create() was given it",
        ),
    ],
)
def test_the_field_comes_first(database: Database[Document], document: Document, told: str) -> None:
    staging = new_outbox(database).collections.staging
    with pytest.raises(OperationFailure) as raised:
        staging.insert_one(document)

    assert is_invalid(raised.value)
    assert reason(raised.value) == told


def test_a_type_that_nobody_declared_is_named_with_those_that_are(database: Database[Document]) -> None:
    staging = new_outbox(database).collections.staging
    with pytest.raises(OperationFailure) as raised:
        staging.insert_one(foreign(type="s3cret"))

    assert reason(raised.value).startswith("type: enum ['order.placed', 'order.cancelled'")
    assert "s3cret" not in reason(raised.value)
