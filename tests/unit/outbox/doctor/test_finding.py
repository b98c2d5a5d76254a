"""Running the doctor's checks."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.errors import AutoReconnect, OperationFailure

from outbox.doctor.finding import Finding, examined

FINDING = Finding("well", "a", "b", "c")


def found() -> Iterator[Finding]:
    yield FINDING


def failing(error: Exception) -> Iterator[Finding]:
    raise error
    yield FINDING


def test_a_check_that_fails_is_a_serious_finding_and_the_others_are_made() -> None:
    findings = list(examined({"first": lambda: failing(AutoReconnect("away")), "second": found}))

    assert [(each.check, each.serious) for each in findings] == [("first", True), ("well", False)]
    assert "away" in findings[0].what


def test_a_check_without_the_right_to_it_is_a_note_that_says_so() -> None:
    (finding,) = examined({"oplog": lambda: failing(OperationFailure("not authorized", 13))})

    assert not finding.serious
    assert "clusterMonitor" in finding.mend
