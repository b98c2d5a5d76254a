"""An outbox of a process: what it gives back, what it refuses at once, and that its end ends all that it began."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from outbox import HistoryLost, InvalidStart, Outbox, OutboxClosed, OutboxNotCreated
from tests.actors.order_service import MESSAGES, Document, OrderCancelled, OrderPlaced, new_outbox, placed, totals
from tests.actors.projecting import add
from tests.actors.subscriber import roll, subscribed, threads
from tests.waiting import wait_until

USES: dict[str, Callable[[Outbox], object]] = {
    "create": Outbox.create,
    "put": lambda orders: orders.put(placed(1), standalone=True),
    "observe": Outbox.observe,
    "read": Outbox.read,
    "reader": Outbox.reader,
    "running": Outbox.running,
    "sequence": Outbox.sequence,
    "status": Outbox.status,
    "types": Outbox.types,
    "drop": Outbox.drop,
}


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


# ---- putting and reading


def test_one_message_has_one_id_and_a_sequence_has_as_many_in_its_order(orders: Outbox) -> None:
    one = orders.put(placed(1), standalone=True)
    many = orders.put([placed(2), placed(3)], standalone=True)
    orders.sequence()

    assert isinstance(one, ObjectId)
    assert [record.id for record in orders.read()] == [one, *many]


def test_a_sequence_of_one_has_a_list_of_one_id(orders: Outbox) -> None:
    [id] = orders.put((placed(1),), standalone=True)

    assert isinstance(id, ObjectId)


def test_a_reader_begins_where_it_is_told_and_decodes_as_the_outbox_does(orders: Outbox) -> None:
    orders.put([placed(1), placed(2), placed(3)], standalone=True)
    orders.sequence()

    with closing(orders.reader(2)) as reader:
        assert [record.message for record in reader.read()] == [placed(2), placed(3)]
    with closing(orders.reader()) as reader:
        assert totals(reader.read()) == [1, 2, 3]
    with closing(orders.reader("latest")) as reader:
        assert reader.read() == []


@pytest.mark.parametrize("start", [0, True, "beginning", 2])
def test_a_reader_of_no_position_is_refused(orders: Outbox, start: Any) -> None:
    with pytest.raises(InvalidStart):
        orders.reader(start)


def test_a_reader_of_what_was_rolled_over_is_refused(orders: Outbox) -> None:
    roll(orders)

    with pytest.raises(HistoryLost):
        orders.reader(1)


def test_the_types_are_those_of_all_services(orders: Outbox, database: Database[Document]) -> None:
    assert sorted(Outbox(database).types()) == sorted(orders.types())
    assert set(orders.types()) == {"order.placed", "order.cancelled", "stock.counted", "tree.grown"}


def test_the_schemas_of_the_message_classes_are_told_without_a_server() -> None:
    with MongoClient[Document]("127.0.0.1", 1, connect=False) as nowhere:
        schemas = Outbox(nowhere["shop"], messages=[OrderPlaced, OrderCancelled]).json_schemas()

    assert list(schemas) == ["order.placed", "order.cancelled"]
    assert schemas["order.placed"]["required"] == ["order_id"]


def test_an_outbox_has_the_name_it_was_given(database: Database[Document]) -> None:
    assert (Outbox(database).name, Outbox(database, "billing").name) == ("outbox", "billing")


@pytest.mark.parametrize("use", ["put", "reader", "sequence", "status"])
def test_one_that_was_never_created_says_so(database: Database[Document], use: str) -> None:
    with pytest.raises(OutboxNotCreated, match="create"):
        USES[use](Outbox(database, messages=MESSAGES))


# ---- dropping


def test_dropping_completes_the_subscribers_and_removes_every_message(
    orders: Outbox, database: Database[Document]
) -> None:
    orders.put([placed(1), placed(2)], standalone=True)
    subscriber = subscribed(orders, "earliest")
    orders.drop()

    assert (subscriber.completions, subscriber.errors) == (1, [])
    assert set(database.list_collection_names()) <= {"outbox.leases"}
    assert threads() == []


def test_a_dropped_outbox_can_be_created_and_used_again(orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)
    orders.drop()
    orders.create()
    orders.put(placed(2), standalone=True)
    orders.sequence()

    assert [(record.seq, *totals([record])) for record in orders.read()] == [(1, 2)]


# ---- the end


@pytest.mark.parametrize("use", USES)
def test_a_closed_one_refuses_every_use_at_once(orders: Outbox, use: str) -> None:
    orders.close()
    orders.close()

    with pytest.raises(OutboxClosed, match="closed; make a new one"):
        USES[use](orders)


def test_the_end_of_the_with_closes_it_also_after_an_error(database: Database[Document]) -> None:
    with pytest.raises(KeyError), new_outbox(database) as orders:
        raise KeyError

    with pytest.raises(OutboxClosed):
        orders.read()


def test_closing_ends_its_threads_and_leaves_the_client_open(
    database: Database[Document], mongo: MongoClient[Document]
) -> None:
    orders = new_outbox(database)
    subscriber = subscribed(orders, "earliest")
    orders.put(placed(1), standalone=True)
    subscriber.sees(1)
    orders.close()

    wait_until(lambda: threads() == [], 30, "its threads to end")
    assert mongo.admin.command("ping")["ok"]


def test_closing_one_leaves_another_of_the_same_database_alone(orders: Outbox, database: Database[Document]) -> None:
    Outbox(database, messages=MESSAGES).close()
    orders.put(placed(1), standalone=True)

    assert orders.sequence() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore")  # pymongo and Python both warn of what is done here on purpose
def test_a_forked_process_must_make_its_own(orders: Outbox) -> None:
    """Goes red, too, when what runs in the parent is taken for what runs here."""
    answers: Any = multiprocessing.get_context("fork").SimpleQueue()
    billing, spent = orders.consumer("billing"), orders.projection("spent", apply=add)

    def child() -> None:
        for use in (
            lambda: billing.run(print),
            lambda: billing.run_in_transaction(lambda record, session: None),
            spent.run,
            spent.rebuild,
            lambda: orders.put(placed(1), standalone=True),
            orders.sequence,
            orders.read,
            orders.observe,
            orders.status,
        ):
            try:
                use()
            except OutboxClosed as error:
                answers.put("fork" in str(error))
        orders.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    with billing._runs.begin(None), spent._runs.begin(None):
        process.start()
        process.join(30)

    assert process.exitcode == 0
    assert [answers.get() for _ in range(9)] == [True] * 9
