"""Holds what the commands share: their options, opening the outboxes, and how arguments are read."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

import typer

from outbox.cli.shell.completion import one_of
from outbox.dead_letters.policy import OnPoison
from outbox.readers.start import DURABLE_WORDS
from relay.cli.settings import OutboxSettings, Settings, load
from relay.cli.settings_sources import pairs
from relay.encoding.choices import Encoding, Timestamp
from relay.encoding.profiles import Profile
from relay.errors import InvalidSettings
from relay.monitoring.alive import identity

if TYPE_CHECKING:
    from pymongo import MongoClient

    from outbox.outbox import Outbox

Config = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="Settings as TOML, with [kafka] and [[outbox]].")
]
Mongo = Annotated[
    str | None, typer.Option("--mongo", metavar="URI", help="The replica set; with a password better as RELAY_MONGO.")
]
Database = Annotated[str | None, typer.Option("--database", metavar="DB", help="The service's database.")]
OutboxName = Annotated[str | None, typer.Option("--outbox", metavar="NAME", help="The outbox [default: outbox]")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The relay's name: cursor and lease [default: kafka]")
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="BOOTSTRAP", help="The brokers' addresses: host:port,host:port.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of librdkafka's; may be repeated.", show_default=False),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="WHERE",
        help="Without a cursor: beginning, oldest, latest, a seq or a date [default: beginning]",
        autocompletion=one_of(*DURABLE_WORDS),
    ),
]
PoisonPolicy = Annotated[
    str | None,
    typer.Option(
        "--on-poison",
        metavar="POLICY",
        help="On what cannot be delivered: stop, dead-letter, park-key [default: stop]",
        autocompletion=one_of(*get_args(OnPoison)),
    ),
]
CreateTopic = Annotated[
    str | None, typer.Option(metavar="LAYOUT", help="Make topics that are missing: partitions=3,replication=1.")
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        "--log-level",
        metavar="LEVEL",
        help="debug, info, warning, error [default: info]",
        autocompletion=one_of("debug", "info", "warning", "error"),
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        metavar="FORMAT",
        help="Of the log, on standard error: text, or json, an object a line [default: text]",
        autocompletion=one_of("text", "json"),
    ),
]
EncodingFlag = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="ENCODING",
        help="json, extended-json, bson, cloudevents[-structured], avro, json-schema [default: json]",
        autocompletion=one_of(*get_args(Encoding)),
    ),
]
KeyFromFlag = Annotated[
    str | None,
    typer.Option("--key-from", metavar="PART", help="key, type, id, none, header.NAME, data.FIELD [default: key]"),
]
PartitionKeyFlag = Annotated[
    str | None,
    typer.Option(
        "--partition-key", metavar="PART", help="Chooses the partition in place of the key: a PART as for --key-from."
    ),
]
HeaderMap = Annotated[
    str | None, typer.Option("--header-map", metavar="NAME=NEW,…", help="New names of headers; NAME= leaves one out.")
]
HeaderPrefix = Annotated[
    str | None, typer.Option("--header-prefix", metavar="PREFIX", help="Before the relay's own headers' names.")
]
TimestampFlag = Annotated[
    str | None,
    typer.Option(
        "--timestamp",
        metavar="DATE",
        help="The record's date: produced or created [default: produced]",
        autocompletion=one_of(*get_args(Timestamp)),
    ),
]
ProfileFlag = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="debezium: as its outbox event router sends them.",
        autocompletion=one_of(*get_args(Profile)),
    ),
]
SchemaRegistryFlag = Annotated[
    str | None, typer.Option("--schema-registry", metavar="URL", help="Has the schemas of avro and json-schema.")
]
Subject = Annotated[
    str | None,
    typer.Option("--subject", metavar="TEMPLATE", help="A schema's name there [default: {type}]"),
]
ListenFlag = Annotated[
    str | None,
    typer.Option(
        "--listen", metavar="HOST:PORT", help="Serve a page, /metrics, /healthz, /readyz, /status [default: off]"
    ),
]
Lease = Annotated[
    float | None,
    typer.Option(
        "--lease",
        metavar="SECONDS",
        help="After how long without a sign of life another takes over: 1 to 120 [default: 3]",
    ),
]
PageTokenFlag = Annotated[
    str | None,
    typer.Option("--page-token", metavar="TOKEN", help="Lets who has it act on the page; better RELAY_PAGE_TOKEN."),
]

Opened: TypeAlias = "list[tuple[OutboxSettings, Outbox]]"

_HOST = r"[A-Za-z0-9_.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
_PLAIN = re.compile(rf"(?s)mongodb(?:\+srv)?://(?:.*@)?({_HOST}(?:,{_HOST})*)(?:[/?][^@]*)?")


@contextlib.contextmanager
def outboxes(
    config: str | None, mongo: str | None, database: str | None, outbox: str | None, name: str | None
) -> Iterator[Opened]:
    """Opens the outboxes that a command's flags name, to read or change their state, and never to sequence."""
    flags: dict[str, Any] = {"config": config, "mongo": mongo, "database": database, "outbox": outbox, "name": name}
    with contextlib.ExitStack() as stack:
        yield opened_outboxes(load(flags), stack)


