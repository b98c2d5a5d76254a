"""From a put to its sight, at a steady rate: in the log, by an observer, and by a Kafka consumer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson
from confluent_kafka import Consumer, TopicPartition
from pymongo import CursorType
from pymongo.collection import Collection

from bench import writers
from bench.benchmark import Figures
from bench.process import in_process
from bench.relays import relaying
from bench.sightings import Sightings
from bench.stage import PARTITIONS, Load, Stage, capped

_AWAIT_MS = 200
_POLL_SECONDS = 0.2


def _count(load: Load, rate: int) -> int:
    """As many seconds at any rate: 5 for 50,000 messages."""
    return load.part(10_000 // rate)


class Observed:
    """The writer in its own process; the sequencer and an observer in this one, as in a service without a broker."""

    bare_is = "insert into a capped collection, tailable cursor"

    def __init__(self, stage: Stage, rate: int) -> None:
        self.name = f"latency-{rate}"
        self._stage = stage
        self._rate = rate
        self._size = stage.load.size
        self._count = _count(stage.load, rate)

    def ours(self) -> Figures:
        logged, observed = Sightings("log", self._count), Sightings("observer", self._count)
        with self._stage.outbox() as outbox, _tailing(outbox.collections.log, logged):
            outbox.observe("earliest").subscribe(
                lambda record: observed.saw((record.data or {})["sent"]), observed.fail
            )
            self._write(writers.put, outbox.collections.database.name)
            logged.wait()
            observed.wait()
        return {**logged.figures(), **observed.figures()}

    def bare(self) -> Figures:
        seen = Sightings("log", self._count)
        with self._stage.database() as database:
            log = capped(database, self._stage.load.capacity)
            log.insert_one({"records": []})  # a tailable cursor on an empty collection dies at once
            with _tailing(log, seen):
                self._write(writers.insert, database.name)
                seen.wait()
        figures = seen.figures()
        return {**figures, **{metric.replace("log", "observer"): value for metric, value in figures.items()}}

    def _write(self, writer: Callable[[str, str, int, int, int], None], database: str) -> None:
        in_process(writer, self._stage.mongo, database, self._rate, self._count, self._size)


class Consumed:
    """The writer and the relay, which sequences, in processes of their own; the consumer in this one."""

    bare_is = "produce, consume"

    def __init__(self, stage: Stage, rate: int) -> None:
        self.name = f"latency-kafka-{rate}"
        self._stage = stage
        self._rate = rate
        self._size = stage.load.size
        self._count = _count(stage.load, rate)

    def ours(self) -> Figures:
        stage = self._stage
        seen = Sightings("consumer", self._count)
        with stage.topic() as topic, stage.outbox() as outbox, _consuming(stage.kafka, topic, seen):
            database = outbox.collections.database.name
            with relaying(stage.mongo, database, stage.kafka, topic):
                in_process(writers.put, stage.mongo, database, self._rate, self._count, self._size)
                seen.wait()
        return seen.figures()

    def bare(self) -> Figures:
        stage = self._stage
        seen = Sightings("consumer", self._count)
        with stage.topic() as topic, _consuming(stage.kafka, topic, seen):
            in_process(writers.produce, stage.kafka, topic, self._rate, self._count, self._size)
            seen.wait()
        return seen.figures()


@contextlib.contextmanager
def _beside(work: Callable[[], None], sightings: Sightings) -> Iterator[None]:
    """Runs `work` on a thread, until all is seen or the `with` ends by an error."""

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whoever waits for the sightings raises it
            sightings.fail(error)

    thread = threading.Thread(target=run, name="bench-sightings")
    thread.start()
    try:
        yield
    except BaseException as error:
        sightings.fail(error)
        raise
    finally:
        thread.join()


def _tailing(log: Collection[dict[str, Any]], seen: Sightings) -> contextlib.AbstractContextManager[None]:
    return _beside(partial(_tail, log, seen), seen)


def _tail(log: Collection[dict[str, Any]], seen: Sightings) -> None:
    with log.find({}, cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(_AWAIT_MS) as cursor:
        while not seen.ended:
            found = next(cursor, None)
            if found is None and not cursor.alive:
                raise RuntimeError(f"the tailable cursor on {log.full_name} ended")
            if found is not None:
                for record in found.get("records", [found]):  # a batch of the log, or a bare document
                    seen.saw(record["data"]["sent"])


def _consuming(kafka: str, topic: str, seen: Sightings) -> contextlib.AbstractContextManager[None]:
    return _beside(partial(_consume, kafka, topic, seen), seen)


def _consume(kafka: str, topic: str, seen: Sightings) -> None:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        while not seen.ended:
            record = consumer.poll(_POLL_SECONDS)
            if record is None:
                continue
            value, error = record.value(), record.error()
            if error is not None or value is None:
                raise RuntimeError(f"consuming {topic}: {error}")
            seen.saw(orjson.loads(value)["sent"])
    finally:
        consumer.close()
