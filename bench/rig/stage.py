"""Starts what a benchmark runs on: servers, and databases and topics that are removed after use."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from bench.rig.load import PARTITIONS, Load
from bench.rig.messages import TYPES
from outbox import Outbox
from outbox.embedded.mongo import EmbeddedMongo
from relay import KafkaSink, NewTopics
from tests.servers.docker import docker_answers, kafka_container
from tests.servers.kafka import KafkaBroker

CAPPED = "capped"
_SEED = 5000
_SEED_BYTES = 16 << 20
_SELECT_MS = 10_000


class Stage:
    """The servers, which start when first needed and end with the `with`. Not thread-safe.

    `mongo` and `kafka` are addresses of one's own servers; None starts one here.
    """

    def __init__(self, load: Load, mongo: str | None, kafka: str | None) -> None:
        self.load = load
        self._mongo = mongo
        self._kafka = kafka
        self._ends = contextlib.ExitStack()
        self.broker_pid: int | None = None
        """The process of the broker, if it was started here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    @cached_property
    def mongo(self) -> str:
        """The URI of a replica set. Raises EmbeddedUnavailable."""
        return self._ends.enter_context(EmbeddedMongo(cache_gb=1)).uri if self._mongo is None else self._mongo

    @cached_property
    def client(self) -> MongoClient[dict[str, Any]]:
        return self._ends.enter_context(MongoClient(self.mongo, serverSelectionTimeoutMS=_SELECT_MS))

    @cached_property
    def kafka(self) -> str:
        """The bootstrap address of a broker. Raises tests.servers.kafka_jars.KafkaUnavailable."""
        if self._kafka is not None:
            return self._kafka
        if docker_answers():
            return self._ends.enter_context(kafka_container())
        broker = self._ends.enter_context(KafkaBroker())
        self.broker_pid = broker.pid
        return broker.bootstrap

    @cached_property
    def scratch(self) -> Path:
        """A folder that is removed with the stage."""
        return Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

    @contextlib.contextmanager
    def database(self) -> Iterator[Database[dict[str, Any]]]:
        name = f"bench_{uuid.uuid4().hex[:12]}"
        try:
            yield self.client[name]
        finally:
            self.client.drop_database(name)

    @contextlib.contextmanager
    def outbox(self, backlog: int = 0, capacity: int | None = None, load: Load | None = None) -> Iterator[Outbox]:
        """Creates an outbox with a backlog of so many messages of `load` in staging.

        load: the stage's if None. capacity: bytes of the log; large enough for all messages if None.
        """
        load = self.load if load is None else load
        capacity = load.capacity if capacity is None else capacity
        with self.database() as database, Outbox(database, messages=list(TYPES), capacity=capacity) as outbox:
            outbox.create()
            seed(outbox, backlog, load)
            yield outbox

    @cached_property
    def full(self) -> Outbox:
        """An outbox with the load's messages in its log, which is made once and only read from."""
        outbox = self._ends.enter_context(self.outbox(self.load.messages))
        outbox.sequence()
        return outbox

    @contextlib.contextmanager
    def topic(self) -> Iterator[str]:
        """Creates a topic, and deletes it in the end."""
        name = f"bench.{uuid.uuid4().hex[:12]}"
        KafkaSink(self.kafka, create=NewTopics(PARTITIONS, 1)).check([name])
        try:
            yield name
        finally:
            admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 3})  # must outlive the call
            admin.delete_topics([name])[name].result()


def seed(outbox: Outbox, count: int, load: Load) -> None:
    """Fills staging, by its contract and not by `put`, which would take longer than what is measured."""
    staging: Collection[Any] = outbox.collections.staging
    documents = load.documents(count)
    at_once = max(1, min(_SEED, _SEED_BYTES // load.size))
    while some := list(itertools.islice(documents, at_once)):
        staging.insert_many(some, ordered=True)


def plain(database: Database[dict[str, Any]], name: str = "plain") -> Collection[dict[str, Any]]:
    """A collection without a validator, written as safely as staging is."""
    return database.create_collection(name).with_options(write_concern=WriteConcern("majority"))


def twin(outbox: Outbox) -> Collection[dict[str, Any]]:
    """A collection with the validator and the index of staging, written as safely."""
    collections = outbox.collections
    info = collections.info(collections.staging.name)
    assert info is not None
    made = collections.database.create_collection("twin", validator=info.options["validator"])
    made.create_index("at")
    return made.with_options(write_concern=WriteConcern("majority"))


def capped(database: Database[dict[str, Any]], size: int) -> Collection[dict[str, Any]]:
    """A log without a validator, written as safely as the log is."""
    made = database.create_collection(CAPPED, capped=True, size=size)
    return made.with_options(write_concern=WriteConcern("majority"))
