"""How what changes a collection lets others through while it waits for open transactions."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError
from pymongo.synchronous import client_session

from outbox.mongo.calls import PAUSE_SECONDS, in_short_tries
from outbox.mongo.pymongo_internals import own_limit


def test_a_transaction_that_was_refused_comes_again_before_the_next_try() -> None:
    """Red also where the driver waits longer than it did, between two tries of a transaction: then so must we."""
    assert client_session._BACKOFF_MAX < PAUSE_SECONDS


def test_what_an_error_that_passes_has_ended_is_tried_again_after_a_pause() -> None:
    done: list[str] = []

    def change() -> None:
        done.append("try")
        if len(done) < 4:
            raise ExecutionTimeout("an open transaction", 50)

    in_short_tries(change, lambda: False, lambda _: done.append("pause"))

    assert done == ["try", "pause", "try", "pause", "try"]


def test_what_a_try_has_done_all_the_same_may_wait_longer_for_a_majority() -> None:
    limits: list[float] = []
    with MongoClient[dict[str, Any]](connect=False) as client:

        def change() -> None:
            limits.append(own_limit(client) or 0)
            if len(limits) < 2:
                raise ExecutionTimeout("an open transaction, or the majority", 50)

        in_short_tries(change, lambda: True, lambda _: None)

    tried, confirmed = limits
    assert 0 < tried <= 0.2
    assert confirmed > 1


def test_another_error_ends_it() -> None:
    def change() -> None:
        raise OperationFailure("no such collection", 26)

    with pytest.raises(OperationFailure, match="no such"):
        in_short_tries(change, lambda: False, lambda _: None)


def test_the_pause_may_end_it() -> None:
    def change() -> None:
        raise ExecutionTimeout("an open transaction", 50)

    def pause(error: PyMongoError) -> None:
        raise error

    with pytest.raises(ExecutionTimeout):
        in_short_tries(change, lambda: False, pause)
