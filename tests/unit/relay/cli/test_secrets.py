"""Whatever goes wrong, and however the settings came, no command ever says a secret."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.errors import BulkWriteError

from outbox.cli import app as outbox_cli
from outbox.cli import application
from outbox.mongo.collections import Collections
from outbox.sequencer.loop import run_sequencer
from outbox.sequencer.sequencer import Sequencer
from relay import connection
from relay.cli import app
from relay.cli.settings import load
from relay.errors import InvalidSettings
from relay.kafka import topic_admin
from relay.kafka.secrets import Secrets
from relay.kafka.sink import KafkaSink

SECRET = "s3kr3tM4rk"
COMMANDS = [
    ["run"], ["run", "--once"], ["status"], ["status", "--json"], ["health"], ["cursor", "show"],
    ["cursor", "set", "0"], ["cursor", "forget", "kafka"], ["dead", "list"], ["dead", "show", "0" * 24],
    ["dead", "requeue", "--all"], ["dead", "discard", "--all", "--yes", "--reason", "why"],
    ["shares", "show"], ["shares", "set", "2"], ["pause"], ["resume"], ["acts"],
]  # fmt: skip
SHOP = Collections(MongoClient(connect=False).shop, "outbox")
NOBODY = "127.0.0.1:1"  # where nobody listens


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(topic_admin, "CHECK_SECONDS", 0.1)


def said(call: Callable[[], object]) -> str:
    """All that a command says until it ends: what it prints and what it logs."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    logging.getLogger().addHandler(handler)
    try:
        with redirect_stdout(output), redirect_stderr(output), pytest.raises(SystemExit) as ended:
            call()
    finally:
        logging.getLogger().removeHandler(handler)
    assert ended.value.code != 0
    return output.getvalue()


def relay(*arguments: str) -> str:
    text = said(lambda: app.app(list(arguments), prog_name="relay"))
    assert "Traceback" not in text
    return text


around = st.text("a1:/?#@%,=&; é%40", max_size=3)
passwords = st.builds(
    lambda before, after, encode: encode(before + SECRET + after), around, around, st.sampled_from([quote_plus, str])
)
addresses = st.builds(
    lambda scheme, password, host, options: f"{scheme}ann:{password}{host}{options}",
    st.sampled_from(["mongodb://", "mongodb://", "mongo://", "mongodb:/", "", " mongodb://"]),
    passwords,
    st.sampled_from([f"@{NOBODY}", f"@{NOBODY},", "@h:port", "@", "", "@h:99999", "@[::1", f"@{NOBODY}/a b"]),
    st.sampled_from(["", "/", "/?w=1&w=2", "/?foo=1", "/?authMechanism=MONGODB-X509", "/?tls=true&tlsCAFile=/none"]),
)


