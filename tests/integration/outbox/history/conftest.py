"""An outbox whose log has forgotten what an archive has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.archive import Archive
from tests.actors.archiving import filled
from tests.actors.small_log import small_outbox
from tests.integration.outbox.aio.conftest import loops

__all__ = ["loops"]  # found by pytest by its name


@pytest.fixture
def orders(database: Database[Any]) -> Iterator[Outbox]:
    with small_outbox(database) as orders:
        yield orders


@pytest.fixture
def archive(orders: Outbox, tmp_path: Path) -> Archive:
    return filled(orders, tmp_path)
