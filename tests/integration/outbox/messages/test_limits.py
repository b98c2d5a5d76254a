"""The limits of keys and headers: the client's `put` and the server's validator draw them in the same place."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import WriteError

from outbox import InvalidHeaders, InvalidMessage, Outbox
from outbox.messages.compaction import COMPACTION_ID
from outbox.messages.limits import (
    HEADER_CHARACTERS,
    HEADERS,
    KEY_CHARACTERS,
    ORIGIN_HEADERS,
    RESERVED_HEADERS,
    check_key,
    checked_headers,
)
from relay import Relay
from relay.errors import PoisonMessage
from relay.testing import MemorySink
from tests.actors.order_service import Document, foreign, new_outbox, placed, unchecked
from tests.actors.relay_thread import run_once

DOCUMENT_VALIDATION_FAILURE = 121

WITHIN: dict[str, Document] = {
    "none": {},
    "as many as may be": {f"h{number}": "v" for number in range(HEADERS)},
    "a value as long as may be": {"h": "é" * HEADER_CHARACTERS},
    "a name as long as may be": {"n" * 128: ""},
    "names in use": {"traceparent": "00-0af7-01", "ce_type": "x", "X-Request-Id": "1", "aws:trace": "1", "Id": "x"},
    "text of the world": {"greeting": "Grüße, 世界 😀"},
}
BEYOND: dict[str, Any] = {
    "one too many": {f"h{number}": "v" for number in range(HEADERS + 1)},
    "a value too long": {"h": "é" * (HEADER_CHARACTERS + 1)},
    "a name too long": {"n" * 129: ""},
    "an empty name": {"": "v"},
    "a space in the name": {"trace id": "v"},
    "a line break in the name": {"trace\n": "v"},
    "letters of others in the name": {"größe": "v"},
    "an operator for a name": {"$set": "v"},
    "what the driver takes for a reference": {"$ref": "a", "$id": "b"},
    "a line break in the value": {"h": "a\r\nb: c"},
    "a line break at its end": {"h": "a\n"},
    "a zero character": {"h": "a\0b"},
    "a delete character": {"h": "\x7f"},
    "a number": {"h": 1},
    "nothing": {"h": None},
    **{f"the reserved {name!r}": {name: "v"} for name in (*RESERVED_HEADERS, COMPACTION_ID)},
}


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database)


def server_takes(orders: Outbox, **fields: Any) -> bool:
    try:
        orders.collections.staging.insert_one(foreign(**fields))
    except WriteError as error:
        if error.code != DOCUMENT_VALIDATION_FAILURE:
            raise
        return False
    return True


@pytest.mark.parametrize("headers", WITHIN.values(), ids=WITHIN.keys())
def test_headers_within_the_limits_are_taken_by_both(orders: Outbox, headers: dict[str, str]) -> None:
    orders.put(placed(1), headers=headers, standalone=True)

    assert server_takes(orders, headers=headers)


@pytest.mark.parametrize("headers", BEYOND.values(), ids=BEYOND.keys())
def test_headers_beyond_them_are_refused_by_both(orders: Outbox, headers: Any) -> None:
    with pytest.raises(InvalidHeaders):
        orders.put(placed(1), headers=headers, standalone=True)

    assert not server_takes(orders, headers=headers)


@pytest.mark.parametrize("name", ORIGIN_HEADERS)
def test_what_says_where_a_message_comes_from_is_put_by_nobody(orders: Outbox, name: str) -> None:
    with pytest.raises(InvalidHeaders, match=f"{name!r} is reserved: an import and a mirror set it"):
        orders.put(placed(1), headers={name: "v"}, standalone=True)

    assert server_takes(orders, headers={name: "v"})


def test_half_of_a_surrogate_pair_is_no_text(orders: Outbox) -> None:
    with pytest.raises(InvalidHeaders, match="'h': character 1 is half"):
        orders.put(placed(1), headers={"h": "a\ud800"}, standalone=True)
    with pytest.raises(InvalidMessage):
        orders.put(placed(1, order_id="a\ud800"), standalone=True)


def test_a_refused_header_s_value_is_not_shown(orders: Outbox) -> None:
    for headers in ({"token": "sekret\n"}, {"token": "sekret" * HEADER_CHARACTERS}, {"a b": "sekret"}):
        with pytest.raises(InvalidHeaders) as refused:
            orders.put(placed(1), headers=headers, standalone=True)
        assert "sekret" not in str(refused.value)


@pytest.mark.parametrize("key", ["", "k" * KEY_CHARACTERS, "é" * KEY_CHARACTERS, "order 42/7", None])
def test_keys_within_the_limits_are_taken_by_both(orders: Outbox, key: str | None) -> None:
    check_key("order.placed", key)

    assert server_takes(orders, key=key)


@pytest.mark.parametrize("key", ["k" * (KEY_CHARACTERS + 1), "a\0b", "a\nb", "a\n", "\x1b[31m", "\x7f"])
def test_keys_beyond_them_are_refused_by_both(orders: Outbox, key: str) -> None:
    with pytest.raises(InvalidMessage, match="key"):
        orders.put(placed(1, order_id=key), standalone=True)

    assert not server_takes(orders, key=key)


names = st.text(st.sampled_from("abZ09._:-$ \n\0é/\x7f"), max_size=5) | st.sampled_from([*RESERVED_HEADERS, "Id"])
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(headers=st.dictionaries(names.filter(lambda name: "\0" not in name), values, max_size=3), key=values)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(headers={"a": "\x1f"}, key="\x80")
def test_the_two_agree_on_everything(orders: Outbox, headers: dict[str, str], key: str) -> None:
    try:
        checked_headers(headers)
        check_key("order.placed", key)
        allowed = True
    except InvalidMessage:
        allowed = False

    assert server_takes(orders, headers=headers, key=key) == allowed


@pytest.mark.parametrize(
    "headers", [{"h": 1}, {"h": {"a": "b"}}, {"seq": "7"}, {"$ref": "a", "$id": "b"}, {"$ref": "a", "$id": ObjectId()}]
)
def test_headers_past_the_validator_are_poison_and_not_the_end_of_the_relay(orders: Outbox, headers: Any) -> None:
    unchecked(orders, foreign(headers=headers))
    orders.put(placed(2), standalone=True)
    sink = MemorySink()

    with orders:
        with pytest.raises(PoisonMessage, match="headers"):
            run_once(Relay(orders, sink))
        run_once(Relay(orders, sink, on_poison="dead-letter"))

    assert [each.seq for each in sink.records] == [2]
    assert orders.collections.dead.count_documents({}) == 1


def test_headers_of_before_the_limits_still_go_out(orders: Outbox) -> None:
    unchecked(orders, foreign(headers={"trace id": "a\nb", "": "x" * 10_000}))
    sink = MemorySink()

    with orders:
        run_once(Relay(orders, sink))

    assert dict(sink.records[0].headers)["trace id"] == b"a\nb"
