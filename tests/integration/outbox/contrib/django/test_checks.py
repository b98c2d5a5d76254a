"""`manage.py check` finds what is wrong in the settings, and on the server."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.test import override_settings

from outbox.contrib.django.checks import check_created
from tests.actors.django_shop import orders


def problems(**databases: Any) -> list[str]:
    return [str(each.id) for each in checks.run_checks(**databases) if str(each.id).startswith("outbox.")]


def test_the_settings_are_checked() -> None:
    assert problems() == []
    for wrong in (None, "tests.actors.django_shop.nothing", "tests.actors.django_shop.billing", ["nowhere.orders"]):
        with override_settings(OUTBOX=wrong):
            assert problems() == ["outbox.E001"]
    with override_settings(OUTBOX_CONSUMERS=["tests.actors.django_shop.handled"]):
        assert problems() == ["outbox.E001"]


def test_the_database_is_checked(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert problems() == ["outbox.W001"]
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", False)
    monkeypatch.setattr(orders, "using", "other")
    assert problems() == ["outbox.E002"]
    monkeypatch.setattr(orders, "using", "none")
    assert problems() == ["outbox.E002"]


def test_what_the_server_has_is_checked_when_its_database_is_named() -> None:
    assert problems() == []
    assert problems(databases=["default"]) == ["outbox.E003"]
    orders.outbox.create()
    assert problems(databases=["default"]) == []
    assert check_created(databases=["other"]) == []
