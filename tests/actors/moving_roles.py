"""The work of the MongoDB roles for what is moved, replayed and cleared away: a user does it on an admin's outbox."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Int64, ObjectId
from pymongo.database import Database

from outbox import Inbox, Outbox
from outbox.discarding.discard import Discard
from outbox.transfer.importing import import_lines
from outbox.transfer.mirroring import mirror
from relay import Relay
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.errors import Verdict
from relay.replay.asked import Asked
from relay.replay.counting import count
from relay.replay.replay import Replay
from relay.testing import MemorySink
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.actors.relay_thread import run_once
from tests.actors.transferring import another, exported

Document = dict[str, Any]
LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def bring(admin: Database[Document], user: Database[Document]) -> None:
    """Imports, what was exported from another outbox."""
    new_outbox(admin)
    source = another(admin, "source")
    source.put(placed(1), standalone=True)
    source.sequence()
    counts = import_lines(Outbox(user).collections, exported(source))
    assert counts.put == 1


def be_mirrored_to(admin: Database[Document], user: Database[Document]) -> None:
    new_outbox(admin)
    with another(admin, "source") as source:
        source.put([placed(1), placed(2)], standalone=True)
        source.sequence()
        mirror(source, Outbox(user).collections, stop=threading.Event(), once=True)
    assert admin["outbox.staging"].count_documents({}) == 2


def replay(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    orders.put(placed(1), standalone=True)
    orders.sequence()
    sink = MemorySink()
    config = RelayConfig(Outbox(user), "kafka", "beginning", "stop", random.random, Topics())
    asked = Asked("earliest", "latest")
    assert sum(count(config, asked).records.values()) == 1
    Replay(config, sink, asked).run(threading.Event())
    assert len(sink.records) == 1


def discard(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    Inbox(admin).create()
    orders.put(placed(1), standalone=True)
    sink = MemorySink()
    sink.refused = {1: Verdict.POISON}
    with Outbox(admin, messages=MESSAGES) as relaying:
        run_once(Relay(relaying, sink, on_poison="dead-letter"))
    orders.collections.dead.update_many({}, {"$set": {"first": LONG_AGO, "last": LONG_AGO}})
    orders.collections.imported.insert_one({"_id": ObjectId(), "at": LONG_AGO})
    orders.collections.acts.insert_one({"when": LONG_AGO})
    orders.collections.leases.insert_one(
        {"_id": "consumer:gone", "owner": None, "beat": Int64(1), "fence": Int64(1), "renewed": LONG_AGO}
    )
    admin.inbox.insert_one({"at": LONG_AGO})
    outbox = Outbox(user)
    outbox.status()
    kinds = Discard(outbox.collections, timedelta(days=90)).kinds
    assert {kind.name: kind.remove() for kind in kinds} == {kind.name: 1 for kind in kinds}


MOVING: dict[str, Callable[[Database[Document], Database[Document]], None]] = {
    "outboxImporter": bring,
    "outboxMirrorTarget": be_mirrored_to,
    "outboxReplayer": replay,
    "outboxDiscarder": discard,
}
MOVING_ALLOWED = {
    "outboxImporter": {"put"},
    "outboxMirrorTarget": {"put"},
    "outboxReplayer": {"take a lease"},
    "outboxDiscarder": {"move a cursor", "remove a lease", "remove a dead letter"},
}
