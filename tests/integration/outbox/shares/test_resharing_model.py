"""The number of shares is changed, again and again, by processes that end between any two calls of the driver."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pymongo.database import Database

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.delivery import intake
from outbox.delivery.config import DeliveryConfig
from outbox.delivery.ports import Outgoing
from outbox.delivery.retry import Retry
from outbox.delivery.worker import Worker
from outbox.errors import LeaseLost
from outbox.log.cursors import CursorStore
from outbox.log.reader_id import relay_id
from outbox.mongo.lease import Lease
from outbox.shares.cursor_admin import move
from outbox.shares.layout import load, request_shares, share_cursor
from outbox.shares.reader_logger import ReaderLogger
from outbox.shares.resharing import Resharing
from outbox.shares.share import Share, shares
from relay.config import RelayConfig
from relay.encoding.topics import Topics
from relay.errors import CursorMismatch, DeliveryFailed, Verdict
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import seqs
from tests.doubles.crashes import Crash, Life

Document = dict[str, Any]
CALLS = ("find", "find_one", "insert_one", "update_one", "delete_one", "find_one_and_update")
KEYS = [f"k{n}" for n in range(12)]


def _life(monkeypatch: pytest.MonkeyPatch) -> Life:
    others = [(MemorySink, "poll"), *((MemoryTransactions, name) for name in ("poll", "take_over", "store"))]
    return Life(monkeypatch, CALLS, (".leases", ".cursors"), others)


ends = st.none() | st.integers(0, 30)
"""Before which of its calls a process ends; None: it does all its work."""


def driving() -> Retry:
    return Retry(ReaderLogger("relay:kafka", "a test"), threading.Event(), lambda: 0.0)


def resharing(scene: Reshared, sink: MemorySink) -> Resharing:
    return Resharing(
        scene.orders.collections,
        "relay:kafka",
        scene.home(),
        work=lambda share: Worker(scene.job, sink, share),
        begin=scene.job.begin,
    )


class Reshared(RuleBasedStateMachine):
    def __init__(self, orders: Outbox, sink: MemorySink, life: Life) -> None:
        super().__init__()
        self.orders, self.sink, self.life = orders, sink, life
        self.job = RelayConfig(orders, "kafka", "beginning", "stop", lambda: 0.0, Topics())
        self.keys: list[str] = []
        self.holdings: list[tuple[CursorStore, int]] = []
        self.was_set_back = False
        self._begin(2)
        self.job.has_begun.set()  # as in a process that works, which all of them are here

    def home(self) -> Lease:
        """The relay's own lease, for a process that begins."""
        return Lease(self.orders.collections.leases, relay_id("kafka"))

    def _begin(self, count: int) -> None:
        resharing(self, self.sink.another()).run(count, threading.Event(), 0.0)

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=20))
    def put(self, keys: list[str]) -> None:
        self.orders.put([placed(len(self.keys) + n, key) for n, key in enumerate(keys)], standalone=True)
        self.orders.sequence()
        self.keys += keys

    @rule(number=st.integers(1, 9), end=ends)
    def relay(self, number: int, end: int | None) -> None:
        """A process takes a share, delivers all of it, or dies."""
        count = load(self.orders.collections, "relay:kafka").total
        share = Share((number - 1) % count + 1, count)
        self.life.until(end, lambda: self._relay(share))
        self._expire()

    def _relay(self, share: Share) -> None:
        lease = Lease(self.orders.collections.leases, relay_id(share.name("kafka")))
        assert lease.acquire()
        cursors = share_cursor(self.orders.collections.cursors, "relay:kafka", share, in_kafka=self._is_in_kafka)
        self.holdings.append((cursors, lease.fence))
        with lease.held("test"):
            Worker(self.job, self.sink.another(), share).run(
                lease, Retry(ReaderLogger("relay:kafka", "a test"), threading.Event(), lambda: 0.0), once=True
            )

    @property
    def _is_in_kafka(self) -> bool:
        return isinstance(self.sink, MemoryTransactions)

    def _expire(self) -> None:
        """The lease time passes, for those that have died."""
        self.orders.collections.leases.update_many({}, {"$set": {"owner": None}})

    @rule(
        number=st.sampled_from([1, 2, 3, 4, 8]), lives=st.lists(ends, max_size=3), number_of_working=st.integers(1, 9)
    )
    def change(self, number: int, lives: list[int | None], number_of_working: int) -> None:
        """Processes try it until one succeeds; between two of them another may still deliver."""
        before = load(self.orders.collections, "relay:kafka").shares
        request_shares(self.orders.collections, "relay:kafka", number)
        for end in [*lives, None]:
            self.life.until(end, lambda: self._begin(1))
            self._expire()
            layout = load(self.orders.collections, "relay:kafka")
            if (layout.shares, layout.wanted) == (number, None):
                break
            assert layout.shares == before, "a part of a change was to be seen"
            self.relay(number_of_working, None)
        else:
            pytest.fail("the change was not made")
        assert [each for each in layout.positions if each is None] == []
        if number != before:
            self._check_that_the_past_is_over()

    def _check_that_the_past_is_over(self) -> None:
        """Whoever had a share before the change can save nothing any more."""
        for cursors, fence in self.holdings:
            with pytest.raises(LeaseLost):
                cursors.save((10**6, None, None), fence)
            with pytest.raises(LeaseLost):
                cursors.claim(fence)

    def teardown(self) -> None:
        for share in shares(load(self.orders.collections, "relay:kafka").total):
            self._relay(share)
        first = list(dict.fromkeys(seqs(self.sink)))
        assert sorted(first) == list(range(1, len(self.keys) + 1)), "something is lost"
        for key in KEYS:
            mine = [seq for seq in first if self.keys[seq - 1] == key]
            assert mine == sorted(mine), f"{key} is out of order"
        if self._is_in_kafka and not self.was_set_back:
            assert len(seqs(self.sink)) == len(first), "something came twice"


