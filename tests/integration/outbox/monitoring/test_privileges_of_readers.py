"""The table of docs/security.md: the role of a relay does for the other durable readers, with what it says besides."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from outbox.archive import Archive
from outbox.archive.archiving import archive_log
from tests.actors.database_users import grant
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.integration.outbox.monitoring.test_privileges import database, root
from tests.servers.secured_mongo import SecuredMongo
from tests.waiting import wait_until

__all__ = ["database", "root"]
Document = dict[str, Any]


@pytest.fixture
def user(
    secured: SecuredMongo, root: MongoClient[Document], database: Database[Document]
) -> Iterator[Database[Document]]:
    new_outbox(database).put([placed(total) for total in range(3)], standalone=True)
    grant(root, database, "user", "outboxRelay")
    besides = {"outbox.states": ["find", "insert", "update", "remove"], "bills": ["insert"]}
    privileges = [
        {"resource": {"db": database.name, "collection": collection}, "actions": actions}
        for collection, actions in besides.items()
    ]
    database.command("createRole", "besides", privileges=privileges, roles=[])
    database.command("grantRolesToUser", "user", roles=["besides"])
    with MongoClient[Document](secured.uri("user", "user", source=database.name)) as client:
        yield client[database.name]


def test_a_relay_s_role_does_for_a_consumer(user: Database[Document]) -> None:
    with Outbox(user, messages=MESSAGES) as orders:
        billing, booking = orders.consumer("billing"), orders.consumer("booking")
        seen: list[int] = []

        def handle(record: Any) -> None:
            seen.append(record.seq)
            if record.seq == 3:
                billing.stop()

        def book(record: Any, session: Any) -> None:
            user.bills.insert_one({"_id": record.seq}, session=session)
            if record.seq == 3:
                booking.stop()

        billing.run(handle)
        booking.run_in_transaction(book)
        assert seen == [1, 2, 3]
        assert (billing.position(), booking.position()) == (3, 3)


def test_with_its_states_it_does_for_a_projection(user: Database[Document]) -> None:
    with Outbox(user, messages=MESSAGES) as orders:
        count = orders.projection("count", initial=dict, apply=lambda state, _: {"n": state.get("n", 0) + 1})
        thread = threading.Thread(target=count.run)
        thread.start()
        wait_until(lambda: count.state() == {"n": 3} or not thread.is_alive(), 20, "the state")
        count.stop()
        thread.join()
        assert count.state() == {"n": 3}


def test_it_does_for_an_archive(user: Database[Document], tmp_path: Path) -> None:
    with Outbox(user) as orders:
        archive_log(orders, Archive(str(tmp_path)), stop=threading.Event(), once=True)
    assert Archive(str(tmp_path)).head == 3
