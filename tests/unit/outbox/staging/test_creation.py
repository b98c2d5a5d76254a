"""How a new validator lets puts through while it waits."""

from __future__ import annotations

from pymongo.synchronous import client_session

from outbox.staging.creation import PAUSE_SECONDS


def test_a_put_that_was_refused_comes_again_before_the_next_try_for_a_new_validator() -> None:
    """Red also where the driver waits longer than it did, between two tries of a transaction: then so must we."""
    assert client_session._BACKOFF_MAX < PAUSE_SECONDS
