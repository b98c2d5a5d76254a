"""The paper estimate, and the page that it stands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import estimate
from bench.figures.archive import Archive
from bench.figures.estimate import EstimateUnavailable, Plan

DOCS = Path(__file__).parents[2] / "docs"
COSTS = {
    "put: process CPU µs": 100.0,
    "put: mongod CPU µs": 60.0,
    "put in lists: process CPU µs": 20.0,
    "put in lists: mongod CPU µs": 30.0,
    "sequence: process CPU µs": 5.0,
    "sequence: mongod CPU µs": 20.0,
    "sequence: messages/s": 50_000.0,
    "relay: process CPU µs": 12.0,
    "relay: mongod CPU µs": 2.0,
    "relay: broker CPU µs": 6.0,
    "relay: messages/s": 80_000.0,
    "log: bytes": 1000.0,
    "record: bytes": 1100.0,
}


def amounts(plan: Plan) -> dict[str, float]:
    return {each.what: each.amount for each in estimate.lines(COSTS, plan)}


def test_a_core_half_busy_does_half_of_what_it_could() -> None:
    needed = amounts(Plan(rate=1_000_000, busy=0.5, copies=3))
    assert needed["relays"] == 12 / 0.5
    assert needed["primaries, of puts one by one"] == (60 + 20 + 2) / 0.5
    assert needed["primaries, of lists"] == (30 + 20 + 2) / 0.5
    assert needed["secondaries"] == 2 * (30 + 20) / 0.5
    assert needed["outboxes, each with its sequencer"] == 40
    assert needed["relays → Kafka"] == pytest.approx(1.1)


def test_one_copy_has_no_secondaries_and_no_followers() -> None:
    needed = amounts(Plan(copies=1))
    assert needed["secondaries"] == needed["Kafka, followers"] == needed["leaders → followers"] == 0


def test_costs_that_were_not_measured_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EstimateUnavailable, match="--only costs"):
        estimate.costs(tmp_path)


def test_costs_of_a_broker_that_could_not_be_looked_at_are_not_enough(tmp_path: Path) -> None:
    Archive(tmp_path / "rows.json").add("costs", {"metrics": {"relay: messages/s": {"ours": {"median": 1}}}})
    with pytest.raises(EstimateUnavailable, match="broker"):
        estimate.costs(tmp_path)


def test_the_figures_go_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- computed: python -m bench estimate -->\nold\n<!-- end -->\nafter\n")
    estimate.renew(page, "new")
    assert estimate.computed(page) == ["new"]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("\nafter\n")


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine")
    with pytest.raises(EstimateUnavailable, match="between"):
        estimate.renew(page, "new")
    assert page.read_text() == "mine"


def test_the_page_has_what_the_measured_costs_come_to() -> None:
    computed = estimate.page(estimate.costs(DOCS / "benchmarks"), Plan())
    assert list(estimate.computed(DOCS / "a-million-a-second.md")) == computed.splitlines()
