"""The log of acts, on a real server."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from outbox import InvalidArgument, Outbox
from outbox.acts.log import ActLog, Person
from outbox.dead_letters.admin import Selection

ADA = Person("ada@desk", "command")


def test_an_act_says_who_what_when_and_why_and_how_it_ended(orders: Outbox) -> None:
    log = ActLog(orders.collections)

    with log.act("discard", "relay:kafka", ADA, " $told by support ", Selection(key="42")) as outcome:
        outcome.count = 3

    [act] = log.newest()
    told = ("who", "through", "what", "reader", "reason", "selection", "count", "error")
    assert {name: act[name] for name in told} == {
        "who": "ada@desk", "through": "command", "what": "discard", "reader": "relay:kafka",
        "reason": "$told by support", "selection": {"key": "42"}, "count": 3, "error": None,
    }  # fmt: skip
    assert act["when"] <= act["ended"]
    assert act["when"].endswith("Z")


def test_an_act_is_written_before_it_is_done(orders: Outbox) -> None:
    log = ActLog(orders.collections)

    with log.act("pause", "relay:kafka", ADA, None):
        [begun] = log.newest()

    assert begun["ended"] is None
    assert log.newest()[0]["ended"] is not None


def test_what_cannot_be_written_is_not_done(orders: Outbox) -> None:
    acts = orders.collections.acts
    orders.collections.database.create_collection(acts.name, validator={"who": "nobody"})
    done = []

    with pytest.raises(OperationFailure), ActLog(orders.collections).act("requeue", "relay:kafka", ADA, None):
        done.append(1)

    assert done == []


def test_an_act_that_failed_says_with_what(orders: Outbox) -> None:
    log = ActLog(orders.collections)

    with pytest.raises(ZeroDivisionError), log.act("requeue", "relay:kafka", ADA, None):
        raise ZeroDivisionError("on the way")

    [act] = log.newest()
    assert "on the way" in act["error"]
    assert act["ended"] is not None


@pytest.mark.parametrize(
    ("who", "reason", "says"),
    [
        ("ada", None, "say why"),
        ("ada", "  ", "say why"),
        (" ", "why", "say who"),
        ("ada", "x" * 501, "at most 500"),
        ("ada", "half \ud800", "Unicode"),
        ("\udcff", "why", "Unicode"),
    ],
)
def test_without_a_name_or_a_reason_nothing_is_discarded(orders: Outbox, who: str, reason: Any, says: str) -> None:
    log = ActLog(orders.collections)

    with pytest.raises(InvalidArgument, match=says), log.act("discard", "relay:kafka", Person(who, "page"), reason):
        raise AssertionError("it was done")

    assert log.newest() == []


def test_the_newest_acts_come_first_and_only_so_many(orders: Outbox) -> None:
    log = ActLog(orders.collections)
    for number in range(3):
        with log.act("pause", f"relay:{number}", ADA, None):
            pass

    assert [each["reader"] for each in log.newest(2)] == ["relay:2", "relay:1"]
