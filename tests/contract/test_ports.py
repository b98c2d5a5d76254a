"""Each adapter has its port's methods, and whoever calls them by the port's names of parameters is understood."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from outbox import Outbox
from outbox.dead_letters.requeued import DecodedBatch, RequeuedLetters
from outbox.dead_letters.store import DeadLetterStore
from outbox.delivery import ports
from outbox.delivery.read_ahead import ReadAhead
from outbox.log.batch import Batch
from outbox.mongo.lease import Lease
from outbox.readers.reader import LogReader
from relay.encoding.encoder import Encoder
from relay.kafka.sink import KafkaSink
from relay.kafka.transactional_sink import KafkaTransactions
from relay.testing import MemorySink, MemoryTransactions

ADAPTERS: list[tuple[type[Any], type[Any]]] = [
    (ports.Sink, KafkaSink),
    (ports.Sink, MemorySink),
    (ports.TransactionalSink, KafkaTransactions),
    (ports.TransactionalSink, MemoryTransactions),
    (ports.Encoder, Encoder),
    (ports.RecordBatch, Batch),
    (ports.RecordBatch, DecodedBatch),
    (ports.BatchReader, RequeuedLetters),
    (ports.LogBatchReader, LogReader),
    (ports.LogBatchReader, ReadAhead),
    (ports.Parking, DeadLetterStore),
    (ports.Parking, RequeuedLetters),
    (ports.LeaseHold, Lease),
    (ports.OpenOutbox, Outbox),
]


def wanted(port: type[Any]) -> list[str]:
    """The port's public names, with those of the ports that it extends."""
    of_ports = [each for each in port.__mro__ if each.__module__ == ports.__name__]
    return sorted({name for each in of_ports for name in vars(each) if not name.startswith("_")})


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]


METHODS = [
    pytest.param(port, adapter, name, id=f"{port.__name__}-{adapter.__name__}-{name}")
    for port, adapter in ADAPTERS
    for name in wanted(port)
    if inspect.isfunction(getattr(port, name))
]


@pytest.mark.parametrize(("port", "adapter", "name"), METHODS)
def test_a_method_of_the_port_takes_the_same_parameters_in_each_adapter(
    port: type[Any], adapter: type[Any], name: str
) -> None:
    expected = parameters(getattr(port, name))
    its = parameters(getattr(adapter, name))

    assert its[: len(expected)] == expected
    assert [each for each in its[len(expected) :] if each[2] is inspect.Parameter.empty] == []


def test_every_port_has_an_adapter_here() -> None:
    defined = {each for each in vars(ports).values() if inspect.isclass(each) and each.__module__ == ports.__name__}

    assert defined == {port for port, _ in ADAPTERS} | {ports.BatchReader, ports.Interruptible, ports.Target}


def test_a_sink_without_transactions_is_not_taken_for_one_that_has_them() -> None:
    assert isinstance(MemoryTransactions(), ports.TransactionalSink)
    assert not isinstance(MemorySink(), ports.TransactionalSink)
