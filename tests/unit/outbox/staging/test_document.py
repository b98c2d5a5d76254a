"""Staging's documents are taken apart the same way whoever wrote them, in whatever order of fields."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from outbox.mongo.codec import decoded
from outbox.staging import document as staging

ID = ObjectId("0123456789abcdef01234567")
FIELDS: dict[str, Any] = {
    "_id": ID,
    "at": Timestamp(1_700_000_000, 3),
    "created": DatetimeMS(1_699_999_999_123),
    "type": "order.placed",
    "key": "42",
    "headers": {"tenant": "acme"},
    "data": {"total": Int64(9), "lines": [{"sku": "a"}]},
}

values = st.recursive(
    st.none() | st.booleans() | st.text("abc\x00é") | st.integers(-(2**63), 2**63 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=3),
)


def _parsed_data(staged: staging.Staged) -> Any:
    return bson.decode((4 + len(staged.rest)).to_bytes(4, "little") + staged.rest)


@given(
    key=st.none() | st.text("abc\x00é"),
    headers=st.dictionaries(st.text("ab", min_size=1), st.text("cd\x00")),
    data=st.dictionaries(st.text("ab", min_size=1), values),
    created=st.integers(-(2**63), 2**63 - 1),
)
def test_what_this_library_writes_is_read_back(
    key: str | None, headers: dict[str, str], data: dict[str, Any], created: int
) -> None:
    staged = staging.parse(staging.encode(ID, created, "order.placed", key, headers, data))

    assert (staged.id, staged.created) == (ID.binary, created)
    assert _parsed_data(staged) == {"type": "order.placed", "key": key, "headers": headers, "data": data}


@given(
    key=st.none() | st.text(), headers=st.dictionaries(st.text("ab", min_size=1), st.text()), data=st.none() | values
)
def test_it_is_written_as_the_driver_writes_it(key: str | None, headers: dict[str, str], data: Any) -> None:
    data = None if data is None else {"value": data}
    document = {"_id": ID, "at": Timestamp(0, 0), "created": DatetimeMS(-1), "type": "a.b", "key": key}
    raw = None if data is None else RawBSONDocument(bson.encode(data))

    expected = bson.encode({**document, "headers": headers, "data": data})

    assert staging.encode(ID, -1, "a.b", key, headers, data) == expected
    assert staging.encode(ID, -1, "a.b", key, headers, raw) == expected


@pytest.mark.parametrize("key", ["42", None])
@pytest.mark.parametrize("data", [FIELDS["data"], None])
def test_every_order_of_the_seven_fields_is_read_the_same(key: str | None, data: Any) -> None:
    fields = {**FIELDS, "key": key, "data": data}
    ours = staging.parse(bson.encode(fields))

    for names in itertools.permutations(fields):
        assert staging.parse(bson.encode({name: fields[name] for name in names})) == ours


def test_this_library_s_order_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(staging, "_reordered")

    assert staging.parse(bson.encode(FIELDS)).at == 1_700_000_000
    assert staging.parse(bson.encode({**FIELDS, "key": None})).id == ID.binary


@pytest.mark.parametrize("missing", FIELDS)
def test_a_document_without_one_of_the_fields_is_malformed(missing: str) -> None:
    with pytest.raises(staging.Malformed, match="not a staging document"):
        staging.parse(bson.encode({name: value for name, value in FIELDS.items() if name != missing}))


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [7, [], True, 1.5, b"bytes"])
def test_a_field_of_another_type_is_malformed(name: str, value: Any) -> None:
    with pytest.raises(staging.Malformed):
        staging.parse(bson.encode({**FIELDS, name: value}))


@given(st.dictionaries(st.sampled_from([*FIELDS, "more"]), values | st.sampled_from(list(FIELDS.values()))))
def test_any_document_is_either_read_or_called_malformed(document: dict[str, Any]) -> None:
    raw = bson.encode(document)
    with contextlib.suppress(staging.Malformed):
        staging.parse(raw)


def test_text_that_is_not_utf_8_is_no_reason_to_refuse_a_document() -> None:
    raw = bson.encode({name: FIELDS[name] for name in reversed(FIELDS)}).replace(b"order.placed", b"order.plac\xff\xff")

    assert _type_of(staging.parse(raw)) == "order.plac\ufffd\ufffd"


def _type_of(staged: staging.Staged) -> Any:
    return decoded(staging.document(staged))["type"]


def test_a_staged_message_shows_its_fields_again() -> None:
    found = decoded(staging.document(staging.parse(bson.encode(FIELDS))))

    assert (found["_id"], DatetimeMS(found["created"]), found["key"]) == (ID, FIELDS["created"], "42")


def test_a_document_of_this_library_s_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when the fast path is left: a sweep parses thousands of documents, and decoding takes several times as
    long (measured)."""
    document = bson.encode({**FIELDS, "data": {"text": "x" * 1000}})

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("bson.decode", refuse)

    assert staging.parse(document).id == ID.binary
