"""The demo's order service: what its ledger says is what it committed."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from outbox import Outbox
from relay.demo.shop import MESSAGES, Shop
from tests.waiting import wait_until

Document = dict[str, Any]


def test_its_ledger_has_what_is_in_staging_and_none_of_what_was_aborted(database: Database[Document]) -> None:
    with Outbox(database, messages=MESSAGES, sequence=False) as outbox:
        outbox.create()
        shop = Shop(database, outbox, 40)
        shop.start()
        wait_until(lambda: shop.ledger.committed == 40 or shop.failures, 60, "40 committed messages")
        shop.stop()

        staged = {str(document["_id"]) for document in outbox.collections.staging.find({}, {"_id": 1})}

    assert shop.failures == []
    assert staged == {id for ids in shop.ledger.by_key.values() for id in ids}
    assert not staged & shop.ledger.aborted
