"""Finds the private names of mongoengine that this package uses, all of them here, and at the import of their users.

It imports mongoengine for message classes only: a put looks for a session where the program has imported it.

Seen in mongoengine 0.29 and in its master of June 2026, which becomes the release after 0.29.3.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from pymongo.client_session import ClientSession

from outbox.mongo.pymongo_internals import first_existing

_DOCUMENT = ("_class_name", "_data", "_db_field_map", "_dynamic", "_fields", "_fields_ordered", "_meta")


class Names(NamedTuple):
    """Holds what was found."""

    document_class: Callable[[str], Any]
    """Returns the document class of a `_cls`. Raises mongoengine's NotRegistered."""
    integers: tuple[type, ...]
    """mongoengine's integer fields; LongField is gone in the release after 0.29.3."""


@functools.cache
def names() -> Names:
    """Finds what message classes need of mongoengine, and imports it. Raises ImportError when a name is gone."""
    document = first_existing("mongoengine:EmbeddedDocument")
    probe = type(document)("_Probe", (document,), {"meta": {"abstract": True}})
    for name in _DOCUMENT:
        if not hasattr(probe, name):
            first_existing(f"mongoengine:EmbeddedDocument.{name}")  # raises
    mongoengine_session()
    fields = sys.modules["mongoengine.fields"]
    return Names(
        first_existing("mongoengine.base:get_document", "mongoengine.base.common:_DocumentRegistry.get"),
        tuple(getattr(fields, name) for name in ("IntField", "LongField") if hasattr(fields, name)),
    )


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
