"""`outbox schema check` and `list`: what deploying message classes would change, and what was deployed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from typer.testing import CliRunner

from outbox.cli.app import app
from outbox.messages import versions
from tests.acceptance.pages import ROOT, blocks

APPLICATION = """
from mongoengine import EmbeddedDocument, fields
from pymongo import MongoClient
from outbox import Outbox, message, upcast

@message("order.placed", key="id", version={version})
class OrderPlaced(EmbeddedDocument):
    id = fields.StringField(required=True)
    total = fields.{field}(required=True)

{more}
orders = Outbox(MongoClient({uri!r})[{database!r}], messages=[OrderPlaced], sequence=False)
"""
UPCAST = """
@upcast("order.placed", 1)
def in_text(data):
    return {**data, "total": str(data["total"])}
"""

Write = Callable[..., None]


@pytest.fixture
def write(mongo_uri: str, database: Database[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the application `evolving`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(versions, "_upcasts", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(field: str, version: int = 1, more: str = "") -> None:
        text = APPLICATION.format(field=field, version=version, more=more, uri=mongo_uri, database=database.name)
        (tmp_path / "evolving.py").write_text(text)

    return write


def run(*arguments: str) -> tuple[int, list[str]]:
    """Runs the command, and unloads the application."""
    result = CliRunner().invoke(app, [*arguments])
    sys.modules.pop("evolving").orders.collections.client.close()
    return result.exit_code, result.stdout.splitlines()


def deployed(write: Write, field: str) -> None:
    write(field)
    assert run("create", "evolving:orders")[0] == 0


def test_before_the_first_deploy_all_is_new(write: Write) -> None:
    write("IntField")
    assert run("schema", "check", "evolving:orders") == (0, ["order.placed: new: nothing of it is deployed"])
    assert run("schema", "list", "evolving:orders")[1][0].startswith("nothing is deployed to test_")


def test_a_wider_class_is_shown_with_what_becomes_possible(write: Write) -> None:
    deployed(write, "IntField")
    write("FloatField")

    code, [said, why] = run("schema", "check", "evolving:orders")

    assert code == 0
    assert said.startswith("order.placed: wider: create() widens the server's schema")
    assert why.startswith("  refused by what is deployed: data.total: bsonType ")


def test_what_breaks_is_named_and_ends_with_1(write: Write) -> None:
    deployed(write, "IntField")
    write("StringField")

    code, [said, one, other, problem] = run("schema", "check", "evolving:orders")

    assert (code, said) == (1, "order.placed: breaks what is deployed")
    assert one.startswith("  refused by what is deployed: data.total: bsonType")
    assert other.startswith("  refused by this class: data.total: bsonType")
    assert problem.startswith("  PROBLEM create() would refuse it: the message type 'order.placed' is deployed with")
    assert "version=2 and @upcast('order.placed', 1)" in problem
    [(shown, _)] = blocks(ROOT / "docs" / "schema-evolution.md", "console")
    *same, cut = shown.splitlines()[1:]
    assert same == [said, one, other]
    assert problem.startswith(cut.removesuffix("…"))


def test_a_new_version_wants_its_upcast(write: Write) -> None:
    deployed(write, "IntField")
    write("StringField", version=2)
    code, lines = run("schema", "check", "evolving:orders")
    assert (code, lines[0][:43]) == (1, "order.placed (version 2): a new version: th")
    assert lines[-1].startswith("  PROBLEM there is no @upcast('order.placed', 1)")

    write("StringField", version=2, more=UPCAST)
    assert run("schema", "check", "evolving:orders")[0] == 0
    assert run("create", "evolving:orders")[0] == 0
    listed = run("schema", "list", "evolving:orders")[1]
    assert [line.partition("  since")[0] for line in listed] == ["order.placed  version 1", "order.placed  version 2"]


def test_for_programs_each_class_is_an_object(write: Write) -> None:
    deployed(write, "IntField")

    [line] = run("schema", "check", "evolving:orders", "--json")[1]
    assert json.loads(line) == {
        "type": "order.placed", "version": 1, "change": "same", "refused_by_deployed": [], "refused_by_declared": [],
        "problems": [],
    }  # fmt: skip
    [line] = run("schema", "list", "evolving:orders", "--json")[1]
    assert json.loads(line)["schema"]["title"] == "OrderPlaced"
