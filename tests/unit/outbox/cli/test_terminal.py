"""What people and programs see of a status and of records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from outbox import CursorStatus, Headroom, Held, Record, Status
from outbox.cli import terminal
from outbox.cli.terminal import RecordPrinter, headroom, print_json, print_status

ID = ObjectId("65a000000000000000000001")
CREATED = datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
MIB = 1024 * 1024
QUIET = Status(
    head=0,
    oldest=1,
    staging=0,
    staging_bytes=0,
    staging_seconds=None,
    holder=None,
    fence=0,
    unsequenced=False,
    held=None,
    capacity=64 * MIB,
    size=0,
    dead=0,
    parked=0,
    cursors=(),
)
CURSOR = CursorStatus("relay:kafka", 1_234, ID, CREATED, None, 1_000, Headroom(MIB, 2_000, 600.0))
Told = Callable[..., str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """What a terminal shows of a status that differs from a quiet one's in this."""
    monkeypatch.setenv("COLUMNS", "200")

    def told(**fields: Any) -> str:
        print_status("shop.outbox", replace(QUIET, **fields))
        return capsys.readouterr().out

    return told


def record(data: Any = None, key: str | None = "42", ms: int | None = None, **headers: str) -> Record[Any]:
    fields = {"type": "order.placed", "key": key, "headers": headers, "data": data}
    return Record(7, ID.binary, int(DatetimeMS(CREATED)) if ms is None else ms, fields)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[Record[Any]], dict[str, Any]]:
    """A record as a program reads it back."""

    def printed(record: Record[Any]) -> dict[str, Any]:
        print_json(record)
        [line] = capsys.readouterr().out.splitlines()
        read: dict[str, Any] = json.loads(line)
        return read

    return printed


# A status


def test_an_outbox_in_which_nothing_has_happened_is_said_to_be_empty(told: Told) -> None:
    said = told()

    assert said.startswith("shop.outbox\n")
    assert "no record, 0 B of at most 64 MiB" in said
    assert "0 waiting for their number " in said
    assert "nobody (fence 0)" in said
    assert "0 dead, 0 parked" in said
    assert "no durable reader, such as a relay, has started yet" in said


def test_the_records_of_a_log_are_told_from_the_oldest_to_the_newest(told: Told) -> None:
    assert "seq 1,000 to 2,500, 3 MiB of at most 64 MiB" in told(oldest=1_000, head=2_500, size=3 * MIB)


def test_a_log_of_one_record_is_not_empty(told: Told) -> None:
    assert "seq 1 to 1," in told(oldest=1, head=1)


def test_what_waits_in_staging_is_told_with_its_size_and_since_when(told: Told) -> None:
    said = told(staging=1_500, staging_bytes=2 * MIB, staging_seconds=90.0)

    assert "1,500 waiting for their number, 2 MiB, for 90 s" in said


def test_a_message_that_came_this_moment_is_told_with_its_age_too(told: Told) -> None:
    assert "1 waiting for their number, 100 B, for 0 s" in told(staging=1, staging_bytes=100, staging_seconds=0.0)


def test_who_sequences_is_named(told: Told) -> None:
    assert "host:12:abc (fence 3)" in told(holder="host:12:abc", fence=3)


def test_whom_the_sequencer_waits_for_is_named(told: Told) -> None:
    said = told(held=Held("relay:kafka", 1_235, 720.0))

    assert "waits for relay:kafka to read seq 1,235, for 12 min" in said


def test_messages_that_nobody_numbers_are_warned_of(told: Told) -> None:
    assert "no process numbers them" in told(unsequenced=True)
    assert "no process numbers them" not in told()


def test_dead_letters_are_counted(told: Told) -> None:
    assert "1,234 dead, 5 parked" in told(dead=1_234, parked=5)


def test_a_reader_is_told_in_a_line_of_its_own(told: Told) -> None:
    _, _, table = told(cursors=(CURSOR, replace(CURSOR, reader="relay:other"))).partition("\n\n")
    title, first, *_ = table.splitlines()

    assert title.split("  ")[0] == "reader"
    assert first.split() == ["relay:kafka", "1,234", "1,000", "1", "MiB,", "10", "min", "2025-01-02", "03:04:05"]
    assert "relay:other" in table
    assert "no durable reader" not in table


@pytest.mark.parametrize(
    ("date", "said"),
    [
        (datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), "2025-01-02 03:04:05"),
        (DatetimeMS(253_402_300_800_000), "+010000-01-01 00:00:00"),
        (DatetimeMS(-62_167_219_200_001), "-000001-12-31 23:59:59"),
    ],
    ids=str,
)
def test_a_reader_s_dates_are_told_to_the_second_whatever_the_year(told: Told, date: Any, said: str) -> None:
    *_, line = told(cursors=(replace(CURSOR, headroom=None, created=date, updated=date),)).splitlines()

    assert line.rstrip().endswith(f" {said}  {said}")


