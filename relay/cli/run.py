"""The command `relay run`: runs the relays that the settings name, each with its own sink and thread."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from outbox import Outbox
from outbox.log.reader_id import relay_id
from outbox.mongo.server_errors import patiently
from outbox.monitoring.privileges import Privileges, check_privileges
from relay.cli.exit_codes import exit_codes
from relay.cli.options import (
    Config,
    CreateTopic,
    Database,
    EncodingFlag,
    HeaderMap,
    HeaderPrefix,
    Kafka,
    KeyFromFlag,
    Lease,
    ListenFlag,
    LogFormat,
    LogLevel,
    Mongo,
    Name,
    OutboxName,
    PageTokenFlag,
    PartitionKeyFlag,
    PoisonPolicy,
    ProfileFlag,
    SchemaRegistryFlag,
    Set,
    Start,
    Subject,
    TimestampFlag,
    bootstrap_of,
    identity_of,
    kafka_settings,
    opened_outboxes,
)
from relay.cli.process import keep_memory, log_to_terminal, stop_on_signals
from relay.cli.running.together import run_together
from relay.cli.settings import OutboxSettings, Settings, load
from relay.monitoring.alive import Pulse, SignOfLife
from relay.monitoring.probes import Liveness

if TYPE_CHECKING:
    from relay.kafka.sink import KafkaSink
    from relay.relay import Relay

logger = logging.getLogger("relay")

RELAYING: Privileges = {
    "*": ("listCollections",),
    "": ("collMod", "collStats", "find", "insert"),
    ".staging": ("changeStream", "collStats", "find", "remove"),
    ".cursors": ("find", "insert", "update"),
    ".leases": ("find", "insert", "update"),
    ".dead": ("find", "insert", "remove", "update"),
}
"""The privileges that `relay run` needs, also to sequence, and those for what `relay status` reads."""


def run(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    kafka: Kafka = None,
    topic: Annotated[
        str | None,
        typer.Option(metavar="TEMPLATE", help="Of {type}, {key}, {header.NAME}, … [default: {database}.{outbox}]"),
    ] = None,
    name: Name = None,
    start: Start = None,
    create_topic: CreateTopic = None,
    on_poison: PoisonPolicy = None,
    exactly_once: Annotated[
        bool,
        typer.Option(
            "--exactly-once",
            help="Deliver in Kafka transactions: a consumer that reads committed sees each message once.",
        ),
    ] = False,
    shares: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="At the first start: how many shares the keys are divided into [default: 1]"
        ),
    ] = None,
    lease: Lease = None,
    no_sequence: Annotated[
        bool, typer.Option("--no-sequence", help="Leave it to other processes to number what is in staging.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="End when all that is committed is delivered.")] = False,
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
    listen: ListenFlag = None,
    page_token: PageTokenFlag = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Relay until SIGTERM or Ctrl-C; a second Ctrl-C ends at once. Each flag is also RELAY_… in the environment."""
    flags = {"config": config, "mongo": mongo, "database": database, "outbox": outbox_name, "kafka": kafka}
    flags |= {"topic": topic, "name": name, "start": start, "create_topic": create_topic, "on_poison": on_poison}
    flags |= {"shares": None if shares is None else str(shares), "lease": None if lease is None else str(lease)}
    flags |= {"listen": listen, "page_token": page_token, "log_level": log_level, "log_format": log_format}
    flags |= {"encoding": encoding, "key_from": key_from, "header_map": header_map}
    flags |= {"header_prefix": header_prefix, "timestamp": timestamp, "profile": profile}
    flags |= {"schema_registry": schema_registry, "subject": subject, "partition_key": partition_key}
    switches = {"exactly_once": exactly_once or None, "once": once or None, "sequence": False if no_sequence else None}
    with exit_codes():
        settings = load({**flags, **switches, "set": kafka_settings(set)})
        stop = stop_on_signals()
        log_to_terminal(settings.log_level, settings.log_format)
        relay_by(settings, stop)


