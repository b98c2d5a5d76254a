"""System checks, for `manage.py check`: the settings; and, with `--database`, what the database has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import Error, Tags, register  # type: ignore[import-untyped]  # Django ships no types
from django.core.checks import Warning as Warned
from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]  # as above
from django.db import connections  # type: ignore[import-untyped]  # as above
from pymongo.errors import PyMongoError

from outbox.contrib.django import settings
from outbox.contrib.django.outbox import ENGINE, DjangoOutbox
from outbox.errors import OutboxError


@register("outbox")  # type: ignore[untyped-decorator]  # as above
def check_settings(**_: Any) -> list[Any]:
    """Finds what is wrong in OUTBOX, OUTBOX_CONSUMERS, OUTBOX_RELAY and DATABASES. Asks no server."""
    try:
        outboxes = settings.outboxes()
        settings.consumers()
        settings.relay()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="outbox.E001")]
    return [problem for each in outboxes for problem in _of_database(each)]


def _of_database(orders: DjangoOutbox) -> list[Any]:
    place = f"DATABASES[{orders.using!r}]"
    if orders.using not in connections.settings:
        return [Error(f"the outbox {orders.name!r} is in {place}, which there is not", id="outbox.E002")]
    database = connections.settings[orders.using]
    if database["ENGINE"] != ENGINE:
        return [Error(f"the outbox {orders.name!r} is in {place}, whose ENGINE is not {ENGINE}", id="outbox.E002")]
    if database["ATOMIC_REQUESTS"]:
        return [
            Warned(
                f"{place} has ATOMIC_REQUESTS, which starts no transaction on MongoDB",
                hint="put inside `with django_mongodb_backend.transaction.atomic():`",
                id="outbox.W001",
            )
        ]
    return []


@register(Tags.database)  # type: ignore[untyped-decorator]  # as above
def check_created(databases: Sequence[str] | None = None, **_: Any) -> list[Any]:
    """Finds outboxes that are not created, or lack a message type."""
    try:
        outboxes = settings.outboxes()
    except ImproperlyConfigured:
        return []  # check_settings tells
    return [problem for each in outboxes if each.using in (databases or ()) for problem in _of_server(each)]


def _of_server(orders: DjangoOutbox) -> list[Any]:
    try:
        lacking = set(orders.outbox.json_schemas()) - set(orders.outbox.types())
        orders.outbox.status()
    except (OutboxError, PyMongoError) as error:
        return [Error(f"the outbox {orders.name!r}: {error}", hint="manage.py outbox create", id="outbox.E003")]
    if lacking:
        what = f"the outbox {orders.name!r} does not accept yet: {', '.join(sorted(lacking))}"
        return [Error(what, hint="manage.py outbox create", id="outbox.E003")]
    return []