class Interfered(Reshared):
    """And people remove cursors, and set them: then what was delivered may come again."""

    @rule(back=st.integers(0, 5))
    def set_cursor(self, back: int) -> None:
        """An operator has all shares go on from where the slowest is, or a little before: some comes again."""
        positions = load(self.orders.collections, "relay:kafka").positions
        self._set(max(0, min(0 if each is None else each[0] for each in positions) - back))

    def _set(self, seq: int) -> None:
        move(self.orders.collections, "relay:kafka", seq, SystemClock())
        self.was_set_back = True
        self._check_that_the_past_is_over()

    @rule(what=st.sampled_from(["all", "home", "one"]), number=st.integers(1, 9))
    def remove(self, what: str, number: int) -> None:
        """Somebody removes cursors: nothing is sent any more, until an operator says where to go on."""
        layout, before = load(self.orders.collections, "relay:kafka"), seqs(self.sink)
        home, count = relay_id("kafka"), layout.total
        names = [relay_id(share.name("kafka")) for share in shares(count)]
        gone = {"all": [home, *names], "home": [home], "one": [names[(number - 1) % count]]}[what]
        self.orders.collections.cursors.delete_many({"_id": {"$in": gone}})

        with pytest.raises(CursorMismatch):
            self.relay(number, None)

        assert seqs(self.sink) == before
        self._set(min(0 if each is None else each[0] for each in layout.positions))


@pytest.fixture
def outboxes(database: Database[Document]) -> Iterator[Callable[[], Outbox]]:
    numbers = itertools.count()
    opened: list[Outbox] = []

    def another() -> Outbox:
        database_ = database.client[database.name]
        opened.append(new_outbox(database_, name=f"outbox{next(numbers)}", capacity="8 MiB", sequence=False))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [MemorySink, MemoryTransactions])
@pytest.mark.parametrize("model", [Reshared, Interfered])
def test_nothing_is_lost_or_out_of_order_whoever_ends_in_the_middle_of_a_change(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch, kind: type[MemorySink], model: type[Reshared]
) -> None:
    """Goes red when a change does not carry where each share stood, and when it is no transaction; with transactions,
    also when it does not fence those of before. Where people interfere: when a relay begins anew without a cursor."""
    life = _life(monkeypatch)
    monkeypatch.setattr(intake, "_READ_SECONDS", 0.0)  # no tail wakes it here
    monkeypatch.setattr(DeliveryConfig, "rest_seconds", 0.01)

    run_state_machine_as_test(
        lambda: model(outboxes(), kind(), life),
        settings=settings(
            max_examples=12,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink what takes servers takes minutes
        ),
    )


