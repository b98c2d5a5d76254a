"""What OUTBOX, OUTBOX_CONSUMERS and OUTBOX_RELAY may be."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from outbox.contrib.django import settings
from tests.actors import django_shop


def test_one_outbox_or_a_list_of_them() -> None:
    assert settings.outboxes() == [django_shop.orders]
    with override_settings(OUTBOX=["tests.actors.django_shop.orders"] * 2):
        assert settings.outboxes() == [django_shop.orders] * 2


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (None, "OUTBOX is not set"),
        ("tests.actors.django_shop.nothing", "cannot be imported"),
        ("tests.actors.django_shop.handled", "of type list, not a DjangoOutbox"),
        (7, "give a dotted path"),
    ],
)
def test_what_names_no_outbox_is_told(named: Any, says: str) -> None:
    with override_settings(OUTBOX=named), pytest.raises(ImproperlyConfigured, match=says):
        settings.outboxes()


def test_consumers_and_a_relay_are_functions_and_may_be_missing() -> None:
    assert settings.relay() is django_shop.relay
    with override_settings(OUTBOX_RELAY=None, OUTBOX_CONSUMERS=[]):
        assert settings.relay() is None
        assert settings.consumers() == {}
    with override_settings(OUTBOX_CONSUMERS="tests.actors.django_shop.billing"):
        assert settings.consumers() == {"tests.actors.django_shop.billing": django_shop.billing}
    with (
        override_settings(OUTBOX_CONSUMERS=["tests.actors.django_shop.handled"]),
        pytest.raises(ImproperlyConfigured, match="not a function"),
    ):
        settings.consumers()
