"""Every example runs as its README says, and prints what its expected.txt holds."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.acceptance.example import EXAMPLES, expected, run_example, uri_of

MONGO_ONLY = {
    "orders_pymongo": ["service.py", "5"],
    "orders_mongoengine": ["main.py"],
    "subscriber_rxpy": ["main.py"],
}
WITH_KAFKA = {"embedded_relay": ["main.py"], "idempotent_consumer": ["main.py"]}
ELSEWHERE = {"node_put"}  # tests/acceptance/test_node_put.py


@pytest.mark.parametrize("name", MONGO_ONLY)
def test_an_example_with_mongodb_prints_what_it_should(name: str, mongo_uri: str, database: Database[Any]) -> None:
    printed = run_example(name, MONGO_ONLY[name], MONGO_URI=uri_of(mongo_uri, database))
    assert printed == expected(name)


@pytest.mark.parametrize("name", WITH_KAFKA)
def test_an_example_with_kafka_prints_what_it_should(
    name: str, mongo_uri: str, database: Database[Any], kafka: str
) -> None:
    printed = run_example(name, WITH_KAFKA[name], MONGO_URI=uri_of(mongo_uri, database), KAFKA=kafka)
    assert printed == expected(name)


def test_the_order_service_puts_a_message_for_each_order_and_none_for_a_refused_one(
    mongo_uri: str, database: Database[Any]
) -> None:
    run_example("orders_pymongo", ["service.py", "5"], MONGO_URI=uri_of(mongo_uri, database))
    orders = [order["_id"] for order in database.orders.find(sort=[("_id", 1)])]
    told = [staged["key"] for staged in database["outbox.staging"].find(sort=[("at", 1)])]
    assert told == orders == ["1", "2", "3", "4"]


def test_every_example_is_run_and_has_a_readme_and_its_expected_output() -> None:
    folders = {each.name for each in EXAMPLES.iterdir() if each.is_dir() and not each.name.startswith((".", "_"))}
    assert folders == {*MONGO_ONLY, *WITH_KAFKA, *ELSEWHERE}
    for folder in folders:
        assert (EXAMPLES / folder / "README.md").exists(), folder
        assert (EXAMPLES / folder / "expected.txt").exists(), folder
