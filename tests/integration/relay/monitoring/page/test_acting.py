"""Acts that are asked for on the page."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import InvalidArgument, InvalidSelector, Outbox
from outbox.acts.log import ActLog
from outbox.errors import OutboxError
from relay.monitoring.page.acting import ACTING, act, selected
from tests.actors.database_users import privileges
from tests.integration.relay.monitoring.page.conftest import Letters

ADDRESS = "10.0.0.7"


def asked(what: str, selection: Any = None, **other: Any) -> dict[str, Any]:
    return {"what": what, "reader": "relay:kafka", "who": "ada", "reason": "a test's", "selection": selection, **other}


def test_those_that_are_selected_are_discarded_and_no_others(orders: Outbox, put_aside: Letters) -> None:
    first, _, third = put_aside(3)

    told = act(orders.collections, asked("discard", {"ids": [str(first), str(third)]}), ADDRESS)

    assert told == {"count": 2}
    assert orders.collections.dead.count_documents({}) == 1


def test_all_of_a_key_are_requeued(orders: Outbox, put_aside: Letters) -> None:
    put_aside(3, key="a")
    put_aside(2, key="b")

    told = act(orders.collections, asked("requeue", {"key": "a"}), ADDRESS)

    assert told == {"count": 3, "refused": []}
    assert orders.collections.dead.count_documents({"requeued": {"$exists": True}}) == 3


def test_what_is_done_is_written_with_who_asked_and_from_where(orders: Outbox, put_aside: Letters) -> None:
    [id] = put_aside(1)

    act(orders.collections, asked("discard", {"ids": [str(id)]}), ADDRESS)

    [written] = ActLog(orders.collections).newest()
    assert (written["who"], written["through"], written["reason"]) == ("ada", "page, from 10.0.0.7", "a test's")
    assert written["selection"] == {"ids": [str(id)]}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        asked("drop"),
        asked("discard", {"all": True}, reason=" "),
        asked("requeue", {"all": True}, reason=None),
        asked("discard", {"all": True}, who=""),
        asked("discard", {"all": True}, who="half of a character: \ud800"),
        asked("discard", {"key": "\ud800"}),
        asked("discard", {"all": True}, reader=7),
        asked("discard", {"all": True}, reader="kafka"),
        asked("pause", reader="relay:other"),
        asked("discard"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_happens(orders: Outbox, put_aside: Letters, wrong: Any) -> None:
    put_aside(1)

    with pytest.raises(OutboxError):
        act(orders.collections, wrong, ADDRESS)

    assert orders.collections.dead.count_documents({"requeued": {"$exists": False}}) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        None, {}, [], "all", {"all": False}, {"all": True, "key": "a"}, {"ids": []}, {"ids": "a"}, {"ids": ["a"]},
        {"ids": ["0" * 24], "key": "a"}, {"key": {"$ne": 1}}, {"type": 7}, {"state": "dead"},
        {"ids": ["0" * 24] * 1001},
    ],
)  # fmt: skip
def test_which_letters_must_be_said_exactly(wrong: Any) -> None:
    with pytest.raises((InvalidSelector, InvalidArgument)):
        selected(wrong)


def test_a_filter_that_is_not_given_is_none() -> None:
    assert selected({"key": "a", "type": None}).asked() == {"key": "a"}


def test_what_acting_needs_besides_is_in_the_role_that_docs_security_names() -> None:
    operator = [each for each in privileges() if each.role == "outboxOperator"]
    granted = {(each.collection.removeprefix("outbox"), each.action) for each in operator}

    assert {(part, action) for part, actions in ACTING.items() for action in actions} <= granted
