"""What a page shows of a busy shop: many readers, an hour of history, and messages that somebody made to do harm."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, datetime
from typing import Any

from bson import Int64, ObjectId

from outbox import Outbox
from outbox.counting.tally import Histogram
from relay.monitoring.page.history import Sample
from relay.monitoring.page.watch import Watch
from tests.actors.order_service import foreign, placed

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
_NAMES = ("consumer:billing", "consumer:mail", "projection:revenue", "archive:main", "mirror:eu", "latest:")
_AT_A_TIME = 5000


def fill(orders: Outbox, *, readers: int, letters: int, hostile: bool = True, messages: int = 2000) -> None:
    """Fills an outbox: messages, so many readers besides the relay, and letters of the relay; some of them hostile."""
    for start in range(0, messages, 500):
        some = range(start, start + 500)
        orders.put([placed(n, order_id=str(1000 + n % 97), note="thank you") for n in some], standalone=True)
    if hostile:
        orders.put(placed(1, order_id=HOSTILE, note=HOSTILE), standalone=True)
    while orders.sequence():
        pass
    head = orders.log.head()
    names = [*_NAMES, *(f"consumer:service-{number:02}" for number in range(len(_NAMES), readers))][:readers]
    for number, name in enumerate(names):
        behind = (0, 3, 900, 0, 40)[number % 5]
        cursor = {"_id": name, "seq": Int64(head - behind), "created": None, "id": None, "fence": Int64(1)}
        orders.collections.cursors.insert_one(cursor)
        holder = {"owner": f"app-{number}:4711:9f2c01aa", "beat": Int64(1), "fence": Int64(1 + number), "seconds": 3.0}
        orders.collections.leases.insert_one({"_id": name, **holder, "renewed": datetime.now(UTC)})
    for start in range(0, letters, _AT_A_TIME):
        some = range(start, min(letters, start + _AT_A_TIME))
        orders.collections.dead.insert_many([_letter(number, hostile=hostile) for number in some], ordered=False)


def _letter(number: int, *, hostile: bool) -> dict[str, Any]:
    is_hostile = hostile and number % 10 == 0
    key = f"{HOSTILE} again" if is_hostile else str(3000 + number % 97)  # no message waits behind them
    now = datetime.now(UTC)
    return {
        **foreign(key=key, data={"order_id": key, "total": number}), "_id": ObjectId(), "reader": "relay:kafka",
        "log": "shop.outbox/00000000", "seq": Int64(number + 1), "hash": Int64(number), "attempts": 1,
        "error": {"code": "refused", "reason": f"Broker: Message size too large {HOSTILE if is_hostile else ''}"},
        "first": now, "last": now, "state": "dead" if number % 3 else "parked",
    }  # fmt: skip


def an_hour(watch: Watch, outbox: str, dead: int = 0, parked: int = 0) -> None:
    """Gives a watch, before it begins, the history of an hour: waves, an outage of Kafka, and what was put aside."""
    chance = random.Random(7)  # for pictures
    latency, put, began = Histogram(), 0.0, time.time() - 3600
    for point in range(715):
        put += 5 * (420 + 240 * math.sin(point / 60) + 50 * chance.random())
        away = 430 < point < 520
        lag = 3000 * math.sin((point - 430) / 30) if away else 30 * chance.random()
        latency.add(0.02 + 0.008 * chance.random(), 70)
        latency.add(0.4 if away else 0.07, 5)
        latency.add(8.0 if away else 0.2, 1)
        gauges = {
            "staging": 20 * chance.random(), "staging_seconds": 0.25 * chance.random(),
            "dead": float(dead * (point > 300)), "parked": float(parked * (point > 300)),
            "lag:relay:kafka": max(0.0, lag), "headroom:relay:kafka": 0.97 - max(0.0, lag) / 4500,
        }  # fmt: skip
        counters = {"put": put, "sequenced": put - 9, "delivered:relay:kafka": put - 20 - max(0.0, lag)}
        watch.outboxes[outbox]._history.add(Sample(began + 5 * point, counters, gauges, latency.all()))
