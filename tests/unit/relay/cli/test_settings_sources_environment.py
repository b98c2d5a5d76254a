"""The variables RELAY_…, as people and platforms set them."""

from __future__ import annotations

import pytest

from relay.cli.settings import _Given, load
from relay.errors import InvalidSettings

pytestmark = pytest.mark.usefixtures("no_environment")

VALUES = {
    "MONGO": "mongodb://h", "DATABASE": "shop", "OUTBOX": "orders", "KAFKA": "k:9092", "TOPIC": "t", "NAME": "n",
    "START": "latest", "CREATE_TOPIC": "partitions=3,replication=2", "SET": "linger.ms=5", "ONCE": "true",
    "ON_POISON": "park-key", "EXACTLY_ONCE": "true", "SHARES": "4", "SEQUENCE": "false", "LOG_LEVEL": "warning",
    "LEASE": "5", "LISTEN": "127.0.0.1:9464", "LOG_FORMAT": "json",
    "ENCODING": "bson", "KEY_FROM": "type", "HEADER_MAP": "id=message-id,seq=", "HEADER_PREFIX": "x-",
    "TIMESTAMP": "created", "PROFILE": "debezium", "SCHEMA_REGISTRY": "http://h",
    "SUBJECT": "{topic}-value", "PARTITION_KEY": "header.tenant", "PAGE_TOKEN": "0123456789abcdef",
}  # fmt: skip


def test_every_setting_has_a_variable_here() -> None:
    assert {name.lower() for name in VALUES} | {"config"} == set(_Given.model_fields)


@pytest.mark.parametrize("nothing", ["", " ", "\n", "\t\r\n"])
@pytest.mark.parametrize("name", [*VALUES, "CONFIG"])
def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str, nothing: str) -> None:
    basics = {"mongo": "mongodb://h", "database": "shop"}
    monkeypatch.setenv(f"RELAY_{name}", nothing)

    assert load(basics) == load(basics)
    assert load(basics).outboxes[0].name == "kafka"


@pytest.mark.parametrize(("before", "after"), [("", "\n"), (" ", " "), ("", "\r\n"), ("\t", "")])
def test_blanks_and_line_ends_around_a_value_do_not_count(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    for name, value in VALUES.items():
        monkeypatch.setenv(f"RELAY_{name}", value)
    expected = load({})
    for name, value in VALUES.items():
        monkeypatch.setenv(f"RELAY_{name}", f"{before}{value}{after}")

    assert load({}) == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [("DATABSE", "; did you mean RELAY_DATABASE?"), ("ON-POISON", "; did you mean RELAY_ON_POISON?"), ("ZZZ", "")],
)
def test_a_variable_that_is_no_setting_is_refused_with_what_may_be_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(f"RELAY_{name}", "sekret")

    with pytest.raises(InvalidSettings) as refused:
        load({"mongo": "mongodb://h", "database": "shop"})

    assert str(refused.value) == f"RELAY_{name}: no such setting{meant}"


@pytest.mark.parametrize(
    "name",
    [
        "RELAY_SERVICE_HOST", "RELAY_SERVICE_PORT", "RELAY_SERVICE_PORT_HTTP", "RELAY_PORT", "RELAY_PORT_80_TCP",
        "RELAY_PORT_80_TCP_ADDR", "RELAY_KAFKA_PORT_9092_TCP_PROTO", "RELAY_MONGO_SERVICE_HOST",
    ],
)  # fmt: skip
def test_what_kubernetes_gives_beside_a_service_of_that_name_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:80")

    assert load({"mongo": "mongodb://h", "database": "shop"}).outboxes[0].outbox == "outbox"


@pytest.mark.parametrize(("text", "level"), [("WARNING", "warning"), ("Debug", "debug")])
def test_a_log_level_has_no_case(monkeypatch: pytest.MonkeyPatch, text: str, level: str) -> None:
    monkeypatch.setenv("RELAY_LOG_LEVEL", text)

    assert load({"mongo": "mongodb://h", "database": "shop"}).log_level == level


def test_a_log_level_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="--log-level: give debug, info, warning or error"):
        load({"mongo": "mongodb://h", "database": "shop", "log_level": "loud"})
