"""Where a message comes from is read back as it was written, and nothing else is taken for it."""

from __future__ import annotations

import pytest
from bson import ObjectId

from outbox.errors import InvalidMessage
from outbox.transfer.origin import Origin, first_origin

ORIGIN = Origin("shop.orders", 7, ObjectId("0123456789abcdef01234567"), "2025-01-02T03:04:05.678Z")
WRITTEN = dict(ORIGIN.headers())


def test_what_is_written_is_read_back() -> None:
    assert first_origin({"tenant": "acme", **WRITTEN}) == ORIGIN


def test_an_outbox_that_is_not_known_is_left_out() -> None:
    assert first_origin(dict(ORIGIN._replace(outbox=None).headers())) == ORIGIN._replace(outbox=None)


def test_a_message_that_was_put_here_has_none() -> None:
    assert first_origin({"tenant": "acme"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin-id": WRITTEN["origin-id"]},
        {**WRITTEN, "origin-id": "42"},
        {**WRITTEN, "origin-seq": "-1"},
        {**WRITTEN, "origin-created": "yesterday"},
        {**WRITTEN, "origin-outbox": 5},
    ],
)
def test_headers_of_these_names_that_say_something_else_are_refused(headers: dict[str, object]) -> None:
    with pytest.raises(InvalidMessage, match="do not say where a message comes from"):
        first_origin(headers)