def kafka_settings(given: list[str] | None) -> dict[str, str] | None:
    """Reads the values of `--set`. Raises InvalidSettings, which never shows any of them."""
    try:
        return pairs(given) if given else None
    except ValueError as error:
        raise InvalidSettings(f"--set: {error}") from None


def bootstrap_of(settings: Settings) -> str:
    """Returns the address of Kafka. Raises InvalidSettings when none is given."""
    if settings.kafka is None or not settings.kafka.strip():
        raise InvalidSettings(
            f"--kafka is {'missing' if settings.kafka is None else 'empty'}; or give RELAY_KAFKA, or "
            "`bootstrap.servers` under [kafka] in the file"
        )
    return settings.kafka


def only(opened: Opened) -> tuple[OutboxSettings, Outbox]:
    """Returns the one outbox that a command changes. Raises InvalidSettings when several are named."""
    if len(opened) > 1:
        raise InvalidSettings("the file has several outboxes: choose one with --outbox")
    return opened[0]


def opened_outboxes(settings: Settings, stack: contextlib.ExitStack) -> Opened:
    """Opens the outboxes, with one client a server; `stack` closes them and their clients.

    Raises InvalidSettings, outbox's InvalidName, Unreachable, UnsupportedServer.
    """
    from pymongo.errors import InvalidName  # here: `relay health --self` opens none, and needs no driver

    from outbox.mongo.server import check_server
    from outbox.outbox import Outbox
    from relay.connection import connected

    clients: dict[str, MongoClient[dict[str, Any]]] = {}
    counts = Counter(one.mongo.get_secret_value() for one in settings.outboxes)
    opened = []
    for one in settings.outboxes:
        uri = one.mongo.get_secret_value()
        if uri not in clients:
            client = connected(uri, outboxes=counts[uri], appname="mongo-outbox relay")
            clients[uri] = stack.enter_context(client)
        try:
            database = clients[uri][one.database]
        except InvalidName as error:
            raise InvalidSettings(f"the database's name {one.database!r}: {error}") from None
        outbox = stack.enter_context(Outbox(database, one.outbox, sequence=one.sequence))
        check_server(outbox.collections)
        opened.append((one, outbox))
    return opened


def identity_of(settings: OutboxSettings) -> str:
    """Names the relay of these settings for `relay health --self`. Raises InvalidSettings."""
    return identity(_hosts(settings.mongo.get_secret_value()), settings.database, settings.outbox, settings.name)


def _hosts(uri: str) -> list[str]:
    """Returns what `hosts_of` does, and asks it only where they are not plain names: it loads the driver."""
    plain = _PLAIN.fullmatch(uri)
    if plain is not None and ".sock" not in plain[1]:
        return [host.partition(":")[0].lower() for host in plain[1].split(",")]
    from relay.address import hosts_of

    return hosts_of(uri)
