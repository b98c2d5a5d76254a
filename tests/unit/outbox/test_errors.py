"""Whoever catches the root catches all of them, and each says and carries what there is to know."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

import outbox
import relay
from outbox import errors
from outbox.errors import (
    DeliveryError,
    DeliveryFailed,
    HistoryLost,
    OutboxError,
    PoisonMessage,
    UndecodableRecord,
    Verdict,
)

ALL = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Exception)]
HISTORY = HistoryLost(5, 8)
UNDECODABLE = UndecodableRecord(7, "65a000000000000000000001", "data")
POISON = PoisonMessage(7, "65a000000000000000000001", "order.placed", "42", "refused", "it is too large")
FAILED = DeliveryFailed(7, Verdict.RETRY, "the broker is away")


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_is_under_the_root_and_says_when_it_is_raised(error: type[Exception]) -> None:
    assert issubclass(error, OutboxError)
    assert error.__doc__


def test_no_error_of_the_language_is_a_root_of_ours() -> None:
    """`except ValueError` around a put is for the caller's own. Only `hasattr` and mocks ask for an AttributeError."""
    ours = [error for error in ALL if error is not errors.NotInMemory]
    assert [base for error in ours for base in error.__mro__[1:-3] if base not in ALL] == []


@pytest.mark.parametrize("package", [outbox, relay], ids=lambda package: package.__name__)
def test_every_error_that_a_package_exports_is_under_the_root(package: object) -> None:
    exported = [getattr(package, name) for name in package.__all__]  # type: ignore[attr-defined]  # a package has it
    found = [each for each in exported if inspect.isclass(each) and issubclass(each, Exception)]

    assert found
    assert [each for each in found if not issubclass(each, OutboxError)] == []


@pytest.mark.parametrize("error", [errors.UnknownMessage, errors.MessageTooLarge, errors.InvalidHeaders])
def test_a_refused_message_is_an_invalid_message_whatever_is_wrong_with_it(error: type[Exception]) -> None:
    assert issubclass(error, errors.InvalidMessage)


def test_what_only_delivering_raises_has_a_root_of_its_own() -> None:
    assert relay.RelayError is DeliveryError
    assert issubclass(PoisonMessage, DeliveryError)
    assert not issubclass(errors.InvalidMessage, DeliveryError)


def test_lost_history_says_what_is_gone_and_how_much() -> None:
    assert (HISTORY.expected, HISTORY.oldest) == (5, 8)
    assert "no longer holds seq 5; the oldest it holds is 8, so 3 record(s) were rolled over" in str(HISTORY)


def test_a_record_that_cannot_be_decoded_says_where_to_go_on() -> None:
    assert (UNDECODABLE.seq, UNDECODABLE.id, UNDECODABLE.field) == (7, "65a000000000000000000001", "data")
    assert "the data of the record with seq 7 (id 65a000000000000000000001)" in str(UNDECODABLE)
    assert str(UNDECODABLE).endswith("what comes next begins at 8")


def test_poison_is_named_and_said_to_be_the_first_that_is_not_delivered() -> None:
    assert (POISON.seq, POISON.id, POISON.code) == (7, "65a000000000000000000001", "refused")
    assert POISON.reason == "it is too large"
    assert POISON.finding == (
        "message seq 7 (id 65a000000000000000000001, type 'order.placed', key '42') cannot be delivered: "
        "it is too large"
    )
    assert str(POISON) == f"{POISON.finding}. Everything before it is delivered"


def test_a_poison_message_without_a_key_is_said_to_have_none() -> None:
    poison = PoisonMessage(1, "65a000000000000000000001", "order.placed", None, "undecodable", "why")

    assert "key None" in str(poison)


def test_a_failed_delivery_names_the_record_if_one_is_to_blame() -> None:
    assert (FAILED.seq, FAILED.verdict, FAILED.reason) == (7, Verdict.RETRY, "the broker is away")
    assert str(FAILED) == "seq 7: the broker is away"
    assert str(DeliveryFailed(None, Verdict.RETRY, "the broker is away")) == "the broker is away"


def copied(error: OutboxError) -> OutboxError:
    return copy.copy(error)


def sent(error: OutboxError) -> OutboxError:
    """As a pool of processes sends it to whoever waits for the result."""
    received: OutboxError = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    return received


@pytest.mark.parametrize("way", [copied, sent])
@pytest.mark.parametrize("error", [HISTORY, UNDECODABLE, POISON, FAILED, OutboxError("a", 1)], ids=repr)
def test_an_error_that_is_sent_to_another_process_arrives_whole(
    error: OutboxError, way: Callable[[OutboxError], OutboxError]
) -> None:
    error.add_note("what can be done")

    found = way(error)

    assert (type(found), str(found), found.args, vars(found)) == (type(error), str(error), error.args, vars(error))
