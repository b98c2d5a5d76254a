"""The roles of docs/security.md, on a server with access control: each allows its work, and nothing that is not."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from outbox import IncompatibleOutbox, MissingPrivilege, Outbox, tombstone
from outbox.acts.log import ActLog, Person
from outbox.acts.operator import Operator
from outbox.clock import SystemClock
from outbox.dead_letters.admin import DeadLetterAdmin, Selection
from outbox.latest import keeper
from outbox.monitoring.privileges import check_privileges
from outbox.readers.head import Head
from outbox.sequencer.change_stream import ChangeStreamListener
from outbox.sequencer.sequencer import Sequencer
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import request_shares
from relay import Relay
from relay.cli.run import RELAYING
from relay.errors import Verdict
from relay.monitoring.status import relay_status
from relay.testing import MemorySink
from tests.actors.catalogue import Price, new_catalogue, price
from tests.actors.database_users import ROLES, Privilege, grant, privileges
from tests.actors.gateway_user import serve
from tests.actors.latest_view import StopAt, following
from tests.actors.latest_view import number as number_all
from tests.actors.moving_roles import MOVING, MOVING_ALLOWED
from tests.actors.order_service import MESSAGES, OrderPlaced, foreign, new_outbox, placed, unchecked
from tests.actors.relay_thread import run_once
from tests.servers.mongod import can_grow_caps
from tests.servers.secured_mongo import SecuredMongo
from tests.waiting import wait_until

Document = dict[str, Any]
UNAUTHORIZED = 13


@pytest.fixture(scope="module")
def root(secured: SecuredMongo) -> Iterator[MongoClient[Document]]:
    with secured.root() as client:
        yield client


@pytest.fixture
def database(root: MongoClient[Document]) -> Iterator[Database[Document]]:
    """As an administrator sees it."""
    database = root[f"test_{uuid.uuid4().hex}"]
    yield database
    database.command("dropAllUsersFromDatabase")
    database.command("dropAllRolesFromDatabase")
    root.drop_database(database.name)


As = Callable[..., contextlib.AbstractContextManager[Database[Document]]]


@pytest.fixture
def as_user(secured: SecuredMongo, root: MongoClient[Document], database: Database[Document]) -> As:
    @contextlib.contextmanager
    def opened(role: str, without: Privilege | None = None) -> Iterator[Database[Document]]:
        grant(root, database, "user", role, without)
        with MongoClient[Document](secured.uri("user", "user", source=database.name)) as client:
            yield client[database.name]

    return opened


def read(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    orders.put(placed(1), standalone=True)
    orders.sequence()
    arrived = threading.Event()
    failures: list[Exception] = []
    with Outbox(user, sequence=False) as outbox:
        assert len(list(outbox.read())) == 1
        subscription = outbox.observe("earliest").subscribe(lambda _: arrived.set(), failures.append)
        wait_until(lambda: arrived.is_set() or failures, 20, "a record")
        subscription.dispose()
    assert not failures


def put(admin: Database[Document], user: Database[Document]) -> None:
    new_outbox(admin)
    outbox = Outbox(user, messages=MESSAGES, sequence=False)
    with user.client.start_session() as session, session.start_transaction():
        outbox.put(placed(1), session=session)
    outbox.put([placed(2), placed(3)], standalone=True)
    outbox.unattended._look()  # what a put does every 30 s; it logs its errors, and they would go unseen


def number(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    orders.collections.cursors.insert_one({"_id": "relay:kafka", "seq": Int64(0)})
    sequencer = Sequencer(Outbox(user).collections)
    listener = ChangeStreamListener(Outbox(user).collections.staging)
    try:
        for total in range(2):
            assert sequencer.take_over()
            swept = sequencer.sweep()
            orders.put(placed(total), standalone=True)
            listener.follow_from(swept.time)
            with contextlib.closing(listener._opened()) as changes:
                assert wait_until(changes.try_next, 20, "the change")
        unchecked(orders, foreign(headers=7))
        assert sequencer.take_over()  # a new one measures what the durable reader has left
        while sequencer.sweep().messages:
            pass
    finally:
        sequencer.release()
    assert orders.log.head() == 2
    assert orders.collections.dead.count_documents({}) == 1


def relay(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    orders.put([placed(total) for total in range(3)], standalone=True)
    sink = MemorySink()
    sink.refused = {1: Verdict.POISON}
    with Outbox(user) as outbox:
        run_once(Relay(outbox, sink, on_poison="park-key"))
        assert relay_status(outbox, "kafka").parked == 2
        DeadLetterAdmin(orders.collections, "relay:kafka").requeue(Selection())
        sink.refused = {}
        run_once(Relay(outbox, sink, on_poison="park-key"))
        assert relay_status(outbox, "kafka").dead == 0
    assert [each.seq for each in sink.records] == [1, 2, 3]
    request_shares(orders.collections, "relay:kafka", 2)
    orders.put([placed(total, order_id=str(total)) for total in range(3)], standalone=True)
    with Outbox(user) as outbox:
        run_once(Relay(outbox, sink))
    assert len(sink.records) == 6


def keep_latest(admin: Database[Document], user: Database[Document]) -> None:
    catalogue = new_catalogue(admin)
    number_all(catalogue, price("a", 1), tombstone(Price, key="a"), price("b", 1))
    stop = StopAt(catalogue, 3)
    keeper._run(Outbox(user).collections, Head(), stop)
    with Outbox(user, sequence=False) as outbox, following(outbox) as newest:
        newest.wait_for(1)
    assert newest.seqs == [3]


def operate(admin: Database[Document], user: Database[Document]) -> None:
    orders = new_outbox(admin)
    orders.put([placed(total, order_id=str(total)) for total in range(2)], standalone=True)
    unchecked(orders, foreign(key=7))
    orders.sequence()
    sink = MemorySink()
    sink.refused = dict.fromkeys((1, 2), Verdict.POISON)
    with orders:
        run_once(Relay(orders, sink, on_poison="dead-letter"))
    outbox = Outbox(user)
    office = Operator(outbox.collections, "relay:kafka", Person("ada", "command"))
    assert DeadLetterAdmin(outbox.collections, "relay:kafka").count("dead") == 3
    mended = {name: value for name, value in foreign().items() if name not in ("_id", "at")}
    orders.collections.dead.update_one({"reader": "sequencer"}, {"$set": mended})  # as if it had been mended
    assert office.requeue(Selection()).letters == 3
    assert office.discard(Selection(), "a test's") == 2
    move(outbox.collections, "relay:another", datetime.now(UTC), SystemClock())
    assert forget(outbox.collections, "relay:another", SystemClock())
    assert relay_status(outbox, "kafka").staging == 1
    assert request_shares(outbox.collections, "relay:kafka", 2)
    office.pause()
    assert len(ActLog(outbox.collections).newest()) == 3
    assert [each.paused for each in outbox.readers()] == [True]


def create(admin: Database[Document], user: Database[Document]) -> None:
    Outbox(user, messages=[OrderPlaced], capacity="16 MiB").create()
    with nullcontext() if can_grow_caps(user.client) else pytest.raises(IncompatibleOutbox, match="older than 6.0"):
        Outbox(user, messages=MESSAGES, capacity="17 MiB").create()
    Outbox(user, messages=[Price]).create()
    assert set(Outbox(admin).types()) - {"price"} == {each._outbox_declaration.type for each in MESSAGES}


WORK: dict[str, Callable[[Database[Document], Database[Document]], None]] = {
    "outboxReader": read,
    "outboxService": put,
    "outboxSequencer": number,
    "outboxRelay": relay,
    "outboxLatest": keep_latest,
    "outboxGateway": serve,
    "outboxOperator": operate,
    "outboxCreator": create,
    **MOVING,
}


def test_every_role_of_the_page_is_tried() -> None:
    assert WORK.keys() == ROLES.keys()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_enough_for_its_work(database: Database[Document], as_user: As, role: str) -> None:
    with as_user(role) as user:
        WORK[role](database, user)


@pytest.mark.parametrize("privilege", privileges(), ids=str)
def test_without_any_one_of_its_privileges_it_is_not(
    database: Database[Document], as_user: As, privilege: Privilege
) -> None:
    with as_user(privilege.role, privilege) as user, pytest.raises(OperationFailure) as refused:
        WORK[privilege.role](database, user)

    assert refused.value.code == UNAUTHORIZED


Refused = Callable[[Database[Document]], object]
WRITES: dict[str, Refused] = {
    "put": lambda shop: shop["outbox.staging"].insert_one(foreign()),
    "change what was put": lambda shop: shop["outbox.staging"].update_one({}, {"$set": {"key": "k"}}),
    "take back what was put": lambda shop: shop["outbox.staging"].delete_one({}),
    "append to the log": lambda shop: shop.outbox.insert_one({"_id": 7}),
    "change the log": lambda shop: shop.outbox.update_one({}, {"$set": {"records": []}}),
    "lift the fence": lambda shop: shop.command("collMod", "outbox", validator={}),
    "lift staging's validator": lambda shop: shop.command("collMod", "outbox.staging", validator={}),
    "move a cursor": lambda shop: shop["outbox.cursors"].update_one({}, {"$set": {"seq": 7}}),
    "remove a cursor": lambda shop: shop["outbox.cursors"].delete_one({}),
    "take a lease": lambda shop: shop["outbox.leases"].update_one({}, {"$set": {"owner": "me"}}),
    "remove a lease": lambda shop: shop["outbox.leases"].delete_one({}),
    "remove a dead letter": lambda shop: shop["outbox.dead"].delete_one({}),
    "drop the log": lambda shop: shop.outbox.drop(),
    "drop staging": lambda shop: shop["outbox.staging"].drop(),
    "read the service's data": lambda shop: shop.orders.find_one(),
    "write the service's data": lambda shop: shop.orders.insert_one({}),
    "make an index": lambda shop: shop["outbox.staging"].create_index("key"),
    "make a user": lambda shop: shop.command("createUser", "eve", pwd="e", roles=["outboxReader"]),
    "watch the service's data": lambda shop: shop.orders.watch([]),
    "write past the validator": lambda shop: shop.command(
        {"insert": "outbox.staging", "documents": [{}], "bypassDocumentValidation": True}
    ),
}
ALLOWED = {
    "outboxReader": set(),
    "outboxService": {"put"},
    "outboxSequencer": {"take back what was put", "append to the log", "lift the fence", "take a lease"},
    "outboxRelay": {
        "take back what was put", "append to the log", "lift the fence", "take a lease", "move a cursor",
        "remove a dead letter",
    },
    "outboxLatest": {"move a cursor", "take a lease"},
    "outboxGateway": {
        "put", "take back what was put", "append to the log", "lift the fence", "take a lease", "move a cursor",
        "remove a cursor",
    },
    "outboxOperator": {"put", "move a cursor", "remove a cursor", "take a lease", "remove a dead letter"},
    **MOVING_ALLOWED,
    "outboxCreator": {
        "append to the log", "lift the fence", "lift staging's validator", "take a lease", "make an index"
    },
}  # fmt: skip
"""What a role must allow for its work, though it could be used for worse."""


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_nothing_else(database: Database[Document], as_user: As, role: str) -> None:
    new_outbox(database)
    allowed = set()
    with as_user(role) as user:
        for name, attempt in WRITES.items():
            try:
                attempt(user)
            except OperationFailure as refusal:
                if refusal.code == UNAUTHORIZED:
                    continue
            allowed.add(name)

    assert allowed == ALLOWED[role]


def test_what_a_relay_checks_at_its_start_is_what_its_role_allows(database: Database[Document], as_user: As) -> None:
    granted = {
        (each.collection.removeprefix("outbox") if each.collection else "*", each.action)
        for each in privileges()
        if each.role in {"outboxReader", "outboxSequencer", "outboxRelay"}
    }

    assert granted == {(part, action) for part, actions in RELAYING.items() for action in actions}
    with as_user("outboxRelay") as user:
        check_privileges(Outbox(user).collections, RELAYING)


@pytest.mark.parametrize("role", ["readWrite", "dbAdmin", "dbOwner", "root"])
def test_roles_of_mongodb_s_own_are_understood_as_well(
    secured: SecuredMongo, root: MongoClient[Document], database: Database[Document], role: str
) -> None:
    database.command(
        "createUser", "user", pwd="user", roles=[{"role": role, "db": "admin" if role == "root" else database.name}]
    )
    with MongoClient[Document](secured.uri("user", "user", source=database.name)) as client:
        collections = Outbox(client[database.name]).collections
        if role in ("dbOwner", "root"):
            check_privileges(collections, RELAYING)
        else:
            with pytest.raises(MissingPrivilege):
                check_privileges(collections, RELAYING)


def test_a_missing_privilege_is_named_with_where_to_find_the_role(database: Database[Document], as_user: As) -> None:
    with as_user("outboxReader") as user, pytest.raises(MissingPrivilege) as missing:
        check_privileges(Outbox(user).collections, RELAYING)

    for said in ("'user'", f"collMod, collStats, insert on {database.name}.outbox;", "docs/security.md"):
        assert said in str(missing.value)


def test_without_access_control_nothing_is_missing(mongo: MongoClient[Document]) -> None:
    check_privileges(Outbox(mongo.shop).collections, RELAYING)
