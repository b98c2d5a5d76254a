"""Which version a message was put as, and how an older one is read by a newer class."""

from __future__ import annotations

from typing import Any

import pytest
from mongoengine import EmbeddedDocument, fields

from outbox import InvalidMessage, InvalidMessageClass, message, message_type, upcast
from outbox.messages import versions
from outbox.messages.message_types import MessageTypes


@pytest.fixture(autouse=True)
def _none_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_upcasts", {})


@message("order.placed", version=3)
class OrderPlaced(EmbeddedDocument):
    cents = fields.IntField(required=True)
    currency = fields.StringField(required=True)


TYPES = MessageTypes([OrderPlaced])


def in_cents(data: dict[str, Any]) -> dict[str, Any]:
    return {"cents": round(100 * data.pop("total"))}


def with_currency(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "currency": "EUR"}


def declare_both() -> None:
    upcast("order.placed", 1)(in_cents)
    upcast("order.placed", 2)(with_currency)


def test_an_older_message_goes_through_all_upcasts_up_to_the_class() -> None:
    declare_both()

    read = TYPES.decode("order.placed", {"total": 1.5})

    assert (read.cents, read.currency) == (150, "EUR")


def test_it_begins_at_the_version_that_the_header_says() -> None:
    declare_both()

    read = TYPES.decode("order.placed", {"cents": 7}, {"schema-version": "2"})

    assert (read.cents, read.currency) == (7, "EUR")


def test_a_message_of_the_class_s_own_version_goes_through_none() -> None:
    read = TYPES.decode("order.placed", {"cents": 7, "currency": "CHF"}, {"schema-version": "3"})

    assert read.currency == "CHF"


def test_an_upcast_cannot_change_what_was_read() -> None:
    declare_both()
    data = {"total": 1.5}

    TYPES.decode("order.placed", data)

    assert data == {"total": 1.5}


def test_without_the_upcast_it_is_named() -> None:
    upcast("order.placed", 1)(in_cents)

    with pytest.raises(
        InvalidMessage, match=r"of version 1, the class here of version 3.* @upcast\('order.placed', 2\)"
    ):
        TYPES.decode("order.placed", {"total": 1.5})


def test_a_newer_message_is_not_guessed_at() -> None:
    with pytest.raises(InvalidMessage, match="of version 4, and the class here of version 3: deploy"):
        TYPES.decode("order.placed", {"cents": 7, "currency": "CHF"}, {"schema-version": "4"})


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "²", "99999", "1.0"])
def test_a_header_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage, match="a version is 1 to 9999"):
        TYPES.decode("order.placed", {}, {"schema-version": text})


def test_an_upcast_that_fails_is_named_with_its_error() -> None:
    declare_both()

    with pytest.raises(InvalidMessage, match="in_cents, its upcast from version 1, failed") as raised:
        TYPES.decode("order.placed", {})

    assert isinstance(raised.value.__cause__, KeyError)


def test_an_upcast_that_forgets_to_return_is_named() -> None:
    @upcast("order.placed", 1)
    def forgetful(data: dict[str, Any]) -> dict[str, Any]:
        data["cents"] = 1
        return None  # type: ignore[return-value]  # the mistake

    with pytest.raises(InvalidMessage, match="forgetful.*has returned no dict"):
        TYPES.decode("order.placed", {})


def test_two_upcasts_from_one_version_are_refused() -> None:
    upcast("order.placed", 1)(in_cents)

    with pytest.raises(InvalidMessageClass, match="in_cents already, and .*with_currency would be another"):
        upcast("order.placed", 1)(with_currency)


def test_a_module_that_is_loaded_again_may_declare_its_upcast_again() -> None:
    upcast("order.placed", 1)(in_cents)

    upcast("order.placed", 1)(in_cents)


@pytest.mark.parametrize("version", [0, -1, 10_000, True, "2", 1.0])
def test_what_is_no_version_is_refused_at_the_class(version: Any) -> None:
    with pytest.raises(InvalidMessageClass, match="give 1 to 9999"):
        message_type("t", schema={}, version=version)
    with pytest.raises(InvalidMessageClass, match="give 1 to 9999"):
        upcast("t", version)
