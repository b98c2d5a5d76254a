"""A replay over a real log; the sink is in memory, so that it can be looked at and made to fail."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument

from outbox import Outbox
from outbox.archive import Archive
from outbox.errors import CursorInUse, CursorMismatch, HistoryLost
from outbox.history.with_history import with_history
from outbox.mongo.codec import RAW
from outbox.readers.query import History
from outbox.testing import FakeClock
from relay import Relay, Topics
from relay.config import RelayConfig
from relay.errors import PoisonMessage, TopicMissing, Verdict
from relay.replay.asked import Asked
from relay.replay.counting import count
from relay.replay.replay import Replay, Report
from relay.testing import MemorySink
from tests.actors.archiving import filled
from tests.actors.archiving import run_once as archive_once
from tests.actors.order_service import OrderCancelled, foreign, placed
from tests.actors.relay_thread import numbered, run_once, seqs
from tests.actors.small_log import small_outbox

ALL = Asked("earliest", "latest")


def config(orders: Outbox, history: History | None = None, policy: Any = "stop") -> RelayConfig:
    return RelayConfig(with_history(orders, history), "kafka", "beginning", policy, random.random, Topics("{type}"))


def replay(orders: Outbox, sink: MemorySink, asked: Asked = ALL, **options: Any) -> Report:
    return Replay(config(orders), sink, asked, **options).run(threading.Event())


def large(number: int) -> Any:
    return placed(number, note="x" * 2000)


def interrupted(orders: Outbox, sink: MemorySink, asked: Asked = ALL, after: int = 3) -> Report:
    """One that is stopped when so many records have arrived."""
    stop = threading.Event()

    def told(report: Report) -> None:
        if report.sent >= after:
            stop.set()

    return Replay(config(orders), sink, asked, rate=10.0, clock=FakeClock(), told=told).run(stop)


def documents(orders: Outbox) -> list[RawBSONDocument]:
    return list(orders.collections.cursors.with_options(codec_options=RAW).find())


def test_a_range_is_sent_again_in_order_with_a_mark_and_no_cursor_is_touched(orders: Outbox) -> None:
    numbered(orders, 12)
    first, again = MemorySink(), MemorySink()
    run_once(Relay(orders, first, topics=Topics("{type}")))
    before = documents(orders)

    report = replay(orders, again, Asked(3, 9))

    assert seqs(again) == list(range(3, 10))
    assert [(r.topic, r.key, r.value) for r in again.records] == [(r.topic, r.key, r.value) for r in first.records[2:9]]
    assert [r.headers for r in again.records] == [(*r.headers, ("replayed", b"true")) for r in first.records[2:9]]
    assert report == Report(first=3, last=9, reached=9, sent=7, is_finished=True)
    assert [each.raw for each in documents(orders)] == [each.raw for each in before]
    assert [each.id for each in orders.readers()] == ["relay:kafka"]


def test_only_the_types_and_the_key_that_are_asked_for_are_sent(orders: Outbox) -> None:
    numbered(orders, 3)
    orders.put([OrderCancelled(order_id="7"), OrderCancelled(order_id="8")], standalone=True)
    numbered(orders, 2)
    of_type, of_key = MemorySink(), MemorySink()

    report = replay(orders, of_type, Asked("earliest", "latest", types=("order.cancelled",)))
    replay(orders, of_key, Asked("earliest", "latest", key="7"))

    assert (seqs(of_type), seqs(of_key)) == ([4, 5], [4])
    assert (report.sent, report.reached, report.is_finished) == (2, 7, True)


def test_stopped_and_run_again_it_goes_on_and_finished_it_begins_anew(orders: Outbox) -> None:
    numbered(orders, 10)
    first, second, third = MemorySink(), MemorySink(), MemorySink()

    report = interrupted(orders, first)
    assert not report.is_finished
    assert replay(orders, second).is_finished
    replay(orders, third)

    assert seqs(first) + seqs(second) == list(range(1, 11))
    assert seqs(third) == list(range(1, 11))


def test_its_range_stays_what_it_was_though_the_log_has_grown(orders: Outbox) -> None:
    numbered(orders, 6)
    interrupted(orders, MemorySink())
    numbered(orders, 4)

    assert replay(orders, MemorySink()).last == 6


def test_another_range_or_a_restart_gives_the_unfinished_one_up(
    orders: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    numbered(orders, 8)
    interrupted(orders, MemorySink())
    other, anew = MemorySink(), MemorySink()

    replay(orders, other, Asked(7, "latest"))
    interrupted(orders, MemorySink())
    replay(orders, anew, restart=True)

    assert (seqs(other), seqs(anew)) == ([7, 8], list(range(1, 9)))
    assert "what is left of an unfinished one is given up: seq" in caplog.text


def test_a_place_in_another_log_is_none(orders: Outbox) -> None:
    numbered(orders, 8)
    interrupted(orders, MemorySink())
    orders.drop()
    orders.create()
    numbered(orders, 8)

    with pytest.raises(CursorMismatch, match="replay 'kafka' belongs to another log"):
        replay(orders, MemorySink())
    assert replay(orders, MemorySink(), restart=True).is_finished


def test_it_goes_no_faster_than_it_is_told_to(orders: Outbox) -> None:
    numbered(orders, 60)
    clock = FakeClock()

    replay(orders, MemorySink(), rate=10.0, clock=clock)

    assert clock.monotonic() >= 5.5


def test_what_can_never_be_delivered_stops_it_or_is_left_out_as_the_relay_s_policy_says(orders: Outbox) -> None:
    numbered(orders, 2)
    orders.collections.staging.insert_one(foreign(type="tree.grown", data={"tree": {"size": float("nan")}}))
    orders.sequence()
    numbered(orders, 2)
    stopped, left_out = MemorySink(), MemorySink()

    with pytest.raises(PoisonMessage) as poison:
        replay(orders, stopped)
    report = Replay(config(orders, policy="park-key"), left_out, ALL).run(threading.Event())

    assert "--on-poison dead-letter" in poison.value.__notes__[0]
    assert (seqs(stopped), seqs(left_out)) == ([1, 2], [4, 5])
    assert (report.left_out, report.is_finished) == (1, True)
    assert orders.collections.dead.find_one() is None


def test_what_was_left_out_last_is_not_met_again(orders: Outbox) -> None:
    numbered(orders, 1)
    orders.collections.staging.insert_one(foreign(type="tree.grown", data={"tree": {"size": float("nan")}}))
    orders.sequence()
    Replay(config(orders, policy="dead-letter"), MemorySink(), ALL).run(threading.Event())

    lease = orders.collections.leases.find_one({"_id": "replay:kafka"}) or {}

    assert (lease["replay"]["seq"], lease["replay"]["done"]) == (2, True)


def test_a_record_that_fails_is_sent_again(orders: Outbox) -> None:
    numbered(orders, 9)
    sink = MemorySink()
    sink.refused = {5: Verdict.RETRY}

    def told(report: Report) -> None:
        if sink.opened > 1:
            sink.refused = {}

    Replay(config(orders), sink, ALL, told=told).run(threading.Event())

    assert seqs(sink) == list(range(1, 10))


def test_what_the_log_has_forgotten_comes_from_the_archive(database: Any, tmp_path: Path) -> None:
    with small_outbox(database) as orders:
        archive, sink = filled(orders, tmp_path), MemorySink()
        relay_config = config(orders, archive)

        report = Replay(relay_config, sink, Asked(2, "latest")).run(threading.Event())

        assert seqs(sink) == list(range(2, 13))
        assert report.is_finished
        with pytest.raises(HistoryLost) as lost:
            replay(orders, MemorySink(), Asked(2, 3))
        assert "--archive URL" in lost.value.__notes__[0]


@pytest.fixture(scope="module")
def four_chunks(mongo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outbox, Archive]]:
    """An archive with chunks of seq 1 to 5, 6 to 10, 11 to 15 and 16 to 20; cancelled are 7, 9 and 22, which the log
    alone has."""
    database, archive = mongo[f"test_{uuid.uuid4().hex}"], Archive(tmp_path_factory.mktemp("archive"))
    with small_outbox(database) as orders:
        for first in (1, 6, 11, 16):
            for seq in range(first, first + 5):
                orders.put(OrderCancelled(order_id="9") if seq in (7, 9) else large(seq), standalone=True)
                orders.sequence()
            archive_once(orders, archive)
        orders.put([large(21), OrderCancelled(order_id="9")], standalone=True)
        orders.sequence()
        yield orders, archive
    mongo.drop_database(database.name)


@pytest.mark.parametrize(
    ("asked", "sent", "chunks"),
    [
        (Asked(1, "latest", types=("order.cancelled",)), [7, 9, 22], [6, 16]),  # of the last one its end
        (Asked(1, 8, types=("order.cancelled",)), [7], [6]),
        (Asked(8, 12, types=("order.cancelled",)), [9], [6, 11]),
        (Asked(1, 12, types=("order.cancelled",), key="no"), [], [6, 11]),
        (Asked(1, 12, key="9"), [7, 9], [1, 6, 11]),
        (Asked(1, 12), list(range(1, 13)), [1, 6, 11]),
    ],
)
def test_chunks_of_the_archive_without_what_is_asked_for_are_not_read(
    four_chunks: tuple[Outbox, Archive],
    monkeypatch: pytest.MonkeyPatch,
    asked: Asked,
    sent: list[int],
    chunks: list[int],
) -> None:
    orders, archive = four_chunks
    archive.position()  # which reads the newest, once
    read: set[int] = set()
    store_read = archive.store.read

    def noted(path: str) -> bytes:
        if "/chunks/" in path:
            read.add(int(path.rpartition("/")[2][:19]))
        return store_read(path)

    monkeypatch.setattr(archive.store, "read", noted)
    sink, relay_config = MemorySink(), config(orders, archive)

    report = Replay(relay_config, sink, asked, restart=True).run(threading.Event())
    replayed = sorted(read)

    assert (seqs(sink), report.is_finished) == (sent, True)
    assert [chunk for chunk in replayed if chunk <= chunks[-1]] == chunks
    assert sum(count(relay_config, asked).records.values()) == len(sent)


def test_one_process_replays_at_a_time_by_one_name(orders: Outbox) -> None:
    numbered(orders, 3)
    lease = orders.collections.lease("replay:kafka")
    assert lease.acquire()
    with lease.held("a test"), pytest.raises(CursorInUse, match="replay 'kafka' of .* is being sent by another"):
        replay(orders, MemorySink())


def test_a_missing_topic_is_said_before_anything_is_sent(orders: Outbox) -> None:
    numbered(orders, 3)
    sink = MemorySink(topics=["order.placed"])

    with pytest.raises(TopicMissing):
        replay(orders, sink, declared=orders.types())
    assert replay(orders, sink, Asked(1, 3, types=("order.placed",)), declared=orders.types()).sent == 3


def test_an_empty_range_is_finished_at_once(orders: Outbox) -> None:
    assert replay(orders, MemorySink()) == Report(first=1, last=0, reached=0, is_finished=True)
