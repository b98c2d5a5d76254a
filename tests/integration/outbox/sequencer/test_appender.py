"""The appender writes to the log what it was given, in order, as long as the log is as it left it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bson
import pytest
from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from outbox import LeaseLost, Outbox, OutboxNotCreated
from outbox.log.batch import Batch
from outbox.log.log import validator
from outbox.mongo.lease import Lease
from outbox.sequencer.appender import Appender, AppendListener, TakeoverRequired
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.sequencer import Sequencer
from outbox.staging.document import Staged
from outbox.testing import FakeClock
from tests.actors.order_service import Document, new_outbox, placed
from tests.actors.small_log import register, small_outbox
from tests.doubles.batches import nested
from tests.doubles.executors import Now

NOW = int(time.time())


class Told(AppendListener):
    """Keeps what a listener is told."""

    def __init__(self) -> None:
        self.words: list[tuple[Any, ...]] = []
        self.taken: list[bytes] = []
        self.times: list[Timestamp | None] = []

    def began(self, fence: int, next_seq: int) -> None:
        self.words.append(("began", fence, next_seq))

    def appended(self, batches: Sequence[Batch], session: ClientSession) -> None:
        self.words.append(("appended", [(each.first, each.last) for each in batches]))

    def ended(self) -> None:
        self.words.append(("ended",))

    def took(self, ids: Iterable[bytes], time: Timestamp | None) -> None:
        self.taken += ids
        self.times.append(time)


class Desk:
    """An appender that has the lease, and whom it tells."""

    def __init__(self, outbox: Outbox) -> None:
        home = outbox.collections
        self.clock, self.told = FakeClock(), Told()
        self.lease = Lease(home.leases, "sequencer", clock=self.clock)
        assert self.lease.acquire()
        self.clearing = StagingCleanup(home.staging, Now())
        self.appender = Appender(home, self.lease, self.clearing, Now(), self.told, self.told.took)
        self.appender.measure()
        self.begin(outbox)

    def begin(self, outbox: Outbox) -> None:
        """As a takeover does."""
        head = outbox.log.head()
        self.appender.begin(outbox.log.batch_at(head), head + 1)


@pytest.fixture
def desk(orders: Outbox) -> Iterator[Desk]:
    desk = Desk(orders)
    yield desk
    desk.lease.release()


def staged(data: Document | None = None, created: int = NOW * 1000) -> Staged:
    fields = {"type": "order.placed", "key": "42", "headers": {}, "data": data}
    return Staged(ObjectId().binary, NOW, created, bson.encode(fields)[4:])


def ids(orders: Outbox) -> list[bytes]:
    return [record.id_bytes for record in orders.read()]


def test_what_it_is_given_is_in_the_log_in_that_order_numbered_on(orders: Outbox, desk: Desk) -> None:
    messages = [staged() for _ in range(700)]

    assert desk.appender.append(messages[:300], NOW) == (0, None)
    assert desk.appender.append(messages[300:], NOW) == (0, None)
    assert [record.seq for record in orders.read()] == list(range(1, 701))
    assert ids(orders) == [each.id for each in messages]
    assert desk.appender.next == 701


def test_nothing_to_append_is_no_append(orders: Outbox, desk: Desk) -> None:
    assert desk.appender.append([], NOW) == (0, None)
    assert orders.log.head() == 0
    assert desk.told.words == [("began", desk.lease.fence, 1)]


def test_the_readers_of_the_process_hear_when_it_begins_what_it_appends_and_when_it_ends(desk: Desk) -> None:
    desk.appender.append([staged() for _ in range(501)], NOW)
    desk.appender.end()

    assert desk.told.words == [("began", desk.lease.fence, 1), ("appended", [(1, 500), (501, 501)]), ("ended",)]


def test_it_says_what_it_took_and_when_by_the_server_s_time(desk: Desk) -> None:
    messages = [staged() for _ in range(3)]
    desk.appender.append(messages, NOW)

    assert desk.told.taken == [each.id for each in messages]
    assert [type(each) for each in desk.told.times] == [Timestamp]


def test_what_it_has_appended_leaves_staging(orders: Outbox, desk: Desk) -> None:
    messages = [staged() for _ in range(3)]
    orders.put([placed(n) for n in range(2)], standalone=True)
    messages += [Staged(each["_id"].binary, NOW, 0, staged().rest) for each in orders.collections.staging.find()]
    desk.appender.append(messages, NOW)
    desk.clearing.flush()

    assert orders.collections.staging.count_documents({}) == 0


def test_a_date_is_never_before_that_of_the_newest_record_also_after_it_began_anew(orders: Outbox, desk: Desk) -> None:
    desk.appender.append([staged(created=NOW * 1000)], NOW)
    desk.begin(orders)
    desk.appender.append([staged(created=NOW * 1000 - 60_000)], NOW)

    first, second = (record.created_ms for record in orders.read())
    assert first == second == NOW * 1000


def test_a_log_that_was_never_made_has_no_cap(database: Database[Document]) -> None:
    outbox = Outbox(database)
    lease = Lease(outbox.collections.leases, "sequencer")
    clearing, told = StagingCleanup(outbox.collections.staging, Now()), Told()

    with pytest.raises(OutboxNotCreated, match="create"):
        Appender(outbox.collections, lease, clearing, Now(), told, told.took).measure()


# What is held back


def test_it_appends_what_costs_a_durable_reader_nothing_and_says_who_holds_the_rest(
    database: Database[Document],
) -> None:
    outbox = small_outbox(database)
    register(outbox, "relay:kafka", 0)
    desk = Desk(outbox)
    messages = [staged({"note": "x" * 2000}) for _ in range(20)]

    left, hold = desk.appender.append(messages, NOW)
    assert hold is not None
    assert (hold.reader, hold.seq) == ("relay:kafka", 1)
    assert ids(outbox) == [each.id for each in messages[: 20 - left]]
    assert outbox.log.earliest() == 1
    assert 0 < left < 20
    assert desk.appender.still_held() == hold

    register(outbox, "relay:kafka", outbox.log.head())
    assert desk.appender.still_held() is None
    assert desk.appender.append(messages[20 - left :][:1], NOW) == (0, None)
    desk.lease.release()


# What is refused


def test_a_log_with_a_newer_fence_takes_nothing_of_it(orders: Outbox, desk: Desk) -> None:
    orders.collections.database.command("collMod", "outbox", validator=validator(desk.lease.fence + 1))

    with pytest.raises(LeaseLost, match="a newer sequencer has fenced the log"):
        desk.appender.append([staged()], NOW)
    assert orders.log.head() == 0
    assert desk.told.taken == []


def test_a_number_that_the_log_has_already_asks_for_a_takeover(orders: Outbox, desk: Desk) -> None:
    desk.appender.append([staged()], NOW)
    desk.appender.begin(None, 1)
    other = staged()

    with pytest.raises(TakeoverRequired, match="another sequencer appended the same number"):
        desk.appender.append([other], NOW)
    assert other.id not in ids(orders)
    assert other.id not in desk.told.taken


def test_nothing_is_sent_once_the_lease_may_be_another_s(orders: Outbox, desk: Desk) -> None:
    desk.clock.advance(desk.lease.seconds)

    with pytest.raises(LeaseLost):
        desk.appender.append([staged()], NOW)
    assert orders.log.head() == 0


def test_of_several_messages_each_is_tried_alone_and_only_the_one_that_the_log_refuses_is_dead_lettered(
    orders: Outbox, desk: Desk
) -> None:
    good = [staged(), staged()]
    bad = staged(nested(179))  # the log's envelope is two levels more

    with pytest.raises(TakeoverRequired, match="refuses one of 3 messages .*; each is tried alone"):
        desk.appender.append([good[0], bad, good[1]], NOW)
    assert ids(orders) == []
    desk.begin(orders)
    with pytest.raises(TakeoverRequired, match=f"refuses message {ObjectId(bad.id)}; it is dead-lettered now"):
        desk.appender.append([good[0], bad, good[1]], NOW)
    desk.begin(orders)
    desk.appender.append([good[1]], NOW)

    assert ids(orders) == [each.id for each in good]
    assert [each["_id"].binary for each in orders.collections.dead.find()] == [bad.id]


def test_a_sweep_appends_no_more_than_a_quarter_of_the_cap_at_once_but_at_least_one(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is needed to recover from a death would have rolled away before it was deleted from staging."""
    insert_many, at_once = Collection.insert_many, []

    def insert(self: Collection[Any], documents: list[RawBSONDocument], **options: Any) -> Any:
        at_once.append(sum(each["last"] - each["_id"] + 1 for each in documents))
        return insert_many(self, documents, **options)

    with new_outbox(database, capacity="8 MiB") as orders:
        orders.put([placed(n, note="x" * 900_000) for n in range(5)], standalone=True)
        worker = Sequencer(orders.collections)
        worker.take_over()
        monkeypatch.setattr(Collection, "insert_many", insert)

        assert worker.sweep().messages == 5
        assert at_once == [2, 2, 1]
