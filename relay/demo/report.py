"""Checks the demo: the service's ledger against what the Observable saw and what Kafka has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from relay.demo.broker import Delivered
from relay.demo.shop import Ledger

Seen = tuple[int, str]
"""`(seq, id)` of a record that the Observable delivered."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and the sentence that says whether it does."""

    holds: bool
    says: str


@dataclass(frozen=True)
class Report:
    """The demo's figures, all in messages but the last."""

    committed: int
    aborted: int
    """Put in a transaction that was then aborted."""
    observed: int
    relayed: int
    """Different messages found on Kafka."""
    duplicates: int
    """Records on Kafka beyond the first of a message: delivery is at least once."""
    order_violations: int
    """Messages on Kafka whose first record comes after that of a later message of the same key."""
    missing: int
    """Committed, and not on Kafka."""
    seconds: float

    def as_dict(self) -> dict[str, int | float]:
        """What `relay demo --json` prints."""
        return asdict(self)


def examine(
    ledger: Ledger, seen: Sequence[Seen], delivered: Sequence[Delivered], seconds: float
) -> tuple[Report, list[Check]]:
    """Counts, and checks the counts; `delivered` has each partition's records in their order."""
    committed = {id for ids in ledger.by_key.values() for id in ids}
    times = Counter(record.id for record in delivered)
    report = Report(
        committed=len(committed),
        aborted=len(ledger.aborted),
        observed=len({id for _, id in seen}),
        relayed=len(times),
        duplicates=times.total() - len(times),
        order_violations=_order_violations(ledger, delivered),
        missing=len(committed - times.keys()),
        seconds=round(seconds, 2),
    )
    leaked = len(times.keys() & ledger.aborted)
    strangers = len(times.keys() - committed - ledger.aborted)
    twice = "none twice" if report.duplicates == 0 else f"{report.duplicates:,} record(s) more than once, as it may be"
    return report, [
        Check(
            report.missing == 0,
            f"all {report.committed:,} committed messages are on Kafka, {twice}"
            if report.missing == 0
            else f"{report.missing:,} of {report.committed:,} committed messages are not on Kafka",
        ),
        Check(
            leaked == 0 and strangers == 0,
            f"none of the {report.aborted:,} messages of aborted transactions is"
            if leaked == 0 and strangers == 0
            else f"{leaked:,} of {report.aborted:,} aborted messages are on Kafka, and {strangers:,} that nobody put",
        ),
        _gapless(delivered),
        Check(
            report.order_violations == 0,
            f"each of the {len(ledger.by_key):,} orders has its messages in the order of its transactions"
            if report.order_violations == 0
            else f"{report.order_violations:,} message(s) come before an earlier one of the same order",
        ),
        _observed(committed, seen),
    ]


def _order_violations(ledger: Ledger, delivered: Sequence[Delivered]) -> int:
    ranks = {id: rank for ids in ledger.by_key.values() for rank, id in enumerate(ids)}
    furthest: dict[str, int] = {}
    met: set[str] = set()
    violations = 0
    for record in delivered:
        rank = ranks.get(record.id)
        if rank is None or record.id in met:
            continue
        met.add(record.id)
        before = furthest.get(record.key, -1)
        violations += rank < before
        furthest[record.key] = max(before, rank)
    return violations


def _gapless(delivered: Sequence[Delivered]) -> Check:
    by_seq: dict[int, set[str]] = {}
    for record in delivered:
        by_seq.setdefault(record.seq, set()).add(record.id)
    last = max(by_seq, default=0)
    gaps = last - len(by_seq)
    shared = sum(len(ids) > 1 for ids in by_seq.values())
    if gaps == 0 and shared == 0:
        return Check(True, f"seq runs from 1 to {last:,} without a gap, and names one message each")
    return Check(False, f"seq has {gaps:,} gap(s) up to {last:,}, and {shared:,} stand for several messages")


def _observed(committed: set[str], seen: Sequence[Seen]) -> Check:
    in_order = [seq for seq, _ in seen] == list(range(1, len(seen) + 1))
    if in_order and {id for _, id in seen} == committed and len(seen) == len(committed):
        return Check(True, f"the Observable saw these {len(seen):,} too, once and in the order of seq")
    order = "in" if in_order else "not in"
    return Check(False, f"the Observable saw {len(seen):,} of {len(committed):,}, {order} the order of seq")
