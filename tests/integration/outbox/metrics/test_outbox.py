"""What the database says, as metrics."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from outbox import Outbox
from outbox.metrics import OutboxCollector
from tests.actors.exposed import Exposed
from tests.actors.order_service import placed
from tests.actors.relay_thread import given_cursor, numbered
from tests.actors.small_log import put_large, register, small_outbox

Document = dict[str, Any]


def test_the_log_and_staging_are_as_in_status(orders: Outbox) -> None:
    numbered(orders, 2)
    orders.put(placed(3), standalone=True)

    exposed, status = Exposed(orders), orders.status()

    assert exposed.value("outbox_log_head_seq", orders) == exposed.value("outbox_sequenced_messages_total", orders) == 2
    assert exposed.value("outbox_log_oldest_seq", orders) == 1
    assert exposed.value("outbox_log_size_bytes", orders) == status.size
    assert exposed.value("outbox_log_capacity_bytes", orders) == status.capacity
    assert exposed.value("outbox_staging_messages", orders) == 1


def test_a_reader_that_lags_says_by_how_much_and_what_is_left(orders: Outbox) -> None:
    numbered(orders, 3)
    given_cursor(orders, 1)

    exposed, headroom = Exposed(orders), orders.status().cursors[0].headroom

    assert exposed.value("outbox_reader_lag_records", orders, reader="relay:kafka") == 2
    lag = exposed.value("outbox_reader_lag_seconds", orders, reader="relay:kafka")
    assert lag is not None
    assert 0 <= lag < 60
    assert headroom is not None
    assert exposed.value("outbox_reader_headroom_bytes", orders, reader="relay:kafka") == headroom.bytes
    assert exposed.value("outbox_lease_takeovers_total", orders, role="sequencer") == 1
    assert exposed.value("outbox_lease_held", orders, role="relay:kafka") == 0


def test_a_reader_whose_next_record_is_gone_has_no_headroom(database: Database[Document]) -> None:
    with small_outbox(database) as orders:
        put_large(orders, 12)
        register(orders, "relay:kafka", 0)
        exposed = Exposed(orders)

        assert exposed.value("outbox_log_oldest_seq", orders) != 1
        assert exposed.value("outbox_reader_headroom_bytes", orders, reader="relay:kafka") == 0
        assert exposed.value("outbox_reader_headroom_seconds", orders, reader="relay:kafka") == 0


def test_dead_letters_are_counted_by_reader_and_state(orders: Outbox) -> None:
    orders.collections.dead.insert_many(
        [{"_id": n, "reader": "relay:kafka", "state": state} for n, state in enumerate(["dead", "parked", "parked"])]
    )
    exposed = Exposed(orders)

    counts = [
        exposed.value("outbox_dead_letters", orders, reader=reader, state=state)
        for reader, state in [("relay:kafka", "dead"), ("relay:kafka", "parked"), ("sequencer", "dead")]
    ]

    assert counts == [1, 2, 0]


def test_a_lease_that_is_not_confirmed_any_more_does_not_show_as_held(orders: Outbox) -> None:
    lease, exposed = orders.collections.lease("sequencer"), Exposed(orders)
    assert lease.acquire()
    held = exposed.value("outbox_lease_held", orders, role="sequencer")
    assert lease._holding is not None
    lease._holding._sure_until = 0.0

    assert (held, exposed.value("outbox_lease_held", orders, role="sequencer")) == (1, 0)
    lease.release()


def test_a_reader_with_shares_has_their_roles_and_none_of_its_own(orders: Outbox) -> None:
    """Else nobody would ever hold it, and an alert would say so for ever."""
    orders.collections.tally.reader("relay:kafka")
    for share in ("relay:kafka/1", "relay:kafka/2"):
        register(orders, share, 0)

    roles = OutboxCollector(orders).numbers().values["outbox_lease_held"]

    assert sorted(role for _, role in roles) == ["relay:kafka/1", "relay:kafka/2", "sequencer"]
