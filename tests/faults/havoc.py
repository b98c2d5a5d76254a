"""The faults of the soak: each is a context, inside which something is broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from tests.faults.stage import Stage
from tests.servers import produce_fault


class Fault(NamedTuple):
    """What can break: its name, the part it belongs to (two parts may break at once), and how it is done."""

    name: str
    part: str
    broken: Callable[[Stage, random.Random], AbstractContextManager[None]]


@contextmanager
def _relay_killed(stage: Stage, chance: random.Random) -> Iterator[None]:
    victim = chance.randrange(len(stage.relays))
    stage.relays[victim].kill()
    yield
    stage.relays[victim] = stage.new_relay()


@contextmanager
def _relay_frozen(stage: Stage, chance: random.Random) -> Iterator[None]:
    relay = chance.choice(stage.relays)
    if relay.exit_code is not None:  # it is about to be started again
        yield
        return
    relay.pause()
    yield
    relay.resume()


@contextmanager
def _primary_steps_down(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.nodes.step_down(seconds=5)
    yield


@contextmanager
def _primary_frozen(stage: Stage, _: random.Random) -> Iterator[None]:
    primary = stage.nodes.primary()
    stage.nodes.pause(primary)
    yield
    stage.nodes.resume(primary)


@contextmanager
def _primary_killed(stage: Stage, _: random.Random) -> Iterator[None]:
    primary = stage.nodes.primary()
    stage.nodes.kill(primary)
    yield
    stage.nodes.restart(primary)


@contextmanager
def _primary_isolated(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.nodes.isolate(stage.nodes.primary())
    yield
    stage.nodes.heal()


@contextmanager
def _database_cut(stage: Stage, _: random.Random) -> Iterator[None]:
    for network in stage.nodes.networks.values():
        network.cut()
    yield
    for network in stage.nodes.networks.values():
        network.restore()


@contextmanager
def _database_slow(stage: Stage, chance: random.Random) -> Iterator[None]:
    seconds = chance.uniform(0.01, 0.1)
    for network in stage.nodes.networks.values():
        network.delay(seconds)
    yield
    for network in stage.nodes.networks.values():
        network.restore()


@contextmanager
def _broker_frozen(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.broker.pause()
    yield
    stage.broker.resume()


@contextmanager
def _broker_killed(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.broker.kill()
    yield
    stage.broker.start()


@contextmanager
def _broker_cut(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.to_broker.cut()
    yield
    stage.to_broker.restore()


@contextmanager
def _broker_held(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.to_broker.hold()
    yield
    stage.to_broker.restore()


@contextmanager
def _acknowledgements_lost(stage: Stage, _: random.Random) -> Iterator[None]:
    stage.to_broker.hold(requests=False)
    yield
    stage.to_broker.cut()
    stage.to_broker.restore()


@contextmanager
def _broker_slow(stage: Stage, chance: random.Random) -> Iterator[None]:
    stage.to_broker.delay(chance.uniform(0.01, 0.5))
    yield
    stage.to_broker.restore()


@contextmanager
def _producer_refused(stage: Stage, chance: random.Random) -> Iterator[None]:
    codes = (produce_fault.OUT_OF_ORDER_SEQUENCE_NUMBER, produce_fault.INVALID_PRODUCER_EPOCH)
    stage.refusals.refuse_with(chance.choice(codes))
    yield


FAULTS = (
    Fault("a relay is killed", "relay", _relay_killed),
    Fault("a relay is frozen", "relay", _relay_frozen),
    Fault("the primary steps down", "database", _primary_steps_down),
    Fault("the primary is frozen", "database", _primary_frozen),
    Fault("the primary is killed", "database", _primary_killed),
    Fault("the primary is cut off from the other nodes", "database", _primary_isolated),
    Fault("all connections to the database are cut", "database", _database_cut),
    Fault("the database's network is slow", "database", _database_slow),
    Fault("the broker is frozen", "broker", _broker_frozen),
    Fault("the broker is killed", "broker", _broker_killed),
    Fault("all connections to the broker are cut", "broker", _broker_cut),
    Fault("the broker's network swallows all", "broker", _broker_held),
    Fault("the broker's answers are lost", "broker", _acknowledgements_lost),
    Fault("the broker's network is slow", "broker", _broker_slow),
    Fault("the broker refuses the producer", "broker", _producer_refused),
)


def drawn(chance: random.Random) -> list[Fault]:
    """One fault, or two at once, in different parts."""
    first = chance.choice(FAULTS)
    second = chance.choice([fault for fault in FAULTS if fault.part != first.part])
    return [first, second] if chance.random() < 0.5 else [first]
