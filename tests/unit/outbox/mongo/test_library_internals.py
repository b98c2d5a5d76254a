"""The private names of libraries are where they were: the canary. Red means: find their new home in `internals`."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import mongoengine  # type: ignore[import-untyped]  # mongoengine ships no types
import pymongo
import pytest
from pymongo import MongoClient
from pymongo.synchronous import client_session

from outbox.mongo.library_internals import bound_session, mongoengine_session, own_limit

# Takes names away as a newer release does, and imports.
WITHOUT = """
import sys
import mongoengine, mongoengine.base, mongoengine.fields, pymongo.synchronous.client_session as client_session
{change}
import outbox
print("imported")
"""


def _imported(change: str) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(change=change)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_the_bound_session_is_where_it_is_looked_for() -> None:
    with MongoClient[dict[str, Any]](connect=False) as client, client.start_session() as session:
        assert bound_session() is None
        with session.bind(end_session=False):
            assert bound_session() is session is client_session._SESSION.get()
        assert bound_session() is None


def test_the_caller_s_own_limit_is_seen() -> None:
    with MongoClient[dict[str, Any]](connect=False) as client:
        assert own_limit(client) is None
        with pymongo.timeout(60):
            assert 50 < (own_limit(client) or 0) <= 60
    with MongoClient[dict[str, Any]](connect=False, timeoutMS=1000) as client:
        assert own_limit(client) == 1


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
    done = _imported(change)

    assert (done.stdout, done.stderr) == ("imported\n", "")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("del client_session._SESSION", "pymongo .* has no .*_SESSION"),
        ("del mongoengine.base.get_document, mongoengine.base.common.get_document", "mongoengine .*get_document"),
        ("import pymongo.helpers_shared as h; del h._check_write_command_response", "pymongo .*write_command"),
    ],
)
def test_a_name_that_is_gone_is_an_error_at_import_that_says_what_to_install(change: str, named: str) -> None:
    done = _imported(change)

    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ImportError")]
    assert "mongo-outbox relies on: install an older" in line
    assert re.search(named, line)
