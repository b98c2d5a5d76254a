"""What the doctor finds in an outbox."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox, message_type
from outbox.doctor.collections import SERVICE, OutboxExamination
from outbox.doctor.finding import Finding, examined
from tests.actors.order_service import placed
from tests.actors.relay_thread import given_cursor, numbered
from tests.actors.small_log import put_large, register, small_outbox

Document = dict[str, Any]


def found(outbox: Outbox) -> list[Finding]:
    return list(examined(OutboxExamination(outbox.collections, outbox.declared, "shop:orders", SERVICE).checks()))


def the_one(outbox: Outbox) -> Finding:
    (finding,) = found(outbox)
    return finding


def test_of_an_outbox_that_is_well_nothing_is_found(orders: Outbox) -> None:
    numbered(orders, 3)
    given_cursor(orders, 3)

    assert found(orders) == []


def test_an_outbox_that_was_never_created_is_found(database: Database[Document]) -> None:
    with Outbox(database, sequence=False) as orders:
        findings = found(orders)

    assert findings[0].serious
    assert findings[0].mend == "`outbox create shop:orders`"


def test_a_class_that_staging_does_not_know_is_found(orders: Outbox, database: Database[Document]) -> None:
    schema = {"bsonType": "object", "properties": {"id": {"bsonType": "string"}}}
    with Outbox(database, messages=[message_type("order.lost", key="id", schema=schema)], sequence=False) as newer:
        finding = the_one(newer)

    assert (finding.check, finding.serious, finding.mend) == ("validator", True, "`outbox create shop:orders`")


def test_an_index_that_was_dropped_is_found(orders: Outbox) -> None:
    orders.collections.staging.drop_index("at_1")

    assert the_one(orders).what.endswith(".staging has no index of at")


def test_messages_that_nobody_numbers_are_found(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.monitoring.status.UNSEQUENCED_SECONDS", 0)
    orders.put(placed(1), standalone=True)

    assert (the_one(orders).check, the_one(orders).serious) == ("sequencing", True)


def test_a_reader_whose_next_record_is_gone_is_found(database: Database[Document]) -> None:
    with small_outbox(database) as orders:
        put_large(orders, 12)
        register(orders, "relay:kafka", 0)

        findings = [each for each in found(orders) if each.check == "readers"]

    assert [each.serious for each in findings] == [True]
    assert "reset relay:kafka --to earliest" in findings[0].mend


def test_a_log_that_holds_less_than_an_hour_is_found(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.monitoring.headroom._LEAST_MS", 1)
    with small_outbox(database) as orders:
        put_large(orders, 4)

        assert "capacity" in [each.check for each in found(orders)]


def test_dead_letters_are_found(orders: Outbox) -> None:
    orders.collections.dead.insert_one({"_id": 1, "reader": "relay:kafka", "state": "dead"})

    assert the_one(orders).mend.endswith("then `outbox dead shop:orders list --reader READER`")