@pytest.mark.parametrize("kind", [MemorySink, MemoryTransactions])
def test_changes_that_follow_each_other_before_all_is_delivered_repeat_nothing(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch, kind: type[MemorySink]
) -> None:
    """Goes red when a change does not carry where each share stood, or not the change before."""
    scene = Reshared(outboxes(), kind(), _life(monkeypatch))
    scene.put(KEYS * 3)
    scene.relay(1, None)
    scene.change(4, [], 1)
    scene.relay(2, None)
    scene.put(KEYS)
    scene.change(3, [], 1)
    scene.relay(3, None)
    scene.change(1, [], 1)

    scene.teardown()

    assert len(seqs(scene.sink)) == 4 * len(KEYS)


@pytest.mark.parametrize("kind", [MemorySink, MemoryTransactions])
def test_whoever_had_a_share_before_can_do_nothing_when_the_number_is_the_same_again(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch, kind: type[MemorySink]
) -> None:
    """Goes red when the new cursors do not have the fence of who makes the change."""
    scene = Reshared(outboxes(), kind(), _life(monkeypatch))
    scene.put(KEYS)
    for number in (1, 2):
        scene.relay(number, None)
    scene.change(1, [], 1)
    scene.relay(1, None)
    scene.change(2, [], 1)
    scene.relay(2, None)
    scene.change(1, [], 1)

    scene.teardown()


def test_what_only_kafka_knows_to_be_delivered_is_not_repeated_by_a_change(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when a change goes by the cursors in MongoDB alone."""
    broker = MemoryTransactions()
    scene = Reshared(outboxes(), broker, _life(monkeypatch))
    scene.put(KEYS)
    sink = broker.another()

    def die() -> None:
        if sink.records:
            raise Crash

    sink.after_commit = die
    lease = Lease(scene.orders.collections.leases, "relay:kafka/1")
    assert lease.acquire()
    with suppress(Crash):
        Worker(scene.job, sink, Share(1, 2)).run(lease, driving(), once=True)
    assert 0 < len(sink.records) < len(KEYS)
    scene._expire()
    scene.change(3, [], 1)

    scene.teardown()

    assert len(seqs(scene.sink)) == len(KEYS)


def test_a_change_fences_those_of_before_in_kafka_too(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when a change does not take over the transactional ids of all old shares."""
    broker = MemoryTransactions()
    scene = Reshared(outboxes(), broker, _life(monkeypatch))
    scene.put(KEYS)
    zombie = broker.another()
    name = f"{scene.orders.collections.database.name}.{scene.orders.name}/kafka/2"
    zombie.take_over(name, lambda last: '{"seq": 0, "created": null, "id": null}')
    zombie.open(lambda seq: None)
    zombie.send([(1, "topic", "key", b"value", [("seq", "1")])])
    scene.change(1, [], 1)

    with pytest.raises(DeliveryFailed, match="fenced"):
        zombie.poll(0)
    assert seqs(scene.sink) == []


class LeftOpen(MemoryTransactions):
    """A broker on which a share's transaction was left open: no cursor can be read until that share is taken over."""

    share = 2

    def take_over(self, name: str, cursor: Callable[[Outgoing], str]) -> str | None:
        found = super().take_over(name, cursor)
        if name.endswith(f"/{self.share}"):
            self.share = 0
        if self.share:
            raise DeliveryFailed(None, Verdict.RETRY, "its end is not readable yet")
        return found


def test_a_transaction_that_a_share_has_left_open_delays_a_change_and_does_not_stop_it(
    outboxes: Callable[[], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes red when the first share whose cursor cannot be read is waited for, until Kafka ends it after a minute."""
    sink = MemoryTransactions()
    scene = Reshared(outboxes(), sink, _life(monkeypatch))
    scene.put(KEYS)
    request_shares(scene.orders.collections, "relay:kafka", 3)
    left_open = LeftOpen(beside=sink)
    with pytest.raises(DeliveryFailed, match="not readable yet"):
        resharing(scene, left_open).run(1, threading.Event(), 0.0)
    resharing(scene, left_open).run(1, threading.Event(), 0.0)

    assert load(scene.orders.collections, "relay:kafka").shares == 3
