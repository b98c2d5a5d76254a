"""A put joins the transaction of django_mongodb_backend, and nothing that only looks like one."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction as djangos
from django_mongodb_backend import transaction
from pymongo.database import Database

from outbox import TransactionRequired
from outbox.contrib.django import DjangoOutbox
from outbox.contrib.django.backend_internals import session_of
from tests.actors.django_shop import orders
from tests.actors.order_service import MESSAGES, placed


@pytest.fixture(autouse=True)
def created(connection: Any) -> None:
    orders.outbox.create()


def put() -> list[int]:
    orders.outbox.sequence()
    return [record.message.total for record in orders.outbox.read()]


def test_a_message_is_committed_with_what_the_atomic_block_has_written(connection: Any) -> None:
    with transaction.atomic():
        connection.database.orders.insert_one({"_id": 1}, session=connection.session)
        orders.put(placed(1))
        with transaction.atomic():
            orders.put([placed(2), placed(3)])
        assert connection.database.orders.count_documents({}) == 0
    assert put() == [1, 2, 3]
    assert connection.database.orders.count_documents({}) == 1


def test_an_atomic_block_that_raises_leaves_no_message() -> None:
    @transaction.atomic
    def refuse() -> None:
        orders.put(placed(1))
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        refuse()
    assert put() == []


def test_inside_django_s_own_atomic_it_is_refused_and_told_what_to_use() -> None:
    with djangos.atomic(), pytest.raises(TransactionRequired, match="no transaction on MongoDB"):
        orders.put(placed(1))
    with transaction.atomic(), djangos.atomic():  # Django has it inside many of its functions
        orders.put(placed(2))
    assert put() == [2]


def test_outside_any_it_is_refused_unless_it_is_standalone() -> None:
    with pytest.raises(TransactionRequired, match="django_mongodb_backend.transaction.atomic"):
        orders.put(placed(1))
    orders.put(placed(2), standalone=True)
    with transaction.atomic(), pytest.raises(TransactionRequired, match="leave standalone out"):
        orders.put(placed(3), standalone=True)
    assert put() == [2]


def test_it_follows_the_test_runner_into_another_database(connection: Any, database: Database[Any]) -> None:
    was = orders.outbox
    assert orders.outbox is was
    connection.settings_dict["NAME"] = f"{database.name}_other"

    assert orders.outbox is not was
    assert orders.outbox.collections.database.name == f"{database.name}_other"


def test_a_client_that_was_closed_is_not_used_again(connection: Any) -> None:
    connection.close_pool()
    connection.ensure_connection()
    with transaction.atomic():
        orders.put(placed(1))
    assert put() == [1]


def test_it_may_be_made_before_a_fork(connection: Any, database: Database[Any]) -> None:
    connection.close_pool()
    child = os.fork()
    if child == 0:
        try:
            with transaction.atomic():
                orders.put(placed(2))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    orders.put(placed(1), standalone=True)
    assert put() == [2, 1]


def test_another_database_is_refused_and_a_backend_that_does_not_tell_of_its_transaction() -> None:
    with pytest.raises(ImproperlyConfigured, match="name one of django_mongodb_backend by using="):
        DjangoOutbox(using="other", messages=MESSAGES).put(placed(1))
    with pytest.raises(TransactionRequired, match="in_atomic_block_mongo"):
        session_of(object())
