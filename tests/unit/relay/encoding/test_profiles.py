"""The profile `debezium`, beside what Debezium sends.

debezium.json is what the outbox event router of Debezium 3.6.1 for MongoDB sent of eleven documents: of payloads that
are documents by the JsonConverter with `expand.json.payload`, of texts by the StringConverter, with
`fields.additional.placement=type:header:eventType`. Its headers `__debezium.context.*` are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId, json_util
from bson.json_util import JSONOptions

from outbox.delivery.ports import Outgoing
from outbox.log.record import Record
from relay.encoding.encoder import Encoder
from relay.encoding.header_names import HeaderNames
from relay.encoding.profiles import DEBEZIUM_HEADERS, DEBEZIUM_TOPIC
from relay.encoding.record_format import RecordFormat
from relay.encoding.shaped import ShapedEncoder
from relay.encoding.topics import Topics
from tests.doubles.batches import CREATED, LOG

Row = dict[str, Any]
ROWS: list[Row] = json.loads((Path(__file__).parent / "debezium.json").read_text(encoding="utf-8"))
OPTIONS = JSONOptions(tz_aware=True, uuid_representation=4)


def sent(row: Row) -> Outgoing:
    """The record of a message with what was put there."""
    put, headers = row["put"], dict(row["sent"]["headers"])
    payload = put["payload"]
    text = payload if isinstance(payload, str) else json.dumps(payload)
    key = None if put["aggregateid"] is None else str(put["aggregateid"])
    fields = {"type": put["type"], "key": key, "headers": {}, "data": json_util.loads(text, json_options=OPTIONS)}
    # Where the type does not begin with the aggregate's name, a table says the topic, as it would be done.
    topics = Topics(DEBEZIUM_TOPIC, {"odd.nokey": "outbox.event.oddtext", "odd.nothing": "outbox.event.oddtext"})
    encoder = Encoder(lambda type: topics.name(type, outbox="outbox", database="shop"), LOG)
    format = RecordFormat(headers=HeaderNames(DEBEZIUM_HEADERS))
    record = Record[Any](1, ObjectId(headers["id"]).binary, CREATED, fields)
    [outgoing], _, error = ShapedEncoder(encoder, format, None, "/shop/outbox").encode([record])
    assert error is None
    seq, topic, key, value, headers, *_ = outgoing
    return seq, topic, key, value, headers


def parsed(value: str | bytes | None) -> Any:
    return None if value is None else json.loads(value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["sent"]["value"])
def test_topic_key_and_headers_are_those_of_debezium(row: Row) -> None:
    _, topic, key, _, headers = sent(row)

    assert (topic, key) == (row["sent"]["topic"], row["sent"]["key"])
    assert dict(headers).items() >= dict(row["sent"]["headers"]).items()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["sent"]["value"])
def test_the_value_says_the_same_but_for_dates_and_uuids(row: Row) -> None:
    theirs, ours = parsed(row["sent"]["value"]), parsed(sent(row)[3])

    for name in ("at", "uuid"):  # see the list in docs/encodings.md
        if name in (theirs or {}) and isinstance(row["put"]["payload"], dict):
            theirs.pop(name)
            ours.pop(name)
    assert ours == theirs


def test_dates_and_uuids_are_as_the_wire_contract_has_them() -> None:
    [row] = [each for each in ROWS if "uuid" in (each["put"]["payload"] or {})]
    theirs, ours = parsed(row["sent"]["value"]), parsed(sent(row)[3])

    assert (theirs["at"], ours["at"]) == (1735787045678, "2025-01-02T03:04:05.678Z")
    assert (theirs["uuid"], ours["uuid"]) == ("2UKIiBIrEeG4XGHNPLsyEA==", "d9428888-122b-11e1-b85c-61cd3cbb3210")
