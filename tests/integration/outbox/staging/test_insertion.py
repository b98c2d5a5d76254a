"""A put never brings a plain staging into being, and create() takes one over that an older version left."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from outbox import IncompatibleOutbox, InvalidMessage, Outbox, OutboxNotCreated
from outbox.staging import insertion as insertion_module
from tests.actors.order_service import MESSAGES, foreign, new_outbox, placed, totals, warnings_of

Document = dict[str, Any]


@pytest.fixture(params=["6.0 and later", "5.0"])
def orders(database: Database[Document], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """An outbox that has put already, with each way to notice that staging is gone."""
    if request.param == "5.0":
        monkeypatch.setattr(insertion_module, "_COMPARES_UUIDS", 1000)
    orders = new_outbox(database, sequence=False)
    orders.put(placed(0), standalone=True)
    return orders


@pytest.fixture
def operator(mongo_uri: str, orders: Outbox) -> Any:
    """Another process, which drops and creates."""
    with MongoClient[Document](mongo_uri) as client:
        yield client[orders.collections.database.name]


def _put(orders: Outbox, way: str, *numbers: int) -> None:
    messages = [placed(number) for number in numbers]
    if way == "standalone":
        orders.put(messages if len(messages) > 1 else messages[0], standalone=True)
        return
    with orders.collections.client.start_session() as session, session.start_transaction():
        orders.put(messages if len(messages) > 1 else messages[0], session=session)


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
@pytest.mark.parametrize("way", ["standalone", "in a transaction"])
def test_a_put_into_a_dropped_outbox_is_refused_and_makes_no_collection(
    orders: Outbox, operator: Database[Document], way: str, numbers: tuple[int, ...]
) -> None:
    operator.client.drop_database(operator.name)

    for _ in range(2):
        with pytest.raises(OutboxNotCreated, match=r"create\(\)"):
            _put(orders, way, *numbers)
        assert operator.list_collection_names() == []


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
@pytest.mark.parametrize("way", ["standalone", "in a transaction"])
def test_putting_goes_on_once_another_process_has_made_it_anew(
    orders: Outbox, operator: Database[Document], way: str, numbers: tuple[int, ...]
) -> None:
    operator.client.drop_database(operator.name)
    with pytest.raises(OutboxNotCreated):
        _put(orders, way, *numbers)
    with new_outbox(operator, sequence=False) as anew:
        _put(orders, way, *numbers)
        anew.sequence()

        assert totals(anew.read()) == list(numbers)


@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
def test_a_standalone_put_finds_what_was_dropped_and_made_anew_by_itself(
    orders: Outbox, operator: Database[Document], numbers: tuple[int, ...]
) -> None:
    operator.client.drop_database(operator.name)
    with new_outbox(operator, sequence=False) as anew:
        _put(orders, "standalone", *numbers)
        anew.sequence()

        assert totals(anew.read()) == list(numbers)


def test_a_transaction_is_put_whole_or_refused_after_a_drop_and_a_create(
    orders: Outbox, operator: Database[Document]
) -> None:
    operator.client.drop_database(operator.name)
    with new_outbox(operator, sequence=False) as anew:
        done = 0
        for number in (1, 2):
            try:
                _put(orders, "in a transaction", number)
                done += 1
            except OutboxNotCreated:
                assert number == 1, "the second one knows the new collection"
        anew.sequence()

        assert len(totals(anew.read())) == done >= 1


def test_a_process_that_drops_and_creates_goes_on_at_once(orders: Outbox) -> None:
    orders.drop()
    orders.create()
    _put(orders, "in a transaction", 1)
    orders.sequence()

    assert totals(orders.read()) == [1]


def test_an_outbox_that_is_made_anew_without_a_type_refuses_it(orders: Outbox, operator: Database[Document]) -> None:
    operator.client.drop_database(operator.name)
    Outbox(operator, messages=MESSAGES[1:]).create()

    for way in ("in a transaction", "standalone"):
        with pytest.raises((OutboxNotCreated, InvalidMessage)):
            _put(orders, way, 1)
    assert operator["outbox.staging"].count_documents({}) == 0


def test_a_large_list_is_put_in_several_commands(orders: Outbox) -> None:
    numbers = range(1, 31)
    orders.put([placed(number, note="x" * 900_000) for number in numbers], standalone=True)
    orders.sequence()

    assert totals(orders.read()) == [0, *numbers]


def test_messages_in_a_plain_staging_are_adopted(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    """As an older version's put left them, or a dump that was restored without its options."""
    database["outbox.staging"].insert_many([foreign(1), foreign(2)])
    orders = new_outbox(database, sequence=False)
    orders.sequence()

    assert totals(orders.read()) == [1, 2]
    assert "had no validator" in warnings_of(caplog)[0]
    assert [*database["outbox.staging"].index_information()] == ["_id_", "at_1"]
    with pytest.raises(Exception, match="failed validation"):
        database["outbox.staging"].insert_one({"some": "document"})


def test_a_plain_staging_with_messages_of_other_classes_says_which(database: Database[Document]) -> None:
    database["outbox.staging"].insert_many([foreign(1), foreign(type="price.set", data={"price": 1})])

    with pytest.raises(IncompatibleOutbox, match=r"price\.set.*nobody vouches"):
        new_outbox(database)
    assert database["outbox.staging"].options() == {}
