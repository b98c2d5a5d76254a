"""Whether the process works, and whether it can work now."""

from __future__ import annotations

from tests.actors.gateway import Served


def test_it_answers_whether_it_works_and_can_work(served: Served) -> None:
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/readyz").json() == {"status": "ok"}
