"""The private names of mongoengine are where they were. Red means: find where they are, in `mongoengine_internals`."""

from __future__ import annotations

import re

import mongoengine  # type: ignore[import-untyped]  # mongoengine ships no types

from outbox.messages.documents.mongoengine_internals import mongoengine_session
from tests.doubles.changed_library import import_after, refusal_after


def test_mongoengine_s_transactions_are_found_where_this_release_has_them() -> None:
    assert hasattr(mongoengine.connection, "_get_session") == hasattr(mongoengine, "run_in_transaction") or (
        mongoengine.VERSION < (0, 29, 4)
    )
    assert mongoengine_session() is None


def test_a_mongoengine_without_long_fields_and_with_a_wrapped_registry_is_imported() -> None:
    change = """
class Probe(mongoengine.EmbeddedDocument): pass  # from now on mongoengine itself does not look for its fields
class Registry:
    get = staticmethod(mongoengine.base.get_document)
mongoengine.base.common._DocumentRegistry = Registry
del mongoengine.base.get_document, mongoengine.base.common.get_document
del mongoengine.fields.LongField, mongoengine.LongField
"""
    done = import_after(change)

    assert (done.stdout, done.stderr) == ("imported\n", "")


def test_a_name_that_is_gone_is_an_error_at_import_that_says_what_to_install() -> None:
    line = refusal_after("del mongoengine.base.get_document, mongoengine.base.common.get_document")

    assert "mongo-outbox relies on: install an older" in line
    assert re.search("mongoengine .*get_document", line)
