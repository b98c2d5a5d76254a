"""Django is configured once in a process; each test has its own database, as Django's test runner would have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.db import connections
from pymongo.database import Database

from tests.actors import django_shop


@pytest.fixture(autouse=True)
def connection(mongo_uri: str, database: Database[Any]) -> Iterator[Any]:
    """The connection `default` of Django, to the test's database."""
    if not settings.configured:
        engine = "django_mongodb_backend"
        settings.configure(
            DATABASES={
                "default": {"ENGINE": engine, "HOST": mongo_uri, "NAME": database.name},
                "other": {"ENGINE": "django.db.backends.dummy"},
            },
            **django_shop.SETTINGS,
        )
        django.setup()
    connection = connections["default"]
    connection.settings_dict["NAME"] = database.name
    connection.ensure_connection()
    connection.database = connection.connection[database.name]
    django_shop.handled.clear()
    yield connection
    django_shop.orders.close()
    connection.close_pool()
