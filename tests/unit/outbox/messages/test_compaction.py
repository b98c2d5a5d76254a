"""The compaction id of a message: its key, or the text of another field, as the log has it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Int64, ObjectId

from outbox.messages.compaction import compaction_id

ID = UUID("d9428888-122b-11e1-b85c-61cd3cbb3210")


def test_it_is_the_key_of_a_type_that_is_compacted_by_it() -> None:
    assert compaction_id("key", "a1", {}, {"sku": "other"}) == "a1"
    assert compaction_id("key", "a1", {}, None) == "a1"
    assert compaction_id("key", None, {}, {"sku": "a1"}) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"), ("", ""), (7, "7"), (Int64(2**60), str(2**60)), (-1, "-1"),
        (ObjectId("65a000000000000000000001"), "65a000000000000000000001"), (ID, str(ID)),
    ],
)  # fmt: skip
def test_it_is_the_text_of_a_field_made_as_a_key_s_is(value: Any, text: str) -> None:
    assert compaction_id("data.line", "k", {}, {"line": value}) == text


@pytest.mark.parametrize(
    "data", [{}, {"line": None}, {"line": 7.0}, {"line": True}, {"line": Binary(b"7")}, {"lin": 7}]
)
def test_what_another_writer_put_without_one_has_none(data: dict[str, Any]) -> None:
    assert compaction_id("data.line", "k", {}, data) is None


def test_a_tombstone_has_it_in_a_header() -> None:
    assert compaction_id("data.line", "k", {"compaction-id": "7"}, None) == "7"
    assert compaction_id("data.line", "k", {}, None) is None
