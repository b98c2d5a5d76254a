"""A project of Django, configured in the test's own process: an order service on django_mongodb_backend."""

from __future__ import annotations

import threading
from typing import Any

from outbox.contrib.django import DjangoOutbox
from tests.actors.order_service import MESSAGES

SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": ["outbox.contrib.django"],
    "DEFAULT_AUTO_FIELD": "django_mongodb_backend.fields.ObjectIdAutoField",
    "OUTBOX": "tests.actors.django_shop.orders",
    "OUTBOX_CONSUMERS": ["tests.actors.django_shop.billing", "tests.actors.django_shop.broken"],
    "OUTBOX_RELAY": "tests.actors.django_shop.relay",
    "USE_TZ": True,
}

orders = DjangoOutbox(messages=MESSAGES, sequence=True)
handled: list[int] = []
relayed = threading.Event()


def billing() -> None:
    orders.outbox.consumer("billing").run(lambda record: handled.append(record.message.total))


def broken() -> None:
    raise ValueError("no such bank")


class relay:  # noqa: N801  # stands for a function that makes a relay
    """A relay that says that it runs, and ends when it is told."""

    def run(self, stop: threading.Event) -> None:
        relayed.set()
        stop.wait(30)
