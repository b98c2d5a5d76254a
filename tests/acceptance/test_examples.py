"""Every example runs as its README says, and prints what its expected.txt holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo.database import Database

import outbox

EXAMPLES = Path(__file__).parents[2] / "examples"
MONGO_ONLY = {
    "orders_pymongo": ["service.py", "5"],
    "orders_mongoengine": ["main.py"],
    "subscriber_rxpy": ["main.py"],
}
WITH_KAFKA = {"embedded_relay": ["main.py"], "idempotent_consumer": ["main.py"]}
ELSEWHERE = {"node_put"}  # tests/acceptance/test_node_put.py


def uri_of(mongo_uri: str, database: Database[Any]) -> str:
    """The server's address with the test's own database as the default one."""
    parts = urlsplit(mongo_uri)
    return urlunsplit(parts._replace(path="/" + database.name))


def run(name: str, arguments: list[str], **environment: str) -> str:
    """What the example printed. It imports the very packages that the tests do."""
    packages = str(Path(outbox.__file__).parents[1])
    example = subprocess.run(
        [sys.executable, str(EXAMPLES / name / arguments[0]), *arguments[1:]],
        env={**os.environ, "PYTHONPATH": packages, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert example.returncode == 0, example.stderr
    return example.stdout


def expected(name: str) -> str:
    return (EXAMPLES / name / "expected.txt").read_text()


@pytest.mark.parametrize("name", MONGO_ONLY)
def test_an_example_with_mongodb_prints_what_it_should(name: str, mongo_uri: str, database: Database[Any]) -> None:
    printed = run(name, MONGO_ONLY[name], MONGO_URI=uri_of(mongo_uri, database))
    assert printed == expected(name)


@pytest.mark.parametrize("name", WITH_KAFKA)
def test_an_example_with_kafka_prints_what_it_should(
    name: str, mongo_uri: str, database: Database[Any], kafka: str
) -> None:
    printed = run(name, WITH_KAFKA[name], MONGO_URI=uri_of(mongo_uri, database), KAFKA=kafka)
    assert printed == expected(name)


def test_the_order_service_puts_a_message_for_each_order_and_none_for_a_refused_one(
    mongo_uri: str, database: Database[Any]
) -> None:
    run("orders_pymongo", ["service.py", "5"], MONGO_URI=uri_of(mongo_uri, database))
    orders = [order["_id"] for order in database.orders.find(sort=[("_id", 1)])]
    told = [staged["key"] for staged in database["outbox.staging"].find(sort=[("at", 1)])]
    assert told == orders == ["1", "2", "3", "4"]


def test_every_example_is_run_and_has_a_readme_and_its_expected_output() -> None:
    folders = {each.name for each in EXAMPLES.iterdir() if each.is_dir() and not each.name.startswith((".", "_"))}
    assert folders == {*MONGO_ONLY, *WITH_KAFKA, *ELSEWHERE}
    for folder in folders:
        assert (EXAMPLES / folder / "README.md").exists(), folder
        assert (EXAMPLES / folder / "expected.txt").exists(), folder
