"""A relay whose log is not the one it was: it stops and says where it can go on, and each choice does what it says."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NoReturn

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError

from outbox import HistoryLost, LogReplaced, Outbox, OutboxError, OutboxNotCreated
from outbox.clock import SystemClock
from outbox.log.batch import GENESIS
from outbox.log.log import Log
from outbox.shares.cursor_admin import forget, move
from outbox.shares.layout import share_cursor
from relay import Relay
from relay.errors import CursorMismatch
from relay.testing import MemorySink
from tests.acceptance.pages import INDENTED, ROOT
from tests.actors.order_service import MESSAGES, new_outbox, placed, totals
from tests.actors.relay_thread import Relaying, run_once
from tests.waiting import wait_until

Document = dict[str, Any]


@pytest.fixture
def orders(database: Database[Document]) -> Iterator[Outbox]:
    with new_outbox(database, sequence=False, capacity="16 MiB") as outbox:
        yield outbox


def put(orders: Outbox, *numbers: int) -> None:
    """Each in a batch of its own."""
    for number in numbers:
        orders.put(placed(number), standalone=True)
        orders.sequence()


def delivered(orders: Outbox) -> list[str]:
    """The `total` of what a relay delivers now."""
    sink = MemorySink()
    run_once(Relay(orders, sink))
    return [each.value.decode().partition('"total":')[2].rstrip("}") for each in sink.records if each.value]


def backup(orders: Outbox) -> list[Document]:
    return list(orders.collections.log.find())


def restore(orders: Outbox, documents: list[Document]) -> None:
    """As `mongorestore --drop --bypassDocumentValidation` does: a new collection with the old one's options.

    But in one moment, so that a running relay never looks while there is none.
    """
    database, log = orders.collections.database, orders.collections.log
    restored = database.create_collection("restored", **log.options())
    restored.insert_many(documents, bypass_document_validation=True)
    restored.rename(log.name, dropTarget=True)


def make_anew(orders: Outbox) -> None:
    """The log alone, past the library: create() refuses to while there are cursors."""
    restore(orders, [dict(GENESIS)])


def stopped(orders: Outbox, error: type[OutboxError]) -> tuple[str, list[str]]:
    """What a relay says when it stops with this error, and the arguments of the commands to choose from."""
    with pytest.raises(error) as stopped:
        run_once(Relay(orders, MemorySink()))
    [advice] = stopped.value.__notes__
    return f"{stopped.value}\n{advice}", commands(orders, advice)


def commands(orders: Outbox, advice: str) -> list[str]:
    found = [line.strip() for line in advice.splitlines() if line.startswith("  relay ")]
    end = f" --database {orders.collections.database.name} --outbox outbox --name kafka"
    assert all(each.startswith("relay cursor set ") and each.endswith(end) for each in found)
    return [shlex.split(each)[3] for each in found]


def choose(orders: Outbox, to: str) -> None:
    """What the command `relay cursor set` does with its argument."""
    move(orders.collections, "relay:kafka", int(to) if to.isdecimal() else datetime.fromisoformat(to), SystemClock())


# ---- a restored backup


def go_back(orders: Outbox) -> None:
    """Delivers five messages, and restores the log as it was after three."""
    put(orders, 1, 2, 3)
    older = backup(orders)
    put(orders, 4, 5)
    delivered(orders)
    restore(orders, older)


def test_behind_a_restored_log_all_of_which_was_delivered_only_what_comes_is_delivered(orders: Outbox) -> None:
    go_back(orders)

    said, choices = stopped(orders, CursorMismatch)
    choose(orders, choices[0])
    put(orders, 6)

    assert "the cursor is at seq 5, the log's newest record is 3" in said
    assert "Delivered last was seq 5, created 20" in said
    assert "This log holds seq 1 to 3, created 20" in said
    assert choices == ["3", "0"]
    assert delivered(orders) == ["6"]


def test_the_page_shows_what_is_said_then(orders: Outbox) -> None:
    go_back(orders)
    said, _ = stopped(orders, CursorMismatch)
    page = (ROOT / "docs" / "restores.md").read_text(encoding="utf-8")
    [shown] = [textwrap.dedent(block) for block in INDENTED.findall(page) if "relay: " in block]
    shown = re.sub(r"created \d\S+Z", "created …", shown).replace("shop", orders.collections.database.name)
    assert re.fullmatch(re.escape(shown).replace("…", ".+"), f"relay: {said}\n"), said


def test_in_a_restored_log_that_has_grown_past_the_cursor_what_is_new_can_be_told_by_its_date(orders: Outbox) -> None:
    go_back(orders)
    put(orders, 6, 7, 8)

    said, choices = stopped(orders, CursorMismatch)
    choose(orders, choices[1])

    assert "at seq 5 the log holds" in said
    assert [each.isdecimal() for each in choices] == [True, False, True]
    assert delivered(orders) == ["6", "7", "8"]


def test_after_a_restore_of_cursor_and_log_together_the_relay_goes_on_from_there(orders: Outbox) -> None:
    """It cannot know: what comes next has numbers that were used before."""
    put(orders, 1, 2)
    delivered(orders)
    older, cursors = backup(orders), list(orders.collections.cursors.find())
    put(orders, 3, 4)
    delivered(orders)
    restore(orders, older)
    orders.collections.cursors.drop()
    orders.collections.cursors.insert_many(cursors)
    put(orders, 5)

    assert delivered(orders) == ["5"]
    assert orders.log.head() == 3


def test_an_older_cursor_whose_next_record_is_gone_can_go_on_with_what_is_left(orders: Outbox) -> None:
    put(orders, 1)
    delivered(orders)
    older = list(orders.collections.cursors.find())
    while orders.log.oldest() < 3:
        orders.put([placed(0, note="x" * 100_000) for _ in range(40)], standalone=True)
        orders.sequence()
        orders.collections.cursors.delete_many({})
    orders.collections.cursors.insert_many(older)

    with pytest.raises(HistoryLost) as lost:
        run_once(Relay(orders, MemorySink()))
    [advice] = lost.value.__notes__
    name = orders.collections.database.name

    assert (lost.value.expected, lost.value.oldest) == (2, orders.log.oldest())
    assert advice.endswith(f"relay cursor set {lost.value.oldest - 1} --database {name} --outbox outbox --name kafka")


def test_a_first_start_behind_what_is_gone_is_told_of_the_other_starts(orders: Outbox) -> None:
    while orders.log.oldest() == 1:
        orders.put([placed(0, note="x" * 100_000) for _ in range(40)], standalone=True)
        orders.sequence()

    with pytest.raises(HistoryLost) as lost:
        run_once(Relay(orders, MemorySink()))

    [advice] = lost.value.__notes__
    assert "--start oldest" in advice
    assert "cursor set" not in advice


def test_the_log_itself_refuses_a_restore_that_does_not_bypass_the_validation(orders: Outbox) -> None:
    """Its validator lets in no batch of an older fence: docs/restores.md names the flag."""
    put(orders, 1, 2)
    older = backup(orders)
    log, options = orders.collections.log, orders.collections.log.options()
    log.drop()
    orders.collections.database.create_collection(log.name, **options)

    with pytest.raises(BulkWriteError, match="failed validation"):
        log.insert_many(older)


# ---- another log


def test_of_a_log_that_was_dropped_and_made_anew_all_can_be_delivered(orders: Outbox) -> None:
    put(orders, 1, 2, 3)
    delivered(orders)
    make_anew(orders)

    said, choices = stopped(orders, CursorMismatch)
    assert "This log is empty" in said
    assert choices == ["0"]

    put(orders, 4, 5, 6, 7)
    said, choices = stopped(orders, CursorMismatch)
    choose(orders, choices[-1])

    assert "at seq 3 the log holds" in said
    assert delivered(orders) == ["4", "5", "6", "7"]


def test_the_cursor_of_another_database_of_the_same_name_is_refused(
    orders: Outbox, mongo: MongoClient[Document]
) -> None:
    """As when two clusters each have a database `shop`; here the databases are two, and the cursor is copied."""
    put(orders, 1, 2)
    delivered(orders)
    name = f"{orders.collections.database.name}_b"
    try:
        with new_outbox(mongo[name], sequence=False) as other:
            put(other, 3, 4, 5)
            other.collections.cursors.insert_many(orders.collections.cursors.find())

            said, _ = stopped(other, CursorMismatch)
    finally:
        mongo.drop_database(name)

    assert "belongs to another log: at seq 2 the log holds" in said
    assert "This log holds seq 1 to 3" in said


# ---- under a running relay


def test_a_log_made_anew_under_a_running_relay_stops_it(orders: Outbox) -> None:
    put(orders, 1, 2)
    sink = MemorySink()
    relaying = Relaying(Relay(orders, sink))
    with pytest.raises(LogReplaced) as replaced, relaying:  # noqa: PT012  # it is the end of `relaying` that raises
        wait_until(lambda: len(sink.records) == 2, 20, "the relay to work")
        make_anew(orders)
        put(orders, 3, 4, 5)
        wait_until(lambda: relaying.ended, 20, "the relay to stop")

    [advice] = replaced.value.__notes__
    assert len(sink.records) == 2
    assert "Delivered last was seq 2" in advice
    assert commands(orders, advice)[-1] == "0"


def test_a_log_that_was_only_dropped_stops_it_too_and_is_to_be_made_anew(orders: Outbox) -> None:
    put(orders, 1, 2)
    sink = MemorySink()
    relaying = Relaying(Relay(orders, sink))
    with pytest.raises(LogReplaced) as replaced, relaying:  # noqa: PT012  # it is the end of `relaying` that raises
        wait_until(lambda: len(sink.records) == 2, 20, "the relay to work")
        orders.collections.log.drop()
        wait_until(lambda: relaying.ended, 20, "the relay to stop")

    [advice] = replaced.value.__notes__
    name = orders.collections.database.name
    assert f"relay cursor forget kafka --database {name} --outbox outbox\n" in advice
    assert forget(orders.collections, "relay:kafka", SystemClock())
    orders.create()
    put(orders, 3)
    assert delivered(orders) == ["3"]


def test_a_relay_that_finds_no_log_says_how_to_make_it_anew(orders: Outbox) -> None:
    put(orders, 1, 2)
    delivered(orders)
    orders.collections.log.drop()

    with pytest.raises(OutboxNotCreated) as missing:
        run_once(Relay(orders, MemorySink()))

    [advice] = missing.value.__notes__
    assert "\n  relay cursor forget kafka --database" in advice
    assert "\n  outbox create APP" in advice


def test_an_outbox_that_was_dropped_and_created_under_a_running_relay_stops_it(orders: Outbox) -> None:
    put(orders, 1, 2)
    sink = MemorySink()
    relaying = Relaying(Relay(orders, sink))
    with pytest.raises((LogReplaced, CursorMismatch)), relaying:  # noqa: PT012  # it is the end of `relaying` that raises
        wait_until(lambda: len(sink.records) == 2, 20, "the relay to work")
        with Outbox(orders.collections.database, messages=MESSAGES) as another:
            another.drop()
            another.create()
            put(another, 3, 4, 5)
        wait_until(lambda: relaying.ended, 20, "the relay to stop")

    assert len(sink.records) == 2


def test_a_running_relay_whose_cursor_is_removed_stops_and_does_not_begin_anew(orders: Outbox) -> None:
    """Goes red when the relay takes the missing cursor for a first start: it would send all of the log again."""
    put(orders, 1, 2)
    sink = MemorySink()
    relaying = Relaying(Relay(orders, sink))
    with pytest.raises(CursorMismatch, match="was removed while the relay was running"), relaying:  # noqa: PT012  # it is the end of `relaying` that raises
        wait_until(lambda: share_cursor(orders.collections.cursors, "relay:kafka").load() or (0,), 20)
        wait_until(
            lambda: (share_cursor(orders.collections.cursors, "relay:kafka").load() or (0,))[0] == 2, 20, "seq 2 saved"
        )
        orders.collections.cursors.delete_many({})
        put(orders, 3)
        wait_until(lambda: relaying.ended, 20, "the relay to stop")

    assert len(sink.records) == 3


def test_when_the_server_cannot_be_asked_the_advice_says_so(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    put(orders, 1, 2)
    delivered(orders)
    orders.collections.cursors.update_one({}, {"$set": {"seq": 1}})

    def fail(_: Log) -> NoReturn:
        raise AutoReconnect("away")

    monkeypatch.setattr(Log, "oldest", fail)

    with pytest.raises(CursorMismatch) as stopped:
        run_once(Relay(orders, MemorySink()))

    [advice] = stopped.value.__notes__
    assert "cannot be said just now: away" in advice
    assert "relay cursor set SEQ --database" in advice


# ---- readers in a process


def test_a_number_of_another_log_is_only_noticed_when_it_is_beyond_the_end(orders: Outbox) -> None:
    """Why docs/restores.md says that who keeps positions keeps the message id too."""
    put(orders, 1, 2, 3)
    restore(orders, backup(orders)[:2])
    put(orders, 4)

    assert totals(list(orders.read(start=2))) == [4]
