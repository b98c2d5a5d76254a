"""A position is where a cursor goes on: just behind the record that it was saved with, in that very log."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import HistoryLost, Outbox, OutboxNotCreated
from outbox.errors import CursorMismatch
from outbox.log.log import Log
from outbox.log.position import Position, position_at, verify_position
from outbox.mongo.collections import Collections
from tests.actors.command_listener import watched
from tests.actors.order_service import Document
from tests.actors.small_log import append, put_large, small_outbox


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    return small_outbox(database)


@pytest.fixture
def rolled(outbox: Outbox) -> Outbox:
    """An outbox whose log holds the newest few of 20 records."""
    put_large(outbox, 20)
    assert outbox.log.earliest() > 3
    return outbox


def verify(outbox: Outbox, position: Position) -> None:
    with outbox.collections.client.start_session(causal_consistency=True) as session:
        verify_position(position, outbox.log, "relay:kafka", session)


def refusal(outbox: Outbox, position: Position) -> str:
    with pytest.raises(CursorMismatch) as raised:
        verify(outbox, position)
    return str(raised.value)


def test_the_position_of_a_record_has_its_date_and_its_id(outbox: Outbox) -> None:
    append(outbox, [(3, 10), (2, 10)])

    for seq in range(1, 6):
        record = outbox.log.record_at(seq)
        assert record is not None
        assert position_at(seq, outbox.log) == (seq, record.created, record.id)


def test_the_position_before_all_records_has_neither(outbox: Outbox) -> None:
    append(outbox, [(3, 10)])

    assert position_at(0, outbox.log) == (0, None, None)


def test_the_position_of_a_record_that_the_log_does_not_hold_has_neither(rolled: Outbox) -> None:
    assert position_at(1, rolled.log) == (1, None, None)
    assert position_at(21, rolled.log) == (21, None, None)


def test_every_position_that_the_log_gave_is_good_in_it(outbox: Outbox) -> None:
    append(outbox, [(3, 10), (2, 10)])

    for seq in range(6):
        verify(outbox, position_at(seq, outbox.log))


def test_a_position_without_an_id_is_good_wherever_there_is_a_record(outbox: Outbox) -> None:
    append(outbox, [(3, 10)])

    verify(outbox, (2, None, None))


def test_another_record_at_its_seq_is_another_log_and_both_ids_are_named(outbox: Outbox) -> None:
    append(outbox, [(3, 10)])
    other, record = ObjectId(), outbox.log.record_at(2)
    assert record is not None

    said = refusal(outbox, (2, record.created, other))
    assert f"the cursor of relay 'kafka' belongs to another log: at seq 2 the log holds {record.id}" in said
    assert f"the cursor {other}" in said


@pytest.mark.parametrize("seq", [4, 2**40])
@pytest.mark.parametrize("id", [None, ObjectId("0" * 24)], ids=["without an id", "with an id"])
def test_a_log_that_ends_before_it_is_another_one(outbox: Outbox, id: ObjectId | None, seq: int) -> None:
    append(outbox, [(3, 10)])

    assert f"the cursor is at seq {seq}, the log's newest record is 3" in refusal(outbox, (seq, None, id))


def test_in_an_empty_log_only_the_position_before_all_records_is_good(outbox: Outbox) -> None:
    verify(outbox, (0, None, None))

    assert "the cursor is at seq 1, the log's newest record is 0" in refusal(outbox, (1, None, ObjectId()))


def test_a_position_whose_own_record_is_gone_is_good_as_long_as_the_next_one_is_there(rolled: Outbox) -> None:
    oldest = rolled.log.earliest()

    verify(rolled, (oldest - 1, None, ObjectId()))


@pytest.mark.parametrize("back", [2, 3])
def test_history_is_lost_when_the_next_record_is_gone_too(rolled: Outbox, back: int) -> None:
    oldest = rolled.log.earliest()

    with pytest.raises(HistoryLost) as lost:
        verify(rolled, (oldest - back, None, ObjectId()))
    assert (lost.value.expected, lost.value.oldest) == (oldest - back + 1, oldest)


def test_the_beginning_of_a_log_that_has_rolled_over_is_lost(rolled: Outbox) -> None:
    with pytest.raises(HistoryLost) as lost:
        verify(rolled, (0, None, None))
    assert (lost.value.expected, lost.value.oldest) == (1, rolled.log.earliest())


def test_a_log_that_was_never_made_is_said_to_be_none(database: Database[Document]) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        verify(Outbox(database), (3, None, ObjectId()))


@pytest.mark.parametrize("seq", [0, 2, 9])
def test_it_asks_in_the_session_that_it_was_given(mongo_uri: str, outbox: Outbox, seq: int) -> None:
    """Goes red when a read is left out of it: a new primary would show a log that ends before the cursor."""
    append(outbox, [(3, 10)])
    with watched(mongo_uri, outbox.collections.database) as (database, commands):
        with database.client.start_session(causal_consistency=True) as session:
            asked: Any = session.session_id
            try:
                verify_position((seq, None, None), Log(Collections(database, "outbox")), "relay:kafka", session)
            except CursorMismatch:
                assert seq == 9
        finds = commands.of("find")

    assert finds
    assert [find["lsid"] for find in finds] == [asked] * len(finds)
