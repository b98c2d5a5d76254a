"""What of an encoded message is compared with the newest of its id."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from outbox import InvalidMessage, tombstone
from outbox.messages.message_types import MessageTypes
from outbox.staging.compacted import Compacted, check_compacted, compacted
from outbox.staging.put import encode
from tests.actors.catalogue import MESSAGES, BasketLine, Price, line, price, viewed

TYPES = MessageTypes(MESSAGES)


def taken_apart(message: Any) -> Compacted:
    [document] = encode([message], None, TYPES, 10_000).values()
    return compacted(document, TYPES.compactions)


def test_a_message_has_its_entry_and_its_data() -> None:
    assert taken_apart(price("a", 1)) == ("price", "price/a", bson.encode({"sku": "a", "cents": 1}))
    assert taken_apart(line("o1", 7, 2)) == ("line", "line/7", bson.encode({"order_id": "o1", "line": 7, "pieces": 2}))


def test_a_tombstone_has_the_entry_of_what_it_ends_and_no_data() -> None:
    assert taken_apart(tombstone(Price, key="a")) == ("price", "price/a", None)
    assert taken_apart(tombstone(BasketLine, key="o1", line_id=7)) == ("line", "line/7", None)


def test_what_is_not_compacted_has_no_entry_and_is_refused() -> None:
    found = taken_apart(viewed("x"))

    assert found.entry is None
    with pytest.raises(InvalidMessage, match="view: if_changed=True compares .* declare its class with compact=True"):
        check_compacted([taken_apart(price("a", 1)), found])
