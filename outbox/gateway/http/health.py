"""The calls for whoever watches the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import Response

from outbox.gateway.answers import Json
from outbox.gateway.delivery.components import Components
from outbox.gateway.http.consumers import caller_of
from outbox.gateway.metrics import Exposition
from outbox.outbox import Outbox


class HealthCalls:
    """Answers whether the process works, and whether it can work now."""

    def __init__(
        self, orders: Outbox, components: Components, exposition: Exposition, waits: Callable[[], list[str]]
    ) -> None:
        """waits: names what works beside the gateway, and waits for a server that is away."""
        self._orders = orders
        self._components = components
        self._exposition = exposition
        self._waits = waits

    async def healthz(self, request: Request) -> Response:
        """Answers, and asks nobody."""
        return Json({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Gives the numbers for Prometheus."""
        caller_of(request).check("admin")
        say = partial(self._exposition.text, request.headers.get("accept", ""))
        text, content_type = await self._components.call_once(say)
        return Response(text, media_type=content_type)

    async def readyz(self, request: Request) -> Response:
        """Asks the database, and answers 503 when it does not answer, or when this process ends.

        What waits beside it is only named: clients are served all the same, and who asks may be anybody.
        """
        if self._components.is_closing:
            return Json({"status": "closing"}, 503)
        try:
            await self._components.call_once(self._orders.log.describe)
        except PyMongoError:
            return Json({"status": "unavailable"}, 503)
        waits = self._waits()
        return Json({"status": "ok", **({"waits": waits} if waits else {})})