def test_a_long_name_of_a_reader_is_told_in_full_on_a_narrow_terminal(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    said = told(cursors=(replace(CURSOR, reader="relay:" + "z" * 40),))

    assert said.count("z") == 40


@pytest.mark.parametrize(
    ("found", "lag", "said"),
    [
        (None, 3, "none: its next record is gone"),
        (None, 0, "none: it is beyond this log's end"),
        (Headroom(MIB, None, None), 0, "1 MiB"),
        (Headroom(MIB, 2_000, None), 5, "1 MiB\n2,000 records"),
        (Headroom(MIB, 2_000, 600.0), 5, "1 MiB, 10 min\n2,000 records"),
        (Headroom(0, 0, 0.0), 5, "0 B, 0 s\n0 records"),
    ],
)
def test_the_headroom_of_a_reader_is_told_as_far_as_it_is_known(found: Headroom | None, lag: int, said: str) -> None:
    assert headroom(found, lag) == said


# Records


def test_a_terminal_obeys_nothing_that_stands_in_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[31m\x9b0m\r\n\u202e\ud800"

    RecordPrinter()(record({"note": hostile[:-1]}, key=hostile[:-1], header=hostile))

    said = capsys.readouterr().out
    assert "\\x1b[31m\\x9b0m\\r\\n\\u202e" in said
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


def test_a_record_is_one_line_of_json(printed: Callable[[Record[Any]], dict[str, Any]]) -> None:
    assert printed(record({"total": 9}, tenant="acme")) == {
        "seq": 7,
        "id": "65a000000000000000000001",
        "created": "2025-01-02T03:04:05.678Z",
        "type": "order.placed",
        "key": "42",
        "headers": {"tenant": "acme"},
        "data": {"total": 9},
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ID, {"$oid": "65a000000000000000000001"}),
        (CREATED, {"$date": "2025-01-02T03:04:05.678Z"}),
        (Decimal128("1.50"), {"$numberDecimal": "1.50"}),
        (Int64(2**53 + 1), 2**53 + 1),
        ("é\n\x00", "é\n\x00"),
    ],
    ids=repr,
)
def test_what_json_has_no_word_for_is_relaxed_extended_json(
    printed: Callable[[Record[Any]], dict[str, Any]], value: Any, shown: Any
) -> None:
    assert printed(record({"value": value}))["data"] == {"value": shown}


def test_a_tombstone_without_a_key_has_null_for_both(printed: Callable[[Record[Any]], dict[str, Any]]) -> None:
    read = printed(record(None, key=None))

    assert (read["key"], read["data"]) == (None, None)


def test_a_record_is_one_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    RecordPrinter()(record({"text": "x" * 300}, tenant="acme"))
    [line] = capsys.readouterr().out.splitlines()

    assert line.split("  ", maxsplit=1)[0].strip() == ""
    assert line.split()[:4] == ["7", "2025-01-02T03:04:05.678Z", "order.placed", "42"]
    assert "{'tenant': 'acme'}" in line
    assert line.endswith('{"text": "' + "x" * 300 + '"}')


def test_a_record_without_a_key_or_headers_shows_a_dash_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    RecordPrinter()(record(None, key=None))

    assert capsys.readouterr().out.split() == ["7", "2025-01-02T03:04:05.678Z", "order.placed", "-", "null"]


def test_text_in_brackets_is_shown_as_it_is_and_no_style(capsys: pytest.CaptureFixture[str]) -> None:
    RecordPrinter()(record({"text": "[bold]é[/bold]"}, key="[red]k"))
    out = capsys.readouterr().out

    assert '{"text": "[bold]é[/bold]"}' in out
    assert "[red]k" in out


def test_a_date_that_python_cannot_hold_is_shown_as_kafka_has_it(
    printed: Callable[[Record[Any]], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    far = record(ms=253_402_300_800_000)

    assert printed(far)["created"] == "+010000-01-01T00:00:00.000Z"
    RecordPrinter()(far)
    assert capsys.readouterr().out.split()[1] == "+010000-01-01T00:00:00.000Z"


@pytest.mark.parametrize(("value", "text"), [(CREATED, "2025-01-02T03:04:05.678Z"), (None, "None"), (7, "7")])
def test_a_date_is_text_as_everywhere_and_anything_else_as_python_has_it(value: object, text: str) -> None:
    assert terminal.text(value) == text
