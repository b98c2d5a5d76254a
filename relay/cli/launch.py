"""What `relay run` runs: the relays that the settings name, each with its sink, in this process."""

from __future__ import annotations

import contextlib
import logging
import threading
from functools import partial

from outbox import Outbox
from outbox.mongo.privileges import RELAYING, check_privileges
from outbox.mongo.server_errors import patiently
from relay.cli.process_memory import keep_memory
from relay.cli.settings import OutboxSettings, Settings
from relay.cli.together import run_together
from relay.connection import identity_of, opened_outboxes
from relay.encoding.topics import Topics
from relay.errors import InvalidSettings
from relay.kafka.settings import check_files
from relay.kafka.sink import KafkaSink
from relay.kafka.topic_admin import NewTopics
from relay.kafka.transactional_sink import KafkaTransactions
from relay.monitoring.alive import SignOfLife
from relay.relay import Relay
from relay.shares import layout as plan

log = logging.getLogger("relay")


def launch(given: Settings, stop: threading.Event) -> None:
    """Relays until `stop` is set. Raises what relay.relay.Relay.run does, and what opening the outboxes does."""
    if given.kafka is None or not given.kafka.strip():
        raise InvalidSettings(
            f"--kafka is {'missing' if given.kafka is None else 'empty'}; or give RELAY_KAFKA, or `bootstrap.servers` "
            "under [kafka] in the file"
        )
    check_files(given.set)
    with contextlib.ExitStack() as stack:
        opened = opened_outboxes(given, stack)
        for _, outbox in opened:
            patiently(partial(check_privileges, outbox.collections, RELAYING))
        relays = [
            Relay(
                outbox,
                _sink(given.kafka, given, each),
                topics=Topics(each.topic),
                name=each.name,
                start=each.start,
                on_poison=each.on_poison,
                shares=each.shares,
            )
            for each, outbox in opened
        ]
        for each, outbox in opened:
            _tell_of_start(each, outbox)
        keep_memory()
        sign = stack.enter_context(contextlib.closing(SignOfLife(map(identity_of, given.outboxes))))
        run_together(relays, stop, once=given.once, show=sign.show)


def _tell_of_start(each: OutboxSettings, outbox: Outbox) -> None:
    """That `start` is only for a relay without a cursor, if it has one: else a wrong one would go unnoticed."""
    at = patiently(lambda: plan.load(outbox.collections, each.name)).slowest
    if at is not None and "start" in each.model_fields_set:
        log.info(
            "relay %r of %s goes on from its cursor, after seq %d: start %s is ignored; `relay cursor set` moves it",
            each.name, outbox.collections.log.full_name, at[0], each.start,
        )  # fmt: skip


def _sink(bootstrap: str, given: Settings, each: OutboxSettings) -> KafkaSink:
    layout = each.create_topic
    create = None if layout is None else NewTopics(layout.partitions, layout.replication)
    kind = KafkaTransactions if each.exactly_once else KafkaSink
    return kind(bootstrap, given.set, create=create)
