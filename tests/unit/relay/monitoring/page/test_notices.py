"""What the page says is wrong, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from outbox.monitoring.status import Held, Status
from outbox.reader_status import ReaderStatus
from relay.monitoring.page.look import Look
from relay.monitoring.page.notices import notices

WELL = Status(
    head=100, oldest=1, staging=0, staging_bytes=0, staging_seconds=None, holder="a:1:x", fence=1, unsequenced=False,
    held=None, capacity=1000, size=10, dead=0, parked=0, cursors=(),
)  # fmt: skip
READER = ReaderStatus("relay:kafka", "relay", 90, 100, 10, 1, "a:1:x", False, 0, 0, ())
SEEN = Look(0.0, WELL, {"relay:kafka": 90}, {"relay:kafka": 0.9}, {}, (READER,), {"relay:kafka": 0.1}, ())


def status(**other: Any) -> Look:
    return replace(SEEN, status=replace(WELL, **other))


def reader(**other: Any) -> Look:
    return replace(SEEN, readers=(replace(READER, **other),), status=replace(WELL, dead=other.get("dead_letters", 0)))


def stopped(why: str) -> Look:
    return replace(SEEN, leases=({"role": "relay:kafka", "holder": None, "stopped": {"why": why, "at": ""}},))


def test_of_what_is_well_nothing_is_said() -> None:
    assert notices(SEEN) == []


@pytest.mark.parametrize(
    ("seen", "level", "what", "do"),
    [
        (status(unsequenced=True, staging_seconds=60), "bad", "Nobody sequences", "outbox sequence APP --keep"),
        (status(staging_seconds=12), "bad", "has waited for 12 s", "a majority of MongoDB"),
        (
            status(held=Held("relay:kafka", 7, 30)),
            "bad",
            "full of what relay:kafka has not read",
            "relay cursor forget",
        ),
        (status(dead=2), "warn", "2 message(s) aside", "the dead letters of any reader"),
        (reader(fault="no seq"), "bad", "is damaged: no seq", "relay cursor set"),
        (replace(SEEN, headroom={"relay:kafka": 0.0}), "bad", "history is lost", "relay cursor set"),
        (replace(SEEN, headroom={"relay:kafka": 0.19}), "warn", "19% of the capacity is left", "enlarge the capacity"),
        (reader(paused=True), "warn", "paused, and holds the log", "relay resume --name kafka"),
        (reader(holder=None), "warn", "nobody works for it", "Start it"),
        (replace(SEEN, waiting={"relay:kafka": 9.0}), "warn", "has waited for 9 s", "acknowledge"),
        (reader(dead_letters=3, parked=4), "warn", "3 message(s) could not be delivered, 4 are parked", "requeue"),
        (stopped("HistoryLost: seq 7"), "bad", "relay:kafka has stopped: HistoryLost: seq 7", "start it again"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(seen: Look, level: str, what: str, do: str) -> None:
    [notice] = notices(seen)

    assert notice.level == level
    assert what in notice.what
    assert do in notice.do


def test_of_many_readers_in_one_trouble_there_is_one_notice() -> None:
    readers = tuple(replace(READER, id=f"consumer:{number}") for number in range(50))
    seen = replace(SEEN, readers=readers, waiting={each.id: 9.0 for each in readers})

    [notice] = notices(seen)

    assert notice.what.startswith("consumer:0, consumer:1, consumer:2 and 47 more: behind")


def test_what_is_bad_comes_first() -> None:
    seen = replace(stopped("it"), headroom={"relay:kafka": 0.1})

    assert [notice.level for notice in notices(seen)] == ["bad", "warn"]
