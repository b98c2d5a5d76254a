"""The commands `relay config show` and `relay config check`: the settings as they come to be. No server is asked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import typer

from outbox.cli.options import AsJson
from outbox.cli.shell.command import Command
from relay.address import hosts_of
from relay.cli.exit_codes import USAGE, exit_codes
from relay.cli.options import (
    Config,
    Database,
    Kafka,
    Mongo,
    Name,
    OutboxName,
    Set,
    bootstrap_of,
    kafka_settings,
)
from relay.cli.settings import OutboxSettings, Settings, load
from relay.errors import InvalidSettings

config = typer.Typer(help="Show and check the settings of flags, environment and file.", no_args_is_help=True)

_PLAIN = {
    "appName", "authMechanism", "authSource", "compressors", "connectTimeoutMS", "directConnection", "maxPoolSize",
    "readConcernLevel", "readPreference", "replicaSet", "retryReads", "retryWrites", "serverSelectionTimeoutMS",
    "socketTimeoutMS", "ssl", "timeoutMS", "tls", "tlsCAFile", "tlsCertificateKeyFile", "w", "wTimeoutMS",
}  # fmt: skip
"""The options of an address whose values are shown."""


@config.command(cls=Command)
def show(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    kafka: Kafka = None,
    set: Set = None,
    as_json: AsJson = False,
) -> None:
    """Show the settings that a relay would have, defaults too.

    With *** in place of what is secret.
    """
    flags = {"config": config, "mongo": mongo, "database": database, "outbox": outbox_name, "name": name}
    with exit_codes():
        shown = described(load({**flags, "kafka": kafka, "set": kafka_settings(set)}))
        if as_json:
            print(json.dumps(shown))
            return
        for line in _lines(shown):
            print(line)


@config.command(cls=Command)
def check(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    kafka: Kafka = None,
    set: Set = None,
    as_json: AsJson = False,
) -> None:
    """Check the settings, and name all mistakes at once.

    It asks no server: `relay doctor` does. Ends with 2 when there is a mistake.
    """
    flags = {"config": config, "mongo": mongo, "database": database, "outbox": outbox_name, "name": name}
    try:
        settings = load({**flags, "kafka": kafka, "set": kafka_settings(set)})
        found = list(_of_kafka(settings))
        count = len(settings.outboxes)
    except InvalidSettings as error:
        found, count = str(error).splitlines(), 0
    if as_json:
        print(json.dumps({"mistakes": found}))
    elif found:
        print("\n".join(f"relay: {each}" for each in found), file=sys.stderr)
    else:
        print(f"the settings of {count} outbox(es) can be used")
    if found:
        raise typer.Exit(USAGE)


def _of_kafka(settings: Settings) -> Iterator[str]:
    """Yields what is wrong with the addresses and with Kafka's settings."""
    from relay.kafka.settings import check_files, check_settings
    from relay.kafka.sink import KafkaSink

    for one in settings.outboxes:
        yield from _raised(partial(hosts_of, one.mongo.get_secret_value()))
        yield from _raised(lambda: (one.template, one.record_format))  # noqa: B023  # called at once
    yield from _raised(partial(bootstrap_of, settings))
    wrong = 0
    for name, value in settings.set.items():
        for mistake in _raised(partial(check_settings, {name: value})):
            wrong += 1
            yield mistake
        yield from _raised(partial(check_files, {name: value}))
    if not wrong and settings.kafka:
        yield from _raised(lambda: KafkaSink(settings.kafka or "", settings.set).admin())


def _raised(call: Callable[[], object]) -> Iterator[str]:
    try:
        call()
    except InvalidSettings as error:
        yield from str(error).splitlines()


def described(settings: Settings) -> dict[str, Any]:
    """Returns the settings as JSON shows them, without a secret."""
    from relay.kafka.secrets import is_secret

    kafka = {name: "***" if is_secret(name) else value for name, value in settings.set.items()}
    return {
        "kafka": {"bootstrap.servers": settings.kafka, **kafka},
        "listen": None if settings.listen is None else "{}:{}".format(*settings.listen),
        "page_token": None if settings.page_token is None else "***",
        "log_level": settings.log_level,
        "log_format": settings.log_format,
        "outbox": [_outbox(each) for each in settings.outboxes],
    }


def _outbox(settings: OutboxSettings) -> dict[str, Any]:
    shown = settings.model_dump(mode="json", exclude={"mongo"})
    if settings.schema_registry is not None:
        shown["schema_registry"] = {name: _of_registry(name, value) for name, value in settings.schema_registry.items()}
    return {"mongo": address(settings.mongo.get_secret_value()), **shown}


def _of_registry(name: str, value: str) -> str:
    """Returns a setting of the schema registry as it may be shown: its address without user and password."""
    scheme, there_is, rest = value.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if name == "url" and there_is else "***"


def address(uri: str) -> str:
    """Returns an address without user and password, and with *** for options that may be secret. Raises
    InvalidSettings."""
    hosts_of(uri)  # raises for what is no address: there a password may stand anywhere
    scheme, _, rest = uri.partition("://")
    user = "***@" if "@" in rest else ""
    options = [pair.partition("=") for pair in rest.rpartition("?")[2].split("&")] if "?" in rest else []
    hosts = re.split("[/?]", rest.rpartition("@")[2])[0]
    plain = {name.lower() for name in _PLAIN}
    texts = [f"{name}={value if name.lower() in plain else '***'}" for name, _, value in options if name]
    return f"{scheme}://{user}{hosts}/{'?' + '&'.join(texts) if texts else ''}"


def _lines(shown: Mapping[str, Any]) -> Iterator[str]:
    """Writes the settings as TOML."""
    for name in ("listen", "page_token", "log_level", "log_format"):
        yield from _line(name, shown[name])
    yield "\n[kafka]"
    for name, value in shown["kafka"].items():
        yield from _line(json.dumps(name), value)
    for outbox in shown["outbox"]:
        yield "\n[[outbox]]"
        for name, value in outbox.items():
            yield from _line(name, value)


def _line(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {json.dumps(each)}" for key, each in value.items())
        yield f"{name} = {{{inner}}}"
    elif value is not None:
        yield f"{name} = {json.dumps(value)}"
