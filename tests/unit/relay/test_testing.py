"""The sinks in memory, as far as tests steer them; what all sinks do is in tests/contract/."""

from __future__ import annotations

import pytest

from outbox.delivery.ports import Outgoing
from relay.errors import DeliveryFailed, Verdict
from relay.testing import MemorySink, MemoryTransactions


def outgoing(seq: int) -> Outgoing:
    return seq, "orders", "k", b"{}", [("seq", str(seq))]


def test_a_broker_that_is_away_gets_what_was_accepted_when_it_is_back() -> None:
    sink, acknowledged = MemorySink(), list[int]()
    sink.open(acknowledged.append)
    sink.away = True
    sink.send([outgoing(1), outgoing(2)])
    sink.poll(0)
    assert (acknowledged, sink.records) == ([], [])

    sink.away = False
    sink.poll(0)

    assert acknowledged == [record.seq for record in sink.records] == [1, 2]


def test_a_refused_record_fails_and_those_after_it_do_not_arrive() -> None:
    sink = MemorySink()
    sink.refused = {2: Verdict.POISON}
    sink.open(lambda _: None)
    sink.send([outgoing(1), outgoing(2), outgoing(3)])

    with pytest.raises(DeliveryFailed) as failed:
        sink.poll(0)

    assert (failed.value.seq, failed.value.verdict) == (2, Verdict.POISON)
    assert [record.seq for record in sink.records] == [1]


@pytest.mark.parametrize("kind", [MemorySink, MemoryTransactions])
def test_sinks_made_of_each_other_have_one_broker(kind: type[MemorySink]) -> None:
    sink = kind()
    sink.refused = {7: Verdict.CONFIG}

    assert sink.another().broker is sink.broker
    assert sink.another().refused == {7: Verdict.CONFIG}


def test_what_is_raised_before_a_commit_leaves_nothing_and_after_it_all() -> None:
    sink = MemoryTransactions()

    def fail() -> None:
        raise RuntimeError("no answer")

    for commit, expected in (("before_commit", {}), ("after_commit", {"kafka": b"at 1"})):
        sink.take_over("kafka", lambda last: f"at {last[0]}")
        sink.open(lambda _: None)
        sink.send([outgoing(1)])
        setattr(sink, commit, fail)
        with pytest.raises(RuntimeError):
            sink.poll(0)
        setattr(sink, commit, lambda: None)
        assert sink.cursors == expected
