"""The reader that keeps the view ends at any call: at every moment the view is the log up to its position."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox, tombstone
from outbox.latest import keeper
from outbox.latest.view import LatestView, id_of
from outbox.readers.head import Head
from tests.actors.catalogue import BasketLine, Price, line, new_catalogue, price, viewed
from tests.actors.latest_view import StopAt, entries, number
from tests.doubles.crashes import Crash, Life

pytestmark = pytest.mark.timeout(300)

Document = dict[str, Any]

CALLS = ("find", "find_one", "update_one", "replace_one", "bulk_write", "delete_many")
COMPACTIONS = {"price": "key", "line": "data.line"}


@pytest.fixture
def catalogue(database: Database[Document]) -> Iterator[Outbox]:
    with new_catalogue(database, sequence=False) as outbox:
        yield outbox


def keep(catalogue: Outbox) -> None:
    """In this thread, so that it is this thread that ends."""
    stop = StopAt(catalogue, catalogue.log.head())
    keeper._run(catalogue.collections, Head(), stop)


def ends(life: Life, call: int, catalogue: Outbox) -> bool:
    """Keeps the view until that call; False when there are fewer."""

    def end() -> None:
        raise Crash

    try:
        return life.overtaken(call, end, lambda: keep(catalogue))
    except Crash:
        return True


def check(catalogue: Outbox) -> None:
    position = LatestView(catalogue.collections).position() or 0
    logged = [record for record in catalogue.read() if record.seq <= position]
    newest = {id: record for record in logged if (id := id_of(record, COMPACTIONS)) is not None}
    assert entries(catalogue) == {id: each.seq for id, each in newest.items() if each.data is not None}


def test_it_is_whole_at_every_call_and_goes_on(catalogue: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(monkeypatch, CALLS, (".latest", ".cursors"), ())
    for call in itertools.count():
        number(catalogue, price("a", call), line("o", call % 3, call), viewed("x"), price(f"k{call % 2}", call))
        number(catalogue, tombstone(Price, key=f"k{call % 2}"), tombstone(BasketLine, key="o", line_id=call % 2))

        ended = ends(life, call, catalogue)

        check(catalogue)
        keep(catalogue)
        check(catalogue)
        if not ended:
            break

    assert call > 8
