"""The command `relay replay`: sends a range of history to Kafka again."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from outbox import Outbox
from outbox.cli.application import archive_at
from outbox.cli.options import ArchiveName, ArchiveUrl, AsJson, OnlyKey, Types, listed
from outbox.cli.shell.completion import one_of
from outbox.dead_letters.policy import OnPoison
from outbox.errors import ArchiveUnavailable
from outbox.messages.message_types import MessageTypes
from outbox.mongo.server_errors import patiently
from outbox.monitoring.privileges import Privileges, check_privileges
from outbox.readers.selection import selected_types, warn_of_undeclared
from relay.cli.exit_codes import UNEXPECTED, exit_codes
from relay.cli.options import (
    Config,
    CreateTopic,
    Database,
    EncodingFlag,
    HeaderMap,
    HeaderPrefix,
    Kafka,
    KeyFromFlag,
    LogFormat,
    LogLevel,
    Mongo,
    OutboxName,
    PartitionKeyFlag,
    ProfileFlag,
    SchemaRegistryFlag,
    Set,
    Subject,
    TimestampFlag,
    bootstrap_of,
    kafka_settings,
    only,
    opened_outboxes,
)
from relay.cli.process import log_to_terminal, stop_on_signals
from relay.cli.settings import OutboxSettings, Settings, load
from relay.errors import InvalidSettings

if TYPE_CHECKING:
    from relay.config import RelayConfig
    from relay.replay.asked import Asked
    from relay.replay.replay import Replay

REPLAYING: Privileges = {
    "*": ("listCollections",),
    "": ("find",),
    ".cursors": ("find",),
    ".leases": ("find", "insert", "update"),
}
"""The privileges that `relay replay` needs."""
_INTERRUPTED = 130


def replay(
    first: Annotated[str, typer.Option("--from", metavar="WHERE", help="A seq, a date, earliest or latest; included.")],
    last: Annotated[str, typer.Option("--to", metavar="WHERE", help="The same, for the last one; included.")],
    types: Types = None,
    key: OnlyKey = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="At most so many messages a second [default: no limit]")
    ] = None,
    archive: ArchiveUrl = None,
    archive_name: ArchiveName = "main",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing: count what there is, by type and topic.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, though the same replay was not finished.")
    ] = False,
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    kafka: Kafka = None,
    topic: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Another topic than the relay's; {type} as in `relay run`.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The relay whose settings it has [default: kafka]")
    ] = None,
    create_topic: CreateTopic = None,
    on_poison: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="On what cannot be delivered: stop, or leave it out (any other policy) [default: stop]",
            autocompletion=one_of(*get_args(OnPoison)),
        ),
    ] = None,
    encoding: EncodingFlag = None,
    key_from: KeyFromFlag = None,
    partition_key: PartitionKeyFlag = None,
    header_map: HeaderMap = None,
    header_prefix: HeaderPrefix = None,
    timestamp: TimestampFlag = None,
    profile: ProfileFlag = None,
    schema_registry: SchemaRegistryFlag = None,
    subject: Subject = None,
    set: Set = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    as_json: AsJson = False,
) -> None:
    """Send a range of history to Kafka again.

    Each record has the header `replayed: true`. It has the settings of `relay run`, from the same file and environment,
    and goes on beside it: no cursor is moved or held. Killed, and run again with the same range, it goes on where it
    was. Ends with 1 when messages were left out.
    """
    flags: dict[str, Any] = {"config": config, "mongo": mongo, "database": database, "outbox": outbox_name}
    flags |= {"kafka": kafka, "topic": topic, "name": name, "create_topic": create_topic, "on_poison": on_poison}
    flags |= {"log_level": log_level, "log_format": log_format}
    flags |= {"encoding": encoding, "key_from": key_from, "header_map": header_map}
    flags |= {"header_prefix": header_prefix, "timestamp": timestamp, "profile": profile}
    flags |= {"schema_registry": schema_registry, "subject": subject, "partition_key": partition_key}
    with exit_codes(), contextlib.ExitStack() as stack:
        settings = load({**flags, "set": kafka_settings(set)})
        asked = _asked(first, last, types, key, rate)
        log_to_terminal(settings.log_level, settings.log_format)
        one, outbox = only(opened_outboxes(settings, stack))
        patiently(partial(check_privileges, outbox.collections, REPLAYING))
        declared = patiently(outbox.types)
        warn_of_undeclared(frozenset(asked.types or ()), declared, one.full_name)
        relay_config = _relay_config(one, outbox, archive, archive_name)
        if dry_run:
            _count(relay_config, asked, as_json=as_json)
        else:
            work = _replay(settings, one, relay_config, asked, declared=declared, rate=rate, restart=restart)
            _tell(relay_config, work, as_json=as_json)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Names the archive when its place does not answer."""
    try:
        yield
    except OSError as error:
        raise ArchiveUnavailable(f"--archive cannot be read: {error}") from error


