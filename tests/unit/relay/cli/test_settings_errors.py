"""What is said of settings that cannot be used: where a value came from, and never the value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.cli.settings import load
from relay.errors import InvalidSettings
from tests.actors.settings_file import BASICS, from_file

pytestmark = pytest.mark.usefixtures("no_environment")


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(InvalidSettings) as refused:
        load({})

    assert str(refused.value).splitlines() == [
        "--mongo is missing; or give RELAY_MONGO, or `mongo` in the file",
        "--database is missing; or give RELAY_DATABASE, or `database` in the file",
    ]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"start": "yesterday"}, "--start: give beginning"),
        ({"create_topic": "partitions=3"}, "--create-topic: replication is missing: write partitions=3,replication=1"),
        ({"create_topic": "partitions=0,replication=1"}, "--create-topic: partitions cannot be that (give 1 or more)"),
        ({"create_topic": "partitions=x,replication=1"}, "partitions cannot be that (give a whole number)"),
        ({"create_topic": "partitions=3,replication=1,tea=1"}, "--create-topic: there is no tea: write"),
        ({"create_topic": "3"}, "--create-topic: number 1 is not KEY=VALUE"),
        ({"name": "a b"}, "--name: give 1 to 64 letters, digits, '.', '_' or '-'"),
        ({"on_poison": "shrug"}, "--on-poison: give stop, dead-letter or park-key"),
        ({"database": ""}, "--database: it is empty"),
        ({"listen": "9464"}, "--listen: give an address and a port, such as 127.0.0.1:9464"),
        ({"listen": "localhost:99999"}, "--listen: give an address and a port"),
        ({"encoding": "xml"}, "--encoding: give json, extended-json, bson, cloudevents"),
        ({"header_map": "id"}, "--header-map: number 1 is not KEY=VALUE"),
        ({"timestamp": "now"}, "--timestamp: give produced or created"),
        ({"profile": "eventuate"}, "--profile: give debezium"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_flag(flags: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSettings, match=re.escape(says)):
        load({**BASICS, **flags})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ONCE", "maybe", "RELAY_ONCE: give true or false"),
        ("NAME", "a b", "RELAY_NAME: give 1 to 64"),
        ("CREATE_TOPIC", "partitions=3", "RELAY_CREATE_TOPIC: replication is missing"),
    ],
)
def test_a_value_of_the_environment_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"RELAY_{name}", value)

    with pytest.raises(InvalidSettings, match=f"^{says}"):
        load(BASICS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mango = 1", "mango in {}: no such setting"),
        ("[[outbox]]\nmango = 1", "mango in {}, [[outbox]] 1: no such setting"),
        ("topic = 5", "topic in {}: give text, in quotes"),
        ("listen = 9464", "listen in {}: give an address and a port"),
        ('page_token = "short"', "page_token in {}: give 16 or more letters"),
        ("[[outbox]]\n[[outbox]]\nname = 'a b'", "name in {}, [[outbox]] 2: give 1 to 64 letters"),
        ("create_topic = 3", "create_topic in {}: write partitions=3,replication=1"),
        ("[create_topic]\npartitions = 3", "create_topic in {}: replication is missing"),
    ],
)
def test_a_value_of_the_file_is_refused_by_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        from_file(tmp_path, text, **BASICS)

    assert str(refused.value).startswith(says.format(tmp_path / "relay.toml"))


def test_the_mistakes_of_all_tables_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings) as refused:
        from_file(tmp_path, '[[outbox]]\nmongo = "m"\n[[outbox]]\ndatabase = "d"')

    assert str(refused.value).splitlines() == [
        "[[outbox]] 1: --database is missing; or give RELAY_DATABASE, or `database` in the file",
        "[[outbox]] 2: --mongo is missing; or give RELAY_MONGO, or `mongo` in the file",
    ]
