"""Two more faces of an outbox: its gateway's clients in Python, for the part of the suites that HTTP gives as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.gateway.delivery import components
from outbox.remoting import consumer, outbox
from outbox.remoting.aio import AsyncRemoteOutbox
from outbox.remoting.outbox import RemoteOutbox
from outbox.threads import workers
from tests.actors.faces import Face, Looped
from tests.actors.gateway import Served, gateway
from tests.actors.order_service import MESSAGES, Document
from tests.waiting import wait_until

REMOTE = ("RemoteOutbox", "AsyncRemoteOutbox")


class _Remote(Face):
    """What both have in common."""

    served: Served

    @property
    def address(self) -> str:
        return str(self.served.client.base_url)

    def put(self, *messages: Any, **options: Any) -> list[Any]:
        ids = [self.call(self.outbox.put, message, standalone=True, **options) for message in messages]
        self.served.numbered()
        return ids

    def caught_up(self, consumer: Any) -> None:
        wait_until(lambda: self.call(consumer.position) == self.served.orders.log.head(), 30, "the head")

    def fill(self) -> int:
        raise NotImplementedError("what a log rolls over is skipped here")


class Remote(_Remote):
    def __init__(self, served: Served) -> None:
        self.served = served
        self.outbox = RemoteOutbox(self.address, messages=MESSAGES)


class AsyncRemote(_Remote, Looped):
    def __init__(self, served: Served) -> None:
        Looped.__init__(self)
        self.served = served
        self.outbox = AsyncRemoteOutbox(self.address, messages=MESSAGES)


@contextmanager
def remote_face_of(name: str, database: Database[Document]) -> Iterator[Face]:
    """Makes one of them, with a gateway of its own."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(consumer, "WAIT_SECONDS", 0.2)  # what is stopped, or left, ends soon
        patch.setattr(outbox, "WAIT_SECONDS", 0.2)
        patch.setattr(components, "LINGER_SECONDS", 0.05)
        patch.setattr(workers, "_IDLE_SECONDS", 0.05)
        orders = stack.enter_context(Outbox(database, messages=MESSAGES))
        orders.create()
        served = stack.enter_context(gateway(orders))
        yield stack.enter_context(closing((Remote if name == REMOTE[0] else AsyncRemote)(served)))
