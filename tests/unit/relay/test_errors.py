"""The relay's errors: one root for all that only a relay raises, and all of them under the outbox's own."""

from __future__ import annotations

import inspect

import pytest

from outbox import errors as outbox_errors
from outbox.errors import OutboxError
from relay import errors
from relay.errors import InvalidSettings, RelayError, TopicMissing

EXPORTED = [getattr(errors, name) for name in errors.__all__]
ERRORS = [each for each in EXPORTED if inspect.isclass(each) and issubclass(each, Exception)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_whoever_catches_the_outboxs_root_catches_each(error: type[Exception]) -> None:
    assert issubclass(error, OutboxError)


@pytest.mark.parametrize("error", [InvalidSettings, TopicMissing], ids=lambda error: error.__name__)
def test_what_the_relay_adds_is_under_its_own_root(error: type[Exception]) -> None:
    assert issubclass(error, RelayError)


def test_what_it_shares_with_the_outbox_is_the_same_class_under_both_names() -> None:
    shared = [name for name in errors.__all__ if name in vars(outbox_errors)]

    assert shared
    assert [name for name in shared if getattr(errors, name) is not getattr(outbox_errors, name)] == []


def test_every_error_that_the_module_defines_is_exported() -> None:
    defined = {
        name for name, each in vars(errors).items() if inspect.isclass(each) and each.__module__ == "relay.errors"
    }

    assert defined <= set(errors.__all__)
    assert defined
