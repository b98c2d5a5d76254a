"""A holder of the same host whose process is gone is succeeded at once, and no other is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database

from outbox.mongo.lease import Lease
from outbox.mongo.process_identity import is_gone, this_process
from outbox.testing import FakeClock
from tests.waiting import wait_until

Document = dict[str, Any]

pytestmark = pytest.mark.skipif(this_process() is None, reason="only Linux tells which process it is")

TELL = (
    "import json; from outbox.mongo.process_identity import this_process; "
    "print(json.dumps(this_process()), flush=True); input()"
)


@pytest.fixture
def leases(database: Database[Document]) -> Collection[Document]:
    return database["outbox.leases"].with_options(write_concern=WriteConcern("majority"))


@contextmanager
def child() -> Iterator[tuple[subprocess.Popen[str], Document]]:
    """A process that waits, and what it says of itself."""
    program = [sys.executable, "-c", TELL]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True) as process, ExitStack() as end:
        end.callback(process.kill)
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())


def dead() -> Document:
    with child() as (_, identity):
        pass
    return identity


def held_by(leases: Collection[Document], process: object) -> None:
    assert Lease(leases, "sequencer").acquire()
    leases.update_one({"_id": "sequencer"}, {"$set": {"process": process}})


def test_a_process_that_lives_is_not_gone() -> None:
    with child() as (_, identity):
        assert not is_gone(identity)
    assert is_gone(identity)


def test_a_zombie_is_gone() -> None:
    with child() as (process, identity):
        process.kill()  # and not waited for
        wait_until(lambda: is_gone(identity))
        assert process.returncode is None


def test_this_process_is_not_gone() -> None:
    assert not is_gone(this_process())


def test_a_process_that_has_got_the_number_of_a_dead_one_is_another() -> None:
    identity = this_process() or {}

    assert is_gone({**identity, "started": identity["started"] - 1})


@pytest.mark.parametrize(
    "other",
    [{"boot": "another"}, {"pids": "pid:[1]"}, {"time": "time:[1]"}, {"pid": "7"}, {"pid": -1}, {"started": None}],
    ids=repr,
)
def test_what_is_of_another_place_or_makes_no_sense_is_never_said_to_be_gone(other: Document) -> None:
    assert not is_gone({**dead(), **other})


@pytest.mark.parametrize("nonsense", [None, {}, [], "x", 7, {"boot": 1}], ids=repr)
def test_a_document_without_a_process_is_never_said_to_be_gone(nonsense: object) -> None:
    assert not is_gone(nonsense)


def test_a_holder_whose_process_is_gone_is_succeeded_at_once(leases: Collection[Document]) -> None:
    held_by(leases, dead())
    waiter = Lease(leases, "sequencer", clock=FakeClock())

    assert waiter.acquire()
    assert waiter.fence == 2


def test_a_holder_in_another_container_is_waited_for(leases: Collection[Document]) -> None:
    held_by(leases, {**dead(), "pids": "pid:[1]"})

    assert not Lease(leases, "sequencer", clock=FakeClock()).acquire()


def test_a_document_of_an_older_version_is_waited_for(leases: Collection[Document]) -> None:
    assert Lease(leases, "sequencer").acquire()
    leases.update_one({}, {"$unset": {"process": 1, "seconds": 1}})
    clock = FakeClock()
    waiter = Lease(leases, "sequencer", clock=clock)

    assert not waiter.acquire()
    clock.advance(10)
    assert waiter.acquire()


def test_another_holder_in_the_same_process_is_waited_for(leases: Collection[Document]) -> None:
    assert Lease(leases, "sequencer").acquire()

    assert not Lease(leases, "sequencer", clock=FakeClock()).acquire()
