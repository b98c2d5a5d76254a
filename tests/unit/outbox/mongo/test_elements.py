"""A document is cut into its fields, whatever they are, and put together again as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from outbox.mongo.elements import Element, document, elements
from tests.doubles.unreadable import UNREADABLE

ONE_OF_EACH: dict[str, Any] = {
    "double": 1.5, "string": "é\x00", "object": {"a": 1}, "array": [1, [2]], "binData": b"\x00", "objectId": ObjectId(),
    "bool": True, "date": datetime(2025, 1, 2, tzinfo=UTC), "null": None, "regex": Regex("a", "i"),
    "javascript": Code("a"), "javascriptWithScope": Code("a", {"b": 1}), "int": 1, "timestamp": Timestamp(1, 2),
    "long": Int64(1), "decimal": Decimal128("1"), "minKey": MinKey(), "maxKey": MaxKey(),
}  # fmt: skip
OLD = {
    "undefined": Element(0x06, b""),
    "dbPointer": Element(0x0C, b"\x02\x00\x00\x00a\x00" + bytes(12)),
    "symbol": Element(0x0E, b"\x02\x00\x00\x00a\x00"),
}


def test_every_type_is_cut_out_and_named() -> None:
    whole = bson.encode(ONE_OF_EACH)
    found = dict(elements(whole))

    assert {name: each.kind for name, each in found.items()} == {name: name for name in ONE_OF_EACH}
    assert document(each.named(name.encode()) for name, each in found.items()) == whole


@pytest.mark.parametrize("name", OLD)
def test_types_that_nobody_should_write_any_more_are_cut_out_as_well(name: str) -> None:
    whole = document([OLD[name].named(b"old"), UNREADABLE.named(b"unreadable")])

    assert [(each.kind, each) for _, each in elements(whole)] == [(name, OLD[name]), ("binData", UNREADABLE)]


@given(st.dictionaries(st.text("ab\u00e9", max_size=3), st.sampled_from([*ONE_OF_EACH.values(), DBRef("a", 1)])))
def test_any_document_is_put_together_again_as_it_was(fields: dict[str, Any]) -> None:
    whole = bson.encode(fields)

    assert document(each.named(name.encode()) for name, each in elements(whole)) == whole
