"""Records in the shape that a format says; the compiled encoder and the other one agree."""

from __future__ import annotations

from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument

from outbox.delivery.ports import Outgoing
from outbox.log.batch import Batch
from outbox.shares.share import ALL, Share
from relay.encoding.choices import Encoding
from relay.encoding.encoder import Encoder
from relay.encoding.header_names import HeaderNames
from relay.encoding.key_from import KeyFrom
from relay.encoding.record_format import RecordFormat
from relay.encoding.shaped import ShapedEncoder, TopicOf
from relay.errors import PoisonMessage, TopicMissing
from relay.origin import Origin, origin_of
from tests.doubles.batches import CREATED, ID, LOG, batch_of, record
from tests.doubles.unreadable import DATA as DATA_OF_OTHERS

FORMATS = [
    RecordFormat("cloudevents"),
    RecordFormat("cloudevents-structured", {"note": "json"}),
    RecordFormat(headers=HeaderNames({"seq": ""}, "x-"), timestamp="created"),
    RecordFormat(key=KeyFrom("type")),
    RecordFormat(key=KeyFrom("none")),
    RecordFormat(key=KeyFrom("id"), partition=KeyFrom("header.tenant")),
    RecordFormat("cloudevents", {"note": "bson"}, partition=KeyFrom("type")),
]


def shaped(format: RecordFormat, topic: TopicOf | None = None) -> ShapedEncoder:
    encoder = Encoder(lambda type: f"topic.{type}", LOG, format.form)
    return ShapedEncoder(encoder, format, topic, "/shop/orders")


def batch() -> Batch:
    return batch_of(*[record({"n": n}, type=("order", "note")[n % 2], key=str(n % 3), tenant="acme") for n in range(9)])


def encode(encoder: ShapedEncoder, batch: Batch) -> list[Outgoing]:
    outgoing, marks, error = encoder.encode(batch.records())
    assert (error, len(marks)) == (None, len(outgoing))
    return outgoing


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [ALL, Share(2, 3)])
def test_what_is_encoded_undecoded_is_the_same(format: RecordFormat, share: Share) -> None:
    encoder = shaped(format, lambda type, key, headers: f"{type}.{key}.{headers['tenant']}")
    whole = {each[0]: each for each in encode(encoder, batch())}

    plainly = encoder.encode_plain(batch(), share)

    assert plainly is not None
    [(outgoing, marks)] = plainly
    assert outgoing == [whole[record.seq] for record in share.chosen(batch().records())]
    assert marks[-1][0] == 9


def test_a_key_of_the_data_needs_the_record() -> None:
    encoder = shaped(RecordFormat(key=KeyFrom("data.n")))

    assert [each[2] for each in encode(encoder, batch())] == [str(n) for n in range(9)]
    assert encoder.encode_plain(batch(), ALL) is None


def test_the_date_is_the_message_s_where_kafka_has_such_dates() -> None:
    encoder = shaped(RecordFormat(timestamp="created"))

    of_today, of_the_past = encode(encoder, batch_of(record({}), record({}, created=-5)))

    assert [origin_of(each) for each in (of_today, of_the_past)] == [
        Origin(str(ID), "2025-01-02T03:04:05.678Z", CREATED), Origin(str(ID), "1969-12-31T23:59:59.995Z", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["json", "cloudevents"])
def test_what_chooses_the_partition_is_beside_the_key_and_named_by_the_event(encoding: Encoding) -> None:
    encoder = shaped(RecordFormat(encoding, partition=KeyFrom("header.tenant")))

    [outgoing] = encode(encoder, batch_of(record({}, key="42", tenant="acme")))

    origin = origin_of(outgoing)
    assert origin is not None
    assert (outgoing[2], origin.partition_key) == ("42", "acme")
    assert dict(outgoing[4]).get("ce_partitionkey", "acme") == "acme"


@pytest.mark.parametrize("format", [RecordFormat(partition=KeyFrom("data.n")), RecordFormat(key=KeyFrom("data.n"))])
def test_what_the_driver_cannot_read_has_no_key_in_its_data_and_is_poison(format: RecordFormat) -> None:
    bson = RecordFormat("bson", key=format.key, partition=format.partition)
    unreadable = batch_of(record({}), record(RawBSONDocument(next(iter(DATA_OF_OTHERS.values())))))

    *_, error = shaped(bson).encode(unreadable.records()[1:])

    assert isinstance(error, PoisonMessage)


def test_a_type_has_its_own_encoding() -> None:
    encoder = shaped(RecordFormat("json", {"note": "cloudevents"}))

    has_envelope = ["ce_id" in dict(headers) for *_, headers in encode(encoder, batch())]

    assert has_envelope == [False, True] * 4 + [False]


@pytest.mark.usefixtures("native")
def test_a_record_that_cannot_be_shaped_is_named_and_what_comes_before_it_is_sent() -> None:
    encoder = shaped(RecordFormat(key=KeyFrom("header.tenant")))
    records = batch_of(record({}, tenant="a"), record({}, key="k9"), record({}, tenant="b"))

    outgoing, marks, error = encoder.encode(records.records())

    assert (len(outgoing), len(marks)) == (1, 1)
    assert isinstance(error, PoisonMessage)
    assert "seq 2" in str(error)
    assert "it has no header.tenant" in str(error)


@pytest.mark.usefixtures("native")
def test_a_topic_that_is_not_there_is_no_fault_of_the_record() -> None:
    def topic(type: str, key: str | None, headers: Any) -> str:
        if key == "2":
            raise TopicMissing("no such topic: 2")
        return f"to.{key}"

    encoder = shaped(RecordFormat(), topic)
    encode(encoder, batch_of(record({}, type="order", key="0"), record({}, type="note", key="1")))

    outgoing, marks, error = encoder.encode(batch().records())

    assert encoder.encode_plain(batch(), ALL) is None
    assert ([each[1] for each in outgoing], len(marks)) == (["to.0", "to.1"], 2)
    assert isinstance(error, TopicMissing)


def test_a_record_that_cannot_be_encoded_comes_through() -> None:
    *_, error = shaped(RecordFormat("cloudevents")).encode(batch_of(record({"a": float("nan")})).records())

    assert isinstance(error, PoisonMessage)
