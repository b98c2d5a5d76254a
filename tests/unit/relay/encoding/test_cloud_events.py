"""CloudEvents, read back by the official SDK."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat

from outbox.delivery.ports import Outgoing
from relay.encoding.choices import Encoding
from relay.encoding.encoder import Encoder
from relay.encoding.key_from import KeyFrom
from relay.encoding.record_format import RecordFormat
from relay.encoding.shaped import ShapedEncoder
from tests.doubles.batches import CREATED, ID, LOG, batch_of, record


def sent(encoding: Encoding, data: Any, **fields: Any) -> Outgoing:
    form = RecordFormat(encoding, key=KeyFrom(fields.pop("key_from", "key")))
    encoder = ShapedEncoder(Encoder(str, LOG), form, None, "/shop/orders")
    [outgoing], _, error = encoder.encode(batch_of(record(data, **fields), first=41).records())
    assert error is None
    return outgoing


def read(outgoing: Outgoing, encoding: Encoding) -> BaseCloudEvent:
    _, _, key, value, headers = outgoing
    message = KafkaMessage({name: text.encode() for name, text in headers}, key, value or b"")
    return (from_binary if encoding == "cloudevents" else from_structured)(message, JSONFormat())


@pytest.mark.parametrize("encoding", ["cloudevents", "cloudevents-structured"])
def test_the_sdk_reads_back_what_was_put(encoding: Encoding) -> None:
    event = read(sent(encoding, {"total": 3, "note": "ü"}, type="order.placed", key="42", tenant="acme"), encoding)

    assert event.get_data() == {"total": 3, "note": "ü"}
    assert event.get_attributes() == {
        "specversion": "1.0", "id": str(ID), "source": "/shop/orders", "type": "order.placed",
        "time": datetime.fromtimestamp(CREATED / 1000, UTC), "subject": "42", "sequence": f"{41:019d}",
        "partitionkey": "42", "datacontenttype": "application/json",
    }  # fmt: skip


def test_the_headers_of_a_binary_one_are_beside_the_relay_s_own() -> None:
    *_, headers = sent("cloudevents", {}, key="42", tenant="acme")

    assert [name for name, _ in headers] == [
        "id", "seq", "log", "created", "type", "tenant",
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_sequence", "ce_partitionkey",
        "content-type",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["cloudevents", "cloudevents-structured"])
def test_a_message_without_a_key_has_no_subject_and_another_key_is_the_partition_key(encoding: Encoding) -> None:
    without = read(sent(encoding, {}, key=None), encoding).get_attributes()
    other = read(sent(encoding, {}, key="42", tenant="acme", key_from="header.tenant"), encoding).get_attributes()

    assert not {"subject", "partitionkey"} & without.keys()
    assert (other["subject"], other["partitionkey"]) == ("42", "acme")


@pytest.mark.parametrize("encoding", ["cloudevents", "cloudevents-structured"])
def test_a_date_that_rfc_3339_has_not_is_left_out(encoding: Encoding) -> None:
    *_, value, headers = sent(encoding, {}, created=10**15)

    assert "ce_time" not in dict(headers)
    assert b'"time"' not in (value or b"")


@pytest.mark.parametrize("encoding", ["cloudevents", "cloudevents-structured"])
def test_a_tombstone_of_a_key_has_a_null_value(encoding: Encoding) -> None:
    assert sent(encoding, None)[3] is None


def test_another_tombstone_is_an_event_with_null_for_its_data() -> None:
    _, _, _, value, _ = sent("cloudevents-structured", None, **{"compaction-id": "7"})

    assert json.loads(value or b"")["data"] is None
