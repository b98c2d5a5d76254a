"""create() and what a type is compacted by: a deploy may add it, and none may take it away or change it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo.database import Database

from outbox import IncompatibleOutbox, InvalidMessage, Outbox, message, tombstone
from outbox.staging.validator import compactions_of
from tests.actors.order_service import warnings_of

pytestmark = pytest.mark.oldest_server

Document = dict[str, Any]


def price(compact: bool | str = False, **more: Any) -> Any:
    """The message class of one deploy."""
    attributes = {"sku": StringField(), "line_id": IntField(), "shelf": StringField(), **more}
    cls = type(EmbeddedDocument)("Deployed", (EmbeddedDocument,), attributes)
    return message("price", key="sku", compact=compact)(cls)


def deploy(database: Database[Document], cls: Any) -> Outbox:
    outbox = Outbox(database, messages=[cls])
    outbox.create()
    return outbox


def compactions(database: Database[Document]) -> dict[str, str]:
    return compactions_of(database["outbox.staging"].options()["validator"])


def test_a_type_may_become_compacted(database: Database[Document]) -> None:
    older, newer = price(), price(compact=True)
    old = deploy(database, older)
    with pytest.raises(InvalidMessage, match=r"run create\(\)"):
        Outbox(database, messages=[newer]).put(tombstone(newer, key="a"), standalone=True)

    new = deploy(database, newer)

    old.put(older(sku="a"), standalone=True)
    new.put(tombstone(newer, key="a"), standalone=True)
    assert compactions(database) == {"price": "key"}


def test_an_older_deploy_that_creates_again_changes_nothing_and_is_told(
    database: Database[Document], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "outbox")
    deploy(database, price(compact="line_id"))
    assert warnings_of(caplog) == []

    older = price()
    deploy(database, older).put(older(sku="a", line_id=7), standalone=True)

    assert compactions(database) == {"price": "data.line_id"}
    [warning] = warnings_of(caplog)
    assert "keeps the message type price compacted" in warning


def test_it_may_widen_its_schema_and_become_compacted_at_once(database: Database[Document]) -> None:
    deploy(database, price())
    deploy(database, price(compact=True, more=StringField()))
    deploy(database, price(more=StringField(), most=StringField()))

    wider = price(compact=True, more=StringField(), most=StringField())
    deploy(database, wider).put([wider(sku="a", most="x"), tombstone(wider, key="a")], standalone=True)


@pytest.mark.parametrize(
    ("deployed", "changed", "named"),
    [
        (True, "line_id", "compacted by its key, and cannot become compacted by its field 'line_id'"),
        ("line_id", True, "compacted by its field 'line_id', and cannot become compacted by its key"),
        ("line_id", "shelf", "compacted by its field 'line_id', and cannot become compacted by its field 'shelf'"),
    ],
)
def test_what_it_is_compacted_by_cannot_change(
    database: Database[Document], deployed: Any, changed: Any, named: str
) -> None:
    deploy(database, price(compact=deployed))
    before = database["outbox.staging"].options()

    with pytest.raises(IncompatibleOutbox, match=named):
        deploy(database, price(compact=changed))

    assert database["outbox.staging"].options() == before


def test_a_field_may_be_called_otherwise_if_it_is_stored_under_the_same_name(database: Database[Document]) -> None:
    deploy(database, price(compact="line_id"))

    attributes = {"sku": StringField(), "number": IntField(db_field="line_id"), "shelf": StringField()}
    renamed: Any = type(EmbeddedDocument)("Renamed", (EmbeddedDocument,), attributes)
    deploy(database, message("price", key="sku", compact="number")(renamed))

    assert compactions(database) == {"price": "data.line_id"}