def _asked(first: str, last: str, types: list[str] | None, key: str | None, rate: float | None) -> Asked:
    from relay.replay.asked import Asked, read_place

    if rate is not None and not 0 < rate < float("inf"):
        raise InvalidSettings(f"--rate {rate:g}: give messages a second, more than 0; without it there is no limit")
    chosen = selected_types(listed(types), MessageTypes(())) if types else None
    places = read_place(first, "--from"), read_place(last, "--to")
    return Asked(*places, types=None if chosen is None else tuple(sorted(chosen)), key=key)


def _relay_config(one: OutboxSettings, outbox: Outbox, archive: str | None, archive_name: str) -> RelayConfig:
    import random

    from outbox.history.with_history import with_history
    from relay.config import RelayConfig

    source = with_history(outbox, None if archive is None else archive_at(archive, archive_name))
    return RelayConfig(source, one.name, one.start, one.on_poison, random.random, one.template, one.record_format)


def _count(config: RelayConfig, asked: Asked, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from relay.replay.counting import count

    with _answering():
        counted = count(config, asked)
    total = sum(counted.records.values())
    if as_json:
        kinds = [{"type": type, "topic": topic, "records": count} for (type, topic), count in counted.records.items()]
        print(json.dumps({"records": total, "first": counted.first, "last": counted.last, "of": kinds}))
        return
    if total:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("type", "topic", "records"):
            table.add_column(title, justify="right" if title == "records" else "left", overflow="fold")
        for (type, topic), records in counted.records.items():
            table.add_row(type, topic, f"{records:,}")
        Console().print(table)
    print(f"{config.where}: would send {total:,} record(s) of {_range(counted.first, counted.last)}")


def _range(first: int, last: int) -> str:
    return f"seq {first} to {last}" if first <= last else "an empty range"


def _replay(
    settings: Settings,
    one: OutboxSettings,
    config: RelayConfig,
    asked: Asked,
    *,
    declared: tuple[str, ...],
    rate: float | None,
    restart: bool,
) -> Replay:
    from relay.cli.replay.progress import ReplayProgress
    from relay.kafka.settings import check_files
    from relay.kafka.sink import KafkaSink
    from relay.kafka.topic_admin import NewTopics
    from relay.replay.replay import Replay

    bootstrap = bootstrap_of(settings)
    check_files(settings.set)
    layout = one.create_topic
    create = None if layout is None else NewTopics(layout.partitions, layout.replication)
    sink = KafkaSink(bootstrap, settings.set, create=create)
    stop = stop_on_signals()
    with ReplayProgress(config.where) as progress, _answering():
        work = Replay(
            config, sink, asked, declared=declared, rate=rate, restart=restart, told=progress.show,
        )  # fmt: skip
        work.run(stop)
    return work


def _tell(config: RelayConfig, work: Replay, *, as_json: bool) -> None:
    done = work.report
    sent = f"{config.where}: {done.sent:,} record(s) sent again"
    if as_json:
        facts = {"sent": done.sent, "left_out": done.left_out, "is_finished": done.is_finished}
        print(json.dumps({**facts, "first": done.first, "last": done.last, "reached": done.reached}))
    if not done.is_finished:
        print(f"{sent}, up to seq {done.reached} of {done.last}: the same command goes on", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED)
    if not as_json:
        print(f"{sent}, of {_range(done.first, done.last)}")
    if done.left_out:
        print(f"{done.left_out:,} message(s) cannot be delivered and were left out, see above", file=sys.stderr)
        raise typer.Exit(UNEXPECTED)
