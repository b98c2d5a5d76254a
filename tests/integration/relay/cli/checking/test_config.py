"""The commands `relay config show` and `relay config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relay.cli.checking.config import address, described
from relay.cli.settings import load
from tests.actors.relay_command import RelayCommand

PASSWORD = "hunter2"
FILE = f"""
mongo = "mongodb://me:{PASSWORD}@h1,h2:27018/?replicaSet=rs0&authMechanismProperties=AWS_SESSION_TOKEN:{PASSWORD}"
database = "shop"
listen = "127.0.0.1:9464"
page_token = "{PASSWORD}-of-the-page"
header_map = {{ a.b = "c" }}

[schema_registry]
url = "https://registry:8081"
basic.auth.user.info = "me:{PASSWORD}"

[kafka]
bootstrap.servers = "k:9092"
sasl.password = "{PASSWORD}"

[[outbox]]
outbox = "orders"

[[outbox]]
outbox = "payments"
"""


@pytest.fixture
def relay(tmp_path: Path) -> RelayCommand:
    return RelayCommand(tmp_path)


def written(folder: Path, text: str) -> str:
    file = folder / "relay.toml"
    file.write_text(text)
    return str(file)


def test_show_has_all_settings_and_no_secret(relay: RelayCommand, tmp_path: Path) -> None:
    file = written(tmp_path, FILE)

    text, as_json = relay("config", "show", "--config", file), relay("config", "show", "--config", file, "--json")

    assert text.returncode == as_json.returncode == 0
    assert PASSWORD not in text.stdout + as_json.stdout
    assert 'page_token = "***"' in text.stdout
    shown = json.loads(as_json.stdout)
    assert shown["kafka"] == {"bootstrap.servers": "k:9092", "sasl.password": "***"}
    assert [(each["outbox"], each["on_poison"]) for each in shown["outbox"]] == [
        ("orders", "stop"),
        ("payments", "stop"),
    ]
    assert shown["outbox"][0]["schema_registry"] == {
        "url": "https://registry:8081",
        "basic.auth.user.info": "***",
    }
    assert shown["outbox"][0]["mongo"] == "mongodb://***@h1,h2:27018/?replicaSet=rs0&authMechanismProperties=***"


def test_what_show_prints_is_a_file_with_the_same_settings(relay: RelayCommand, tmp_path: Path) -> None:
    text = '[kafka]\nbootstrap.servers = "k:9092"\nlinger.ms = 5\n[create_topic]\npartitions = 3\nreplication = 1\n'
    flags = ["--mongo", "mongodb://h/?replicaSet=rs0", "--database", "shop"]
    shown = relay("config", "show", "--config", written(tmp_path, text), *flags).stdout
    lines = [line for line in shown.splitlines() if not line.startswith("log_")]

    again = written(tmp_path, "\n".join(lines))

    assert described(load({"config": again})) == json.loads(relay("config", "show", "--config", again, "--json").stdout)
    assert "partitions = 3" in shown


def test_check_names_all_mistakes_at_once(relay: RelayCommand, tmp_path: Path) -> None:
    text = 'databse = "shop"\nlisten = "9464"\n[kafka]\nacks = "1"\n[[outbox]]\nname = "a b"\nshares = 0\n'
    file = written(tmp_path, text)

    ended = relay("config", "check", "--config", file, RELAY_TOPICS="t", RELAY_ONCE="maybe")

    assert ended.returncode == 2
    said = [line.removeprefix("relay: ").replace(f" in {file}", "") for line in ended.stderr.splitlines()]
    assert said == [
        "RELAY_TOPICS: no such setting; did you mean RELAY_TOPIC?",
        "RELAY_ONCE: give true or false",
        "listen: give an address and a port, such as 127.0.0.1:9464, or 0.0.0.0:9464 for all addresses",
        "databse: no such setting; did you mean database?",
        "--mongo is missing; or give RELAY_MONGO, or `mongo` in the file",
        "--database is missing; or give RELAY_DATABASE, or `database` in the file",
        "name, [[outbox]] 1: give 1 to 64 letters, digits, '.', '_' or '-'",
        "shares, [[outbox]] 1: give 1 or more",
    ]


def test_check_names_what_librdkafka_would_refuse(relay: RelayCommand) -> None:
    flags = ["--mongo", "mongodb://h", "--database", "shop", "--kafka", "k:9092"]

    locked = relay("config", "check", *flags, "--set", "acks=1", "--set", "partitioner=random", "--json")
    unknown = relay("config", "check", *flags, "--set", "lingr.ms=1")

    assert len(json.loads(locked.stdout)["mistakes"]) == 2
    assert 'No such configuration property: "lingr.ms"' in unknown.stderr
    assert (locked.returncode, unknown.returncode) == (2, 2)


def test_of_settings_that_can_be_used_check_says_so(relay: RelayCommand, tmp_path: Path) -> None:
    ended = relay("config", "check", "--config", written(tmp_path, FILE))

    assert (ended.returncode, ended.stdout) == (0, "the settings of 2 outbox(es) can be used\n")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://h", "mongodb://h/"),
        ("mongodb://u:p%40x@h:1/admin?tls=true", "mongodb://***@h:1/?tls=true"),
        ("mongodb://h/?tlsCertificateKeyFilePassword=p&w=1", "mongodb://h/?tlsCertificateKeyFilePassword=***&w=1"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(uri: str, shown: str) -> None:
    assert address(uri) == shown
