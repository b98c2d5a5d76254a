"""Log records as JSON."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from outbox.monitoring.json_lines import JsonLines
from outbox.shares.reader_logger import ReaderLogger


def line(record: logging.LogRecord) -> dict[str, Any]:
    written = JsonLines().format(record)
    assert "\n" not in written
    found: dict[str, Any] = json.loads(written)
    return found


def test_a_line_has_the_message_and_nothing_that_is_not_known() -> None:
    record = logging.LogRecord("outbox", logging.WARNING, "", 0, "%s: a line\nof two", ("shop.orders",), None)
    record.created = 1_735_776_000.25

    assert line(record) == {
        "time": "2025-01-02T00:00:00.250Z", "level": "warning", "logger": "outbox",
        "message": "shop.orders: a line\nof two",
    }  # fmt: skip


def test_a_reader_s_line_says_whose_it_is_and_what_it_is_about(caplog: Any) -> None:
    ReaderLogger("relay:kafka/2", "shop.orders").warning("dead-lettered", extra={"seq": 7, "id": "0" * 24})

    found = line(caplog.records[0])

    assert found["message"].startswith("relay 'kafka/2' of shop.orders: ")
    assert [found[name] for name in ("outbox", "reader", "seq", "id")] == [
        "shop.orders", "relay:kafka/2", 7, "0" * 24,
    ]  # fmt: skip


def test_a_traceback_is_in_the_same_line() -> None:
    try:
        raise ValueError("unforeseen")
    except ValueError:
        record = logging.LogRecord("outbox", logging.ERROR, "", 0, "it failed", (), sys.exc_info())

    assert line(record)["error"].endswith("ValueError: unforeseen")
