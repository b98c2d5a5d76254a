"""The demo's verdict: each of its checks can fail."""

from __future__ import annotations

import pytest
from bson import ObjectId

from relay.demo.broker import Delivered
from relay.demo.report import Report, examine
from relay.demo.shop import Ledger

PLACED, PAID, OTHER, ABORTED = (ObjectId() for _ in range(4))
ON_KAFKA = [Delivered(str(PLACED), 1, "A"), Delivered(str(OTHER), 2, "B"), Delivered(str(PAID), 3, "A")]


@pytest.fixture
def ledger() -> Ledger:
    """Two messages of order A, one of order B, and one that was aborted."""
    ledger = Ledger()
    ledger.commit("A", PLACED)
    ledger.abort([ABORTED])
    ledger.commit("B", OTHER)
    ledger.commit("A", PAID)
    return ledger


def verdict(
    ledger: Ledger, delivered: list[Delivered], seen: list[tuple[int, str]] | None = None
) -> tuple[Report, str]:
    """The figures, and what the checks that fail say."""
    observed = [(each.seq, each.id) for each in ON_KAFKA] if seen is None else seen
    report, checks = examine(ledger, observed, delivered, 1.5)
    return report, "; ".join(check.says for check in checks if not check.holds)


def test_all_as_it_should_be_passes_with_the_right_figures(ledger: Ledger) -> None:
    assert verdict(ledger, ON_KAFKA) == (Report(3, 1, 3, 3, 0, 0, 0, 1.5), "")


def test_records_that_come_again_are_counted_and_no_failure(ledger: Ledger) -> None:
    report, failed = verdict(ledger, [*ON_KAFKA, *ON_KAFKA[:2]])
    assert (report.relayed, report.duplicates, report.order_violations, failed) == (3, 2, 0, "")


def test_a_committed_message_that_is_not_on_kafka_fails(ledger: Ledger) -> None:
    report, failed = verdict(ledger, ON_KAFKA[:2])
    assert report.missing == 1
    assert "1 of 3 committed messages are not on Kafka" in failed


def test_an_aborted_message_on_kafka_fails(ledger: Ledger) -> None:
    report, failed = verdict(ledger, [*ON_KAFKA, Delivered(str(ABORTED), 4, "A")])
    assert (report.relayed, report.missing) == (4, 0)
    assert "1 of 1 aborted messages are on Kafka" in failed


def test_a_message_that_nobody_put_fails(ledger: Ledger) -> None:
    _, failed = verdict(ledger, [*ON_KAFKA, Delivered(str(ObjectId()), 4, "A")])
    assert "1 that nobody put" in failed


def test_messages_of_one_order_in_another_order_than_its_transactions_fail(ledger: Ledger) -> None:
    report, failed = verdict(ledger, ON_KAFKA[::-1])
    assert report.order_violations == 1
    assert "before an earlier one of the same order" in failed


def test_a_gap_in_seq_fails(ledger: Ledger) -> None:
    _, failed = verdict(ledger, [*ON_KAFKA[:2], Delivered(str(PAID), 4, "A")])
    assert "seq has 1 gap(s) up to 4" in failed


def test_a_seq_that_two_messages_share_fails(ledger: Ledger) -> None:
    _, failed = verdict(ledger, [*ON_KAFKA[:2], Delivered(str(PAID), 2, "A")])
    assert "1 stand for several messages" in failed


@pytest.mark.parametrize(
    "seen",
    [
        [(1, str(PLACED)), (2, str(OTHER))],
        [(1, str(PLACED)), (3, str(PAID)), (2, str(OTHER))],
        [(1, str(PLACED)), (2, str(OTHER)), (3, str(ABORTED))],
        [(1, str(PLACED)), (1, str(PLACED)), (2, str(OTHER)), (3, str(PAID))],
    ],
    ids=["too few", "another order", "another message", "twice"],
)
def test_an_observable_that_saw_anything_else_fails(ledger: Ledger, seen: list[tuple[int, str]]) -> None:
    _, failed = verdict(ledger, ON_KAFKA, seen)
    assert f"the Observable saw {len(seen)} of 3" in failed
