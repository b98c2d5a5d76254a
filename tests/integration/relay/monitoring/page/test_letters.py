"""Dead letters for the page, some at a time."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from bson import ObjectId

from outbox import InvalidSelector, Outbox
from outbox.dead_letters.admin import Selection
from relay.monitoring.page import letters as module
from relay.monitoring.page.letters import letter, letters
from tests.integration.relay.monitoring.page.conftest import Letters

EVERY = Selection()


@pytest.fixture(autouse=True)
def three_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LETTERS", 3)


def turned(orders: Outbox, reader: str, selection: Selection = EVERY, state: Any = None) -> list[list[str]]:
    """The ids of all letters, page by page."""
    pages, after = [], None
    while True:
        told = letters(orders.collections, reader, selection, state, after)
        pages.append([each["id"] for each in told["letters"]])
        after = told["next"]
        if after is None:
            return pages


@pytest.mark.parametrize("reader", ["relay:kafka", "consumer:billing"])
def test_all_of_them_come_once_the_latest_first_and_with_what_the_log_refused(
    orders: Outbox, put_aside: Letters, reader: str
) -> None:
    own = put_aside(7, reader)
    refused = put_aside(4, "sequencer", seq=None)
    put_aside(2, "consumer:another")

    pages = turned(orders, reader)

    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert list(chain.from_iterable(pages)) == [*map(str, reversed(refused)), *map(str, reversed(own))]


def test_they_are_narrowed_by_id_key_type_and_state_and_counted(orders: Outbox, put_aside: Letters) -> None:
    [first, second] = put_aside(2, key="a")
    parked = put_aside(2, key="a", state="parked")
    put_aside(1, key="b", type="order.cancelled")

    def found(selection: Selection, state: Any = None) -> int:
        return int(letters(orders.collections, "relay:kafka", selection, state, None)["count"])

    assert found(EVERY) == 5
    assert found(Selection(key="a")) == 4
    assert found(Selection(key="a"), "parked") == len(parked)
    assert found(Selection(type="order.cancelled")) == 1
    assert found(Selection(id=first)) == 1
    assert found(Selection(ids=(first, second))) == 2


def test_a_list_has_no_data_and_one_letter_has_all_of_it_for_who_may_see_it(orders: Outbox, put_aside: Letters) -> None:
    [id] = put_aside(1, data={"note": "<script>"}, headers={"tenant": "acme"})

    [listed] = letters(orders.collections, "relay:kafka", EVERY, None, None)["letters"]
    whole = letter(orders.collections, "relay:kafka", id, with_data=True)
    hidden = letter(orders.collections, "relay:kafka", id, with_data=False)

    assert whole is not None
    assert not {"data", "headers"} & {*listed, *(hidden or {})}
    assert (whole["data"], whole["headers"]) == ('{"note": "<script>"}', {"tenant": "acme"})
    assert whole["last"] == "2025-01-01T00:00:00.000Z"


def test_a_letter_of_nobody_is_none(orders: Outbox) -> None:
    assert letter(orders.collections, "relay:kafka", ObjectId(), with_data=True) is None


def test_a_place_that_no_page_gave_is_refused(orders: Outbox) -> None:
    for after in ("", "42", "message:42", "letter:" + "0" * 24):
        with pytest.raises(InvalidSelector):
            letters(orders.collections, "relay:kafka", EVERY, None, after)
