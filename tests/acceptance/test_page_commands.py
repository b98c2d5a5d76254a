"""What the pages show an operator to type is typed, one after the other, into an outbox that has something to show."""

from __future__ import annotations

import shlex
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo.database import Database
from typer.testing import CliRunner

from outbox import Outbox, Reject, message
from outbox.cli.app import app as outbox
from relay import Relay
from relay.cli.app import app as relay
from relay.testing import MemorySink
from tests.acceptance.pages import ROOT, shell_lines

PROGRAMS = {"outbox": outbox, "relay": relay}
PAGES = [
    "archive",
    "consumers",
    "doctor",
    "export-and-mirror",
    "operating",
    "poison",
    "readers",
    "relay",
    "replay",
    "schema-evolution",
    "shares",
]
GO_ON = ("outbox serve", "outbox sequence", "relay run")
ELSEWHERE = ("s3://", "mongodb://other", "elsewhere:", "--rate", "relay doctor", "relay health", "--from … --to …")
"""Of these others tell: they need a server that is not here, or a relay at work."""
NOTHING = ("dead show", "forget old")
"""There is no such letter and no such relay here: these end with 1."""


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField()


@message("order.cancelled", key="order_id")
class OrderCancelled(EmbeddedDocument):
    order_id = StringField(required=True)


def served(database: Database[Any], name: str = "outbox") -> Outbox:
    """What an application has for a command."""
    orders = Outbox(database, name, messages=[OrderPlaced, OrderCancelled])
    orders.create()
    return orders


@pytest.fixture
def shop(database: Database[Any], mongo_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An outbox with 1,042 messages, a relay that has delivered them, and a consumer that gave one up."""
    with served(database) as orders, served(database, "copy"):
        orders.put([OrderPlaced(order_id=str(number), pieces=1) for number in range(1042)], standalone=True)
        Relay(orders, MemorySink()).run(threading.Event(), once=True)
        billing = orders.consumer("billing")
        stop = threading.Event()

        def handle(record: Any) -> None:
            if record.key == "42":
                raise Reject("unknown customer")
            if record.seq == 1042:
                stop.set()

        billing.run(handle, stop=stop)
    application = types.ModuleType("shop")
    application.__dict__.update(orders=lambda: served(database), copy=lambda: served(database, "copy"))
    monkeypatch.setitem(sys.modules, "shop", application)
    monkeypatch.chdir(tmp_path)
    return {"RELAY_MONGO": mongo_uri, "RELAY_DATABASE": database.name}


def runnable(page: str) -> list[str]:
    lines = shell_lines(ROOT / "docs" / f"{page}.md")
    return [line for line in lines if not line.startswith(GO_ON) and not any(other in line for other in ELSEWHERE)]


def arguments(line: str) -> list[str]:
    """What is typed, without what is left out; what would go on for ever ends when it has done what there is."""
    words = shlex.split(line.replace("--mongo …", "").replace("--database shop", "").replace("APP", "shop:orders"))
    once = ["--once"] if words[1] == "mirror" or words[1:3] == ["archive", "run"] else []
    return [word.replace("/srv/", "./") for word in words[1:] if word != "…"] + once


def test_the_commands_of_the_pages_run(shop: dict[str, str]) -> None:
    runner, exported, ran, wrong = CliRunner(), "", 0, []
    for page in PAGES:
        for line in runnable(page):
            given = {"input": exported} if " import " in line else {"input": "y\n"}
            result = runner.invoke(PROGRAMS[line.split()[0]], arguments(line), env=shop, **given)  # type: ignore[arg-type]
            exported = result.stdout if line == "outbox export shop:orders -" else exported
            ran += 1
            if result.exit_code != any(part in line for part in NOTHING):
                wrong.append(f"{page}: {line}: {result.exit_code}: {result.output[-300:]} {result.exception!r}")
    assert wrong == [], "\n".join(wrong)
    assert ran > 40
