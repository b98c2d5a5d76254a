"""An application for APP on the command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHOP = """
from pymongo import MongoClient
from outbox import Outbox
from tests.actors.order_service import MESSAGES, OrderPlaced

client = MongoClient(connect=False)
orders = Outbox(client.shop, messages=MESSAGES)
def made(): return orders
def failing(): raise ZeroDivisionError("no orders today")
def needing(argument): return orders
client.close()
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the module `shop` (or another) where APP is looked for, and forgets it afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)

    def write(source: str = SHOP, name: str = "shop") -> Path:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