def relay_by(
    settings: Settings,
    stop: threading.Event,
    *,
    waits: bool = False,
    begun: Callable[[Sequence[Relay]], object] = lambda _: None,
) -> None:
    """Relays until `stop` is set. Raises what relay.relay.Relay.run does, and what opening the outboxes does.

    waits: see Relay.run. begun: is told of the relays before they begin.
    """
    bootstrap = bootstrap_of(settings)
    from relay.kafka.settings import check_files  # here: these load a Kafka client, which `relay health` does not need
    from relay.relay import Relay

    check_files(settings.set)
    with contextlib.ExitStack() as stack:
        opened = opened_outboxes(settings, stack)
        for _, outbox in opened:
            patiently(partial(check_privileges, outbox.collections, RELAYING))
        relays = [
            Relay(
                outbox,
                _sink(bootstrap, settings.set, one),
                topics=one.template,
                format=one.record_format,
                name=one.name,
                start=one.start,
                on_poison=one.on_poison,
                shares=one.shares,
                lease_seconds=one.lease,
            )
            for one, outbox in opened
        ]
        for one, outbox in opened:
            _log_ignored_start(one, outbox)
        liveness = Liveness(outbox for _, outbox in opened)
        shown = contextlib.nullcontext() if settings.listen is None else _served(settings, relays, liveness)
        keep_memory()  # now that all is loaded
        sign = stack.enter_context(contextlib.closing(SignOfLife(map(identity_of, settings.outboxes))))
        if "opentelemetry.metrics" in sys.modules:  # loaded by `opentelemetry-instrument`, which gathers them
            from outbox.metrics.opentelemetry import instrument
            from relay.monitoring.metrics import RelayCollector

            instrument(RelayCollector(*relays))
        stack.enter_context(shown)

        def show(pulses: Iterable[Pulse]) -> None:
            pulses = list(pulses)
            liveness.show(pulses)
            if liveness.dead() is None:
                sign.show(pulses)

        begun(relays)
        run_together(relays, stop, once=settings.once, waits=waits, show=show)


def _served(
    settings: Settings, relays: Sequence[Relay], liveness: Liveness
) -> contextlib.AbstractContextManager[object]:
    from relay.kafka.sink import KafkaSink, trouble_of
    from relay.monitoring.http import Shown, served  # here: it loads a web server
    from relay.monitoring.page.acting import ACTING

    assert settings.listen is not None
    sinks = [each.sink for each in relays if isinstance(each.sink, KafkaSink)]
    token = None if settings.page_token is None else settings.page_token.get_secret_value()
    for relay in relays if token is not None else ():
        patiently(partial(check_privileges, relay.outbox.collections, ACTING))
    return served(Shown(relays, liveness, partial(trouble_of, sinks)), *settings.listen, token)


def _sink(bootstrap: str, kafka_settings: dict[str, str], settings: OutboxSettings) -> KafkaSink:
    from relay.kafka.sink import KafkaSink
    from relay.kafka.topic_admin import NewTopics
    from relay.kafka.transactional_sink import KafkaTransactions

    layout = settings.create_topic
    create = None if layout is None else NewTopics(layout.partitions, layout.replication)
    sink = KafkaTransactions if settings.exactly_once else KafkaSink
    return sink(bootstrap, kafka_settings, create=create)


def _log_ignored_start(settings: OutboxSettings, outbox: Outbox) -> None:
    """Logs that `start` has no effect on a relay with a cursor: else nobody would notice a wrong one."""
    from outbox.shares import layout

    cursor = patiently(lambda: layout.load(outbox.collections, relay_id(settings.name))).slowest
    if cursor is not None and "start" in settings.model_fields_set:
        logger.info(
            "relay %r of %s goes on from its cursor, after seq %d: start %s is ignored; `relay cursor set` moves it",
            settings.name, outbox.collections.log.full_name, cursor[0], settings.start,
            extra={"outbox": outbox.collections.log.full_name, "reader": relay_id(settings.name)},
        )  # fmt: skip
