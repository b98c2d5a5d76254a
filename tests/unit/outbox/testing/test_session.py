"""A session in memory commits or aborts as pymongo's does."""

from __future__ import annotations

import pytest

from outbox.testing import MemorySession


def test_what_waits_for_the_commit_is_done_once_and_in_order() -> None:
    done: list[int] = []
    session = MemorySession()
    with session.start_transaction():
        assert session.in_transaction
        session.at_commit(lambda: done.append(1))
        session.at_commit(lambda: done.append(2))
        assert done == []
    with session.start_transaction():
        pass

    assert done == [1, 2]
    assert not session.in_transaction


def test_what_waits_for_a_commit_is_left_undone_by_an_abort() -> None:
    done: list[int] = []
    session = MemorySession()
    session.start_transaction()
    session.at_commit(lambda: done.append(1))
    session.abort_transaction()
    with session.start_transaction():  # an abort inside the `with` is not followed by a commit
        session.at_commit(lambda: done.append(2))
        session.abort_transaction()
    session.start_transaction()
    session.at_commit(lambda: done.append(3))
    session.end_session()

    assert done == []
    assert session.has_ended


def test_a_transaction_is_begun_and_ended_once() -> None:
    session = MemorySession()
    for end in (session.commit_transaction, session.abort_transaction):
        with pytest.raises(RuntimeError, match="start one first"):
            end()
    session.start_transaction()
    with pytest.raises(RuntimeError, match="in progress already"):
        session.start_transaction()


def test_with_transaction_returns_what_its_function_returns() -> None:
    session = MemorySession()

    assert session.with_transaction(lambda given: given is session) is True
    with pytest.raises(ZeroDivisionError):
        session.with_transaction(lambda _: 1 / 0)
    assert not session.in_transaction
