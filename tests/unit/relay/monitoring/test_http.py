"""Many who scrape cost no more than one."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from relay.monitoring import http
from relay.monitoring.http import Scrapes


async def scraped(count: int) -> tuple[list[bytes], int]:
    gathered = []

    def encode(_: CollectorRegistry) -> bytes:
        gathered.append(None)
        return str(len(gathered)).encode()

    scrapes = Scrapes(CollectorRegistry())
    return await asyncio.gather(*(scrapes.text(encode, "text/plain") for _ in range(count))), len(gathered)


def test_scrapes_of_one_second_gather_once() -> None:
    assert asyncio.run(scraped(3)) == ([b"1", b"1", b"1"], 1)


def test_later_ones_gather_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOGETHER_SECONDS", 0.0)

    assert asyncio.run(scraped(2)) == ([b"1", b"2"], 2)
