"""Finds the private names of mongoengine that this package uses, all of them here and at import.

Seen in mongoengine 0.29 and in its master of June 2026, which becomes the release after 0.29.3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mongoengine  # type: ignore[import-untyped]  # mongoengine ships no types
from mongoengine import fields
from pymongo.client_session import ClientSession

from outbox.mongo.pymongo_internals import first_existing

_DOCUMENT = ("_class_name", "_data", "_db_field_map", "_dynamic", "_fields", "_fields_ordered", "_meta")


class _Probe(mongoengine.EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    meta = {"abstract": True}  # noqa: RUF012  # mongoengine's own way


for _name in _DOCUMENT:
    if not hasattr(_Probe, _name):
        first_existing(f"mongoengine:EmbeddedDocument.{_name}")  # raises

document_class: Callable[[str], Any] = first_existing(
    "mongoengine.base:get_document", "mongoengine.base.common:_DocumentRegistry.get"
)
"""Returns the document class of a `_cls`. Raises mongoengine's NotRegistered."""

INTEGERS: tuple[type, ...] = tuple(getattr(fields, name) for name in ("IntField", "LongField") if hasattr(fields, name))
"""mongoengine's integer fields; LongField is gone in the release after 0.29.3."""


def mongoengine_session() -> ClientSession | None:
    """Returns the session of mongoengine's `run_in_transaction`: it is in a thread-local that pymongo does not know.

    Raises ImportError when mongoengine has such transactions and its session cannot be found.
    """
    connection: ModuleType | None = sys.modules.get("mongoengine.connection")
    current = getattr(connection, "_get_session", None)
    if current is not None:
        session: ClientSession | None = current()
        return session
    if hasattr(sys.modules.get("mongoengine.context_managers"), "run_in_transaction"):
        first_existing("mongoengine.connection:_get_session")  # raises: it is not there
    return None
