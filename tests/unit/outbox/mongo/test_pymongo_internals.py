"""The private names of pymongo are where they were. Red means: find where they are now, in `pymongo_internals`."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.command_cursor import CommandCursor
from pymongo.synchronous import client_session

from outbox.mongo.pymongo_internals import await_at_most, bound_session, own_limit, synchronous
from tests.doubles.changed_library import refusal_after


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


def test_how_long_a_stream_waits_is_where_it_is_looked_for() -> None:
    with MongoClient[dict[str, Any]](connect=False) as client:
        cursor = CommandCursor(client.a.b, {"id": 0, "firstBatch": [], "ns": "a.b"}, None, max_await_time_ms=5000)
        await_at_most(SimpleNamespace(_cursor=cursor), 7)
        assert cursor._max_await_time_ms == 7


def test_a_stream_that_tells_nothing_of_how_long_it_waits_is_left_as_it_is() -> None:
    await_at_most(SimpleNamespace(), 7)
    await_at_most(SimpleNamespace(_cursor=SimpleNamespace()), 7)


def test_the_settings_of_an_asynchronous_client_are_where_they_are_looked_for() -> None:
    made = AsyncMongoClient[dict[str, Any]]("mongodb://h:1/?w=1", appname="shop", maxPoolSize=7, tz_aware=True)

    with synchronous(made, MongoClient) as twin:
        options = twin.options.pool_options
        assert (options.appname, options.max_pool_size, twin.codec_options.tz_aware) == ("shop", 7, True)
        assert twin.write_concern.document == {"w": 1}
        assert twin._topology_settings.seeds == {("h", 1)}


def test_settings_that_are_gone_are_an_error_that_says_what_to_install() -> None:
    made = AsyncMongoClient[dict[str, Any]](connect=False)
    del made._init_kwargs

    with pytest.raises(ImportError, match=r"AsyncMongoClient._init_kwargs, which .*relies on: install an older"):
        synchronous(made, MongoClient)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("del client_session._SESSION", "pymongo .* has no .*_SESSION"),
        (
            "import pymongo; del pymongo.AsyncMongoClient._retryable_write",
            "pymongo .*AsyncMongoClient._retryable_write",
        ),
        (
            "import pymongo.asynchronous.client_session as a; del a._SESSION",
            r"pymongo .* has no pymongo\.asynchronous.*_SESSION",
        ),
        ("import pymongo.helpers_shared as h; del h._check_write_command_response", "pymongo .*write_command"),
    ],
)
def test_a_name_that_is_gone_is_an_error_at_import_that_says_what_to_install(change: str, named: str) -> None:
    line = refusal_after(change)

    assert "mongo-outbox relies on: install an older" in line
    assert re.search(named, line)
