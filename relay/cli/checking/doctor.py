"""The command `relay doctor`: looks for what is wrong on both sides of a relay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from outbox import Outbox
from outbox.cli.doctor import end, show
from outbox.cli.options import AsJsonLines
from outbox.doctor.collections import OutboxExamination
from outbox.doctor.finding import Check, Finding, examined
from outbox.doctor.server import ServerExamination
from outbox.log.reader_id import relay_id
from relay.cli.exit_codes import exit_codes
from relay.cli.options import Config, Database, Kafka, Mongo, Name, OutboxName, Set, kafka_settings, opened_outboxes
from relay.cli.run import RELAYING
from relay.cli.settings import OutboxSettings, Settings, load
from relay.cluster import known_cluster

if TYPE_CHECKING:
    from relay.kafka.examination import KafkaExamination


def doctor(
    config: Config = None,
    mongo: Mongo = None,
    database: Database = None,
    outbox_name: OutboxName = None,
    name: Name = None,
    kafka: Kafka = None,
    set: Set = None,
    as_json: AsJsonLines = False,
) -> None:
    """Look for what is wrong, and say what mends it.

    In MongoDB, in the outbox, and on Kafka. It changes nothing. Ends with 1 when a finding is serious: messages may be
    lost, or do not arrive.
    """
    flags = {
        "config": config,
        "mongo": mongo,
        "database": database,
        "outbox": outbox_name,
        "name": name,
        "kafka": kafka,
    }
    with exit_codes(), contextlib.ExitStack() as stack:
        settings = load({**flags, "set": kafka_settings(set)})
        findings: list[Finding] = []
        for one, outbox in opened_outboxes(settings, stack):
            checks = _checks(settings, one, outbox)
            found = list(examined(checks))
            show(f"{one.full_name}, relay {one.name!r}", found, len(checks), as_json=as_json)
            findings += found
        end(findings)


def _checks(settings: Settings, one: OutboxSettings, outbox: Outbox) -> dict[str, Check]:
    own = OutboxExamination(outbox.collections, None, "APP", RELAYING)
    checks = {**ServerExamination(outbox.collections).checks(), **own.checks()}
    if settings.kafka is None or not settings.kafka.strip():
        return checks
    from relay.kafka.examination import KafkaExamination
    from relay.kafka.sink import KafkaSink

    topics: dict[str, bool] = {}
    for type, is_compacted in own.types().items():
        if one.template.is_fixed(type):  # else its messages say where each goes
            topic = one.template.name(type, outbox=outbox.name, database=one.database)
            topics[topic] = topics.get(topic, True) and is_compacted
    kafka = KafkaExamination(KafkaSink(settings.kafka, settings.set), topics, own.largest())
    return {**checks, **kafka.checks(), "destination": partial(_destination, one, outbox, kafka)}


def _destination(one: OutboxSettings, outbox: Outbox, kafka: KafkaExamination) -> Iterator[Finding]:
    """Whether relays of this name write to this Kafka."""
    known, here = known_cluster(outbox.collections, relay_id(one.name)), kafka.cluster()
    if known is not None and here is not None and known != here:
        yield Finding(
            "destination",
            f"relay {one.name!r} has written to another Kafka, cluster {known}; this one is cluster {here}",
            "each of the two has a part of the messages, and whoever takes over decides which",
            "give one of the two another --name, with a cursor of its own; if that Kafka is gone, `relay run` with "
            "these settings goes on here, and notes it",
            serious=True,
        )
