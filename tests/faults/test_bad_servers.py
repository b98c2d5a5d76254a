"""Servers that are killed again and again, stand still, forget quickly, or have half a majority."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from outbox.embedded.mongo import EmbeddedMongo
from tests.actors.order_service import placed
from tests.faults.shop import SECONDS, Shop
from tests.servers.replica_set import REPLICA_SET, ReplicaSet
from tests.waiting import wait_until

KILLS = 5
LOCKED_SECONDS = 19.0
LIFETIME_SECONDS = 5
OPLOG_MB = 2

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(280)]


class WithArbiter(ReplicaSet):
    """A primary, a secondary, and an arbiter, which has no data: a majority needs both of the others."""

    def start(self) -> None:
        self.launch()
        members: list[dict[str, Any]] = [
            {"_id": index, "host": self.address(node)} for index, node in enumerate(self.nodes)
        ]
        members[1]["priority"] = 0
        members[2]["arbiterOnly"] = True
        config = {"_id": REPLICA_SET, "members": members, "settings": {"heartbeatIntervalMillis": 250}}
        with self.nodes[0].connect() as client:
            client.admin.command("replSetInitiate", config)
            wait_until(lambda: _states(client) == ["ARBITER", "PRIMARY", "SECONDARY"], 60, "the three to be well")
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"], 60, "the primary to take writes")
            client.admin.command("setDefaultRWConcern", defaultWriteConcern={"w": 1})


def _states(client: Any) -> list[str]:
    return sorted(each["stateStr"] for each in client.admin.command("replSetGetStatus")["members"])


@pytest.fixture
def with_arbiter() -> Iterator[WithArbiter]:
    with WithArbiter() as servers:
        yield servers


def test_an_arbiter_and_no_secondary_hold_everything_up_and_lose_nothing(with_arbiter: WithArbiter) -> None:
    secondary = with_arbiter.nodes[1]
    with Shop(with_arbiter.uri) as shop:
        with_arbiter.pause(secondary)
        refused = shop.refused
        wait_until(lambda: shop.refused > refused, SECONDS, "a put to wait in vain for a majority")
        with_arbiter.resume(secondary)
        shop.goes_on()
        with_arbiter.kill(secondary)
        refused = shop.refused
        wait_until(lambda: shop.refused > refused, SECONDS, "a put to wait in vain for a majority")
        with_arbiter.restart(secondary)
        shop.goes_on()


def test_five_kills_in_a_row_lose_nothing(tmp_path: Path) -> None:
    server = EmbeddedMongo(tmp_path / "data")
    server.start()
    try:
        with Shop(server.uri) as shop:
            for _ in range(KILLS):
                before = len(shop.acknowledged)
                server.kill()
                server.launch()
                wait_until(lambda before=before: len(shop.acknowledged) > before, SECONDS, "a put to succeed")
            shop.goes_on()
    finally:
        server.kill()


def test_a_server_that_is_locked_for_a_backup_is_waited_for(tmp_path: Path) -> None:
    """For longer than all leases and time limits."""
    with EmbeddedMongo(tmp_path / "data") as server, Shop(server.uri) as shop, server.connect() as admin:
        admin.admin.command("fsync", lock=True)
        until = time.monotonic() + LOCKED_SECONDS
        wait_until(lambda: time.monotonic() > until, LOCKED_SECONDS + 30, "the backup to be made")
        admin.admin.command("fsyncUnlock")
        shop.goes_on()


def test_an_oplog_of_a_few_seconds_is_enough(tmp_path: Path) -> None:
    """The change stream loses its place in it, and sweeps find what it did not bring."""
    server = EmbeddedMongo(tmp_path / "data", arguments=["--oplogSize", str(OPLOG_MB)])
    with server, Shop(server.uri, size=20_000) as shop, server.connect() as admin:
        shop.goes_on(messages=400)
        size = admin.local.command("collStats", "oplog.rs")["maxSize"]
        assert size <= OPLOG_MB << 20


def test_a_transaction_that_outlives_its_limit_is_gone_and_holds_up_nobody(tmp_path: Path) -> None:
    limit = ["--setParameter", f"transactionLifetimeLimitSeconds={LIFETIME_SECONDS}"]
    with EmbeddedMongo(tmp_path / "data", arguments=limit) as server, Shop(server.uri) as shop:
        with shop.client.start_session() as session:
            session.start_transaction()
            lost = shop.orders.put(placed(0, order_id="open"), session=session)
            until = time.monotonic() + 2 * LIFETIME_SECONDS
            wait_until(lambda: time.monotonic() > until, 60, "the transaction to be ended by the server")
            with pytest.raises(OperationFailure) as ended:
                session.commit_transaction()
        shop.goes_on()

        assert ended.value.has_error_label("TransientTransactionError")  # so `with_transaction` begins it again
        assert lost not in {record.id for record in shop.orders.read(1)}
