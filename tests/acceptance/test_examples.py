"""The examples' folders; tests/acceptance/test_commands.py runs each as its README says."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from tests.acceptance.example import EXAMPLES, run_example, uri_of


def test_the_order_service_puts_a_message_for_each_order_and_none_for_a_refused_one(
    mongo_uri: str, database: Database[Any]
) -> None:
    run_example("orders_pymongo", ["service.py", "5"], MONGO_URI=uri_of(mongo_uri, database))
    orders = [order["_id"] for order in database.orders.find(sort=[("_id", 1)])]
    told = [staged["key"] for staged in database["outbox.staging"].find(sort=[("at", 1)])]
    assert told == orders == ["1", "2", "3", "4"]


def test_every_example_has_a_readme_and_its_expected_output() -> None:
    for folder in [each for each in EXAMPLES.iterdir() if each.is_dir() and not each.name.startswith((".", "_"))]:
        assert (folder / "README.md").exists(), folder
        assert (folder / "expected.txt").exists(), folder
