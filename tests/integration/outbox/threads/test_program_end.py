"""A program that ends gives back what it holds and says nothing; one whose main thread has ended works on."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pymongo.database import Database

from outbox.mongo.lease import read_lease
from tests.actors.order_service import new_outbox, totals

Document = dict[str, Any]

BEGIN = """
import atexit, os, sys, threading
from pymongo import MongoClient
from outbox import Outbox
from relay import Relay
from relay.testing import MemorySink
from tests.actors.order_service import MESSAGES, placed
from tests.waiting import wait_until

client = MongoClient(sys.argv[1])
orders = Outbox(client[sys.argv[2]], messages=MESSAGES)
got = []
"""
OBSERVE = """
orders.observe("earliest").subscribe(got.append)
orders.put(placed(1), standalone=True)
wait_until(lambda: got)
"""
RELAY = """
sink, stop = MemorySink(), threading.Event()
threading.Thread(target=Relay(orders, sink).run, args=(stop,), daemon=True).start()
orders.put(placed(1), standalone=True)
wait_until(lambda: sink.records)
"""
AFTER_MAIN = """
def late():
    threading.main_thread().join()
    for n in range(10):
        orders.put(placed(n), standalone=True)
    wait_until(lambda: len(done) == 10)
    print(len(done))
    stop.set()

threading.Thread(target=late).start()
"""
OBSERVE_AFTER_MAIN = """
done, stop = got, threading.Event()
def begin():
    threading.main_thread().join()
    orders.observe("earliest").subscribe(got.append)
threading.Thread(target=begin).start()
"""
RELAY_AFTER_MAIN = """
sink, stop = MemorySink(), threading.Event()
done = sink.records
threading.Thread(target=Relay(orders, sink).run, args=(stop,)).start()
"""


def run(uri: str, database: Database[Document], *parts: str) -> subprocess.CompletedProcess[str]:
    new_outbox(database).close()
    program = [sys.executable, "-c", BEGIN + "".join(parts), uri, database.name]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


def noise(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What it said; not that a machine with much else to do is slow to confirm a write, which is true."""
    return [line for line in (ended.stdout + ended.stderr).splitlines() if "slow to confirm" not in line]


def owner(database: Database[Document], role: str) -> object:
    lease = read_lease(database["outbox.leases"], role)
    assert lease is not None
    return lease["owner"]


@pytest.mark.parametrize("work", [OBSERVE, RELAY], ids=["observing", "relaying"])
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "atexit.register(lambda: None)"])
def test_its_leases_are_free_at_once(mongo_uri: str, database: Database[Document], work: str, end: str) -> None:
    """Goes red when nobody tells the threads that the program ends: the next one waited for each lease."""
    ended = run(mongo_uri, database, work, end)

    assert (noise(ended), ended.returncode) == ([], 3 if "exit(3" in end else 0)
    assert owner(database, "sequencer") is None
    if work is RELAY:
        assert owner(database, "relay:kafka") is None


@pytest.mark.parametrize("work", [OBSERVE, RELAY], ids=["observing", "relaying"])
def test_an_exception_of_its_own_is_all_it_says(mongo_uri: str, database: Database[Document], work: str) -> None:
    ended = run(mongo_uri, database, work, "raise ValueError('of its own')")

    assert ended.stderr.splitlines()[-1] == "ValueError: of its own"
    assert ended.stderr.count("Traceback") == 1
    assert owner(database, "sequencer") is None


@pytest.mark.parametrize("work", [OBSERVE, RELAY], ids=["observing", "relaying"])
@pytest.mark.parametrize("end", ["client.close()", "atexit.register(client.close)"])
def test_a_client_that_it_closes_last_is_no_error(
    mongo_uri: str, database: Database[Document], work: str, end: str
) -> None:
    ended = run(mongo_uri, database, work, end)

    assert (noise(ended), ended.returncode) == ([], 0)


def test_a_subscriber_that_does_not_return_keeps_no_program_from_ending(
    mongo_uri: str, database: Database[Document]
) -> None:
    stuck = "orders.observe(1).subscribe(lambda _: (got.append(1), threading.Event().wait()))\n"
    ended = run(mongo_uri, database, stuck, "orders.put(placed(1), standalone=True)\nwait_until(lambda: got)")

    assert (noise(ended), ended.returncode) == ([], 0)
    assert owner(database, "sequencer") is None


@pytest.mark.parametrize("work", [OBSERVE_AFTER_MAIN, RELAY_AFTER_MAIN], ids=["observing", "relaying"])
def test_threads_that_go_on_after_the_main_one_deliver_all(
    mongo_uri: str, database: Database[Document], work: str
) -> None:
    """Goes red with the library's pool of threads: 0 of 10, no error, exit code 0."""
    ended = run(mongo_uri, database, work, AFTER_MAIN)

    assert (noise(ended), ended.returncode) == (["10"], 0)
    assert len(totals(new_outbox(database).read())) == 10


def test_a_forked_process_that_ends_leaves_its_parent_s_lease_alone(
    mongo_uri: str, database: Database[Document]
) -> None:
    """Goes red when whoever unwinds the same stack gives the lease back."""
    keeping = """
from outbox.mongo.lease import read_lease
lease = orders.collections.lease("relay:kafka")
assert lease.acquire()
with orders.running():
    wait_until(lambda: (read_lease(orders.collections.leases, "sequencer") or {}).get("owner"))
    try:
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
        print(all(read_lease(orders.collections.leases, role)["owner"] for role in ("sequencer", "relay:kafka")))
    finally:
        lease.release()
"""
    ended = run(mongo_uri, database, keeping)

    assert (ended.stdout, ended.returncode) == ("True\n", 0)
    assert owner(database, "relay:kafka") is None


def test_a_forked_process_beats_for_its_own_leases_and_not_for_its_parent_s(
    mongo_uri: str, database: Database[Document]
) -> None:
    """Goes red when it takes over its parent's heartbeat: the thread of that is not there."""
    forking = """
from outbox.mongo.lease import read_lease
collections = orders.collections
def beat(role):
    return (read_lease(collections.leases, role) or {"beat": 0})["beat"]
parents = collections.lease("relay:parent", seconds=0.3)
assert parents.acquire()
wait_until(lambda: beat("relay:parent") > 2)
if os.fork() == 0:
    own = collections.lease("relay:child", seconds=0.3)
    assert own.acquire()
    wait_until(lambda: beat("relay:child") > 3)
    beats_for = [each.role for each in collections._heartbeat._held]
    own.release()
    print(beats_for, flush=True)
    os._exit(0)
os.wait()
parents.release()
"""
    ended = run(mongo_uri, database, "import warnings; warnings.simplefilter('ignore')\n", forking)

    assert (ended.stdout, ended.returncode) == ("['relay:child']\n", 0)
