"""Ending the session of a holder that was killed, and of nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Int64
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox.log.cursors import CursorStore
from outbox.mongo.collections import Collections
from outbox.mongo.holder_session import HolderSession, end_sessions
from tests.actors.order_service import new_outbox, placed
from tests.actors.running import put

pytestmark = pytest.mark.oldest_server

READER = "consumer:billing"


@pytest.fixture
def cursors(database: Database[dict[str, Any]]) -> Collection[dict[str, Any]]:
    cursors = Collections(database, "outbox").cursors
    cursors.insert_one({"_id": READER, "fence": Int64(1), "seq": Int64(0)})
    return cursors


def opened(cursors: Collection[dict[str, Any]], fence: int = 1) -> HolderSession:
    """A holder in the middle of a transaction that has written the cursor."""
    holder = HolderSession(cursors, READER)
    session = holder.begun(fence)
    session.start_transaction()
    cursors.update_one({"_id": READER}, {"$set": {"seq": 9}}, session=session)
    return holder


def test_the_transaction_of_the_holder_before_is_ended(cursors: Collection[dict[str, Any]]) -> None:
    killed = opened(cursors)

    end_sessions(cursors, {READER: 2})

    cursors.update_one({"_id": READER}, {"$set": {"seq": 5}})
    with pytest.raises(PyMongoError):
        killed.begun(1).commit_transaction()
    assert cursors.distinct("seq") == [5]


def test_a_claim_is_not_held_up_by_it(cursors: Collection[dict[str, Any]]) -> None:
    killed = opened(cursors)
    store = CursorStore(cursors, READER, name="billing", group=READER)

    store.claim(2)

    assert cursors.distinct("fence") == [2]
    with pytest.raises(PyMongoError):
        killed.begun(1).commit_transaction()


def test_nor_is_whoever_removes_the_cursor(database: Database[dict[str, Any]]) -> None:
    orders = new_outbox(database)
    put(orders, placed(1))
    cursors = orders.collections.cursors
    cursors.insert_one({"_id": READER, "fence": Int64(0), "seq": Int64(0), "created": None, "id": None})
    opened(cursors, 0)

    assert orders.consumer("billing").forget()


@pytest.mark.parametrize("claimed", [{READER: 1}, {READER: 0}, {"consumer:b": 2}], ids=str)
def test_a_holder_s_own_is_not_ended_nor_a_later_one_s_nor_another_reader_s(
    cursors: Collection[dict[str, Any]], claimed: dict[str, int]
) -> None:
    holder = opened(cursors)

    end_sessions(cursors, claimed)

    holder.begun(1).commit_transaction()
    assert cursors.distinct("seq") == [9]


@pytest.mark.parametrize("noted", [None, "text", 5, {}, {"fence": 1}, {"fence": 1, "id": "text"}])
def test_what_is_no_session_is_left(cursors: Collection[dict[str, Any]], noted: object) -> None:
    cursors.update_one({"_id": READER}, {"$set": {"session": noted}})

    end_sessions(cursors, {READER: 2})


def test_a_holder_whose_time_is_over_notes_nothing(cursors: Collection[dict[str, Any]]) -> None:
    cursors.update_one({"_id": READER}, {"$set": {"fence": Int64(2)}})

    HolderSession(cursors, READER).begun(1)

    assert cursors.distinct("session") == []


def test_the_session_lasts_until_the_holder_ends(cursors: Collection[dict[str, Any]]) -> None:
    holder = HolderSession(cursors, READER)

    session = holder.begun(1)

    assert holder.begun(1) is session
    assert not session.has_ended
    holder.end()
    holder.end()
    assert session.has_ended
    assert cursors.distinct("session") == []


def test_a_session_that_a_handler_has_ended_is_replaced(cursors: Collection[dict[str, Any]]) -> None:
    holder = HolderSession(cursors, READER)
    holder.begun(1).end_session()

    session = holder.begun(1)

    assert not session.has_ended
    noted = cursors.find_one({}, {"session": 1})
    assert noted is not None
    assert noted["session"] == {"id": session.session_id["id"].as_uuid(), "fence": 1}


def test_ending_takes_back_its_own_note_alone(cursors: Collection[dict[str, Any]]) -> None:
    early, late = HolderSession(cursors, READER), HolderSession(cursors, READER)
    early.begun(1)
    cursors.update_one({"_id": READER}, {"$set": {"fence": Int64(2)}})
    late.begun(2)

    early.end()

    assert len(cursors.distinct("session")) == 1
