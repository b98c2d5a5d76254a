"""Decoding for handlers: which records of a batch come, and how far the position may move."""

from __future__ import annotations

import pytest

from outbox.consumers.decoding import RecordDecoder
from outbox.errors import LogCorrupt
from outbox.log.batch import Batch
from outbox.log.record import Record
from outbox.shares.share import ALL, Share
from tests.doubles.batches import datas


def decoder(wanted: object = None) -> RecordDecoder:
    return RecordDecoder(lambda type, data, headers: (type, data), wanted)  # type: ignore[arg-type]  # of a test


def a_batch() -> Batch:
    return datas([{"n": 1}, {"n": 2}, {"n": 3}])


def test_every_record_comes_with_its_message_and_its_mark() -> None:
    [(deliveries, marks)] = decoder().encode_plain(a_batch(), ALL)

    assert [(seq, record.message[1]["n"]) for seq, record in deliveries if record.message] == [(1, 1), (2, 2), (3, 3)]
    assert [seq for seq, _, _ in marks] == [1, 2, 3]


def test_the_last_mark_is_there_also_when_its_record_is_left_out() -> None:
    [(deliveries, marks)] = decoder(lambda record: record.data["n"] == 2).encode_plain(a_batch(), ALL)

    assert [seq for seq, _ in deliveries] == [2]
    assert [seq for seq, _, _ in marks] == [2, 3]


def test_two_shares_have_all_records_between_them() -> None:
    found = [list(decoder().encode_plain(a_batch(), Share(number, 2))) for number in (1, 2)]

    assert sorted(seq for [(deliveries, _)] in found for seq, _ in deliveries) == [1, 2, 3]


def test_records_are_decoded_a_portion_at_a_time() -> None:
    portions = RecordDecoder(lambda type, data, headers: data, None, portion=2).encode_plain(a_batch(), ALL)

    assert [[seq for seq, _ in deliveries] for deliveries, _ in portions] == [[1, 2], [3]]


def test_a_portion_that_cannot_be_decoded_says_so_after_those_before_it() -> None:
    batch = a_batch()
    last = batch.raw.rindex(b"\x07id\x00")
    portions = RecordDecoder(lambda type, data, headers: data, None, portion=2).encode_plain(
        batch._replace(raw=batch.raw[:last] + b"\x07xd\x00" + batch.raw[last + 4 :]), ALL
    )

    assert [seq for seq, _ in next(portions)[0]] == [1, 2]
    with pytest.raises(LogCorrupt):
        next(portions)


def test_records_that_were_decoded_already_get_their_message() -> None:
    records: list[Record[object]] = a_batch().records()

    deliveries, marks, error = decoder().encode(records)

    assert [record.message for _, record in deliveries] == [("order", each.data) for each in records]
    assert ([seq for seq, _, _ in marks], error) == ([1, 2, 3], None)