@given(command=st.sampled_from(COMMANDS), address=addresses, by_flag=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(command=["run"], address=f"mongodb://ann:{SECRET}@{NOBODY}", by_flag=True)
@example(command=["run"], address=f"mongodb://ann:{SECRET}%3A", by_flag=False)
@example(command=["run"], address=f"mongodb://ann:12/{SECRET}@{NOBODY}", by_flag=False)
def test_no_password_of_mongodb_whatever_the_address(
    monkeypatch: pytest.MonkeyPatch, command: list[str], address: str, by_flag: bool
) -> None:
    with monkeypatch.context() as environment:
        environment.setenv("RELAY_KAFKA", NOBODY)
        environment.setenv("RELAY_DATABASE", "shop")
        if by_flag:
            text = relay(*command, f"--mongo={address}")
        else:
            environment.setenv("RELAY_MONGO", address)
            text = relay(*command)

    assert SECRET not in text


MISTAKES = {
    "the address as an argument": ["run", f"mongodb://ann:{SECRET}@h"],
    "a password of two words": ["run", "--set", "sasl.password=two", SECRET],
    "a setting without a value": ["run", "--set", SECRET],
    "a setting without a name": ["run", "--set", f"={SECRET}"],
    "a flag that is none": ["run", f"--mnogo={SECRET}"],
    "a flag that takes no value": ["run", f"--once={SECRET}"],
    "an argument too many": ["cursor", "show", SECRET],
    "another": ["dead", "list", SECRET],
    "the demo's": ["demo", SECRET],
    "the demo's address": ["demo", "--mongo", f"mongodb://ann:{SECRET}@{NOBODY}"],
    "no database": ["run", f"--mongo=mongodb://ann:{SECRET}@h"],
    "a database that is none": ["status", f"--mongo=mongodb://ann:{SECRET}@{NOBODY}", "--database=a b"],
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES.keys())
def test_no_part_of_a_flag_that_cannot_be_used(arguments: list[str]) -> None:
    assert SECRET not in relay(*arguments)


@pytest.mark.parametrize(
    "given", [f"sasl.password=a,{SECRET}", f"{SECRET}", f"a=b,={SECRET}", f"acks={SECRET}", f"sasl.passwort={SECRET}"]
)
def test_no_part_of_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("RELAY_SET", given)
    monkeypatch.setenv("RELAY_MONGO", f"mongodb://{NOBODY}")
    monkeypatch.setenv("RELAY_DATABASE", "shop")

    assert SECRET not in relay("run", f"--kafka={NOBODY}")


FILES = {
    "not TOML": f'mongo = "mongodb://ann:{SECRET}@h\n',
    "a value without quotes": f"mongo = mongodb://ann:{SECRET}@h",
    "twice": f'mongo = "{SECRET}"\nmongo = "{SECRET}"',
    "a number": f'mongo = 7\n[kafka]\nsasl.password = "{SECRET}"',
    "a list": f'mongo = ["{SECRET}"]',
    "a table that is none": f'kafka = "{SECRET}"',
    "outboxes that are none": f'outbox = "{SECRET}"',
    "nobody's": f'mongo = "mongodb://a:{SECRET}@{NOBODY}"\ndatabase = "d"\n[kafka]\nsasl.password = "{SECRET}"',
    "the same twice": "".join(f'[[outbox]]\nmongo = "mongodb://ann:{SECRET}@h"\ndatabase = "d"\n' for _ in range(2)),
}  # fmt: skip


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_no_part_of_the_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(content)

    assert SECRET not in relay("run", f"--config={path}")


KAFKA = {
    "sasl.password": {"sasl.mechanism": "PLAIN", "security.protocol": "SASL_PLAINTEXT", "sasl.username": "ann"},
    "ssl.key.password": {"security.protocol": "SSL", "ssl.key.location": __file__},
    "ssl.key.pem": {"security.protocol": "SSL"},
    "ssl.keystore.password": {"security.protocol": "SSL", "ssl.keystore.location": __file__},
    "security.protocol": {},
    "sasl.oauthbearer.config": {
        "sasl.mechanism": "OAUTHBEARER",
        "security.protocol": "SASL_PLAINTEXT",
        "enable.sasl.oauthbearer.unsecure.jwt": "true",
    },
    "sasl.oauthbearer.client.secret": {
        "sasl.mechanism": "OAUTHBEARER",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "ann",
        "sasl.oauthbearer.token.endpoint.url": f"http://ann:{SECRET}@{NOBODY}/",
    },
    "default.topic.config": {},
}


@pytest.mark.parametrize("name", KAFKA)
def test_no_secret_setting_of_kafka_in_errors_nor_in_librdkafka_s_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = KafkaSink(NOBODY, {**KAFKA[name], name: SECRET, "debug": "security,conf"})

    with pytest.raises(Exception) as failed:  # noqa: PT011  # whichever it is
        sink.check(["topic"])

    assert SECRET not in str(failed.value)
    assert SECRET not in caplog.text


def test_a_secret_that_holds_another_is_blanked_out_whole() -> None:
    secrets = Secrets({"sasl.password": "abcd", "ssl.key.password": "abcdefgh", "client.id": "clear"})

    assert secrets.hide("abcdefgh, abcd, clear") == "***, ***, clear"


def test_settings_do_not_show_secrets_when_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = load({"mongo": f"mongodb://ann:{SECRET}@h", "database": "d", "set": {"sasl.password": SECRET}})

    assert SECRET not in repr(given) + str(given)


APPLICATION = """
import os
from pymongo import MongoClient
from outbox import Outbox
client = MongoClient(os.environ["ADDRESS"])
orders = Outbox(client.shop)
"""


@pytest.mark.parametrize("command", ["create", "status", "tail", "sequence"])
@pytest.mark.parametrize("host", [f"@{NOBODY}", "@h:port", "", "@"])
def test_the_command_outbox_keeps_the_application_s_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, host: str
) -> None:
    monkeypatch.setattr(application, "CONNECT_SECONDS", 0.05)
    monkeypatch.chdir(tmp_path)
    name = f"shop_{command}_{re.sub('[^a-z]', '', host)}"
    (tmp_path / f"{name}.py").write_text(APPLICATION)
    monkeypatch.setenv("ADDRESS", f"mongodb://ann:{SECRET}{host}")

    text = said(lambda: outbox_cli.app([command, f"{name}:orders"], prog_name="outbox"))
    if name in sys.modules:
        sys.modules.pop(name).client.close()

    assert "outbox: " in text
    assert SECRET not in text


class Refused(Sequencer):
    """One whose every append the server refuses, with the words that the driver has for it."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(SHOP)
        self._told = stop

    def take_over(self) -> bool:
        self._told.set()
        raise BulkWriteError({"writeErrors": [{"code": 1, "errmsg": "no", "op": {"data": SECRET}}]})


def test_an_append_that_fails_is_logged_without_the_messages(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()

    run_sequencer(SHOP, Refused(stop), stop)

    assert "starts over" in caplog.text
    assert SECRET not in caplog.text


def test_an_error_about_the_address_has_no_chain_that_a_traceback_would_show() -> None:
    with pytest.raises(InvalidSettings) as refused:
        connection.connected(f"mongodb://ann:{SECRET}@h:port")

    assert refused.value.__suppress_context__
